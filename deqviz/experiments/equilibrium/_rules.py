"""Parameter choice rules for α: a priori from δ, or a posteriori from the data as well."""

import math
from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import Annotated

import torch

from deqviz.core.registry import Range
from deqviz.core.space import Data, Image, norm
from deqviz.experiments.equilibrium.equilibria import Equation, Solved


class Rule(ABC):
    """A choice of α that does not look at the data; `Discrepancy` only starts there."""

    @abstractmethod
    def weight(self, delta: float, source: float | None) -> float:
        """α for the noise level δ; `source` is ‖w‖, None where no source condition is known."""


@dataclass(frozen=True)
class Power(Rule):
    """α = cδ^p. D_R = O(δ^min(p, 2 − p)) under the source condition, best at p = 1."""

    factor: Annotated[float, Range(1e-4, 1e4, "Factor", log=True, symbol="c")] = 1.0
    exponent: Annotated[float, Range(0.1, 2.5, "Exponent", symbol="p")] = 1.0

    def weight(self, delta: float, source: float | None) -> float:
        """cδ^p."""
        return self.factor * delta**self.exponent


@dataclass(frozen=True)
class Best(Rule):
    """α = δ/‖w‖, the least bound D_R ≤ ‖w‖δ; an oracle, since ‖w‖ belongs to the ground truth."""

    def weight(self, delta: float, source: float | None) -> float:
        """δ/‖w‖; raises ValueError without a source condition."""
        if source is None:
            raise ValueError("α = δ/‖w‖ needs a truth with a source condition: choose another rule.")
        return delta / source


@dataclass(frozen=True)
class Fixed(Rule):
    """The same α for all δ, as a trained deep equilibrium has it: the bias stays."""

    value: Annotated[float, Range(1e-8, 100.0, "Regularisation parameter", log=True, symbol="α")] = 1e-2

    def weight(self, delta: float, source: float | None) -> float:
        """α."""
        return self.value


@dataclass(frozen=True)
class Discrepancy(Rule):
    """‖Ax_α − y‖ = τδ, found by bisection of log α with secants: the residual does not fall as α grows.

    D_R ≤ (1 + τ)‖w‖δ without knowing ‖w‖. Morozov, 1966; T10 of the notes for monotone R.
    """

    tau: Annotated[float, Range(1.01, 5.0, "Discrepancy factor", symbol="τ")] = 1.5
    tolerance: float = 1e-3
    low: float = 1e-14
    high: float = 1e6

    def weight(self, delta: float, source: float | None) -> float:
        """δ, where the search begins."""
        return delta

    @torch.no_grad()
    def search(
        self, equation: Equation, data: Data, delta: float, first: float, start: Image
    ) -> Generator[int, None, tuple[float, Solved]]:
        """α and its equilibrium for one batch item; yields as `Equation.solve` does.

        Ends at `low` or `high` where no α in between has that residual.
        """

        def misfit(solved: Solved) -> float:
            return math.log(float(norm(solved.misfit)) / (self.tau * delta))

        def at(t: float, near: Image) -> Generator[int, None, Solved]:
            alpha = math.exp(t)
            return (yield from equation.solve(data, alpha, near, equation.goal(delta, alpha)))

        t, room = math.log(first), (math.log(self.low), math.log(self.high))
        solved = yield from at(t, start)
        value, used = misfit(solved), solved.evaluations
        # (t, value) on both sides of the zero; one is missing until the sign turns.
        left, right = ((t, value), None) if value <= 0 else (None, (t, value))
        stride = 1.0
        while (left is None or right is None) and room[0] < t < room[1]:
            # The residual grows at most like α: −value is the least that can be missing.
            t = min(max(t - value - math.copysign(stride, value), room[0]), room[1])
            solved = yield from at(t, solved.x)
            value, used, stride = misfit(solved), used + solved.evaluations, 2 * stride
            left, right = ((t, value), right) if value <= 0 else (left, (t, value))
        while left is not None and right is not None and abs(value) > self.tolerance:
            t = _inside(left, right)
            solved = yield from at(t, solved.x)
            value, used = misfit(solved), used + solved.evaluations
            left, right = ((t, value), right) if value <= 0 else (left, (t, value))
            # The residual no longer answers to α: what is left is the accuracy of the solves.
            if right[0] - left[0] < 1e-9:
                break
        solution = Solved(solved.x, solved.misfit, solved.value, solved.defect, solved.distance, used)
        return math.exp(t), solution


def _inside(left: tuple[float, float], right: tuple[float, float]) -> float:
    """The secant's zero, kept off the ends, so that the bracket shrinks from both sides."""
    (a, fa), (b, fb) = left, right
    t = a + (b - a) * (fa / (fa - fb) if fa != fb else 0.5)
    margin = 0.05 * (b - a)
    return min(max(t, a + margin), b - margin)
