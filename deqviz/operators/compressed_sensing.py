"""Compressed sensing with a subsampled randomised Hadamard transform."""

import math
from functools import cached_property
from typing import Annotated

import torch
from torch import Tensor

from deqviz.core.catalog import OPERATORS
from deqviz.core.estimate import Estimate
from deqviz.core.operator import ForwardModel
from deqviz.core.registry import Range
from deqviz.core.space import Data, Image, Space, wide
from deqviz.core.streams import FOLLOWS
from deqviz.operators._masks import MaskSeed, mask_generator


def _orthonormal(n: int) -> Tensor:
    """H ⊗ C, n × n and orthonormal: Hadamard on the largest power of two in n, cosines on the odd rest."""
    even = n & -n
    odd = n // even
    hadamard = torch.ones(1, 1, dtype=torch.float64)
    for _ in range(even.bit_length() - 1):
        hadamard = torch.kron(torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64), hadamard)
    k = torch.arange(odd, dtype=torch.float64)
    cosines = torch.cos(math.pi / odd * k[:, None] * (k + 0.5)) * math.sqrt(2 / odd)
    cosines[0] = math.sqrt(1 / odd)
    return torch.kron(hadamard / math.sqrt(even), cosines)


@OPERATORS.register(
    "compressed_sensing", title="Compressed sensing (random Hadamard)", family="Compressed sensing"
)
class CompressedSensing(ForwardModel):
    """Subsampled randomised Hadamard transform A = P H D: random signs D, an orthonormal H, random rows P.

    H = H_h ⊗ H_w acts along both axes. For sides that are powers of two it is the Walsh–Hadamard transform;
    another side n = 2ᵖ·q takes Hadamard of order 2ᵖ times the cosine transform of order q, orthonormal too.
    So AA* = I for every image size: ‖A‖ = 1 and (A*A + ρI)⁻¹ = (I − A*A/(1 + ρ))/ρ exactly.

    Ailon, Chazelle 2006; Tropp 2011 for the distortion of subspaces. The same signs and rows serve each
    channel.
    """

    resolvent_kind = "closed form"
    takes_double = is_double = True

    fraction: Annotated[
        float,
        Range(
            0.02, 1.0, "Sampling ratio", symbol="p", help="Number of measurements m over number of pixels n."
        ),
    ] = 0.3
    seed: MaskSeed = FOLLOWS

    @property
    def _count(self) -> int:
        h, w = self.image.shape[-2:]
        return max(1, round(self.fraction * h * w))

    @property
    def codomain(self) -> Space:
        """Vectors of measurements, one per channel."""
        return Space((self.image.shape[0], self._count), self.image.dtype, self.image.device)

    @property
    def roundings(self) -> float:
        """Two products with each H, whose |H| has the norm √n, and the closed form."""
        return 2 * sum(n**1.5 for n in self.image.shape[-2:]) + 8

    @cached_property
    def _transforms(self) -> tuple[Tensor, Tensor]:
        h, w = (_orthonormal(n).to(self.image.device) for n in self.image.shape[-2:])
        return h, w.mT.contiguous()

    @cached_property
    def _draws(self) -> tuple[Tensor, Tensor]:
        """The signs of D and the rows of P."""
        h, w = self.image.shape[-2:]
        rng = mask_generator(self.seed)
        signs = 2.0 * torch.randint(0, 2, (h, w), generator=rng) - 1
        rows = torch.randperm(h * w, generator=rng)[: self._count].sort().values
        return signs.double().to(self.image.device), rows.to(self.image.device)

    def apply(self, x: Image) -> Data:
        """The chosen entries of H_h (D x) H_wᵀ."""
        (down, across), (signs, rows) = self._transforms, self._draws
        return (down @ (signs * x) @ across).flatten(-2).index_select(-1, rows).to(x.dtype)

    def adjoint(self, y: Data) -> Image:
        """D H_hᵀ Y H_w, with y put back into its places of the zero image Y."""
        (down, across), (signs, rows) = self._transforms, self._draws
        h, w = self.image.shape[-2:]
        spread = signs.new_zeros(*y.shape[:-1], h * w).index_copy(-1, rows, wide(y))
        return (signs * (down.mT @ spread.unflatten(-1, (h, w)) @ across.mT)).to(y.dtype)

    def resolvent(self, b: Image, weight: float, start: Image | None = None) -> Image:
        """(b − A*A b/(1 + ρ))/ρ, exact as AA* = I; b/(1 + ρ) where everything is measured."""
        del start
        if self._count == math.prod(self.image.shape[-2:]):
            return b / (1 + weight)
        return (b - self.gram(b) / (1 + weight)) / weight

    def norm(self) -> Estimate:
        """‖A‖ = 1, as AA* = I."""
        return Estimate("‖A‖", 1.0, "exact")

    def norm_bound(self) -> Estimate:
        """‖A‖ itself."""
        return self.norm()

    def smallest_singular_value(self) -> Estimate:
        """0 with fewer measurements than pixels, else 1."""
        h, w = self.image.shape[-2:]
        return Estimate("σ_min(A)", float(self._count == h * w), "exact")
