"""The contractive residual: R = Id − N with N a network of known Lipschitz constant."""

from functools import cache
from typing import Annotated, Literal

import torch

from deqviz.core.catalog import REGULARIZERS
from deqviz.core.estimate import Estimate
from deqviz.core.registry import Options, Range
from deqviz.core.regularizer import Constants, Regularizer
from deqviz.core.rounding import RoundingBound, accumulated
from deqviz.core.space import Image, extent
from deqviz.networks import _weights
from deqviz.networks._channels import per_channel

Training = Literal["denoising", "range", "equilibrium"]
_KEYS: dict[Training, Literal["contractive", "contractive_range", "contractive_deq"]] = {
    "denoising": "contractive",
    "range": "contractive_range",
    "equilibrium": "contractive_deq",
}


@cache
def denoiser_lipschitz(training: Training = "denoising") -> float:
    """The certified Lipschitz constant of D, computed once."""
    return _weights.load(_KEYS[training]).lipschitz()


@cache
def denoiser_rounding(training: Training = "denoising") -> float:
    """What D loses in double precision, relative to the image; computed once."""
    return _weights.load(_KEYS[training]).rounding()


@REGULARIZERS.register("contractive", title="Contractive residual (learned)", family="Learned")
class Contractive(Regularizer):
    """R(x) = x − N(x) with N(x) = ½ + L (D(x) − ½) and a learned 1-Lipschitz denoiser D of level σ_d.

    Lip(N) ≤ L by construction for every image size, hence c = 1 − L and L_R = 1 + L; not a gradient.
    L ≥ 1 breaks the guarantee on purpose. N shrinks contrast around middle grey, which is the price of
    L < 1; of complex images each part is denoised by itself and shrunk around 0.
    Obmann and Haltmeier, 2023, arXiv 2306.01421.
    """

    contraction: Annotated[
        float,
        Range(
            0.0,
            1.5,
            "Lipschitz constant L",
            symbol="L",
            help="Of N = Id − R; below 1 the fixed point is unique",
        ),
    ] = 0.95
    sigma: Annotated[
        float,
        Range(0.5 / 255, 50 / 255, "Denoiser level", log=True, symbol="σ_d", help="Noise std it removes"),
    ] = 10 / 255
    training: Annotated[
        Training,
        Options(
            "Trained by",
            "Denoising; the range-condition loss, the distance of R(x) to ran A*; or end to end through"
            " the equilibria of blurred and undersampled images.",
        ),
    ] = "denoising"

    @property
    def weights(self) -> str:
        """By the training."""
        return _KEYS[self.training]

    def __call__(self, x: Image) -> Image:
        """x − N(x), channel by channel."""
        network = _weights.load(_KEYS[self.training], x.dtype, str(x.device))
        denoised = per_channel(lambda u: network(u, self.sigma), x)
        # The layers commute with constants, so that the denoiser itself needs no middle.
        middle = sum(extent(x.shape[1])) / 2
        return x - (self.contraction * denoised + middle * (1 - self.contraction))

    def constants(self) -> Constants:
        """c = 1 − L Lip(D), L_R = 1 + L Lip(D), and Id − R contracts by L Lip(D)."""
        limit = self.contraction * denoiser_lipschitz(self.training)
        return Constants(
            Estimate("c", 1 - limit, "lower bound"),
            Estimate("L_R", 1 + limit, "upper bound"),
            1.0,
            Estimate("L", limit, "upper bound"),
            f"Lip(N) ≤ {limit:.4g} by construction, for every image size",
        )

    def rounding(self) -> RoundingBound:
        """L times that of D, and of a multiple, the sum with a constant c, and the difference from x.

        They are at most (1 + 3L)‖x‖ + 2|c|√n together, and |c| ≤ |1 − L|/2.
        """
        L, own = self.contraction, accumulated(4, torch.float64)
        return RoundingBound(L * denoiser_rounding(self.training) + own * (1 + L), own * abs(1 - L) / 2)
