"""How wide a two-layer prior must be to fit its data: certified, feasible, and as observed."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from scipy.optimize import linprog
from scipy.stats import binom
from torch import Tensor

from deqviz.experiments._two_layer import Activation, Draws, evolve, times

REFRESHED = 20
"""Steps between two looks at the step length and at which draws have arrived."""
_BOXES = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}
"""The closure of φ's range where that is bounded; softplus has the half-line."""


def fits(draws: Draws, steps: int = 1200, tolerance: float = 1e-3, *, is_both: bool = False) -> Tensor:
    """Whether ‖r‖ ≤ `tolerance`·‖y‖ within so many steps of gradient descent: b truth values.

    γ = 1/(L₁²‖B‖² + L₂‖B*r‖_∞), of each draw and refreshed; draws that have arrived are left out.
    """
    arrived = torch.zeros(len(draws.start), dtype=torch.bool)
    left, places = draws, torch.arange(len(draws.start))
    for _ in range(math.ceil(steps / REFRESHED)):
        state = None
        for state in evolve(left, _step(left), is_both=is_both):
            if state.number == REFRESHED:
                break
        assert state is not None
        is_there = state.residual.norm(dim=1) <= tolerance * left.data.norm(dim=1)
        arrived[places[is_there]] = True
        going = (~is_there).nonzero()[:, 0]
        if not len(going):
            break
        places = places[going]
        left = left.moved(state, is_both=is_both).chosen(going)
    return arrived


def _step(draws: Draws) -> Tensor:
    phi, B = draws.activation, draws.reduced
    back = times(B.mT, draws.residual(draws.start))
    return 1 / (phi.steepest**2 * torch.linalg.matrix_norm(B, 2) ** 2 + phi.bend * back.abs().amax(1))


def feasible(draws: Draws) -> Tensor:
    """Whether the data lie in the closure of what the hidden units can give, by linear programming: b values.

    y = Bc for some c in the closure of φ's range: without it no width is reached, with it zero loss is
    possible in the limit.
    """
    low, high = _BOXES.get(draws.activation.name, (0.0, None))
    found: list[bool] = []
    for B, y in zip(draws.reduced.double().numpy(), draws.data.double().numpy(), strict=True):
        solved = linprog(np.zeros(B.shape[1]), A_eq=B, b_eq=y, bounds=(low, high), method="highs")
        found.append(solved.status == 0)
    return torch.tensor(found)


def wendel(measured: int, width: int) -> float:
    """P(Bin(k, ½) ≥ m): that a Gaussian y is in the cone of k Gaussian columns. Wendel, 1962.

    Half of it where k = 2m.
    """
    return float(binom.sf(measured - 1, width, 0.5))


def threshold(activation: Activation, power: float = 1.0) -> float:
    """k*/m at which zero loss becomes feasible, for Gaussian A and E x†ᵢ² = `power`.

    2 for softplus, exactly. For φ with a bounded range min_c (τ² + b(c))/a(c)² with a(c) = E h·clip(ch) and
    b(c) = E clip(ch)², h ~ N(0, 1), by Gordon's comparison, not proved for V of signs; τ² = `power` in units
    of the box [−1, 1], plus that of its centre.
    """
    if activation.name not in _BOXES:
        return 2.0
    low, high = _BOXES[activation.name]
    centre, half = (high + low) / 2, (high - low) / 2
    tau = (power + centre**2) / half**2
    c = np.exp(np.linspace(math.log(1e-2), math.log(1e3), 4000))
    inside = np.array([math.erf(1 / (v * math.sqrt(2))) for v in c])  # P(|h| < 1/c)
    density = np.exp(-0.5 / c**2) / math.sqrt(2 * math.pi)
    a = c * inside
    b = c**2 * (inside - 2 * density / c) + (1 - inside)
    return float(np.min((tau + b) / a**2))


def certified_width(activation: Activation, unknowns: int, misfit: float, sensitivity: float) -> float:
    """k ≈ 16L₂²n‖r₀‖²/(σ_A²C_φ′⁴) for V of signs, above which R′ < R once σ₀ is near its mean C_φ′."""
    return 16 * activation.bend**2 / activation.slope_power**2 * unknowns * misfit**2 / sensitivity**2


def half_success(widths: Sequence[int], shares: Sequence[float]) -> float | None:
    """The width at which half of the draws succeed, between the two it lies between on a logarithmic axis.

    None where no share is on both sides of a half.
    """
    pairs = sorted(zip(widths, shares, strict=True))
    for (k, p), (further, q) in pairwise(pairs):
        if p < 0.5 <= q:
            return float(k * (further / k) ** ((0.5 - p) / (q - p)))
    return None
