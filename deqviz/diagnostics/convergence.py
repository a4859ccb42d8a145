"""Empirical contraction factors: ratios and slopes of the gaps ‖f(z_k) − z_k‖."""

import math
from collections.abc import Sequence
from itertools import pairwise

from deqviz.core.estimate import Estimate


def largest_ratio(gaps: Sequence[float], *, floor: float = 0.0) -> Estimate | None:
    """max gap_{k+1}/gap_k over the gaps above `floor`; None when no two of them follow each other.

    For plain iteration of f a lower bound of its Lipschitz constant, since z_{k+1} = f(z_k); for other
    solvers it describes the run only. `floor` keeps rounding out: there the ratio is about 1.
    """
    ratios = [b / a for a, b in pairwise(gaps) if a > floor and b > floor and math.isfinite(b)]
    return Estimate("largest ratio of gaps", max(ratios), "lower bound") if ratios else None


def tail_rate(gaps: Sequence[float], *, floor: float = 0.0, share: float = 0.5) -> float | None:
    """The factor per step e^s, s the least-squares slope of log gap on the last `share` above `floor`.

    A description, not a bound; None with fewer than three gaps to fit. The run is cut where it first
    falls to `floor` or stops being finite.
    """
    length = next((k for k, gap in enumerate(gaps) if not floor < gap < math.inf), len(gaps))
    first = min(math.floor((1 - share) * length), max(length - 3, 0))
    ks = range(first, length)
    if len(ks) < 3:
        return None
    logs = [math.log(gaps[k]) for k in ks]
    middle, mean = sum(ks) / len(ks), sum(logs) / len(logs)
    rise = sum((k - middle) * (y - mean) for k, y in zip(ks, logs, strict=True))
    return math.exp(rise / sum((k - middle) ** 2 for k in ks))
