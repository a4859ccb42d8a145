"""An unrolled proximal gradient method whose proximal maps shrink the latents of normalising flows."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deqviz.core.space import Batch, norm
from deqviz.networks.glow import Flow

Pixels = Float[Tensor, "b c h w"]
LARGEST = 128
"""Longer sides are refused: the flows were trained on 64 × 64."""


@dataclass(frozen=True, slots=True)
class LayerState:
    """What a layer returns: the image and its shrunken latents, fine to coarse; none before layer 1."""

    x: Tensor
    latents: list[Tensor] = field(default_factory=list[Tensor])

    @property
    def latent_norm(self) -> Batch:
        """‖z‖ over all levels."""
        return norm(torch.cat([z.flatten(1) for z in self.latents], 1))


class GlowProx(nn.Module):
    """x_ℓ = f_ℓ⁻¹(f_ℓ(x̃)/(1 + λ_ℓ)) with x̃ = x_{ℓ−1} + μ_ℓ A*(y − Ax_{ℓ−1}), for ℓ = 1 … K.

    Every layer has its own flow f_ℓ. z/(1 + λ) minimises ½‖u − z‖² + ½λ‖u‖²: the proximal map of a standard
    normal prior of the latents, on every level with its own λ > 0; μ > 0. Wei et al., 2022; Hadou,
    NaderiAlizadeh and Ribeiro, 2024.
    """

    def __init__(
        self, layers: int = 5, levels: int = 4, steps: int = 2, hidden: int = 24, *, seed: int = 0
    ) -> None:
        """μ = 1 and λ = 0.7 everywhere; raises ValueError for less than one of anything."""
        super().__init__()
        if layers < 1:
            raise ValueError(f"No network has {layers} layers.")
        rng = torch.Generator().manual_seed(seed)
        self.flows = nn.ModuleList(Flow(3, levels, steps, hidden, rng) for _ in range(layers))
        self.raw_steps = nn.Parameter(torch.full((layers,), _raw(1.0)))
        self.raw_shrinkage = nn.Parameter(torch.full((layers, levels), _raw(0.7)))

    @property
    def depth(self) -> int:
        """K."""
        return len(self.flows)

    @property
    def step_sizes(self) -> Tensor:
        """μ_ℓ."""
        return F.softplus(self.raw_steps)

    @property
    def shrinkage(self) -> Tensor:
        """λ_{ℓ,i} of layer ℓ on level i, from fine to coarse."""
        return F.softplus(self.raw_shrinkage)

    def data_step(self, number: int, x: Pixels, pull: Callable[[Tensor], Tensor]) -> Pixels:
        """x + μ_ℓ · pull(x) for ℓ = `number`, counted from 1."""
        return x + self.step_sizes[number - 1] * pull(x)

    def latents(self, number: int, x: Pixels) -> list[Tensor]:
        """f_ℓ(x), images in [0, 1] moved to the middle and padded to sides that the flow can halve."""
        return self._flow(number)(_padded(x - 0.5, self._flow(number).factor))[0]

    def layer(self, number: int, x: Pixels, pull: Callable[[Tensor], Tensor]) -> LayerState:
        """Layer ℓ = `number`, counted from 1; `pull`(x) is A*(y − Ax), ‖A‖ ≤ 1: m·(y − x) for a mask m."""
        h, w = x.shape[-2:]
        latents = self.latents(number, self.data_step(number, x, pull))
        kept = [z / (1 + weight) for z, weight in zip(latents, self.shrinkage[number - 1], strict=True)]
        return LayerState(self._flow(number).inverse(kept)[..., :h, :w] + 0.5, kept)

    def states(
        self,
        start: Pixels,
        pull: Callable[[Tensor], Tensor],
        *,
        noise: float = 0.0,
        rng: torch.Generator | None = None,
    ) -> Iterator[LayerState]:
        """x₀ = `start` and the output of every layer; with `noise`, layers 1 to K − 1 see disturbed images.

        A direction of norm `noise`/ℓ, drawn anew for each image, is added to the input of layer ℓ. Hadou,
        NaderiAlizadeh and Ribeiro, 2024. Raises ValueError for images that `check` refuses, and for noise
        without a generator.
        """
        check(start)
        if noise and rng is None:
            raise ValueError("Noise is drawn from a generator: give rng.")
        state = LayerState(start)
        yield state
        for number in range(1, self.depth + 1):
            x = state.x
            if noise and number < self.depth:
                x = x + noise / number * direction(x, rng)
            state = self.layer(number, x, pull)
            yield state

    @torch.no_grad()
    def begin(self, start: Pixels, pull: Callable[[Tensor], Tensor]) -> None:
        """Let every flow begin at the statistics of what reaches it from a first batch."""
        x = start
        for number in range(1, self.depth + 1):
            flow = self._flow(number)
            flow.begin(_padded(self.data_step(number, x, pull) - 0.5, flow.factor))
            x = self.layer(number, x, pull).x

    @torch.no_grad()
    def inversion_error(self, number: int, x: Pixels) -> float:
        """max |f⁻¹(f(x)) − x| over all pixels, for the flow of layer ℓ = `number`."""
        flow = self._flow(number)
        padded = _padded(x - 0.5, flow.factor)
        return float((flow.inverse(flow(padded)[0]) - padded).abs().max())

    def _flow(self, number: int) -> Flow:
        flow = self.flows[number - 1]
        assert isinstance(flow, Flow)
        return flow


def direction(x: Pixels, rng: torch.Generator | None) -> Pixels:
    """A random direction of norm 1 per image, drawn on the CPU."""
    drawn = torch.randn(x.shape, generator=rng, dtype=x.dtype).to(x.device)
    return drawn / norm(drawn)[:, None, None, None]


def check(x: Tensor) -> None:
    """Raise ValueError, with a sentence for the user, unless the flow takes images of this shape."""
    if x.shape[1] != 3:
        raise ValueError(f"The flow takes three channels, not {x.shape[1]}: repeat a grey image three times.")
    if max(x.shape[-2:]) > LARGEST:
        raise ValueError(
            f"An image of {x.shape[-2]} × {x.shape[-1]} is too large for the flow of GLOW-Prox, which was "
            f"trained on 64 × 64: choose a longer side of at most {LARGEST} px."
        )


def _padded(x: Tensor, factor: int) -> Tensor:
    h, w = x.shape[-2:]
    down, right = -h % factor, -w % factor
    # Mirroring needs more pixels than it adds.
    mode = "reflect" if down < h and right < w else "replicate"
    return F.pad(x, (0, right, 0, down), mode=mode) if down or right else x


def _raw(value: float) -> float:
    """What softplus turns into `value`."""
    return math.log(math.expm1(value))
