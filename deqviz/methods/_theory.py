"""Certified constants of a map T, and the hypotheses that fail.

The theorems T1, T3 and T7 of the notes on equilibrium regularisation; docs/methods.md states them.
"""

import math
from dataclasses import dataclass

import torch

from deqviz.core.guarantee import Claim, Void
from deqviz.core.operator import ForwardModel
from deqviz.core.rounding import accumulated

ROUNDING = 1e-12
"""What the few operations that make a margin may lose: a margin above −10⁻¹² counts as 0."""


OF_A_NETWORK = "two epsilons a step of what rounding may do are the network's: measured, not proved"
AT_THE_END = ", except at the last iterate, where double precision proves it"
BY_CONTRACTION = "‖T(x_k) − x_k‖/(1 − κ)"


def inverse(margin: float) -> float:
    """1/`margin`, or 0, which says nothing."""
    return 1 / margin if margin > 0 else 0.0


def significant(margin: float) -> float:
    """`margin`, or 0 where it is so small and positive that κ < 1 would be true and useless."""
    return 0.0 if -ROUNDING < margin < 1e-8 else margin


@dataclass(frozen=True, slots=True)
class Bounds:
    """Certified numbers of A: top ≥ ‖A‖² and 0 ≤ bottom ≤ σ_min(A)²; and what arithmetic can resolve.

    `rounding` bounds the relative error of A*A in the precision of the images, `wide` in the one in which
    data are solved for; `resolution` is what the images can tell apart, where a run may stop and nothing is
    certified. `tolerance` is that at which the resolvent's conjugate gradients stop, 0 for a closed form.
    """

    top: float
    bottom: float
    rounding: float
    tolerance: float
    wide: float = 0.0
    resolution: float = 0.0

    def step_error(self, weight: float) -> float:
        """The relative error of one Tikhonov step with ρ = `weight`.

        A closed form errs by rounding only. Conjugate gradients stop at their tolerance of a residual that is
        itself known up to rounding, and the condition number turns that into an error.
        """
        return self._step(self.rounding, weight)

    @property
    def learned(self) -> float:
        """What R or a denoiser loses, relative to the image: measured, 1.6 epsilons at most, not proved."""
        return self.resolution

    def step_resolution(self, weight: float) -> float:
        """Below this relative gap the iterates of such steps wander: where a run may stop."""
        return self._step(self.resolution, weight)

    def _step(self, rounding: float, weight: float) -> float:
        if self.tolerance == 0:
            return rounding
        return self.tolerance + rounding * (self.top + weight) / (self.bottom + weight)

    def solve_error(self, weight: float, size: float) -> float:
        """‖computed − exact‖ of `ForwardModel.solve` for ‖y‖ = `size`, but for the rounding of the result.

        A refined solution of conjugate gradients is as wrong as two of them one after the other.
        """
        twice = self.step_error(weight) ** 2 if self.tolerance else 0.0
        return (self.wide + twice) * math.sqrt(self.top) * size / (self.bottom + weight)

    def gradient_error(self, step: float, size: float) -> float:
        """What the computed A*y, for ‖y‖ = `size`, adds to a gradient step."""
        return step * math.sqrt(self.top) * self.rounding * size


def bounds(operator: ForwardModel) -> Bounds:
    """The bounds of one operator, computed once: some norms take a while.

    Kept on the operator itself: a table of operators would keep them alive, and one of tomography is 150 MB.
    """
    kept = vars(operator)
    if "_bounds" not in kept:
        kept["_bounds"] = _bounds(operator)
    return kept["_bounds"]


def _bounds(operator: ForwardModel) -> Bounds:
    top, low = operator.norm_bound().value ** 2, operator.smallest_singular_value().value
    wide = accumulated(operator.roundings, torch.float64) if operator.takes_double else operator.rounding
    inexact = operator.resolvent_kind == "conjugate gradients"
    # The two tolerances are those that ForwardModel.resolvent promises.
    tolerance = 1e-12 if operator.image.real_dtype == torch.float64 else 1e-6
    # A computed singular value below 10⁻⁵‖A‖ is rounding, and its square says nothing in any case.
    bottom = low**2 if low > 0 and low**2 > 1e-10 * top else 0.0
    tolerance = tolerance if inexact else 0.0
    return Bounds(top, bottom, operator.rounding, tolerance, wide, operator.resolution)


def of_null_space(operator: ForwardModel) -> Void:
    """Which void it is where σ_min(A) > 0 is not proved: A has a null space where it measures too little."""
    seen = operator.codomain.size if operator.measured is None else int(operator.measured.sum())
    reals = 2 if operator.codomain.dtype.is_complex else 1
    return "hypothesis violated" if reals * seen < operator.domain.size else "not verifiable"


@dataclass(frozen=True, slots=True)
class Theory:
    """What is proved of T: its contraction, its fixed points, and how far rounding lets one look.

    `margin` is 1 − κ for a certified Lipschitz constant κ of T, negative where T may expand, None where no
    constant is known. `error` is the certified E with ‖x − x*‖ ≤ E ‖T(x) − x‖ for every x, which also says
    that there is one fixed point only; None where that is not proved. `gain` is the certified Lipschitz
    constant of y ↦ x*. `floor` bounds the relative error of one evaluation of T, by rounding or inexact
    solves; `bias` that of what was computed once for all evaluations, and `offset` the same as a length, for
    what is relative to y. `resolution` is where a run may stop: no bound.
    """

    margin: float | None
    error: float | None
    gain: float | None
    is_averaged: bool
    floor: float
    because: str
    """Why κ has this value, with the numbers."""
    bias: float = 0.0
    offset: float = 0.0
    resolution: float = 0.0
    single: str = ""
    """Why there is one fixed point; `because` where empty."""
    obstacle: str = ""
    """The hypothesis that fails where T is not known to contract."""
    several: str = ""
    """The hypothesis that fails where more than one fixed point is possible; `obstacle` where empty."""
    gain_statement: str = "‖x₁ − x₂‖ ≤ C ‖y₁ − y₂‖"
    error_statement: str = "‖x_k − x*‖ ≤ ‖T(x_k) − x_k‖/(1 − κ)"
    noun: str = "fixed point"
    void: Void = "hypothesis violated"
    """Which void it is where nothing is proved."""
    claim: Claim = "certified"
    """What is claimed where something is: "stated" where a constant is a user's word."""
    paper: str = ""
    """Whose letters the statements use."""
    unproved: str = ""
    """What of the rounding is measured only."""

    @property
    def kappa(self) -> float | None:
        """κ itself."""
        return None if self.margin is None else 1 - self.margin

    @property
    def why_single(self) -> str:
        """The reason for one fixed point."""
        return self.single or self.because

    @property
    def why_several(self) -> str:
        """The reason why there may be more than one."""
        return self.several or self.obstacle

    @property
    def is_contraction(self) -> bool:
        """Whether κ < 1 is proved."""
        return self.margin is not None and self.margin > 0

    @property
    def is_nonexpansive(self) -> bool:
        """Whether κ ≤ 1 is proved, up to the rounding of the constants themselves."""
        return self.margin is not None and self.margin >= -ROUNDING


def nearest(*bounds: tuple[float, str]) -> tuple[float | None, str]:
    """The least of E with ‖x − x*‖ ≤ E ‖T(x) − x‖, and the statement of that one; the first among equals.

    Those that are not positive say nothing.
    """
    known = [pair for pair in bounds if 0 < pair[0] < math.inf]
    if not known:
        return None, "‖x_k − x*‖ ≤ E ‖T(x_k) − x_k‖"
    error, text = min(known, key=lambda pair: float(f"{pair[0]:.3g}"))
    return error, f"‖x_k − x*‖ ≤ {text}"


def equilibrium_gain(bound: Bounds, weight: float, monotonicity: float) -> float | None:
    """C with ‖x₁ − x₂‖ ≤ C‖y₁ − y₂‖ for A*(Ax − y) + αR(x) = 0 (T3, with σ = σ_min(A) used too).

    From αc‖h‖² + ‖Ah‖² ≤ ‖e‖‖Ah‖ and ‖Ah‖ ≥ σ‖h‖: C = σ/(σ² + αc) if σ² ≥ αc, else 1/(2√(αc)). None where
    σ² + αc ≤ 0. The first case also covers c < 0.
    """
    strong = weight * monotonicity
    if bound.bottom + strong <= 0:
        return None
    if bound.bottom >= strong:
        return math.sqrt(bound.bottom) / (bound.bottom + strong)
    return 1 / (2 * math.sqrt(strong))
