"""A denoiser of the same layers without the constraint: better, and without a guarantee."""

import torch
from torch import Tensor, nn

from deqviz.core.space import Image
from deqviz.networks._conv import sandwich
from deqviz.networks._threshold import Thresholds, levels
from deqviz.networks.convex_ridge import clip


class FreeLayer(nn.Module):
    """x ↦ x − V* φ_σ(Wx) + m (y − x), with φ(t) = clip(t, ±τ) + g clip(t, ±τ′), V ≠ W.

    The stage of Chen and Pock, 2017, with a simpler influence function. With g < 0 it need not be monotone.
    """

    def __init__(self, filters: int, size: int, at_reference: float) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.zeros(filters, 1, size, size))
        self.synthesis_filters = nn.Parameter(torch.zeros(filters, 1, size, size))
        self.inner = Thresholds(filters, at_reference)
        self.outer = Thresholds(filters, 4 * at_reference)
        self.gain = nn.Parameter(torch.zeros(filters, 1, 1))
        self.mixing = nn.Parameter(torch.tensor([0.1, 0.0]))

    def forward(self, x: Image, y: Image, sigma: float | Tensor) -> Image:
        """One layer; y is the network's input."""
        inner, outer = self.inner(sigma), self.outer(sigma)
        step = sandwich(
            x, self.filters, lambda h: clip(h, inner) + self.gain * clip(h, outer), self.synthesis_filters
        )
        level = levels(sigma, x)[:, None, None, None]
        mix = self.mixing[0] + self.mixing[1] * (level.clamp_min(1e-6) * (255 / 25)).log()
        return x - step + mix * (y - x)


class UnconstrainedDenoiser(nn.Module):
    """D_σ = layer_K ∘ … ∘ layer_1 with free norms: Lip(D_σ) may exceed 1, so plug-and-play may diverge."""

    def __init__(self, layers: int = 6, filters: int = 48, size: int = 7) -> None:
        super().__init__()
        self.layers = nn.ModuleList(FreeLayer(filters, size, at_reference=0.004) for _ in range(layers))

    def forward(self, x: Image, sigma: float | Tensor) -> Image:
        """D_σ(x) on a one-channel image; σ in the unit of x, which is in [0, 1]."""
        y = x
        for layer in self.layers:
            x = layer(x, y, sigma)
        return x
