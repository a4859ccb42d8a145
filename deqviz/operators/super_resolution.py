"""Super-resolution: an image taken with a coarser sensor."""

import math
from functools import cached_property
from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from deqviz.core.catalog import OPERATORS
from deqviz.core.estimate import Estimate
from deqviz.core.operator import ForwardModel
from deqviz.core.registry import Options, Range
from deqviz.core.space import Data, Image, Space, wide


@OPERATORS.register("super_resolution", title="Super-resolution", family="Super-resolution")
class SuperResolution(ForwardModel):
    """Anti-alias filter, then every q-th pixel along both axes: A x = D_h x D_wᵀ.

    Row i of D weighs the pixels around the centre of block i of s pixels by a Gaussian or a box; each row
    sums to 1, so brightness is kept and the border needs no made-up pixels. Any image size goes: a side of
    n pixels becomes n/s rounded, and a remainder is shared by both ends. The singular values of A are the
    products of those of D_h and D_w, so ‖A‖ is exact, about 1/s (not 1!), and σ_min(A) = 0.

    The resolvent is the closed form of Zhao, Wei, Basarab, Dobigeon, Kouamé and Tourneret, 2016, with the
    singular vectors of D_h and D_w in the place of their Fourier basis, which would need periodic
    borders and sizes divisible by s.
    """

    resolvent_kind = "closed form"
    takes_double = is_double = True
    baseline_name = "Bicubic interpolation"

    factor: Annotated[
        int,
        Range(
            2,
            4,
            "Upscaling factor",
            symbol="s",
            unit="×",
            help="Fine pixels per coarse pixel along each axis.",
        ),
    ] = 2
    filter: Annotated[
        Literal["gaussian", "box"],
        Options("Anti-aliasing filter", "A Gaussian, or the mean over each block of pixels."),
    ] = "gaussian"
    width: Annotated[
        float,
        Range(
            0.2,
            1.0,
            "Filter width",
            unit="coarse px",
            help="Standard deviation of the Gaussian.",
            advanced=True,
        ),
    ] = 0.4

    def _blocks(self, n: int) -> tuple[int, int]:
        """The number of blocks along an axis of n pixels, and the pixel where the first begins."""
        count = max(1, (n + (self.factor - 1) // 2) // self.factor)
        return count, max(0, (n - self.factor * count) // 2)

    @property
    def codomain(self) -> Space:
        """The coarse images."""
        c, h, w = self.image.shape
        return Space((c, self._blocks(h)[0], self._blocks(w)[0]), self.image.dtype, self.image.device)

    def _sampling(self, n: int) -> Tensor:
        """D for an axis of n pixels, in double precision."""
        s = self.factor
        count, begin = self._blocks(n)
        centre = begin + s * torch.arange(count, dtype=torch.float64)[:, None] + (s - 1) / 2
        distance = (torch.arange(n, dtype=torch.float64) - centre).abs()
        if self.filter == "box":
            weights = (distance < s / 2).double()
        else:
            weights = torch.exp(-0.5 * (distance / (self.width * s)).square())
        return weights / weights.sum(1, keepdim=True)

    @property
    def roundings(self) -> float:
        """Four products with the singular vectors V, ‖|V|‖ ≤ √n: more than those with D, which is ≥ 0."""
        return 4 * sum(n**1.5 for n in self.image.shape[-2:]) + 8

    @cached_property
    def _samplings(self) -> tuple[Tensor, Tensor]:
        h, w = (self._sampling(n).to(self.image.device) for n in self.image.shape[-2:])
        return h, w.mT

    @cached_property
    def _svd(self) -> tuple[Tensor, Tensor, Tensor]:
        """The squared singular values of A and the right singular vectors of both axes."""
        _, sh, vh = torch.linalg.svd(self._sampling(self.image.shape[-2]), full_matrices=False)
        _, sw, vw = torch.linalg.svd(self._sampling(self.image.shape[-1]), full_matrices=False)
        squares = (sh[:, None] * sw).square()
        return tuple(t.to(self.image.device) for t in (squares, vh, vw.mT))  # pyright: ignore[reportReturnType]

    def apply(self, x: Image) -> Data:
        """D_h x D_wᵀ."""
        down, across = self._samplings
        return (down @ wide(x) @ across).to(x.dtype)

    def adjoint(self, y: Data) -> Image:
        """D_hᵀ y D_w."""
        down, across = self._samplings
        return (down.mT @ wide(y) @ across.mT).to(y.dtype)

    def resolvent(self, b: Image, weight: float, start: Image | None = None) -> Image:
        """(b − V(λ/(λ + ρ) · V*b))/ρ for A*A = VλV*, exact."""
        del start
        squares, vh, vw = self._svd
        shrunk = (vh @ wide(b) @ vw) * (squares / (squares + weight))
        return ((b - vh.mT @ shrunk @ vw.mT) / weight).to(b.dtype)

    def norm(self) -> Estimate:
        """The product of the largest singular values of D_h and D_w."""
        values = [float(torch.linalg.matrix_norm(self._sampling(n), 2)) for n in self.image.shape[-2:]]
        return Estimate("‖A‖", math.prod(values), "exact")

    def norm_bound(self) -> Estimate:
        """‖A‖ itself."""
        return self.norm()

    def smallest_singular_value(self) -> Estimate:
        """0: there are fewer data than pixels."""
        return Estimate("σ_min(A)", 0.0, "exact")

    def baseline(self, y: Data) -> Image:
        """Bicubic interpolation of the coarse image."""
        fine = interpolate(y, scale_factor=self.factor, mode="bicubic", align_corners=False)
        for axis in (-2, -1):
            n, size = self.image.shape[axis], fine.shape[axis]
            nearest = (torch.arange(n, device=y.device) - self._blocks(n)[1]).clamp(0, size - 1)
            fine = fine.index_select(axis, nearest)
        return fine
