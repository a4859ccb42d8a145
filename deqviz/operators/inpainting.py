"""Inpainting: missing pixels."""

from functools import cached_property
from typing import Annotated, Literal

import torch
from torch import Tensor

from deqviz.core.catalog import OPERATORS
from deqviz.core.estimate import Estimate
from deqviz.core.operator import ForwardModel
from deqviz.core.registry import Options, Range, Text
from deqviz.core.space import Image, Space
from deqviz.core.streams import FOLLOWS
from deqviz.io.lettering import lettering
from deqviz.operators._masks import MaskSeed, mask_generator


def _letters(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("The text over the image needs at least one letter and no line breaks.")
    return text


@OPERATORS.register("inpainting", title="Inpainting", family="Inpainting")
class Inpainting(ForwardModel):
    """Missing pixels where the mask m is 0, A x = m · x, the same ones in every channel.

    An orthogonal projection: A = A* = A*A and ‖A‖ = 1; σ_min(A) = 0 as soon as one pixel is lost. The
    data keeps the image's shape, with zeros at missing pixels, and no noise falls on those.
    """

    resolvent_kind = "closed form"
    takes_double = True
    baseline_name = "Mean fill"

    mask: Annotated[
        Literal["random", "block", "text"],
        Options("Mask", "Missing are random pixels, one block, or those under a text."),
    ] = "random"
    kept: Annotated[
        float,
        Range(0.02, 1.0, "Sampling ratio", symbol="p", help="Share of known pixels of the random mask."),
    ] = 0.5
    block: Annotated[
        float,
        Range(0.05, 0.9, "Block", help="Side of the missing block in the middle, as a share of the image's."),
    ] = 0.3
    text: Annotated[
        str, Text(_letters, "Text", "Written over the whole image by the text mask.", max_length=60)
    ] = "equilibrium"
    seed: MaskSeed = FOLLOWS

    @property
    def roundings(self) -> float:
        """Of the closed form; A itself is exact."""
        return 4

    @property
    def codomain(self) -> Space:
        """The space of images."""
        return self.image

    @cached_property
    def _mask(self) -> Tensor:
        h, w = self.image.shape[-2:]
        kept = torch.ones(h, w, dtype=self.image.dtype)
        match self.mask:
            case "random":
                order = torch.randperm(h * w, generator=mask_generator(self.seed))
                kept.view(-1)[order[max(1, round(self.kept * h * w)) :]] = 0
            case "block":
                m, n = max(1, round(self.block * h)), max(1, round(self.block * w))
                kept[(h - m) // 2 : (h + m) // 2, (w - n) // 2 : (w + n) // 2] = 0
            case "text":
                kept[torch.from_numpy(lettering(self.text, h, w))] = 0
        return kept.to(self.image.device)

    @property
    def measured(self) -> Tensor:
        """The mask, once per channel."""
        return self._mask.expand(self.image.shape)

    def apply(self, x: Image) -> Image:
        """m · x."""
        return x * self._mask

    def adjoint(self, y: Image) -> Image:
        """m · y."""
        return y * self._mask

    def gram(self, x: Image) -> Image:
        """m · x, as m² = m."""
        return x * self._mask

    def resolvent(self, b: Image, weight: float, start: Image | None = None) -> Image:
        """b/(m + ρ), exact."""
        del start
        return b / (self._mask + weight)

    def norm(self) -> Estimate:
        """‖A‖ = 1: at least one pixel is known."""
        return Estimate("‖A‖", 1.0, "exact")

    def norm_bound(self) -> Estimate:
        """‖A‖ itself."""
        return self.norm()

    def smallest_singular_value(self) -> Estimate:
        """0 when a pixel is missing, else 1."""
        return Estimate("σ_min(A)", float(self._mask.min()), "exact")

    def baseline(self, y: Image) -> Image:
        """Each missing pixel set to the mean of its channel's known pixels."""
        mean = (y * self._mask).sum((-2, -1), keepdim=True) / self._mask.sum()
        return torch.where(self._mask > 0, y, mean)
