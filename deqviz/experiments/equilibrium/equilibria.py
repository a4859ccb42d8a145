"""Equilibria to high accuracy for a sequence of vanishing noise; no ground truth is used.

An equilibrium at small α is the small difference of large numbers: A*y/α is known to eps·‖y‖/α only. So it
is sought from an image x₀ already near it, as x₀ + d with A*(Ad − (y − Ax₀)) + αR(x₀ + d) = 0: the same
method, for the operator d ↦ R(x₀ + d) with R's constants and for data as small as the misfit.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch

from deqviz.core.operator import ForwardModel
from deqviz.core.records import Problem, Solver
from deqviz.core.regularizer import Constants, Regularizer
from deqviz.core.space import Batch, Data, Image, inner, norm, scale
from deqviz.methods._theory import bounds, equilibrium_gain
from deqviz.methods.equilibrium import Equilibrium
from deqviz.solvers.anderson import Anderson
from deqviz.solvers.broyden import Broyden

ROUNDS = 3
"""How often x₀ moves: once to come near, once to remove the rounding, once where the start was far."""
PATIENCE = 80
"""Evaluations without a gap below 0.9 of the least so far: what is left is rounding, or no contraction."""


@dataclass(frozen=True)
class Shifted(Regularizer):
    """d ↦ R(x₀ + d), with the constants of R."""

    base: Regularizer
    origin: Image

    def __call__(self, x: Image) -> Image:
        """R(x₀ + x)."""
        return self.base(self.origin + x)

    def constants(self) -> Constants:
        """Those of R."""
        return self.base.constants()


@dataclass(frozen=True, slots=True)
class Solved:
    """A batch of equilibria and how well they were found.

    `misfit` is y − Ax, `value` R(x), `defect` f = A*(Ax − y) + αR(x), which is 0 at the equilibrium x*.
    `distance` bounds ‖x − x*‖ for every item: by ‖T(x) − x‖/(1 − κ), or, where A*A + αβ is inverted by
    conjugate gradients, by ‖f‖/(σ_min² + αc). None where neither is proved. `evaluations` counts T.
    """

    x: Image
    misfit: Data
    value: Image
    defect: Image
    distance: float | None
    evaluations: int


@dataclass(frozen=True)
class Equation:
    """A*(Ax − y) + αR(x) = 0 without its y and α: all that a solve may know. Mathematics wants float64.

    A solve ends when the certified distance to the equilibrium is `accuracy` times what the noise alone
    may do to it, or at rounding, or after `max_steps` evaluations in each of three rounds.
    """

    operator: ForwardModel
    regularizer: Regularizer
    solver: Solver = Anderson()
    accuracy: float = 1e-7
    max_steps: int = 1000

    @property
    def monotonicity(self) -> float:
        """The certified c of R; not positive where R is not known to be strongly monotone."""
        return self.regularizer.constants().monotonicity.value

    @property
    def lipschitz(self) -> float:
        """The certified L_R of R."""
        return self.regularizer.constants().lipschitz.value

    def goal(self, noise: float, weight: float) -> float:
        """`accuracy`·δ times the certified gain of the noise, T3 of the notes.

        Where c is not positive, β stands for it: some distance must be asked for.
        """
        gain = equilibrium_gain(bounds(self.operator), weight, self.monotonicity)
        if gain is None:
            gain = 1 / (2 * math.sqrt(weight * self.regularizer.constants().center))
        return self.accuracy * noise * gain

    @torch.no_grad()
    def solve(
        self, data: Data, weight: float, start: Image, goal: float = 0.0
    ) -> Generator[int, None, Solved]:
        """The equilibria of a batch of data at one α; yields the number of evaluations after each of them.

        `goal` is the distance at which to stop; 0 goes down to rounding. Raises ArithmeticError when the
        iteration is no longer finite.
        """
        A, x, used, gap, factor, proved = self.operator, start, 0, math.inf, 1.0, False
        solver: Solver = self.solver
        for _ in range(ROUNDS):
            method = Equilibrium(solver=solver, regularizer=Shifted(self.regularizer, x), weight=weight)
            problem = Problem(A, data - A(x), 0.0)
            theory = method.theory(problem)
            factor, proved = theory.error or 1.0, theory.error is not None
            rounding = 16 * theory.resolution * float(norm(x).max())
            least, since = math.inf, 0
            for iterate in method.iterates(problem, torch.zeros_like(x)):
                used, gap = used + 1, float(iterate.gap)
                if not math.isfinite(gap):
                    raise ArithmeticError(f"the equilibrium is no longer finite at evaluation {used}")
                least, since = (gap, 0) if gap < 0.9 * least else (least, since + 1)
                yield used
                is_there = gap <= max(goal / factor, rounding)
                if is_there or since > PATIENCE or iterate.k >= self.max_steps:
                    x = x + iterate.x
                    break
            if iterate.k == 0 and is_there:  # pyright: ignore[reportPossiblyUnboundVariable]
                break
            if not is_there:  # pyright: ignore[reportPossiblyUnboundVariable]
                # Without a contraction either acceleration may come to rest where the other goes on.
                solver = Broyden()
        misfit, value = data - A(x), self.regularizer(x)
        defect = weight * value - A.adjoint(misfit)
        return Solved(x, misfit, value, defect, self._distance(gap, factor, defect, weight, proved), used)

    def _distance(
        self, gap: float, factor: float, defect: Image, weight: float, proved: bool
    ) -> float | None:
        if not proved:
            return None
        if self.operator.resolvent_kind == "closed form":
            return factor * gap
        return float(norm(defect).max()) / (bounds(self.operator).bottom + weight * self.monotonicity)


def ahead(history: Sequence[Image]) -> Image:
    """Where the last up to three equilibria of one item point: x + ρ(x − x₁), ρ the share of the step before.

    Along a power law in δ or α every step is the same multiple of the one before it.
    """
    if len(history) < 3:
        return history[-1]
    before, latest = history[-2] - history[-3], history[-1] - history[-2]
    share = (inner(latest, before) / inner(before, before).clamp_min(1e-300)).clamp(0, 1)
    return history[-1] + scale(share, latest)


def per_item(values: Batch) -> list[float]:
    """One number per batch item, off the device."""
    return [float(v) for v in values.cpu()]
