"""Regularisers of the plane, each with or without one hypothesis of a theorem."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deqviz.core.estimate import Estimate
from deqviz.core.registry import Entry, Range, params_of
from deqviz.core.regularizer import Constants, Regularizer
from deqviz.core.space import Batch, Image
from deqviz.experiments.plane.axes import cos_sin, joined, parts, turned

Matrices: TypeAlias = Float[Tensor, "b 2 2"]


def _matrices(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Matrices:
    """[[a, b], [c, d]] for every item."""
    return torch.stack((a, b, c, d), -1).reshape(-1, 2, 2)


class Planar(Regularizer):
    """An R of the plane, with its derivative in closed form."""

    equation: ClassVar[str]
    """R(x) in Unicode."""

    @abstractmethod
    def derivative(self, x: Image) -> Matrices:
        """R′(x), one 2 × 2 matrix per point."""


def _constants(c: float, lipschitz: float, center: float, contraction: float, reason: str) -> Constants:
    return Constants(
        Estimate("c", c, "lower bound"),
        Estimate("L_R", lipschitz, "upper bound"),
        center,
        Estimate("L", contraction, "upper bound"),
        reason,
    )


@dataclass(frozen=True)
class Quadratic(Planar):
    """R(x) = cx, the gradient of ½c‖x‖²: Tikhonov regularisation, where everything is linear."""

    equation: ClassVar[str] = "R(x) = c x"

    modulus: Annotated[
        float, Range(0.05, 2.0, "Monotonicity modulus", symbol="c", help="R is strongly monotone")
    ] = 1.0

    def __call__(self, x: Image) -> Image:
        """R(x) = cx."""
        return self.modulus * x

    def derivative(self, x: Image) -> Matrices:
        """c Id."""
        one, zero = torch.full_like(x[..., 0], self.modulus), torch.zeros_like(x[..., 0])
        return _matrices(one, zero, zero, one)

    def constants(self) -> Constants:
        """c = L_R = β and L = 0."""
        return _constants(self.modulus, self.modulus, self.modulus, 0.0, f"R = {self.modulus:g} Id")

    @property
    def is_gradient(self) -> bool:
        """Of ½c‖x‖²."""
        return True

    def potential(self, x: Image) -> Batch:
        """½c‖x‖²."""
        return 0.5 * self.modulus * x.square().flatten(1).sum(1)


@dataclass(frozen=True)
class Absolute(Planar):
    """R_i(x) = x_i/√(x_i² + ε²), the gradient of Σ √(x_i² + ε²): monotone, hardly so far from 0."""

    equation: ClassVar[str] = "R_i(x) = x_i / √(x_i² + ε²)"

    smoothing: Annotated[
        float, Range(0.1, 1.0, "Smoothing", symbol="ε", help="R is nearly linear below ε")
    ] = 0.3

    def __call__(self, x: Image) -> Image:
        """R(x)."""
        return x / (x.square() + self.smoothing**2).sqrt()

    def derivative(self, x: Image) -> Matrices:
        """diag ε²/(x_i² + ε²)^(3/2)."""
        slope = self.smoothing**2 / (x.square() + self.smoothing**2).pow(1.5)
        (a, d), zero = parts(slope), torch.zeros_like(x[..., 0])
        return _matrices(a, zero, zero, d)

    def constants(self) -> Constants:
        """c = 0, L_R = 1/ε, and β = L = L_R/2 as for every gradient of a convex function."""
        limit = 1 / self.smoothing
        return _constants(
            0.0, limit, limit / 2, limit / 2, f"0 ≤ R′ ≤ 1/ε = {limit:.3g}, the second derivative"
        )

    @property
    def is_gradient(self) -> bool:
        """Of `potential`."""
        return True

    def potential(self, x: Image) -> Batch:
        """Σ √(x_i² + ε²) − ε."""
        return ((x.square() + self.smoothing**2).sqrt() - self.smoothing).flatten(1).sum(1)


_FACTOR = Range(0.0, 2.5, "Lipschitz constant", symbol="L", help="Lip(Id − R); a contraction for L < 1")


@dataclass(frozen=True)
class Residual(Planar):
    """R(x) = x − L·tanh(Qx) with Q the rotation by φ: a network of one layer, contractive for L < 1."""

    equation: ClassVar[str] = "R(x) = x − L tanh(Qx)"

    contraction: Annotated[float, _FACTOR] = 0.8
    turn: Annotated[
        float, Range(-180.0, 180.0, "Rotation angle of Q", unit="°", symbol="φ", help="0: R is a gradient")
    ] = 0.0

    def __call__(self, x: Image) -> Image:
        """R(x)."""
        return x - self.contraction * torch.tanh(turned(x, self.turn))

    def derivative(self, x: Image) -> Matrices:
        """Id − L D Q with D = diag(1 − tanh²(Qx))."""
        (u, v), (c, s) = parts(1 - torch.tanh(turned(x, self.turn)).square()), cos_sin(self.turn)
        u, v = self.contraction * u, self.contraction * v
        return _matrices(1 - u * c, u * s, -v * s, 1 - v * c)

    def constants(self) -> Constants:
        """Lip(N) = L, attained at 0; hence c ≥ 1 − L and L_R ≤ 1 + L."""
        L = self.contraction
        return _constants(
            1 - L, 1 + L, 1.0, L, f"Id − R = L tanh ∘ Q with L = {L:g}, Q a rotation and |tanh′| ≤ 1"
        )

    @property
    def is_gradient(self) -> bool:
        """Where Q is the identity."""
        return self.turn % 360 == 0 or self.contraction == 0

    def potential(self, x: Image) -> Batch | None:
        """½‖x‖² − L Σ log cosh x_i where Q is the identity."""
        if not self.is_gradient:
            return None
        return (0.5 * x.square() - self.contraction * _log_cosh(x)).flatten(1).sum(1)


@dataclass(frozen=True)
class Rotating(Planar):
    """R(x) = x − L·Q tanh(x) with Q the rotation by θ: contractive like the last one, and no gradient."""

    equation: ClassVar[str] = "R(x) = x − L Q tanh(x)"

    contraction: Annotated[float, _FACTOR] = 0.9
    turn: Annotated[float, Range(-180.0, 180.0, "Rotation angle", unit="°", symbol="θ", help="Of N")] = 90.0

    def __call__(self, x: Image) -> Image:
        """R(x)."""
        return x - self.contraction * turned(torch.tanh(x), self.turn)

    def derivative(self, x: Image) -> Matrices:
        """Id − L Q D with D = diag(1 − tanh²(x))."""
        (u, v), (c, s) = parts(1 - torch.tanh(x).square()), cos_sin(self.turn)
        u, v = self.contraction * u, self.contraction * v
        return _matrices(1 - u * c, v * s, -u * s, 1 - v * c)

    def constants(self) -> Constants:
        """As for `Residual`: a rotation changes no length."""
        L = self.contraction
        return _constants(
            1 - L, 1 + L, 1.0, L, f"Id − R = L Q tanh with L = {L:g}, Q a rotation and |tanh′| ≤ 1"
        )

    @property
    def is_gradient(self) -> bool:
        """Where nothing turns."""
        return self.turn % 360 == 0 or self.contraction == 0

    def potential(self, x: Image) -> Batch | None:
        """½‖x‖² − L Σ log cosh x_i where nothing turns."""
        return Residual(self.contraction).potential(x) if self.is_gradient else None


@dataclass(frozen=True)
class Skew(Planar):
    """R(x) = x − LJx with J the quarter turn: strongly monotone for every L, contractive for L < 1 only.

    ⟨Jx, x⟩ = 0, so c = 1: what is contractive is monotone, but not the other way round.
    """

    equation: ClassVar[str] = "R(x) = x − L J x"

    strength: Annotated[
        float,
        Range(0.0, 3.0, "Lipschitz constant", symbol="L", help="Lip(Id − R) = L, while R stays monotone"),
    ] = 2.0

    def __call__(self, x: Image) -> Image:
        """R(x)."""
        return x - self.strength * turned(x, 90)

    def derivative(self, x: Image) -> Matrices:
        """Id − LJ."""
        one, k = torch.ones_like(x[..., 0]), torch.full_like(x[..., 0], self.strength)
        return _matrices(one, k, -k, one)

    def constants(self) -> Constants:
        """c = 1, L_R = √(1 + L²) and Lip(Id − R) = L."""
        k = self.strength
        return _constants(1.0, math.hypot(1, k), 1.0, k, f"R = Id − {k:g}J with J skew, so ⟨R(x), x⟩ = ‖x‖²")

    @property
    def is_gradient(self) -> bool:
        """Where nothing turns."""
        return self.strength == 0

    def potential(self, x: Image) -> Batch | None:
        """½‖x‖² where nothing turns."""
        return 0.5 * x.square().flatten(1).sum(1) if self.is_gradient else None


@dataclass(frozen=True)
class Bistable(Planar):
    """R(x) = (x₁, x₂ − L tanh x₂): past L = 1 it pushes away from the first axis, to either side.

    With A = [1, 0] there are three equilibria for all data and all α: what A does not see, R decides.
    """

    equation: ClassVar[str] = "R(x) = (x₁, x₂ − L tanh x₂)"

    contraction: Annotated[float, _FACTOR] = 1.5

    def __call__(self, x: Image) -> Image:
        """R(x)."""
        a, b = parts(x)
        return joined(a, b - self.contraction * torch.tanh(b))

    def derivative(self, x: Image) -> Matrices:
        """diag(1, 1 − L(1 − tanh² x₂))."""
        b = x[..., 1]
        one, zero = torch.ones_like(b), torch.zeros_like(b)
        return _matrices(one, zero, zero, 1 - self.contraction * (1 - torch.tanh(b).square()))

    def constants(self) -> Constants:
        """R′ lies between min(1, 1 − L) and 1."""
        L = self.contraction
        return _constants(
            1 - L, max(1.0, L - 1), 1.0, L, f"1 − L ≤ R′ ≤ 1 with L = {L:g}, the slope of tanh at 0"
        )

    @property
    def is_gradient(self) -> bool:
        """Of `potential`."""
        return True

    def potential(self, x: Image) -> Batch:
        """½‖x‖² − L log cosh x₂, with two valleys past L = 1."""
        return 0.5 * x.square().flatten(1).sum(1) - self.contraction * _log_cosh(x[..., 1]).flatten(1).sum(1)


def _log_cosh(x: Tensor) -> Tensor:
    """Without overflow."""
    return x.abs() + F.softplus(-2 * x.abs()) - math.log(2)


def _entry(key: str, title: str, cls: type[Planar]) -> Entry[Planar]:
    return Entry(key, title, cls, params_of(cls))


PLANAR: Mapping[str, Entry[Planar]] = {
    entry.key: entry
    for entry in (
        _entry("residual", "Contractive residual", Residual),
        _entry("quadratic", "Quadratic", Quadratic),
        _entry("absolute", "Smoothed absolute value", Absolute),
        _entry("rotating", "Skew part, not conservative", Rotating),
        _entry("skew", "Monotone, not contractive", Skew),
        _entry("bistable", "Double well", Bistable),
    )
}
"""The choices of R by their keys: no registry, for none of them makes sense on a larger image."""
