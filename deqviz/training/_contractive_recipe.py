"""The recipe of the 1-Lipschitz denoiser, from which those for inverse problems start."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deqviz.core.space import Image
from deqviz.networks.contractive import ContractiveDenoiser
from deqviz.training._recipe import Recipe, constrain, tight_frame


@dataclass(frozen=True)
class ContractiveRecipe(Recipe):
    """Convex potential layers with ‖W‖² ≤ 2, trained as a denoiser."""

    layers: int = 6
    filters: int = 48
    size: int = 7

    def build(self) -> ContractiveDenoiser:
        """Cosines at the largest admitted norm."""
        net = ContractiveDenoiser(self.layers, self.filters, self.size)
        for layer in net.layers:
            constrain(layer, tight_frame(self.filters, self.size, 2.0), 2.0)
        return net

    def estimate(self, net: nn.Module, y: Image, sigma: Tensor) -> Image:
        """One pass through the network."""
        return net(y, sigma)

    @torch.no_grad()
    def denoise(self, net: nn.Module, y: Image, sigma: float) -> Image:
        """One pass through the network."""
        return net(y, sigma)

    def constants(self, net: nn.Module) -> Mapping[str, float]:
        """Lip(D_σ) from above."""
        assert isinstance(net, ContractiveDenoiser)
        return {"lipschitz": net.lipschitz()}
