"""Convergence of MOL's approximate version against its strict one: the same number of steps of both."""

from collections.abc import Sequence

from deqviz.core.guarantee import Curve, Guarantee, Quantity
from deqviz.experiments.monotone.beyond_depth import DEPTH, TRAINED, DepthRow

__all__ = ["convergence_against_strict"]


def convergence_against_strict(
    approximate: Sequence[DepthRow], strict: Sequence[DepthRow], ks: Sequence[int] = (TRAINED, DEPTH)
) -> Guarantee:
    """‖T(x_k) − x_k‖/‖T(x_k)‖ of the approximate network ≤ that of the strict one after as many steps k.

    At the depth that unrolled networks are trained for and at the end. A run that ended early, no longer
    finite, counts with its last step. The allowance is what the inexact solves of T may add to a residual.
    Estimated: nothing is proved of the approximate network. Pramanik, Zimmerman and Jacob, 2023.
    """
    pairs = [(k, _at(approximate, k), _at(strict, k)) for k in ks]
    known = [(k, a, s) for k, a, s in pairs if a is not None and s is not None]
    accuracy = max((row.accuracy for row in strict), default=0.0)
    k = [k for k, _, _ in known]
    return Guarantee(
        "comparison",
        "Convergence of approximate against strict MOL",
        "‖T(x_k) − x_k‖/‖T(x_k)‖: approximate ≤ strict",
        "estimated",
        f"the paper finds both comparable, read as no larger a residual at k = {' and '.join(map(str, ks))} "
        "of the same iteration; proved of neither",
        Quantity(Curve(k, [s.residual for _, _, s in known])),
        Quantity(Curve(k, [a.residual for _, a, _ in known])),
        accuracy,
    )


def _at(rows: Sequence[DepthRow], k: int) -> DepthRow | None:
    """The row of this step, or of an earlier one that was the last."""
    return next((row for row in rows if row.k == k or (row.psnr is None and row.k < k)), None)
