"""Single-coil MRI: subsampled Fourier coefficients of the image."""

import math
from functools import cached_property
from typing import Annotated, Literal

import torch
from torch import Tensor

from deqviz.core.catalog import OPERATORS
from deqviz.core.estimate import Estimate
from deqviz.core.registry import Options, Range
from deqviz.core.space import Data, Image, Space, wide
from deqviz.core.streams import FOLLOWS
from deqviz.operators._base import FourierDiagonal
from deqviz.operators._masks import MaskSeed, mask_generator, radial, variable_density


@OPERATORS.register("fourier", title="Fourier sampling (single-coil MRI)", family="MRI")
class Fourier(FourierDiagonal):
    """Subsampled unitary Fourier transform, A x = m · F x, of real images; the measurements are complex.

    Zero frequency stands at ⌊h/2⌋, ⌊w/2⌋, the middle of the data, which keeps the image's shape with
    zeros where nothing is measured. As x is real, A*y = Re F*(m · y), and A*A multiplies frequency k by
    (m(k) + m(−k))/2, which is 0, ½ or 1: gram, resolvent and σ_min(A) are exact for any mask.
    ‖A‖ = 1, because zero frequency is always measured.

    Lustig, Donoho, Pauly 2007 for the variable density; Winkelmann et al. 2007 for golden-angle spokes.
    """

    baseline_name = "Zero-filled"

    pattern: Annotated[
        Literal["lines", "radial", "points"],
        Options(
            "Sampling pattern",
            "Cartesian lines, radial spokes, or single points, denser around zero frequency.",
        ),
    ] = "lines"
    fraction: Annotated[
        float,
        Range(
            0.05,
            1.0,
            "Sampling ratio",
            symbol="p",
            help="Number of measured over number of all Fourier coefficients.",
        ),
    ] = 0.25
    centre: Annotated[
        float,
        Range(
            0.0,
            0.2,
            "Fully sampled centre (ACS)",
            help="Share of the coefficients fully sampled around zero frequency; radial spokes need none.",
            advanced=True,
        ),
    ] = 0.08
    seed: MaskSeed = FOLLOWS

    @property
    def codomain(self) -> Space:
        """Complex images of Fourier coefficients, zero frequency in the middle."""
        return Space(self.image.shape, self.image.complex_dtype, self.image.device)

    def _pattern(self) -> Tensor:
        """The mask in double precision, zero frequency in the middle."""
        h, w = self.image.shape[-2:]
        rng = mask_generator(self.seed)
        row = (torch.arange(h, dtype=torch.float64) - h // 2)[:, None]
        column = torch.arange(w, dtype=torch.float64) - w // 2
        match self.pattern:
            case "lines":
                count, centre = max(1, round(self.fraction * h)), max(1, round(self.centre * h))
                return variable_density(row.abs() / (h / 2), count, centre, rng).expand(h, w)
            case "points":
                count, centre = max(1, round(self.fraction * h * w)), max(1, round(self.centre * h * w))
                distance = torch.hypot(row / (h / 2), column / (w / 2)) / math.sqrt(2)
                return variable_density(distance, count, centre, rng)
            case "radial":
                return radial(h, w, max(1, round(self.fraction * h * w)), rng)

    @cached_property
    def _mask(self) -> Tensor:
        return self._pattern().to(self.image.device)

    @cached_property
    def _power(self) -> Tensor:
        """(m(k) + m(−k))/2 on the half plane of `rfft2`, zero frequency first."""
        mask = torch.fft.ifftshift(self._mask, dim=(-2, -1))
        mirrored = mask.flip((-2, -1)).roll((1, 1), (-2, -1))
        return ((mask + mirrored) / 2)[:, : self.image.shape[-1] // 2 + 1].contiguous()

    @property
    def measured(self) -> Tensor:
        """The mask, once per channel."""
        return self._mask.to(self.image.dtype).expand(self.image.shape)

    def apply(self, x: Image) -> Data:
        """m · F x."""
        y = torch.fft.fftshift(torch.fft.fft2(wide(x), norm="ortho"), dim=(-2, -1)) * self._mask
        return y.to(x.dtype.to_complex())

    def adjoint(self, y: Data) -> Image:
        """Re F*(m · y), the zero-filled reconstruction."""
        x = torch.fft.ifft2(torch.fft.ifftshift(wide(y) * self._mask, dim=(-2, -1)), norm="ortho")
        return x.real.to(y.dtype.to_real())

    def norm(self) -> Estimate:
        """‖A‖ = 1."""
        return Estimate("‖A‖", 1.0, "exact")

    def norm_bound(self) -> Estimate:
        """‖A‖ itself."""
        return self.norm()

    def smallest_singular_value(self) -> Estimate:
        """The root of the least (m(k) + m(−k))/2: 0, √½ or 1."""
        return Estimate("σ_min(A)", math.sqrt(float(self._power.min())), "exact")
