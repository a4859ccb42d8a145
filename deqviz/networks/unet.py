"""A small residual U-Net: post-processing of a linear reconstruction."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Pixels = Float[Tensor, "b c h w"]


class ResidualUNet(nn.Module):
    """x ↦ x + U(x) with one level of averaging between two pairs of convolutions, zeros outside the image.

    Ronneberger, Fischer and Brox, 2015, at about the number of parameters of `MonotoneCNN`. It also learns
    the weight λ of the linear reconstruction that it is given.
    """

    def __init__(self, channels: int = 2, width: int = 18, weight: float = 100.0, seed: int = 0) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(seed)

        def convolution(inputs: int, outputs: int, gain: float = 1.0) -> nn.Conv2d:
            # Its own start would be drawn from the global generator.
            here = torch.get_default_device()
            layer = nn.utils.skip_init(nn.Conv2d, inputs, outputs, 3, padding=1, device=here)
            assert isinstance(layer, nn.Conv2d)
            assert layer.bias is not None
            spread = gain * (2 / (9 * inputs)) ** 0.5
            layer.weight.data = spread * torch.randn(layer.weight.shape, generator=rng)
            nn.init.zeros_(layer.bias)
            return layer

        self.down = nn.ModuleList([convolution(channels, width), convolution(width, width)])
        self.low = nn.ModuleList([convolution(width, 2 * width), convolution(2 * width, 2 * width)])
        self.up = nn.ModuleList([convolution(3 * width, width), convolution(width, channels, gain=0.1)])
        self.log_weight = nn.Parameter(torch.tensor(weight).log())

    def forward(self, x: Pixels) -> Pixels:
        """x + U(x); h and w of any size from 2 on."""
        h = x
        for layer in self.down:
            h = layer(h).relu()
        low = F.avg_pool2d(h, 2, ceil_mode=True)
        for layer in self.low:
            low = layer(low).relu()
        low = F.interpolate(low, h.shape[-2:], mode="bilinear", align_corners=False)
        h = self.up[0](torch.cat([h, low], 1)).relu()
        return x + self.up[1](h)
