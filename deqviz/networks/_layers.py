"""Layers of untrained networks: convolutions drawn from a given generator, and the sizes of levels."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Pixels = Float[Tensor, "b c h w"]
Outputs = Float[Tensor, "b c2 h2 w2"]
LEAST = 2
"""Pixels along a side of the coarsest level: a reflection at the border needs two."""


def convolution(
    inputs: int, outputs: int, size: int, rng: torch.Generator, *, stride: int = 1, bias: bool = False
) -> nn.Conv2d:
    """Weights and bias uniform in ±1/√(inputs·size²), drawn from `rng` in single precision; no padding."""
    # Its own start would be drawn from the global generator.
    layer = nn.utils.skip_init(nn.Conv2d, inputs, outputs, size, stride=stride, bias=bias)
    assert isinstance(layer, nn.Conv2d)
    spread = (inputs * size**2) ** -0.5
    for weight in layer.parameters():
        weight.data = spread * (2 * torch.rand(weight.shape, generator=rng) - 1)
    return layer


class Normalise(nn.Module):
    """Every channel of every image brought to mean 0 and variance 1, then scaled and shifted by weights.

    For one image this is batch normalisation while training (Ioffe and Szegedy, 2015); in a batch, images
    do not meet.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Pixels) -> Pixels:
        """The normalised image."""
        # As one group for each channel it takes half the time of `batch_norm`.
        return F.group_norm(x, self.channels, self.scale, self.shift)


class Block(nn.Module):
    """Reflection at the border, a convolution, normalisation, and a ReLU of slope 0.2 below 0."""

    def __init__(
        self, inputs: int, outputs: int, size: int, rng: torch.Generator, *, stride: int = 1
    ) -> None:
        super().__init__()
        self.convolution = convolution(inputs, outputs, size, rng, stride=stride)
        self.normalise = Normalise(outputs)
        self.border = size // 2

    def forward(self, x: Pixels) -> Outputs:
        """`outputs` channels; sides of n pixels become n/stride, rounded up."""
        if self.border:
            x = F.pad(x, (self.border,) * 4, mode="reflect")
        return F.leaky_relu(self.normalise(self.convolution(x)), 0.2)


def resized(x: Pixels, size: Sequence[int]) -> Outputs:
    """x, interpolated bilinearly to h × w."""
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=False)


def levels(height: int, width: int, scales: int) -> tuple[tuple[int, int], ...]:
    """The sizes of at most `scales` halvings, rounded up, finest first; none with a side below two pixels.

    Raises ValueError where not one halving is left.
    """
    if scales < 1:
        raise ValueError(f"The network needs at least one scale, not {scales}.")
    sizes = [(height, width)]
    while len(sizes) <= scales:
        h, w = ((n + 1) // 2 for n in sizes[-1])
        if min(h, w) < LEAST:
            break
        sizes.append((h, w))
    if len(sizes) == 1:
        raise ValueError(
            f"The network needs images of 3 × 3 pixels or more, not {height} × {width}: take a larger one."
        )
    return tuple(sizes)


def checked(channels: int, width: int) -> None:
    """Raise ValueError where a network would have no channel."""
    if min(channels, width) < 1:
        raise ValueError(
            f"The network has at least one channel, not {channels} of images and {width} inside."
        )
