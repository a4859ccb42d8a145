"""The plane as the smallest space of images, 1 × 1 × 2 pixels, and its forward operators.

Everything is written out by components: a product of 2 × 2 matrices costs more to call than to compute.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deqviz.core.estimate import Estimate
from deqviz.core.operator import ForwardModel
from deqviz.core.space import Data, Image, Space

SPACE = Space((1, 1, 2), torch.float64)


def parts(x: Image) -> tuple[Tensor, Tensor]:
    """The two coordinates, each shaped (b, 1, 1)."""
    return x[..., 0], x[..., 1]


def joined(first: Tensor, second: Tensor) -> Image:
    """The points with these coordinates."""
    return torch.stack((first, second), -1)


def turned(x: Image, degrees: float) -> Image:
    """x rotated counter-clockwise."""
    (a, b), (c, s) = parts(x), cos_sin(degrees)
    return joined(c * a - s * b, s * a + c * b)


def cos_sin(degrees: float) -> tuple[float, float]:
    """Exact at multiples of 90°: a rotation by 0° must be the identity, not nearly so."""
    quarters = {0.0: (1.0, 0.0), 90.0: (0.0, 1.0), 180.0: (-1.0, 0.0), 270.0: (0.0, -1.0)}
    angle = math.radians(degrees)
    return quarters.get(degrees % 360, (math.cos(angle), math.sin(angle)))


@dataclass(frozen=True)
class Axes(ForwardModel):
    """A x = (σ₁⟨v₁, x⟩, σ₂⟨v₂, x⟩) with v₁ at `angle` degrees and v₂ across; one row where σ₂ = 0."""

    image: Space = SPACE
    first: float = 1.0
    second: float = 0.0
    angle: float = 0.0

    resolvent_kind = "closed form"

    @property
    def codomain(self) -> Space:
        """One number per axis that is seen."""
        return Space((self.rows,), self.image.dtype)

    @property
    def rows(self) -> int:
        """1 where A sees one axis only, else 2."""
        return 1 if self.second == 0 else 2

    @property
    def gram_matrix(self) -> tuple[float, float, float]:
        """The entries 11, 12 and 22 of A*A."""
        (c, s), p, q = cos_sin(self.angle), self.first**2, self.second**2
        return p * c * c + q * s * s, (p - q) * c * s, p * s * s + q * c * c

    def apply(self, x: Image) -> Float[Tensor, "b rows"]:
        """The singular values times the coordinates along the axes."""
        a, b = parts(turned(x, -self.angle))
        coordinates = (self.first * a, self.second * b)[: self.rows]
        return torch.stack(coordinates, -1).flatten(1)

    def adjoint(self, y: Data) -> Image:
        """σ₁y₁v₁ + σ₂y₂v₂."""
        first = (self.first * y[:, 0]).view(-1, 1, 1)
        second = torch.zeros_like(first) if self.rows == 1 else (self.second * y[:, 1]).view(-1, 1, 1)
        return turned(joined(first, second), self.angle)

    def gram(self, x: Image) -> Image:
        """A*A x."""
        (a, b), (p, q, r) = parts(x), self.gram_matrix
        return joined(p * a + q * b, q * a + r * b)

    def resolvent(self, b: Image, weight: float, start: Image | None = None) -> Image:
        """(A*A + ρ)⁻¹ b, axis by axis."""
        del start
        u, v = parts(turned(b, -self.angle))
        return turned(joined(u / (self.first**2 + weight), v / (self.second**2 + weight)), self.angle)

    def norm(self) -> Estimate:
        """The larger singular value."""
        return Estimate("‖A‖", max(self.first, self.second), "exact")

    def norm_bound(self) -> Estimate:
        """‖A‖ itself."""
        return self.norm()

    def smallest_singular_value(self) -> Estimate:
        """The smaller one, 0 for one row."""
        return Estimate("σ_min(A)", min(self.first, self.second), "exact")
