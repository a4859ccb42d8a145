"""The recipe of the 1-Lipschitz denoiser, from which those for inverse problems start."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from deqviz.networks.contractive import ContractiveDenoiser
from deqviz.training._recipe import LayeredRecipe, constrain, tight_frame


@dataclass(frozen=True)
class ContractiveRecipe(LayeredRecipe):
    """Convex potential layers with ‖W‖² ≤ 2, trained as a denoiser."""

    def build(self) -> ContractiveDenoiser:
        """Cosines at the largest admitted norm."""
        net = ContractiveDenoiser(self.layers, self.filters, self.size)
        for layer in net.layers:
            constrain(layer, tight_frame(self.filters, self.size, 2.0), 2.0)
        return net

    def constants(self, net: nn.Module) -> Mapping[str, float]:
        """Lip(D_σ) from above."""
        assert isinstance(net, ContractiveDenoiser)
        return {"lipschitz": net.lipschitz()}
