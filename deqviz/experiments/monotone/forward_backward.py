"""The equation λA*(Ax − y) + F(x) = 0 of monotone operator learning for any F, and what its map does."""

import math
from collections.abc import Generator
from dataclasses import dataclass

import torch

from deqviz.core.estimate import Estimate
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Map, Problem
from deqviz.core.regularizer import Constants, Regularizer
from deqviz.core.space import Data, Image, norm
from deqviz.experiments.equilibrium.equilibria import Equation
from deqviz.methods._resolvent import tikhonov_step
from deqviz.methods._theory import bounds


@dataclass(frozen=True)
class Turning(Regularizer):
    """F = m Id + S on complex images: S multiplies by is, so that ⟨Sx, x⟩ = 0 and ‖Sx‖ = s‖x‖.

    s² = (2 − m)² − m² makes F m-monotone and Lip(F) = 2 − m, as of Id − H with Lip(H) = 1 − m; but here
    Lip(Id − F) = √((1 − m)(5 − m)) is more than that. S commutes with every A*A of complex images.
    """

    margin: float = 0.1

    @property
    def turn(self) -> float:
        """s."""
        return 2 * math.sqrt(1 - self.margin)

    def __call__(self, x: Image) -> Image:
        """m x + is x on the two channels of complex images."""
        turned = torch.stack((-x[:, 1], x[:, 0]), 1)
        return self.margin * x + self.turn * turned

    def constants(self) -> Constants:
        """Exact, all of them."""
        m = self.margin
        return Constants(
            Estimate("c", m, "exact"),
            Estimate("L_R", 2 - m, "exact"),
            1.0,
            Estimate("L", math.sqrt((1 - m) * (5 - m)), "exact"),
            f"F = m Id + S with m = {m:.3g} and S skew",
        )

    def equilibrium(self, problem: Problem, weight: float) -> Image:
        """(λA*A + m + is)⁻¹λA*y where A*A is a projection: λA*y/(λ + m + is), for A*y is what it sees."""
        back = problem.operator.adjoint(problem.data)
        real, turn = weight + self.margin, self.turn
        share = weight / (real * real + turn * turn)
        return share * (real * back - turn * torch.stack((-back[:, 1], back[:, 0]), 1))


@dataclass(frozen=True, slots=True)
class Margin:
    """m and Lip(F), and Lip(Id − F) where that is below 1; `is_certified`, or only hoped for."""

    monotonicity: float
    lipschitz: float
    contraction: float | None
    is_certified: bool = True

    @property
    def first_limit(self) -> float:
        """2m/L_F², which is 2m/(2 − m)² for L_F = 2 − m."""
        return 2 * self.monotonicity / self.lipschitz**2

    @property
    def second_limit(self) -> float | None:
        """2/(1 + L), which is 2/(2 − m) for L = 1 − m."""
        return None if self.contraction is None else 2 / (1 + self.contraction)

    def first_rate(self, step: float, bottom: float = 0.0) -> float:
        """√(1 − 2αm + α²L_F²)/(1 + b) for b = αλσ_min²/α = `bottom` per unit of α."""
        square = 1 - 2 * step * self.monotonicity + (step * self.lipschitz) ** 2
        return math.sqrt(max(square, 0.0)) / (1 + step * bottom)

    def second_rate(self, step: float, bottom: float = 0.0) -> float | None:
        """(|1 − α| + αL)/(1 + b)."""
        if self.contraction is None:
            return None
        return (abs(1 - step) + step * self.contraction) / (1 + step * bottom)


def margin_of(R: Regularizer, hoped: float | None = None) -> Margin | None:
    """What is certified of F = R, else what `hoped` = m would give, else None."""
    constants = R.constants()
    m, limit = constants.monotonicity.value, constants.contraction.value
    if m > 0:
        return Margin(m, constants.lipschitz.value, limit if limit < 1 and constants.center == 1 else None)
    return None if hoped is None else Margin(hoped, 2 - hoped, 1 - hoped, is_certified=False)


def seen_everywhere(operator: ForwardModel, weight: float) -> float:
    """λμ with the certified μ ≤ σ_min(A)²."""
    return weight * bounds(operator).bottom


def forward_backward(problem: Problem, R: Regularizer, weight: float, step: float) -> Map:
    """T(x) = (I + αλA*A)⁻¹[x − αF(x) + αλA*y]."""
    solve = tikhonov_step(problem, 1 / (step * weight))
    return lambda x: solve(torch.sub(x, R(x), alpha=step), x)


def defect(problem: Problem, R: Regularizer, weight: float, x: Image) -> Data:
    """λA*(Ax − y) + F(x), which is 0 at the solutions and no shorter than m times the distance to them."""
    A = problem.operator
    return weight * A.adjoint(A(x) - problem.data) + R(x)


@dataclass(frozen=True, slots=True)
class Target:
    """The solution x*, or nearly: ‖x − x*‖ ≤ `error`, which is only estimated where `is_proved` is false."""

    x: Image
    error: float
    is_proved: bool = True


def target(problem: Problem, R: Regularizer, weight: float, start: Image) -> Generator[object, None, Target]:
    """The solution to many digits; raises ArithmeticError where the iteration does not stay finite."""
    if isinstance(R, Turning):
        return Target(R.equilibrium(problem, weight), 1e-14 * float(norm(start).max()))
    equation = Equation(problem.operator, R)
    solved = yield from equation.solve(problem.data, 1 / weight, start)
    if solved.distance is not None:
        return Target(solved.x, solved.distance)
    moved = forward_backward(problem, R, weight, 1.0)(solved.x) - solved.x
    return Target(solved.x, 100 * float(norm(moved).max()), is_proved=False)
