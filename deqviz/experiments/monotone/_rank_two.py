"""An A for which two given images solve one equation: a rank-two change of the identity."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deqviz.core.estimate import Estimate
from deqviz.core.operator import ForwardModel
from deqviz.core.space import Data, Image, Space, inner


@dataclass(frozen=True, eq=False)
class RankTwo(ForwardModel):
    """A x = (x + E(S − I)Eᵀx)/√λ: symmetric, S > 0 on the plane with the orthonormal basis E, 1/√λ off it.

    `basis` is r × (c, h, w), `inside` is S, r × r. Its inverse and its resolvent are of the same kind.
    """

    basis: Tensor
    inside: Tensor
    scale: float = 1.0

    resolvent_kind = "closed form"

    @property
    def roundings(self) -> float:
        """Of two products with E and its transpose, r vectors of n entries."""
        return 4 * len(self.basis) * (self.image.size + len(self.basis))

    @property
    def codomain(self) -> Space:
        """The images themselves."""
        return self.image

    def _changed(self, x: Data, inside: Tensor, outside: float) -> Image:
        """`inside` on the plane, the factor `outside` off it."""
        flat, plane = x.flatten(1), self.basis.flatten(1)
        coordinates = flat @ plane.mT
        return (outside * flat + (coordinates @ inside.mT - outside * coordinates) @ plane).view(x.shape)

    def apply(self, x: Data) -> Image:
        """A x."""
        return self._changed(x, self.scale * self.inside, self.scale)

    def adjoint(self, y: Data) -> Image:
        """A itself."""
        return self.apply(y)

    def inverse(self, y: Data) -> Image:
        """A⁻¹y."""
        return self._changed(y, torch.linalg.inv(self.scale * self.inside), 1 / self.scale)

    def resolvent(self, b: Image, weight: float, start: Image | None = None) -> Image:
        """(A² + ρ)⁻¹ b."""
        del start
        square, one = self.scale**2, torch.eye(len(self.inside), dtype=b.dtype, device=b.device)
        inside = torch.linalg.inv(square * self.inside @ self.inside + weight * one)
        return self._changed(b, inside, 1 / (square + weight))

    @property
    def values(self) -> tuple[float, ...]:
        """All singular values that differ, from the largest."""
        eigenvalues = (*torch.linalg.eigvalsh(self.inside).tolist(), 1.0)
        return tuple(sorted((self.scale * v for v in eigenvalues), reverse=True))

    def norm_bound(self) -> Estimate:
        """The largest singular value."""
        return Estimate("‖A‖", self.values[0], "exact")

    def smallest_singular_value(self) -> Estimate:
        """The smallest one."""
        return Estimate("σ_min(A)", self.values[-1], "exact")


def joining(first: Image, second: Image, change: Data, weight: float) -> RankTwo:
    """A = (M/λ)^½ with M(x − z) = g, for images x and z, g = F(z) − F(x) and λ = `weight`.

    M = ggᵀ/⟨g, h⟩ + I − hhᵀ/‖h‖² with h = x − z is positive definite where ⟨g, h⟩ > 0; ValueError otherwise.
    It is the identity off the plane of g and h, so that its root is that of a 2 × 2 matrix.
    """
    h, g = first - second, change
    along = float(inner(g, h))
    if not along > 0:
        raise ValueError("F is monotone between these two images: no A makes both of them solutions.")
    e = h / torch.linalg.vector_norm(h)
    across = g - inner(g, e).view(-1, 1, 1, 1) * e
    # Once more: of a g that is nearly parallel to h rounding leaves a part along h.
    across = across - inner(across, e).view(-1, 1, 1, 1) * e
    size = float(torch.linalg.vector_norm(across))
    is_flat = size <= 1e-12 * float(torch.linalg.vector_norm(g))
    basis = e if is_flat else torch.cat([e, across / size])
    parts = torch.stack([inner(g, b[None]).squeeze() for b in basis])
    M = torch.outer(parts, parts) / along
    if not is_flat:
        M[1, 1] += 1
    values, vectors = torch.linalg.eigh(M)
    root = (vectors * values.sqrt()) @ vectors.mT
    space = Space(tuple(first.shape[1:]), first.dtype, str(first.device))
    return RankTwo(space, basis, root, weight**-0.5)
