"""The network H of monotone operator learning, F = Id − H, on periodic images, volumes and dynamic series."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Shaped
from torch import Tensor, nn

from deqviz.core.rounding import RoundingBound, accumulated
from deqviz.networks._spectrum import grid_norm, norm_everywhere

Pixels = Shaped[Tensor, "b c *s"]
_CONVOLUTIONS = {2: F.conv2d, 3: F.conv3d}
_STRIP = 32
"""Rows at a time where patches are copied."""


def sorted_pairs(x: Pixels) -> Pixels:
    """The larger of channels j and j + c/2 in the first half, the smaller in the second: an isometry locally.

    1-Lipschitz like the rectifier, but it loses nothing of the gradient (Anil, Lucas and Grosse, 2019).
    """
    one, other = x.chunk(2, 1)
    return torch.cat([torch.maximum(one, other), torch.minimum(one, other)], 1)


class Convolution(nn.Module):
    """x ↦ W x + b, periodic; `filters` is out × in × k × … × k."""

    def __init__(self, inputs: int, outputs: int, size: int, axes: int, rng: torch.Generator) -> None:
        super().__init__()
        spread = math.sqrt(2 / (inputs * size**axes))
        shape = (outputs, inputs, *[size] * axes)
        self.filters = nn.Parameter(spread * torch.randn(shape, generator=rng))
        self.offset = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Pixels) -> Shaped[Tensor, "b out *s"]:
        """One periodic correlation."""
        filters = self.filters
        axes, half = filters.ndim - 2, filters.shape[-1] // 2
        padded = F.pad(x, [half] * (2 * axes), mode="circular")
        if x.dtype != torch.float64 or x.device.type != "cpu" or torch.is_grad_enabled():
            return _CONVOLUTIONS[axes](padded, filters, self.offset)
        # In double precision a CPU copies every patch: strip by strip, or 512² take 600 MB.
        strips = (padded[:, :, top : top + _STRIP + 2 * half] for top in range(0, x.shape[2], _STRIP))
        return torch.cat([_CONVOLUTIONS[axes](strip, filters, self.offset) for strip in strips], 2)


@dataclass(frozen=True, slots=True)
class LayerNorms:
    """The bound on each layer's norm, their product, and the bound on Lip(H) that follows."""

    layers: tuple[float, ...]
    product: float
    lipschitz: float


class MonotoneCNN(nn.Module):
    """H(x) = (1 − m)[(1 − t)x + t N(x)], with N = W_L ∘ σ ∘ … ∘ σ ∘ W_1, periodic W_i and sorted pairs.

    Lip(H) ≤ (1 − m)(1 − t + t ∏‖W_i‖): where ∏‖W_i‖ ≤ 1, F = Id − H is m-monotone, ⟨F(x) − F(z), x − z⟩ ≥
    m‖x − z‖². Nothing here enforces that: the strict recipe does, the others leave the norms free. t =
    `share` and log λ = `log_weight`, the data-fidelity weight, are learned. One network serves grey images
    (one channel), complex ones (two), volumes and dynamic series (axes = 3). After Pramanik, Zimmerman and
    Jacob, 2023, who have t = 1 and rectifiers.
    """

    def __init__(
        self,
        channels: int = 2,
        width: int = 32,
        layers: int = 5,
        size: int = 3,
        axes: int = 2,
        margin: float = 0.1,
        weight: float = 100.0,
        seed: int = 0,
    ) -> None:
        """Random filters from the seed; refuse what is no network."""
        super().__init__()
        if (
            layers < 2
            or width % 2
            or size % 2 == 0
            or axes not in _CONVOLUTIONS
            or not 0 <= margin < 1
            or weight <= 0
        ):
            raise ValueError(
                "Two layers, an even width, odd filters, 2 or 3 axes, 0 ≤ m < 1 and λ > 0 are needed."
            )
        rng = torch.Generator().manual_seed(seed)
        widths = (channels, *[width] * (layers - 1), channels)
        self.channels, self.axes, self.margin = channels, axes, margin
        self.layers = nn.ModuleList(Convolution(i, o, size, axes, rng) for i, o in pairwise(widths))
        self.mixing = nn.Parameter(torch.zeros(()))
        self.log_weight = nn.Parameter(torch.tensor(math.log(weight)))

    @property
    def share(self) -> Tensor:
        """t = logistic(mixing)."""
        return torch.sigmoid(self.mixing)

    @property
    def weight(self) -> float:
        """λ as it was learned."""
        return float(self.log_weight.detach().exp())

    def network(self, x: Pixels) -> Pixels:
        """N(x)."""
        for number, layer in enumerate(self.layers):
            x = layer(x if number == 0 else sorted_pairs(x))
        return x

    def forward(self, x: Pixels) -> Pixels:
        """H(x)."""
        if x.shape[1] != self.channels or x.ndim != self.axes + 2:
            raise ValueError(
                f"This network takes b × {self.channels} × {self.axes} axes, not {tuple(x.shape)}."
            )
        return (1 - self.margin) * torch.lerp(x, self.network(x), self.share)

    def norms(self, grid: Sequence[int] | None = None) -> LayerNorms:
        """Certified upper bounds on a periodic grid of this size; None: for every size that fits."""
        norms = tuple(self._norm(layer.filters, grid) for layer in self.layers)
        product, t = math.prod(norms), float(self.share.detach().double())
        return LayerNorms(norms, product, (1 - self.margin) * (1 - t + t * product))

    def rounding(self) -> RoundingBound:
        """What F(x) = x − H(x) loses, on every grid.

        A layer is as long as ‖W‖ allows, and its offset on every pixel; a sum of n products and the offset
        loses γ_{n+1}(‖|W|‖‖x‖ + ‖b‖). Sorting loses nothing. The end is a mixing, a multiple and a difference
        of x and N(x): eight roundings.
        """
        # Both are (relative, offset), a multiple of ‖x‖ and one of √n.
        size, lost = torch.tensor([1.0, 0.0]).double(), torch.zeros(2).double()
        whole = size
        for layer, norm in zip(self.layers, self.norms().layers, strict=True):
            assert isinstance(layer, Convolution)
            filters = layer.filters.detach().cpu().double()
            offset = torch.tensor([0.0, float(layer.offset.detach().double().norm())]).double()
            own = accumulated(filters[0].numel() + 1, torch.float64)
            lost = norm * lost + own * (_absolute_norm(filters) * (size + lost) + offset)
            size = norm * size + offset
        lost = lost + accumulated(8, torch.float64) * (whole + size + lost)
        return RoundingBound(float(lost[0]), float(lost[1]))

    @staticmethod
    def _norm(filters: Tensor | nn.Module, grid: Sequence[int] | None) -> float:
        assert isinstance(filters, Tensor)
        return norm_everywhere(filters) if grid is None else grid_norm(filters, grid)


def _absolute_norm(filters: Tensor) -> float:
    """‖|W|‖ on every periodic grid from above, |W| having the absolute values of the filters.

    Of them |Ŵ(ω)| ≤ Ŵ(0) in every entry, and a matrix's norm is at most √(‖·‖₁‖·‖_∞).
    """
    sums = filters.abs().flatten(2).sum(2)
    return math.sqrt(float(sums.sum(0).max()) * float(sums.sum(1).max()))
