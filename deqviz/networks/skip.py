"""An encoder-decoder with skip connections: an untrained network of fixed noise."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deqviz.networks._layers import Block, Normalise, checked, convolution, levels, resized

Noise = Float[Tensor, "b n h w"]
Picture = Float[Tensor, "b c h w"]

SHARE = 16
"""Channels inside for one of a skip connection, at least one: with more of them noise passes by."""


class Skip(nn.Module):
    """u ↦ g(u, θ): down by strides, up by bilinear interpolation, a few channels beside every level.

    g(u, θ) is b × c × h × w for u of `draw`: a sigmoid keeps it in [0, 1], or nothing does. Images of any
    size from 3 × 3; levels whose sides would be below two pixels are left out. Ulyanov, Vedaldi and
    Lempitsky, 2018.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int = 16,
        scales: int = 3,
        *,
        is_bounded: bool = True,
        rng: torch.Generator,
    ) -> None:
        """Weights for images c × h × w drawn from `rng`; raises ValueError for what has no pixels."""
        super().__init__()
        channels, *size = shape
        checked(channels, width)
        self.levels = levels(size[0], size[1], scales)
        self.inputs, self.is_bounded = 32 if width >= 32 else 16, is_bounded
        across = max(1, width // SHARE)
        down, beside, join, up = ([] for _ in range(4))
        for n in range(len(self.levels) - 1):
            inputs = width if n else self.inputs
            down += [nn.Sequential(Block(inputs, width, 3, rng, stride=2), Block(width, width, 3, rng))]
            beside += [Block(inputs, across, 1, rng)]
            join += [Normalise(width + across)]
            up += [nn.Sequential(Block(width + across, width, 3, rng), Block(width, width, 1, rng))]
        self.down, self.beside, self.join, self.up = map(nn.ModuleList, (down, beside, join, up))
        self.last = convolution(width, channels, 1, rng, bias=True)

    def draw(self, rng: torch.Generator) -> Noise:
        """An input u: uniform noise in [0, 0.1), as large as the image."""
        return 0.1 * torch.rand(1, self.inputs, *self.levels[0], generator=rng)

    def forward(self, u: Noise) -> Picture:
        """g(u, θ)."""
        beside: list[Tensor] = []
        h = u
        for down, across in zip(self.down, self.beside, strict=True):
            beside.append(across(h))
            h = down(h)
        for n in reversed(range(len(beside))):
            h = torch.cat([resized(h, self.levels[n]), beside[n]], 1)
            h = self.up[n](self.join[n](h))
        x = self.last(h)
        return x.sigmoid() if self.is_bounded else x
