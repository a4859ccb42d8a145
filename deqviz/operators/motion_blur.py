"""Linear motion blur as a periodic convolution."""

import math
from typing import Annotated

import torch
from torch import Tensor

from deqviz.core.catalog import OPERATORS
from deqviz.core.registry import Range
from deqviz.operators._base import Convolution


@OPERATORS.register("motion_blur", title="Motion blur", family="Deblurring")
class MotionBlur(Convolution):
    """Periodic convolution with a straight anti-aliased line of unit mass, A x = h ∗ x.

    h is the segment of the given length and direction seen through the bilinear hat of a pixel, so
    h ≥ 0, Σh = 1 and h is even; hence ‖A‖ = ĥ(0) = 1. ĥ has zero crossings about every 1/length across
    the line, where nothing of the image survives: σ_min(A) = min |ĥ| on this grid, often almost 0.
    """

    length: Annotated[float, Range(1.0, 40.0, "Length", unit="px", help="Length of the motion.")] = 9.0
    angle: Annotated[
        float,
        Range(
            0.0, 180.0, "Angle", unit="°", symbol="θ", help="Direction, counter-clockwise from horizontal."
        ),
    ] = 30.0

    def spectrum(self) -> Tensor:
        """The transform of the line, drawn with 16 points per pixel."""
        h, w = self.image.shape[-2:]
        count = 2 * math.ceil(8 * self.length) + 1
        along = torch.linspace(-self.length / 2, self.length / 2, count, dtype=torch.float64)
        theta = math.radians(self.angle)
        right, down = along * math.cos(theta), -along * math.sin(theta)
        kernel = torch.zeros(h, w, dtype=torch.float64)
        for row in (down.floor(), down.floor() + 1):
            for column in (right.floor(), right.floor() + 1):
                hat = (1 - (down - row).abs()) * (1 - (right - column).abs())
                # Modulo: a line longer than the image wraps around, as periodic convolution wants.
                kernel.index_put_((row.long() % h, column.long() % w), hat, accumulate=True)
        return torch.fft.rfft2(kernel / kernel.sum())
