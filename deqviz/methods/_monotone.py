"""The maps of monotone operator learning and of the networks that it is compared with.

Each is a function of a network and a problem: training calls it with the network in hand, a method with the
one of its weights.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from deqviz.core.linalg import resolved, shifted_inverse
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Map
from deqviz.core.space import Data

Residual = Callable[[Data], Data]
"""H of F = Id − H."""


@dataclass(frozen=True, eq=False)
class DataStep:
    """v ↦ (A*A + ρ)⁻¹(A*y + ρv), the data's half of every iteration; differentiable in v and ρ.

    With conjugate gradients it is computed as n + (A*A + ρ)⁻¹[A*(y − An) + ρ(v − n)] from a guess n, to the
    relative `tolerance` of that correction or `max_steps`, in training and in use alike. So n is returned
    unchanged only where it solves the equation: measured against A*y, an error of tolerance/ρ would pass in
    what A does not see, and an iteration would stand still far from its fixed point.
    """

    operator: ForwardModel
    back: Data
    rho: Tensor
    tolerance: float = 1e-2
    max_steps: int = 40

    def __call__(self, v: Data, near: Data) -> Data:
        """The solution, from a guess."""
        A = self.operator
        if A.resolvent_kind == "closed form":
            return self._exact(self.back + self.rho * v)
        # The guess is no argument of the exact solution, hence a constant.
        n = near.detach()
        missing = self.back - A.gram(n) + self.rho * (v - n)
        return n + shifted_inverse(
            A.gram, missing, self.rho, tolerance=self.tolerance, max_steps=self.max_steps
        )

    def sense(self) -> Data:
        """(A*A + ρ)⁻¹A*y to a relative residual of 10⁻⁵: no network, where every iteration starts."""
        A = self.operator
        if A.resolvent_kind == "closed form":
            return self._exact(self.back)
        return shifted_inverse(A.gram, self.back, self.rho, tolerance=1e-5, max_steps=200)

    def _exact(self, b: Data) -> Data:
        A, weight = self.operator, float(self.rho.detach())
        return resolved(lambda right, _: A.resolvent(right, weight), b, self.rho)


def forward_backward(residual: Residual, data: DataStep, step: float = 1.0) -> Map:
    """T(x) = (I + αλA*A)⁻¹[(1 − α)x + αH(x) + αλA*y], where `data` has ρ = 1/(αλ) and α = `step`.

    Its fixed points solve λA*(Ax − y) + x − H(x) = 0 for every α > 0. Pramanik, Zimmerman and Jacob, 2023.
    """

    def f(x: Data) -> Data:
        h = residual(x)
        return data(h if step == 1 else torch.lerp(x, h, step), x)

    return f


def modl(residual: Residual, data: DataStep, start: Data | None = None) -> Iterator[Data]:
    """x_{k+1} = (A*A + ρ)⁻¹(A*y + ρH(x_k)) from x₀ = `start` or SENSE, without end.

    Aggarwal, Mani and Jacob, 2019.
    """
    x = data.sense() if start is None else start
    while True:
        yield x
        x = data(residual(x), x)


class Split(NamedTuple):
    """The state of the alternating direction method: the image, its copy, and the scaled dual variable."""

    x: Data
    z: Data
    u: Data


def admm(residual: Residual, data: DataStep, start: Data | None = None) -> Iterator[Split]:
    """x ← (A*A + ρ)⁻¹(A*y + ρ(z − u)), z ← H(x + u), u ← u + x − z from `start` or SENSE, without end.

    Sun, Li and Xu, 2016.
    """
    x = data.sense() if start is None else start
    z, u = x, torch.zeros_like(x)
    while True:
        yield Split(x, z, u)
        z = residual(x + u)
        u = u + x - z
        x = data(z - u, x)
