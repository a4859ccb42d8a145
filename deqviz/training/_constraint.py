"""The constraint on a filter bank while it trains; the exported network stores the projected filters."""

import math

import torch
from torch import Tensor, nn

from deqviz.networks._conv import symbol_bound

# The filters are rounded to float32 after the projection: aim lower, so that the certificate stays below.
_MARGIN = 1 - 1e-6


class BoundedBank(nn.Module):
    """Mean zero and certified ‖W‖² ≤ limit: v = w − mean(w), over √(bound(v)/limit) where that exceeds 1."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, free: Tensor) -> Tensor:
        """Project; the division is differentiated too, which plain projected gradients would not do."""
        filters = free - free.mean((1, 2, 3), keepdim=True)
        excess = symbol_bound(filters) / (self.limit * _MARGIN)
        return filters / excess.clamp_min(1.0).sqrt()


class ZeroMean(nn.Module):
    """Filters of mean zero, otherwise free."""

    def forward(self, free: Tensor) -> Tensor:
        """Subtract the mean of each filter."""
        return free - free.mean((1, 2, 3), keepdim=True)


def cosine_bank(count: int, size: int) -> Tensor:
    """The first `count` cosines of a square patch but the constant, by rising frequency, of unit norm."""
    if count > size**2 - 1:
        raise ValueError(f"{count} filters of size {size} asked for, but there are {size**2 - 1} cosines")
    position = (torch.arange(size, dtype=torch.float64) + 0.5) * math.pi / size
    waves = torch.cos(torch.arange(size)[:, None] * position)
    waves = waves / waves.norm(dim=1, keepdim=True)
    pairs = [(i, j) for i in range(size) for j in range(size)]
    pairs.sort(key=lambda pair: (pair[0] ** 2 + pair[1] ** 2, pair))
    bank = torch.stack([torch.outer(waves[i], waves[j]) for i, j in pairs[1 : count + 1]])
    return bank[:, None].float()
