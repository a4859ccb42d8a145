"""A denoiser that is 1-Lipschitz by construction: convex potential layers, each mixed with the input."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from deqviz.core.rounding import accumulated
from deqviz.core.space import Image
from deqviz.networks._conv import certified_norm_squared, sandwich_rounding
from deqviz.networks._threshold import Thresholds, levels
from deqviz.networks.convex_ridge import ridge_gradient


class PotentialLayer(nn.Module):
    """x ↦ (1 − m)(x − W* clip(Wx, ±τ)) + m y, with a learned mixing weight 0 < m(σ) < 1.

    Where ‖W‖² ≤ 2 the bracket is nonexpansive: its derivative is Id − W*DW with 0 ≤ D ≤ Id, so its spectrum
    lies in [−1, 1] (Meunier et al., 2022).
    """

    def __init__(self, filters: int, size: int, at_reference: float) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.zeros(filters, 1, size, size))
        self.thresholds = Thresholds(filters, at_reference)
        self.mixing = nn.Parameter(torch.tensor([-2.0, 0.0]))

    def mix(self, sigma: float | Tensor) -> Tensor:
        """m(σ) = logistic(a + b log(255 σ / 25)), strictly between 0 and 1."""
        a, b = self.mixing
        level = levels(sigma, a)[:, None, None, None]
        return torch.sigmoid(a + b * (level.clamp_min(1e-6) * (255 / 25)).log())

    def forward(self, x: Image, y: Image, sigma: float | Tensor) -> Image:
        """One layer; y is the network's input."""
        step = ridge_gradient(x, self.filters, self.thresholds(sigma))
        return torch.lerp(x - step, y, self.mix(sigma))


class ContractiveDenoiser(nn.Module):
    """D_σ = layer_K ∘ … ∘ layer_1, nonexpansive for every σ and every image size.

    If y ↦ x_k is ℓ_k-Lipschitz, then ℓ_{k+1} ≤ (1 − m) max(1, ‖W_k‖² − 1) ℓ_k + m, and ℓ_0 = 1: with
    ‖W_k‖² ≤ 2 every ℓ_k ≤ 1. Not a gradient in general: the layers have different filters.
    """

    def __init__(self, layers: int = 8, filters: int = 48, size: int = 7) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PotentialLayer(filters, size, at_reference=0.004) for _ in range(layers))

    def forward(self, x: Image, sigma: float | Tensor) -> Image:
        """D_σ(x) on a one-channel image; σ in the unit of x, which is in [0, 1]."""
        y = x
        for layer in self.layers:
            x = layer(x, y, sigma)
        return x

    def lipschitz(self) -> float:
        """An upper bound on Lip(D_σ) for every σ and image size, in float64 from the stored filters."""
        bound = 1.0
        for filters in self._filters():
            # The mixing with y only averages with 1, so leaving it out keeps the bound valid for every σ.
            bound = max(1.0, _factor(filters) * bound)
        return bound

    def rounding(self) -> float:
        """ε with ‖fl(D_σ(x)) − D_σ(x)‖ ≤ ε‖x‖ in double precision, for every σ and image size.

        D_σ(0) = 0, so that no x_k is longer than its Lipschitz constant times ‖y‖. A layer adds what its
        convolutions lose, and the roundings of a difference and of a mixing: 1 and 8, relative to ‖y‖.
        """
        size, lost, mixing = 1.0, 0.0, accumulated(10, torch.float64)
        for filters in self._filters():
            own = (sandwich_rounding(filters) + mixing) * (size + lost)
            lost, size = _factor(filters) * lost + own, max(1.0, _factor(filters) * size)
        return lost

    def _filters(self) -> Iterator[Tensor]:
        for layer in self.layers:
            assert isinstance(layer, PotentialLayer)
            yield layer.filters


def _factor(filters: Tensor) -> float:
    """‖Id − W*DW‖ for 0 ≤ D ≤ Id from above."""
    return max(1.0, certified_norm_squared(filters) - 1)
