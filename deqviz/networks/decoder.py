"""Decoder networks: from a small grid of fixed noise to an image."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deqviz.networks._layers import Normalise, checked, convolution, levels, resized

Noise = Float[Tensor, "b n h w"]
Picture = Float[Tensor, "b c h2 w2"]


class Decoder(nn.Module):
    """u ↦ g(u, θ): at every level convolution, bilinear interpolation to the next size, ReLU, normalisation.

    With kernels of `size` 3 a convolutional decoder; with 1 the deep decoder, which mixes channels only, so
    that neighbours meet by interpolation alone. Sizes and outputs are as of `Skip`. Heckel and Hand, 2019.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int = 32,
        scales: int = 4,
        *,
        size: int = 3,
        is_bounded: bool = True,
        rng: torch.Generator,
    ) -> None:
        """Weights for images c × h × w drawn from `rng`; raises ValueError for what has no pixels."""
        super().__init__()
        channels, *sides = shape
        checked(channels, width)
        if size not in (1, 3):
            raise ValueError(f"The kernels of a decoder are 1 or 3 pixels wide, not {size}.")
        self.levels = levels(sides[0], sides[1], scales)
        self.width, self.border, self.is_bounded = width, size // 2, is_bounded
        count = len(self.levels)
        self.mix = nn.ModuleList([convolution(width, width, size, rng, bias=True) for _ in range(count)])
        self.normalise = nn.ModuleList([Normalise(width) for _ in range(count)])
        self.last = convolution(width, channels, 1, rng, bias=True)

    def draw(self, rng: torch.Generator) -> Noise:
        """An input u on the coarsest level: normal for kernels of 3, uniform in [0, 1) for those of 1."""
        shape = (1, self.width, *self.levels[-1])
        return torch.randn(shape, generator=rng) if self.border else torch.rand(shape, generator=rng)

    def forward(self, u: Noise) -> Picture:
        """g(u, θ)."""
        h = u
        for n, (mix, normalise) in enumerate(zip(self.mix, self.normalise, strict=True)):
            if self.border:
                h = F.pad(h, (self.border,) * 4, mode="reflect")
            h = mix(h)
            # The last convolution has no larger level to go to.
            if n < len(self.levels) - 1:
                h = resized(h, self.levels[-2 - n])
            h = normalise(h.relu())
        x = self.last(h)
        return x.sigmoid() if self.is_bounded else x
