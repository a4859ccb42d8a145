"""Parallel MRI: undersampled Fourier coefficients of complex images, seen by several coils."""

from functools import cached_property
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from deqviz.core.catalog import OPERATORS
from deqviz.core.registry import Options, Range
from deqviz.core.streams import FOLLOWS
from deqviz.operators._masks import MaskSeed, mask_generator, radial, variable_density
from deqviz.operators._multicoil import Maps, MultiCoil, ring_maps

_ROWS = 4

Pattern = Literal["points", "lines", "radial"]
Calibration = Literal["low resolution", "ESPIRiT"]


@OPERATORS.register("parallel_mri", title="Parallel MRI (several coils)", family="MRI")
class ParallelMri(MultiCoil):
    """Undersampled Fourier coefficients with smooth coil sensitivities, A x = m · F(S_c x).

    The maps are simulated with Σ_c |S_c|² = 1, so that ‖A‖ ≤ 1. Every pattern is denser in the middle, where
    a share is measured without gaps. Pruessmann et al., 1999; Lustig, Donoho, Pauly, 2007 for the density.
    """

    complex_pictures: ClassVar[bool] = True

    pattern: Annotated[
        Pattern,
        Options(
            "Sampling pattern", "Single points (two phase encodings), Cartesian lines, or radial spokes."
        ),
    ] = "points"
    acceleration: Annotated[
        float,
        Range(
            1.0,
            12.0,
            "Acceleration",
            symbol="R",
            help="Acceleration factor: 1 of R coefficients is measured.",
        ),
    ] = 4.0
    coils: Annotated[
        int, Range(1, 16, "Coils", help="On a ring around the image; measured k-space brings its own.")
    ] = 4
    centre: Annotated[
        float,
        Range(
            0.0,
            0.2,
            "Fully sampled centre (ACS)",
            help="Share of the coefficients fully sampled around zero frequency; radial spokes need none.",
            advanced=True,
        ),
    ] = 0.06
    seed: MaskSeed = FOLLOWS
    calibration: Annotated[
        Calibration,
        Options(
            "Coil sensitivity maps",
            "Of measured k-space only: from its ACS region, or by ESPIRiT of the package sigpy.",
            advanced=True,
        ),
    ] = "low resolution"

    @cached_property
    def maps(self) -> Maps:
        """A ring of coils."""
        maps = ring_maps(self.coils, self.image.shape[1:])
        return maps.to(self.image.device, self.image.complex_dtype)

    @cached_property
    def mask(self) -> Tensor:
        """The pattern, h × w."""
        h, w = self.image.shape[-2:]
        rng = mask_generator(self.seed)
        drawn = sampling_mask(self.pattern, (h, w), self.acceleration, self.centre, rng)
        return drawn.to(self.image.device, self.image.real_dtype)


def sampling_mask(
    pattern: Pattern, shape: tuple[int, int], acceleration: float, centre: float, rng: torch.Generator
) -> Tensor:
    """One coefficient of `acceleration`, h × w in double precision; `centre` is a share of all of them.

    Of lines the share is one of rows, and four of them at least. Zero frequency is always measured.
    """
    h, w = shape
    row = (torch.arange(h, dtype=torch.float64) - h // 2)[:, None]
    column = torch.arange(w, dtype=torch.float64) - w // 2
    match pattern:
        case "lines":
            # Four rows are the least from which smooth maps can be told.
            count, middle = max(1, round(h / acceleration)), max(_ROWS, round(centre * h))
            return variable_density(row.abs() / (h / 2), count, middle, rng).expand(h, w)
        case "points":
            count, middle = max(1, round(h * w / acceleration)), max(1, round(centre * h * w))
            distance = torch.hypot(row / (h / 2), column / (w / 2)) / 2**0.5
            return variable_density(distance, count, middle, rng)
        case "radial":
            return radial(h, w, max(1, round(h * w / acceleration)), rng)
