"""Limits of the step size: two, the hypothesis that each needs, and the a-posteriori error bound.

For λA*(Ax − y) + F(x) = 0, T(x) = (I + αλA*A)⁻¹[x − αF(x) + αλA*y] and μ ≤ σ_min(A)²:
Lip(T) ≤ √(1 − 2αm + α²L_F²)/(1 + αλμ) where F is m-monotone and L_F-Lipschitz, with L_F = 2 − m below 1 for
α < 2m/(2 − m)²; and Lip(T) ≤ (|1 − α| + α(1 − m))/(1 + αλμ) where Lip(Id − F) ≤ 1 − m, for α < 2/(2 − m).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from deqviz.core.guarantee import Guarantee, in_letters, quantity
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Problem
from deqviz.core.regularizer import Regularizer
from deqviz.core.space import Data, Image, norm
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.equilibrium.distance_to_limit import State, finite, schedule, under
from deqviz.experiments.monotone.forward_backward import (
    Margin,
    Target,
    defect,
    forward_backward,
    margin_of,
    seen_everywhere,
    target,
)
from deqviz.methods._theory import bounds

__all__ = ["Example", "StepLimits", "StepRow"]

ABOVE = 1e3
"""Distances below this many errors of the target say nothing about the factor."""
GROWTH = 1e4
"""A distance that grew by this will not come back."""


@dataclass(frozen=True)
class Example:
    """One F on one problem, and the steps α that are tried from one start.

    `hoped` is the m that an F without a certificate was trained for. `is_blind`: A sees nothing of some
    images on which F = mId + K with a skew K, so that the first rate is attained.
    """

    key: str
    title: str
    operator: ForwardModel
    data: Data
    regularizer: Regularizer
    weight: float
    start: Image
    steps: tuple[float, ...]
    max_steps: int = 300
    hoped: float | None = None
    is_blind: bool = False

    @property
    def margin(self) -> Margin | None:
        """What is known, or hoped for, of F."""
        return margin_of(self.regularizer, self.hoped)


@dataclass(frozen=True, slots=True)
class StepRow(Row):
    """One run at the step α after k iterations; lengths are shares of ‖x*‖.

    `distance` is ‖x_k − x*‖, `moved` the usual ‖x_{k+1} − x_k‖/‖x_k‖, `certified` ‖λA*(Ax_k − y) + F(x_k)‖/m.
    `factor` is the largest ‖x_{j+1} − x*‖/‖x_j − x*‖ so far, less what the errors of x* and T may add;
    `first` and `second` are the two bounds of it. `known` says whether m is certified, hoped for, or unknown.
    """

    example: str
    step: float
    k: int
    state: State
    distance: float | None
    moved: float | None
    certified: float | None
    factor: float | None
    first: float | None
    second: float | None
    known: str
    room: float
    sharp: str = ""

    @property
    def key(self) -> Key:
        """Example, step and iteration."""
        return (self.example, self.step, self.k)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """The certificate at every row; the rates, and that one of them is attained, at the end."""
        guarantees = (self._certificate(),)
        if self.state == "going":
            return guarantees
        first = self._rate(
            "first", "A-priori linear rate from m and Lip(F)", "κ₁ = √(1 − 2αm + α²(2 − m)²)", self.first
        )
        second = self._rate(
            "second", "A-priori linear rate from Lip(H) ≤ 1 − m", "κ₂ = |1 − α| + α(1 − m)", self.second
        )
        rows = (*guarantees, first, second, *((self._sharp(),) if self.sharp else ()))
        return in_letters("monotone operator learning", rows)

    def _certificate(self) -> Guarantee:
        name, statement = "A-posteriori error bound", "‖x − x*‖ ≤ ‖λA*(Ax − y) + F(x)‖/m"
        if self.certified is None or self.distance is None:
            return Guarantee(
                "certificate",
                name,
                statement,
                "not verifiable",
                "no m is known",
                value=quantity(self.distance),
            )
        if self.known == "hoped for":
            reason = "m is only what this network was trained for: nothing proves it"
            return Guarantee(
                "certificate",
                name,
                statement,
                "estimated",
                reason,
                quantity(self.certified),
                quantity(self.distance),
            )
        reason = "holds for every x, whatever the step and however it was found"
        bound = self.certified + self.room
        return Guarantee(
            "certificate", name, statement, "certified", reason, quantity(bound), quantity(self.distance)
        )

    def _rate(self, key: str, name: str, statement: str, bound: float | None) -> Guarantee:
        statement = f"‖x_{{k + 1}} − x*‖ ≤ {statement} ‖x_k − x*‖"
        if bound is None:
            reason = "no m is known" if self.known == "unknown" else "Lip(Id − F) is more than 1 − m here"
            return Guarantee(key, name, statement, "hypothesis violated", reason, value=quantity(self.factor))
        if bound >= 1:
            reason = f"α = {self.step:.3g} is too large for this hypothesis: T may expand by {bound:.4g}"
            return Guarantee(key, name, statement, "hypothesis violated", reason, value=quantity(self.factor))
        if self.known == "hoped for":
            reason = "m is only what this network was trained for: nothing proves it"
            return Guarantee(
                key, name, statement, "estimated", reason, quantity(bound), quantity(self.factor)
            )
        reason = f"α = {self.step:.3g}: T contracts by {bound:.5g} at least"
        return Guarantee(key, name, statement, "certified", reason, quantity(bound), quantity(self.factor))

    def _sharp(self) -> Guarantee:
        # Two numbers that theory has equal: the bound may not be below what was seen by more than rounding.
        name, statement = "Sharpness of the first rate", "κ₁ is attained for F = m Id + S with S skew"
        return Guarantee(
            "sharp",
            name,
            statement,
            "certified",
            self.sharp,
            quantity(self.factor),
            quantity(self.first),
            1e-3 * (self.factor or 0.0),
        )


@dataclass(frozen=True)
class StepLimits(Experiment[StepRow]):
    """All steps of all examples, one run after the other, each until ‖x_k − x*‖ ≤ `tolerance`·‖x*‖.

    Gone on with run by run.
    """

    examples: tuple[Example, ...]
    tolerance: float = 1e-8

    @property
    def row_type(self) -> type[StepRow]:
        """`StepRow`."""
        return StepRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Examples, steps, iterations; a run that ended leaves its later iterations out."""
        return tuple((e.key, step, k) for e in self.examples for step in e.steps for k in ks(e))

    @torch.no_grad()
    def run(self, old_rows: Sequence[StepRow] = ()) -> Iterator[Progress[StepRow]]:
        """The rows, run by run; one that diverges raises nothing, it is rows too."""
        total, done = len(self.cells), 0
        for example in self.examples:
            solution: Target | None = None
            problem = Problem(example.operator, example.data, 0.0)
            for step in example.steps:
                own_rows = [row for row in old_rows if row.key[:2] == (example.key, step)]
                if not any(row.state != "going" for row in own_rows):
                    own_rows = []
                    if solution is None:
                        yield Progress(done, total)
                        work = target(problem, example.regularizer, example.weight, example.start)
                        sign: Progress[StepRow] = Progress(done, total)
                        solution = yield from under(work, sign)
                    for row in self._rows(example, step, problem, solution):
                        yield Progress(done, total, row)
                for row in own_rows:
                    yield Progress(done, total, row)
                done += len(ks(example))

    def _rows(
        self, example: Example, step: float, problem: Problem, solution: Target
    ) -> Iterator[StepRow | None]:
        weight, margin, size = example.weight, example.margin, float(norm(solution.x))
        T, iterations = forward_backward(problem, example.regularizer, weight, step), set(ks(example))
        # What T and the target are known to, as a length.
        error = solution.error + 4 * bounds(problem.operator).step_error(1 / (step * weight)) * size
        bottom = seen_everywhere(problem.operator, weight)
        x, factor = example.start, None
        begun = far = float(norm(x - solution.x))
        for k in range(example.max_steps + 1):
            fx = T(x)
            after = float(norm(fx - solution.x))
            if far > ABOVE * error and math.isfinite(after):
                ratio = max(after - error, 0.0) / (far + error)
                factor = ratio if factor is None else max(factor, ratio)
            # Only where a row is due: what a run may be asked for is known before it begins.
            state: State = self._state(k, example, far, begun, size) if k in iterations else "going"
            if k not in iterations:
                yield None
            else:
                moved = float(norm(fx - x) / norm(x).clamp_min(1e-300))
                yield StepRow(
                    example.key,
                    step,
                    k,
                    state,
                    finite(far / size),
                    finite(moved),
                    _certified(problem, example, margin, x, size),
                    factor,
                    None if margin is None else margin.first_rate(step, bottom),
                    None if margin is None else margin.second_rate(step, bottom),
                    "unknown" if margin is None else "certified" if margin.is_certified else "hoped for",
                    error / size,
                    _why(example, margin),
                )
            if state != "going":
                return
            x, far = fx, after

    def _state(self, k: int, example: Example, far: float, begun: float, size: float) -> State:
        if not far < GROWTH * max(begun, size):
            return "diverged"
        if far <= self.tolerance * size:
            return "arrived"
        if k < example.max_steps:
            return "going"
        return "diverged" if far > begun else "stopped"


def ks(example: Example) -> tuple[int, ...]:
    """The iterations that are looked at: `schedule`, and of long runs two hundred."""
    sparse = max(1, example.max_steps // 2000) * 10
    return tuple(
        k for k in schedule(example.max_steps) if k <= 300 or k % sparse == 0 or k == example.max_steps
    )


def _certified(
    problem: Problem, example: Example, margin: Margin | None, x: Image, size: float
) -> float | None:
    if margin is None:
        return None
    value = float(norm(defect(problem, example.regularizer, example.weight, x)))
    return finite(value / margin.monotonicity / size)


def _why(example: Example, margin: Margin | None) -> str:
    if not example.is_blind or margin is None:
        return ""
    return "on ker A the eigenvalues of T are 1 − α(m ± is)"
