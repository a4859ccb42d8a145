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

    Conjugate gradients stop at a relative residual of `tolerance` or after `max_steps`, in training and in
    use alike: a network unrolled with an inexact solve depends on where it stopped.
    """

    operator: ForwardModel
    back: Data
    rho: Tensor
    tolerance: float = 1e-4
    max_steps: int = 40

    def __call__(self, v: Data, near: Data | None) -> Data:
        """The solution near a guess."""
        return self._solved(self.back + self.rho * v, near)

    def sense(self) -> Data:
        """(A*A + ρ)⁻¹A*y: no network, where every iteration starts."""
        return self._solved(self.back, None)

    def _solved(self, b: Data, near: Data | None) -> Data:
        A = self.operator
        if A.resolvent_kind == "closed form":
            weight = float(self.rho.detach())
            return resolved(lambda right, _: A.resolvent(right, weight), b, self.rho)
        return shifted_inverse(
            A.gram, b, self.rho, start=near, tolerance=self.tolerance, max_steps=self.max_steps
        )


def forward_backward(residual: Residual, data: DataStep, step: float = 1.0) -> Map:
    """T(x) = (I + αλA*A)⁻¹[(1 − α)x + αH(x) + αλA*y], where `data` has ρ = 1/(αλ) and α = `step`.

    Its fixed points solve λA*(Ax − y) + x − H(x) = 0 for every α > 0. Pramanik, Zimmerman and Jacob, 2023.
    """

    def f(x: Data) -> Data:
        h = residual(x)
        return data(h if step == 1 else torch.lerp(x, h, step), x)

    return f


def modl(residual: Residual, data: DataStep) -> Iterator[Data]:
    """x₀ = SENSE, x_{k+1} = (A*A + ρ)⁻¹(A*y + ρH(x_k)), without end (Aggarwal, Mani and Jacob, 2019)."""
    x = data.sense()
    while True:
        yield x
        x = data(residual(x), x)


class Split(NamedTuple):
    """The state of the alternating direction method: the picture, its copy, and the scaled dual variable."""

    x: Data
    z: Data
    u: Data


def admm(residual: Residual, data: DataStep) -> Iterator[Split]:
    """x ← (A*A + ρ)⁻¹(A*y + ρ(z − u)), z ← H(x + u), u ← u + x − z, without end (Sun, Li and Xu, 2016)."""
    x = data.sense()
    z, u = x, torch.zeros_like(x)
    while True:
        yield Split(x, z, u)
        z = residual(x + u)
        u = u + x - z
        x = data(z - u, x)
