"""Overlapping patches of an image as signals for sparse coding, and their average."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from deqviz.core.space import Image
from deqviz.learning.sparse_coding import SparseCoding

SIDE = 8
"""Of a patch, in pixels."""
NOISE = 1 / 3
"""Standard deviation of the noise in a signal: patches are divided by 3σ, so that one network is for all σ.

With α = 0.5 an image is coded with α = 1.5σ: minimisers of the LASSO scale with signal and weight together.
"""
WEIGHT = 0.5
"""α for such signals."""


@dataclass(frozen=True, eq=False)
class Cut:
    """All patches of an image whose corners lie on a grid, without their means and divided by 3σ.

    `signals` (count × 64), `means` (count × 1), both in the order of the corners, row by row; `shape` is that
    of the image after it was continued to end with a patch.
    """

    signals: Tensor
    means: Tensor
    shape: tuple[int, int]
    stride: int
    sigma: float

    def joined(self, signals: Tensor, height: int, width: int) -> Image:
        """The mean of all patches over each pixel, 1 × 1 × height × width."""
        values = signals * (self.sigma / NOISE) + self.means
        columns = values.T[None]
        total = F.fold(columns, self.shape, SIDE, stride=self.stride)
        count = F.fold(torch.ones_like(columns), self.shape, SIDE, stride=self.stride)
        return (total / count)[..., :height, :width]


def cut(picture: Image, sigma: float, stride: int = 2) -> Cut:
    """The patches of a grey image with noise of standard deviation `sigma`.

    Raises ValueError for other images, for σ ≤ 0 and for strides that leave gaps.
    """
    if picture.shape[:2] != (1, 1) or min(picture.shape[-2:]) < SIDE:
        raise ValueError(
            f"One grey image of at least {SIDE} × {SIDE} can be cut up, not {tuple(picture.shape)}."
        )
    if not sigma > 0:
        raise ValueError(f"Patches are measured in units of the noise, which is positive, not {sigma}.")
    if not 1 <= stride <= SIDE:
        raise ValueError(f"With a step of {stride} between patches of {SIDE} pixels there would be gaps.")
    height, width = picture.shape[-2:]
    down, right = (-(height - SIDE) % stride, -(width - SIDE) % stride)
    whole = F.pad(picture, (0, right, 0, down), mode="replicate")
    patches = F.unfold(whole, SIDE, stride=stride)[0].T
    means = patches.mean(1, keepdim=True)
    return Cut((patches - means) * (NOISE / sigma), means, (height + down, width + right), stride, sigma)


@torch.no_grad()
def denoised(
    picture: Image, sigma: float, problem: SparseCoding, code: Callable[[Tensor], Tensor], stride: int = 2
) -> Image:
    """The image of the patches D·code(x), averaged where they overlap. Elad and Aharon, 2006."""
    pieces = cut(picture, sigma, stride)
    return pieces.joined(code(pieces.signals) @ problem.dictionary.mT, *picture.shape[-2:])
