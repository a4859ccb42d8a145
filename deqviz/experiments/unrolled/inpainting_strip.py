"""Inpainting layer by layer: the same flows, trained with and without constraints and noise injection.

Every flow may choose the scale of its latents: that their norm falls is what was asked for, and by itself
says little of the image. The truth stays in here: networks see the data.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import torch
from jaxtyping import Float
from skimage.restoration import inpaint_biharmonic
from torch import Tensor

from deqviz.core.guarantee import Guarantee, in_letters, quantity
from deqviz.core.space import Image
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.learning.inpainting import gradients, hole_psnr, mean_fill, objective
from deqviz.methods.glow_prox import TRAININGS, Training, network
from deqviz.networks.glow_prox import LayerState, check, direction
from deqviz.operators._holes import HOLES, Hole, holes

__all__ = [
    "HOLES",
    "INVERSION",
    "REFERENCES",
    "TRAININGS",
    "Hole",
    "InpaintingStrip",
    "StripRow",
    "Training",
    "biharmonic",
    "holes",
]

Disturbed = Literal["layers", "data"]
"""What the noise falls on: the inputs of layers 1 to K − 1, or the image before its pixels are lost."""
CONSTRAINED: tuple[Training, ...] = ("constraints and noise", "constraints only")
INVERSION = 1e-4
"""The error of f⁻¹ ∘ f in single precision that counts as exact."""


def biharmonic(y: Image, mask: Tensor) -> Image:
    """Missing pixels by the biharmonic equation, Δ²x = 0, with the seen ones around as boundary values.

    By scikit-image. Damelin and Hoang, 2018.
    """
    lost = (mask == 0).expand(len(y), 1, *y.shape[-2:])[:, 0].cpu().numpy()
    pictures = y.cpu().permute(0, 2, 3, 1).numpy()
    estimates = [inpaint_biharmonic(x, m, channel_axis=-1) for x, m in zip(pictures, lost, strict=True)]
    return torch.stack([torch.from_numpy(x).permute(2, 0, 1) for x in estimates]).to(y.device, y.dtype)


REFERENCES: dict[str, Callable[[Image, Tensor], Image]] = {"mean fill": mean_fill, "biharmonic": biharmonic}
"""What needs no training."""


@dataclass(frozen=True, slots=True)
class StripRow(Row):
    """One training, or reference, after layer `layer` with noise of size `factor`; means over the images.

    `psnr` in dB over missing pixels; `gradient` ‖∇_x f‖ and `latent` ‖∇_z f‖ = ‖z‖ of the objective f =
    100‖y − Ax‖² + ½‖z‖², with those of the layer before; `inversion` max |f⁻¹(f(x)) − x| at what it is given.
    None where there are no latents: before layer 1, and of references.
    """

    training: str
    factor: float
    layer: int
    psnr: float
    gradient: float
    gradient_before: float | None = None
    latent: float | None = None
    latent_before: float | None = None
    objective: float | None = None
    inversion: float | None = None

    @property
    def key(self) -> Key:
        """Training, factor and layer."""
        return (self.training, self.factor, self.layer)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """Exact inverses from layer 1 on, and descent from layer 2 on: both measured, neither proved."""
        if self.inversion is None:
            return ()
        reason = "each step is inverted in closed form, exactly up to rounding, which is measured"
        exact = Guarantee(
            "inverse",
            "Invertibility of the flow",
            "max |Φ⁻¹(Φ(x)) − x| ≤ 10⁻⁴",
            "estimated",
            reason,
            quantity(INVERSION),
            quantity(self.inversion),
        )
        if self.latent_before is None or self.gradient_before is None:
            return in_letters("descending constraints", (exact,))
        rows = (
            exact,
            self._descent(
                "latent", "Latent norm nonincreasing", "z_ℓ", "z_{ℓ−1}", self.latent_before, self.latent
            ),
            self._descent(
                "gradient",
                "Gradient norm nonincreasing",
                "∇f(x_ℓ)",
                "∇f(x_{ℓ−1})",
                self.gradient_before,
                self.gradient,
            ),
        )
        return in_letters("descending constraints", rows)

    def _descent(
        self, key: str, name: str, symbol: str, symbol_before: str, before: float, now: float | None
    ) -> Guarantee:
        statement = f"E‖{symbol}‖ ≤ E‖{symbol_before}‖"
        if self.training not in CONSTRAINED:
            reason = "this training has no such constraint"
            return Guarantee(key, name, statement, "not applicable", reason, value=quantity(now))
        reason = "constrained on average over the training images, which proves nothing of others"
        return Guarantee(key, name, statement, "estimated", reason, quantity(before), quantity(now))


@dataclass(frozen=True)
class InpaintingStrip(Experiment[StripRow]):
    """Every training layer by layer on b × 3 × h × w images behind a mask, and the references beside them.

    `mask`, 1 × 1 × h × w or one per image, is 1 where a pixel is seen. A `factor` scales the training's
    rule, directions of norm 1/ℓ on the input of layer ℓ, or is the norm of one direction on the image.
    Views: "picture" with every row, "truth" and "data" with the first. Raises ValueError for images that
    the flow does not take and for masks that hide nothing or everything.
    """

    truth: Image
    mask: Float[Tensor, "m 1 rows columns"]
    trainings: tuple[Training, ...] = TRAININGS
    factors: tuple[float, ...] = (0.0,)
    disturbed: Disturbed = "layers"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be filled in."""
        check(self.truth)
        h, w = self.truth.shape[-2:]
        if len(self.mask) not in (1, len(self.truth)) or self.mask.shape[1:] != (1, h, w):
            raise ValueError(f"The mask must have the {h} × {w} pixels of the image: draw it anew.")
        if bool((self.mask != 0).logical_and(self.mask != 1).any()):
            raise ValueError("A mask is 1 where a pixel is known and 0 where it is missing, nothing between.")
        pixels = self.mask.flatten(1).sum(1)
        if float(pixels.min()) == 0:
            raise ValueError("No pixel of this mask is known: leave some.")
        if float(pixels.max()) == h * w:
            raise ValueError("No pixel of this mask is missing: draw a hole.")
        if not self.factors or min(self.factors) < 0:
            raise ValueError("Noise is scaled by numbers from 0 on: give at least one.")

    @property
    def row_type(self) -> type[StripRow]:
        """`StripRow`."""
        return StripRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """References, then trainings, factors within, layers within those."""
        plain: list[Key] = [(name, factor, 0) for name in REFERENCES for factor in self._of_references]
        runs = product(self.trainings, self.factors)
        return (*plain, *((t, k, layer) for t, k in runs for layer in range(network(t).depth + 1)))

    @property
    def _of_references(self) -> tuple[float, ...]:
        """They have no layers that noise could fall on."""
        return self.factors if self.disturbed == "data" else (0.0,)

    @torch.no_grad()
    def run(self, old_rows: Sequence[StripRow] = ()) -> Iterator[Progress[StripRow]]:
        """The rows, one run after the other; a run whose rows are all known is not repeated."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        for name, factor in product(REFERENCES, self._of_references):
            row, views = by_key.get((name, factor, 0)), dict[str, Image]()
            if row is None:
                data = self._data(factor)
                x = REFERENCES[name](data, self.mask)
                misfit = gradients([LayerState(x)], lambda v, y=data: self.mask * (y - v))
                row, views = StripRow(name, factor, 0, self._psnr(x), float(misfit.mean())), {"picture": x}
                if done == 0:
                    views |= {"truth": self.truth, "data": data}
            done += 1
            yield Progress(done, total, row, views)
        for training, factor in product(self.trainings, self.factors):
            rows = [by_key.get((training, factor, layer)) for layer in range(network(training).depth + 1)]
            if None in rows:
                for row, x in self._layers(training, factor):
                    done += 1
                    yield Progress(done, total, row, {"picture": x})
                continue
            for row in rows:
                done += 1
                yield Progress(done, total, row)

    def _layers(self, training: Training, factor: float) -> Iterator[tuple[StripRow, Image]]:
        net = network(training, self.truth.dtype, str(self.truth.device))
        y, rng = self._data(factor), torch.Generator().manual_seed(self.seed)

        def pull(v: Tensor) -> Tensor:
            return self.mask * (y - v)

        noise = factor if self.disturbed == "layers" else 0.0
        states = net.states(y, pull, noise=noise, rng=rng)
        before = next(states)
        steepness = float(gradients([before], pull).mean())
        yield StripRow(training, factor, 0, self._psnr(before.x), steepness), before.x
        latent: float | None = None
        for layer, state in enumerate(states, 1):
            row = StripRow(
                training,
                factor,
                layer,
                self._psnr(state.x),
                gradient=float(gradients([state], pull).mean()),
                gradient_before=steepness if layer > 1 else None,
                latent=float(state.latent_norm.mean()),
                latent_before=latent,
                objective=float(objective(state, pull(state.x)).mean()),
                inversion=net.inversion_error(layer, before.x),
            )
            yield row, state.x
            before, steepness, latent = state, row.gradient, row.latent

    def _data(self, factor: float) -> Image:
        picture = self.truth
        if self.disturbed == "data" and factor > 0:
            picture = picture + factor * direction(picture, torch.Generator().manual_seed(self.seed))
        return self.mask * picture

    def _psnr(self, x: Image) -> float:
        return hole_psnr(x, self.truth, self.mask)
