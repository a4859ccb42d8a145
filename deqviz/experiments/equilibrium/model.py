"""A model problem for convergence rates: five decades of singular values, R not conservative."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from deqviz.core.estimate import Estimate
from deqviz.core.operator import ForwardModel
from deqviz.core.registry import Range
from deqviz.core.regularizer import Constants, Regularizer
from deqviz.core.space import Data, Image, Space, norm, scale
from deqviz.experiments.equilibrium.equilibria import Equation

_ROUNDING = 1e-12
"""By how much the orthogonal factors of a QR decomposition in float64 may miss norm one."""


def _orthogonal(n: int, seed: int, space: Space) -> Tensor:
    """A random orthogonal matrix, the same on every device."""
    rng = torch.Generator().manual_seed(seed)
    square = torch.randn(n, n, dtype=torch.float64, generator=rng)
    return torch.linalg.qr(square).Q.to(space.device, space.dtype)


def _times(matrix: Tensor, x: Tensor) -> Tensor:
    """The matrix on each batch item, b × 1 × 1 × n."""
    return x @ matrix.mT


@dataclass(frozen=True)
class Spectral(ForwardModel):
    """A = U diag(σ) Vᵀ on ℝⁿ, written as images of one row: σ from 1 to 10^−decades, equal steps of log σ.

    The last `kernel` singular values are 0 instead, so that A has a null space of that dimension.
    """

    decades: float = 5.0
    kernel: int = 0
    seed: int = 0

    resolvent_kind: ClassVar[Literal["closed form", "conjugate gradients"]] = "closed form"

    def __post_init__(self) -> None:
        """Refuse an image of more than one row, and a null space that is everything."""
        if self.image.shape[:-1] != (1, 1) or not 0 <= self.kernel < self.image.size:
            raise ValueError(
                f"The model lives on 1 × 1 × n with a kernel below n, not on {self.image.shape}."
            )

    @property
    def codomain(self) -> Space:
        """ℝⁿ too."""
        return self.image

    @property
    def roundings(self) -> float:
        """Two products with U or V each, of which |V| has the norm √n at most."""
        return 4 * self.image.size**1.5

    @cached_property
    def singular_values(self) -> Tensor:
        """σ, the largest first."""
        n = self.image.size
        values = torch.logspace(0, -self.decades, n - self.kernel, dtype=torch.float64)
        return torch.cat([values, values.new_zeros(self.kernel)]).to(self.image.device, self.image.dtype)

    @cached_property
    def _left(self) -> Tensor:
        return _orthogonal(self.image.size, self.seed, self.image)

    @cached_property
    def _right(self) -> Tensor:
        return _orthogonal(self.image.size, self.seed + 1_000_003, self.image)

    def apply(self, x: Image) -> Image:
        """U diag(σ) Vᵀ x."""
        return _times(self._left, self.singular_values * _times(self._right.mT, x))

    def adjoint(self, y: Data) -> Image:
        """V diag(σ) Uᵀ y."""
        return _times(self._right, self.singular_values * _times(self._left.mT, y))

    def gram(self, x: Image) -> Image:
        """V diag(σ²) Vᵀ x."""
        return _times(self._right, self.singular_values.square() * _times(self._right.mT, x))

    def norm_bound(self) -> Estimate:
        """1, with the rounding of U and V."""
        return Estimate("‖A‖", 1 + _ROUNDING, "upper bound")

    def smallest_singular_value(self) -> Estimate:
        """The last σ, with the rounding of U and V."""
        return Estimate(
            "σ_min(A)", max(0.0, float(self.singular_values[-1]) * (1 - _ROUNDING) - _ROUNDING), "lower bound"
        )

    def resolvent(self, b: Image, weight: float, start: Image | None = None) -> Image:
        """V diag(1/(σ² + ρ)) Vᵀ b."""
        return _times(self._right, _times(self._right.mT, b) / (self.singular_values.square() + weight))

    def singular_pair(self, square: float) -> tuple[float, Data]:
        """σ_k and u_k, the left singular vector with σ_k² nearest to `square` on a logarithmic scale."""
        positive = self.singular_values[: self.image.size - self.kernel]
        k = int((positive.square() / square).log().abs().argmin())
        return float(positive[k]), self._left[:, k].view(1, 1, 1, -1)


@dataclass(frozen=True)
class Rotating(Regularizer):
    """R = Id − N with N(x) = L P tanh(Qx + b), P and Q orthogonal: far from a gradient of anything.

    Lip(N) ≤ L because tanh does not expand and P and Q keep lengths: c = 1 − L, L_R = 1 + L.
    """

    space: Space
    contraction: Annotated[float, Range(0.0, 1.5, "Lipschitz constant", symbol="L")] = 0.8
    seed: int = 0

    @cached_property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        n, rng = self.space.size, torch.Generator().manual_seed(self.seed + 3)
        b = torch.randn(n, dtype=torch.float64, generator=rng).to(self.space.device, self.space.dtype)
        return (
            _orthogonal(n, self.seed + 1, self.space),
            _orthogonal(n, self.seed + 2, self.space),
            b,
        )

    def __call__(self, x: Image) -> Image:
        """x − L P tanh(Qx + b)."""
        P, Q, b = self._parts
        return x - self.contraction * _times(P, torch.tanh(_times(Q, x) + b))

    def constants(self) -> Constants:
        """c = 1 − L, L_R = 1 + L, β = 1."""
        limit = self.contraction * (1 + 3 * _ROUNDING)
        return Constants(
            Estimate("c", 1 - limit, "lower bound"),
            Estimate("L_R", 1 + limit, "upper bound"),
            1.0,
            Estimate("L", limit, "upper bound"),
            f"Lip(N) ≤ {self.contraction:g}: tanh does not expand, and P and Q are orthogonal",
        )


def model(
    size: int = 160,
    *,
    contraction: float = 0.8,
    decades: float = 5.0,
    kernel: int = 0,
    seed: int = 0,
    regularizer: Regularizer | None = None,
) -> Equation:
    """The equation of the model in float64; `regularizer` takes the place of the rotating one.

    Five decades and more: with fewer, or with singular values that fall like a power, no rate shows before
    σ_min ends it.
    """
    space = Space((1, 1, size), torch.float64)
    R = Rotating(space, contraction, seed) if regularizer is None else regularizer
    return Equation(Spectral(space, decades, kernel, seed), R)


def unit_element(equation: Equation, seed: int) -> Data:
    """A random w with ‖w‖ = 1, of which `inverse_truth` makes a truth with the source condition."""
    # Salted: white noise of the same seed would be the same direction, and the error would vanish.
    w = equation.operator.codomain.random(torch.Generator().manual_seed(seed + 7_000_003))
    return scale(1 / norm(w), w)
