"""Random masks: their seed, and patterns of Fourier coefficients that are denser around zero frequency."""

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Generator, Tensor

from deqviz.core.registry import Range
from deqviz.core.streams import FOLLOWS

_DECAY = 3.0
"""The sampling density of random lines and points falls like (1 − r)³ towards the edge, r = 1."""

MaskSeed = Annotated[
    int,
    Range(
        FOLLOWS,
        9999,
        "Mask seed",
        help=f"Of an earlier version's link, which draws the mask from it; {FOLLOWS} draws it from the seed.",
        advanced=True,
        implied=FOLLOWS,
    ),
]


def mask_generator(seed: int) -> Generator:
    """Of an operator's own seed; one that no run has given a seed draws from 0."""
    return Generator().manual_seed(max(seed, 0))


def best(priority: Tensor, count: int) -> Tensor:
    """The mask of the `count` largest entries."""
    mask = torch.zeros_like(priority)
    mask.view(-1)[priority.flatten().argsort(descending=True, stable=True)[:count]] = 1
    return mask


def variable_density(distance: Tensor, count: int, centre: int, rng: Generator) -> Tensor:
    """Variable-density mask of `count` points, the `centre` nearest ones fully sampled (Gumbel's trick)."""
    density = _DECAY * torch.log((1 - distance).clamp_min(1e-3))
    gumbel = -torch.log(-torch.log(torch.rand(distance.shape, dtype=torch.float64, generator=rng)))
    nearest = best(-distance, min(centre, count)) > 0
    return best((density + gumbel).masked_fill(nearest, math.inf), count)


def radial(h: int, w: int, count: int, rng: Generator) -> Tensor:
    """Radial mask of golden-angle spokes, as many as it takes to reach `count` points."""
    # Enough to reach every place up to the radius where half of the spokes would do.
    spokes = 16 + math.ceil(3 * count / min(h, w))
    angle = math.pi * (
        torch.rand(1, generator=rng, dtype=torch.float64) + torch.arange(spokes) / 1.618033988749895
    )
    reach = torch.arange(-max(h, w), max(h, w) + 0.25, 0.5, dtype=torch.float64)
    row = (reach * angle.sin()[:, None]).round().long() + h // 2
    column = (reach * angle.cos()[:, None]).round().long() + w // 2
    inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
    place = (row * w + column)[inside]
    number = torch.arange(spokes)[:, None].expand_as(row)[inside]
    first = torch.full((h * w,), spokes).scatter_reduce(0, place, number, "amin")
    last = first.sort().values[count - 1]
    return (first <= last).double().view(h, w)


def phase_encodings(shape: Sequence[int], acceleration: float, centre: float, rng: Generator) -> Tensor:
    """Points of the first two axes of a volume, d × h × w in double precision; the readout, w, is whole.

    One of `acceleration` is measured, the share `centre` of them all around zero frequency without gaps.
    """
    d, h, w = shape
    down = (torch.arange(d, dtype=torch.float64) - d // 2)[:, None] / max(d / 2, 1)
    across = (torch.arange(h, dtype=torch.float64) - h // 2) / max(h / 2, 1)
    count, middle = max(1, round(d * h / acceleration)), max(1, round(centre * d * h))
    points = variable_density(torch.hypot(down, across) / 2**0.5, count, middle, rng)
    return points[:, :, None].expand(d, h, w).contiguous()


def lines_per_frame(shape: Sequence[int], acceleration: float, centre: float, rng: Generator) -> Tensor:
    """Cartesian lines of a dynamic series, t × h × w in double precision, drawn anew for every frame."""
    t, h, w = shape
    distance = (torch.arange(h, dtype=torch.float64) - h // 2).abs() / max(h / 2, 1)
    count, middle = max(1, round(h / acceleration)), max(1, round(centre * h))
    rows = torch.stack([variable_density(distance, count, middle, rng) for _ in range(t)])
    return rows[:, :, None].expand(t, h, w).contiguous()
