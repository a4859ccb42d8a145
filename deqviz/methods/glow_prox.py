"""GLOW-Prox: unrolled inpainting whose proximal maps shrink latents of normalising flows."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from deqviz.core.catalog import METHODS
from deqviz.core.guarantee import Guarantee
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Evidence, Iterate, Method, Problem
from deqviz.core.registry import Options
from deqviz.core.space import Image
from deqviz.methods._base import gap_and_residual, worst
from deqviz.methods._unrolled import no_guarantees
from deqviz.networks import _weights
from deqviz.networks.glow_prox import GlowProx, LayerState
from deqviz.operators.inpainting import Inpainting

Colour = Float[Tensor, "n 3 h w"]
Training = Literal["constraints and noise", "noise only", "constraints only", "plain"]
TRAININGS: tuple[Training, ...] = get_args(Training)
KEYS: Mapping[Training, str] = {
    "constraints and noise": "glow_prox",
    "noise only": "glow_prox_noise",
    "constraints only": "glow_prox_descent",
    "plain": "glow_prox_plain",
}
LATENT = "latent norm"
"""The scalar ‖z_ℓ‖ over all levels, after layer ℓ = 1 … K."""

_REASON = (
    "five layers with different weights have no limit, and the flows' Lipschitz constants are not bounded"
)
_ELSEWHERE = "the layers were trained for inpainting, and this operator is another"


def network(training: Training, dtype: torch.dtype = torch.float32, device: str = "cpu") -> GlowProx:
    """The shipped network of a training; treat it as immutable."""
    net = _weights.load(KEYS[training], dtype, device)
    assert isinstance(net, GlowProx)
    return net


@METHODS.register("glow_prox", title="GLOW-Prox (unrolled)", family="Unrolled")
class GlowProxMethod(Method):
    """Five unrolled layers: a gradient step on the data, then a shrinkage of the latents of a flow.

    x_{ℓ+1} = f_ℓ⁻¹(f_ℓ(x̃)/(1 + λ_ℓ)) with x̃ = x_ℓ + μ_ℓ A*(y − Ax_ℓ)/‖A‖², from x₀ = A*y/‖A‖². Trained for
    inpainting of 64 × 64 colour images: it runs on any operator, and knows of no other. A grey image is
    three equal channels, so is each part of a complex one. Images of more than 128 pixels a side are
    refused. Wei, van Gorp, Gonzalez-Carabarin, Freedman, Eldar and van Sloun, 2022; with the descending
    constraints of Hadou, NaderiAlizadeh and Ribeiro, 2024.
    """

    equation: ClassVar[str] = "x_{ℓ+1} = f_ℓ⁻¹(f_ℓ(x_ℓ + μ_{ℓ}A*(y − Ax_ℓ))/(1 + λ_ℓ)), ℓ < 5"
    hint: ClassVar[str] = (
        "Try: a missing block on an image of 64 px, and the training without constraints, whose latent norm "
        "need not decrease from layer to layer."
    )
    ending: ClassVar[str] = "All {k} layers done."
    has_limit: ClassVar[bool] = False

    training: Annotated[
        Training,
        Options("Training", "With or without descending constraints and noise injected into the layers."),
    ] = "constraints and noise"

    def advice(self, operator: type[ForwardModel]) -> str:
        """Blocks are missing in inpainting alone."""
        return self.hint if issubclass(operator, Inpainting) else "Try: inpainting, for which it was trained."

    def weights(self, operator: ForwardModel) -> str:
        """By the training."""
        del operator
        return KEYS[self.training]

    @torch.no_grad()
    def iterates(self, problem: Problem, start: Image | None = None) -> Iterator[Iterate]:
        """x₀ and what each layer returns; the residual compares each image with the next, 0 at the end.

        Raises ValueError for images that are too large.
        """
        A, y = problem.operator, problem.data
        # Of A = 0 the data step is none.
        size = max(A.norm_bound().value ** 2, 1e-12)
        net = network(self.training, A.image.dtype, A.image.device)
        first = A.adjoint(y) / size if start is None else start

        def pull(v: Colour) -> Colour:
            return _in_colour(A.adjoint(y - A(_as_before(v, first))) / size)

        states = net.states(_in_colour(first), pull)
        state, shown = next(states), first
        for k in range(net.depth + 1):
            scalars = {LATENT: worst(torch.cat([z.flatten(1) for z in state.latents], 1))} if k else {}
            if k == net.depth:
                yield Iterate(k, shown, 0.0, 0.0, k, None, scalars)
                return
            state_after: LayerState = next(states)
            after = _as_before(state_after.x, first)
            gap, residual = gap_and_residual(shown, after)
            yield Iterate(k, shown, residual, gap, k + 1, None, scalars)
            state, shown = state_after, after

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """None: descent was trained on average over images, and five layers have no limit."""
        is_inpainting = isinstance(problem.operator, Inpainting)
        return no_guarantees(_REASON if is_inpainting else f"{_ELSEWHERE}; {_REASON}", evidence)


def _in_colour(x: Image) -> Colour:
    """Three channels as they are; else every channel as an image of its own, three times the same."""
    b, c, h, w = x.shape
    return x if c == 3 else x.reshape(b * c, 1, h, w).expand(b * c, 3, h, w)


def _as_before(x: Colour, like: Image) -> Image:
    """Back from three channels to those of `like`: the mean of the three."""
    return x if like.shape[1] == 3 else x.mean(1).reshape(like.shape)
