"""Gaussian blur as a periodic convolution."""

import math
from typing import Annotated

import torch
from torch import Tensor

from deqviz.core.catalog import OPERATORS
from deqviz.core.registry import Range
from deqviz.operators._base import Convolution


def _transfer(n: int, width: float) -> Tensor:
    """ĥ(k) ∝ Σ_m exp(−½ w² (2πk/n + 2πm)²), the transform of sampled Gaussians by Poisson's sum; ĥ(0) = 1."""
    frequency = torch.fft.fftfreq(n, dtype=torch.float64)[:, None]
    # |m| ≤ 6: the next term is below 10⁻³² for the least width, 0.3 px.
    aliases = frequency + torch.arange(-6, 7, dtype=torch.float64)
    folded = torch.exp(-0.5 * (2 * math.pi * width * aliases).square()).sum(1)
    return folded / folded[0]


@OPERATORS.register("gaussian_blur", title="Gaussian blur", family="Deblurring")
class GaussianBlur(Convolution):
    """Periodic convolution with a sampled Gaussian, A x = h ∗ x with h ∝ exp(−|p|²/2w²) and Σh = 1.

    Both h and its transfer ĥ are positive and even, so A is self-adjoint and positive definite with
    ‖A‖ = ĥ(0) = 1; σ_min(A) = min ĥ > 0 but below rounding for wide kernels. The transfer is summed in
    closed form (Poisson), nothing is cut off.
    """

    width: Annotated[
        float,
        Range(
            0.3, 6.0, "Blur width w", unit="px", symbol="w", help="Standard deviation of the Gaussian kernel."
        ),
    ] = 1.6

    def spectrum(self) -> Tensor:
        """The product of the transfers along both axes."""
        h, w = self.image.shape[-2:]
        return _transfer(h, self.width)[:, None] * _transfer(w, self.width)[: w // 2 + 1]
