"""Balls around images: what double precision computes of a map, and a proved bound of what it loses.

Every operation adds its own roundings to the radius, so that the exact result lies in the ball (Rump, 2010,
on verification methods). Norms themselves are right to a share of 10⁻¹⁰, which every comparison leaves room
for.
"""

from dataclasses import dataclass

import torch

from deqviz.core.operator import ForwardModel
from deqviz.core.records import Problem
from deqviz.core.regularizer import Regularizer
from deqviz.core.rounding import RoundingBound
from deqviz.core.space import Batch, Image, norm, wide
from deqviz.methods import _theory

UNIT = torch.finfo(torch.float64).eps / 2
"""u: a sum, or a multiple, is off by u times what was computed (Higham, 2002, theorem 2.3)."""


@dataclass(frozen=True, slots=True)
class Ball:
    """The images within `radius` of `centre`, one radius for every item of the batch."""

    centre: Image
    radius: Batch

    @classmethod
    def around(cls, x: Image) -> "Ball":
        """x alone: single precision is exact in double."""
        centre = wide(x)
        return cls(centre, torch.zeros_like(norm(centre)))

    def __add__(self, other: "Ball") -> "Ball":
        """The sum."""
        centre = self.centre + other.centre
        return Ball(centre, self.radius + other.radius + UNIT * norm(centre))

    def __rmul__(self, factor: float) -> "Ball":
        """A multiple."""
        centre = factor * self.centre
        return Ball(centre, abs(factor) * self.radius + UNIT * norm(centre))

    def __sub__(self, other: "Ball") -> "Ball":
        """The difference."""
        return self + -1.0 * other

    def mapped(self, value: Image, lipschitz: float, rounding: RoundingBound) -> "Ball":
        """f of the ball, from the computed f(centre), Lip(f), and what f loses."""
        return Ball(value, lipschitz * self.radius + rounding.at(self.centre))


def regularised(R: Regularizer, x: Ball) -> Ball | None:
    """R(x), where what R loses is proved."""
    rounding = R.rounding()
    if rounding is None:
        return None
    return x.mapped(R(x.centre), R.constants().lipschitz.value, rounding)


def _gram(A: ForwardModel, x: Ball) -> Ball:
    """A*A x."""
    bound = _theory.bounds(A)
    return x.mapped(A.gram(x.centre), bound.top, RoundingBound((bound.wide + UNIT) * bound.top))


def _back_projection(problem: Problem) -> Ball:
    """A*y."""
    A, y, bound = problem.operator, wide(problem.data), _theory.bounds(problem.operator)
    return Ball(A.adjoint(y), (bound.wide + UNIT) * bound.top**0.5 * norm(y))


def gradient(problem: Problem, x: Ball) -> Ball:
    """A*(Ax − y)."""
    return _gram(problem.operator, x) - _back_projection(problem)


def tikhonov(problem: Problem, weight: float, v: Ball) -> Ball:
    """(A*A + ρ)⁻¹(A*y + ρv) for ρ = `weight`, with the radius from what its equation leaves.

    Whatever z is, it lies within ‖(A*A + ρ)z − A*y − ρv‖/(σ_min² + ρ) of that: no solver is trusted.
    """
    A, b = problem.operator, _back_projection(problem) + weight * v
    z = A.resolvent(b.centre, weight)
    z = Ball.around(z + A.resolvent(b.centre - A.gram(z) - weight * z, weight))
    left = _gram(A, z) + weight * z - b
    return Ball(z.centre, (norm(left.centre) + left.radius) / (_theory.bounds(A).bottom + weight))
