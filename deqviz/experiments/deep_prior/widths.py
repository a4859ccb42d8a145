"""Widths of a two-layer prior: certified, feasible, and observed interpolation threshold."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from scipy.optimize import linprog
from scipy.special import bdtrc
from torch import Tensor

from deqviz.experiments.deep_prior.two_layer import Activation, Draws, evolve, times

REFRESHED = 20
"""Steps between two looks at the step length and at which draws have arrived."""
LOOKED_BACK = 10
"""Such looks over which a pace is taken."""
_BOXES = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}
"""The closure of φ's range where that is bounded; softplus has the half-line."""


def fits(draws: Draws, steps: int = 1200, tolerance: float = 1e-3, *, is_both: bool = False) -> Tensor:
    """Whether ‖r‖ ≤ `tolerance`·‖y‖ within so many steps of gradient descent: b truth values."""
    *_, arrived = fitting(draws, steps, tolerance, is_both=is_both)
    return arrived


@torch.no_grad()
def fitting(
    draws: Draws,
    steps: int = 1200,
    tolerance: float = 1e-3,
    *,
    is_both: bool = False,
    pace: float = math.inf,
) -> Iterator[Tensor]:
    """Which draws have ‖r‖ ≤ `tolerance`·‖y‖, after every `REFRESHED` steps until all have or none is left.

    γ = 1/(L₁²‖B‖² + L₂‖B*r‖_∞), of each draw and refreshed; draws that have arrived are left out. So is, as
    none that arrives, one that could not even at `pace` times the pace of its last 200 steps.
    """
    arrived = torch.zeros(len(draws.start), dtype=torch.bool)
    left, places = draws, torch.arange(len(draws.start))
    size, rounds = torch.linalg.matrix_norm(draws.reduced, 2), math.ceil(steps / REFRESHED)
    history: list[Tensor] = []
    for count in range(1, rounds + 1):
        state = None
        for state in evolve(left, _step(left, size), is_both=is_both):
            if state.number == REFRESHED:
                break
        assert state is not None
        relative = state.residual.norm(dim=1) / left.data.norm(dim=1)
        is_there = relative <= tolerance
        arrived[places[is_there]] = True
        yield arrived.clone()
        history = [*history[-LOOKED_BACK:], relative]
        going = (~is_there & ~_is_late(history, rounds - count, tolerance, pace)).nonzero()[:, 0]
        if not len(going):
            break
        places, size, history = places[going], size[going], [past[going] for past in history]
        left = left.moved(state, is_both=is_both).chosen(going)
        if is_both:  # else B stays what it was
            size = torch.linalg.matrix_norm(left.reduced, 2)


def _is_late(history: Sequence[Tensor], left: int, tolerance: float, pace: float) -> Tensor:
    """Which residuals stay above the tolerance for the rounds that are `left`, at `pace` times their pace."""
    now, before = history[-1], history[0]
    if len(history) <= LOOKED_BACK or math.isinf(pace):
        return torch.zeros_like(now, dtype=torch.bool)
    fall = (now / before).clamp_max(1).log() / LOOKED_BACK
    return now.log() + pace * left * fall > math.log(tolerance)


def _step(draws: Draws, size: Tensor) -> Tensor:
    """γ of each draw, `size` being ‖B‖."""
    phi = draws.activation
    back = times(draws.reduced.mT, draws.residual(draws.start))
    return 1 / (phi.steepest**2 * size**2 + phi.bend * back.abs().amax(1))


def feasible(draws: Draws) -> Tensor:
    """Whether the data lie in the closure of what the hidden units can give, by linear programming: b values.

    y = Bc for some c in the closure of φ's range: without it no width is reached, with it zero loss is
    possible in the limit. With more measurements than unknowns these are n equations, in ran A.
    """
    low, high = _BOXES.get(draws.activation.name, (0.0, None))
    flags: list[bool] = []
    double = draws.double()
    measured, unknowns = draws.forward.shape[1:]
    matrices, data = double.reduced, double.data
    if measured > unknowns:
        matrices, data = double.range.mT @ matrices, times(double.range.mT, data)
    for B, y, is_possible in zip(matrices.numpy(), data.numpy(), double.is_in_range.tolist(), strict=True):
        if not is_possible:
            flags.append(False)
            continue
        # So small that a fifth of the time would go into preparing them.
        plain = {"presolve": False}
        solved = linprog(np.zeros(B.shape[1]), A_eq=B, b_eq=y, bounds=(low, high), options=plain)
        flags.append(solved.status == 0)
    return torch.tensor(flags)


def wendel(measured: int, width: int) -> float:
    """P(Bin(k, ½) ≥ m): that a Gaussian y is in the cone of k Gaussian columns. Wendel, 1962.

    Half of it where k = 2m.
    """
    return float(bdtrc(measured - 1, width, 0.5))


def threshold(activation: Activation, power: float = 1.0, *, is_centred: bool = False) -> float:
    """k*/m at which zero loss becomes feasible, for Gaussian A and E x†ᵢ² = `power`.

    2 for softplus, exactly. For φ with a bounded range min_c (τ² + b(c))/a(c)² with a(c) = E h·clip(ch) and
    b(c) = E clip(ch)², h ~ N(0, 1), by Gordon's comparison, not proved for V of signs; τ² = `power` in units
    of the box [−1, 1], plus that of its centre. `is_centred`: pairs of units with signs that differ have the
    box [−2, 2] times the half-width, without a centre, and k/2 of them stand for k.
    """
    if activation.name not in _BOXES:
        return 2.0
    low, high = _BOXES[activation.name]
    centre, half = (high + low) / 2, (high - low) / 2
    if is_centred:
        # y = AV₁c/√k with |cᵢ| ≤ 2·half: k/2 columns that are √2 shorter than those of that many units.
        return 2 * _box_threshold(power / (2 * half**2))
    return _box_threshold((power + centre**2) / half**2)


def _box_threshold(tau: float) -> float:
    c = np.exp(np.linspace(math.log(1e-2), math.log(1e3), 4000))
    inside = np.array([math.erf(1 / (v * math.sqrt(2))) for v in c])  # P(|h| < 1/c)
    density = np.exp(-0.5 / c**2) / math.sqrt(2 * math.pi)
    a = c * inside
    b = c**2 * (inside - 2 * density / c) + (1 - inside)
    return float(np.min((tau + b) / a**2))


def certified_width(activation: Activation, unknowns: int, misfit: float, sensitivity: float) -> float:
    """k ≈ 16L₂²n‖r₀‖²/(σ_A²C_φ′⁴) for V of signs, above which R′ < R once σ₀ is near its mean C_φ′."""
    return 16 * activation.bend**2 / activation.slope_power**2 * unknowns * misfit**2 / sensitivity**2


def half_success(widths: Sequence[int], shares: Sequence[float], level: float = 0.5) -> float | None:
    """The width at which half of the draws succeed, between the two it lies between on a logarithmic axis.

    None where no share is on both sides of `level`, a half.
    """
    pairs = sorted(zip(widths, shares, strict=True))
    for (k, p), (further, q) in pairwise(pairs):
        if p < level <= q:
            return float(k * (further / k) ** ((level - p) / (q - p)))
    return None
