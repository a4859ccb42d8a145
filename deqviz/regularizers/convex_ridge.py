"""The learned convex ridge regulariser."""

from functools import cache
from typing import Annotated, Literal

import torch

from deqviz.core.catalog import REGULARIZERS
from deqviz.core.estimate import Estimate
from deqviz.core.registry import Options, Range
from deqviz.core.regularizer import Constants, Regularizer
from deqviz.core.rounding import RoundingBound
from deqviz.core.space import Batch, Image
from deqviz.networks import _weights
from deqviz.networks._channels import per_channel, sum_over_channels
from deqviz.networks.convex_ridge import ConvexRidge as Network

Training = Literal["denoising", "inverse"]


_KEYS: dict[Training, Literal["convex_ridge", "convex_ridge_inverse"]] = {
    "denoising": "convex_ridge",
    "inverse": "convex_ridge_inverse",
}


def _network(training: Training, dtype: torch.dtype, device: str) -> Network:
    return _weights.load(_KEYS[training], dtype, device)


@cache
def _lipschitz(training: Training) -> float:
    return _network(training, torch.float32, "cpu").lipschitz()


@cache
def _rounding(training: Training) -> float:
    return _network(training, torch.float32, "cpu").rounding()


@REGULARIZERS.register("convex_ridge", title="Convex ridge (learned)", family="Learned")
class ConvexRidge(Regularizer):
    """R_σ(x) = W*φ_σ(Wx), the gradient of a learned convex function of filter responses.

    c = 0 and L_R = ‖W‖², bounded for every image size. Monotone but not strongly: where A has a null
    space the equilibria may form a convex set. Goujon, Neumayer, Bohra, Ducotterd and Unser, 2022.
    """

    sigma: Annotated[
        float,
        Range(
            0.5 / 255,
            50 / 255,
            "Denoiser level",
            log=True,
            symbol="σ_d",
            help="Noise std it was trained for",
        ),
    ] = 10 / 255
    training: Annotated[
        Training,
        Options("Trained on", "Denoising, or from there end to end on blurred and undersampled images."),
    ] = "denoising"

    @property
    def weights(self) -> str:
        """By the training."""
        return _KEYS[self.training]

    def __call__(self, x: Image) -> Image:
        """R_σ(x), channel by channel."""
        network = _network(self.training, x.dtype, str(x.device))
        return per_channel(lambda u: network(u, self.sigma), x)

    def constants(self) -> Constants:
        """c = 0 and the certified L_R."""
        limit = _lipschitz(self.training)
        return Constants(
            Estimate("c", 0.0, "lower bound"),
            Estimate("L_R", limit, "upper bound"),
            limit / 2,
            Estimate("L", limit / 2, "upper bound"),
            f"R is the gradient of a convex function with ‖W‖² ≤ {limit:.4g} for every image size",
        )

    def rounding(self) -> RoundingBound:
        """That of the network, every channel by itself."""
        return RoundingBound(_rounding(self.training))

    @property
    def is_gradient(self) -> bool:
        """Of `potential`."""
        return True

    def potential(self, x: Image) -> Batch:
        """The learned convex function, summed over channels."""
        network = _network(self.training, x.dtype, str(x.device))
        return sum_over_channels(lambda u: network.potential(u, self.sigma), x)
