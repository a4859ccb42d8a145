"""Truths with three axes: a slab of a head from assets/volumes, and a beating phantom that is drawn."""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deqviz.io.pixels import decoded
from deqviz.resources import ASSETS

FOLDER = ASSETS / "volumes"
HEAD = (20, 108, 90)
"""Slices, rows and columns of the slab, 2 mm each."""

Voxels = Float[Tensor, "d h w"]


def head(shape: Sequence[int] = HEAD) -> Voxels:
    """The slab of a head in [0, 1], axial slices first, float64; its cells are averaged where they are many.

    Raises ValueError for more cells along an axis than there are.
    """
    if len(shape) != 3 or any(not 1 <= n <= most for n, most in zip(shape, HEAD, strict=False)):
        raise ValueError(f"The head has {HEAD} cells, and a part of it as many at most, not {tuple(shape)}.")
    mosaic = torch.from_numpy(decoded(FOLDER / "head.png").astype(np.float64) / 255)
    d, h, w = HEAD
    across = mosaic.shape[1] // w
    slab = mosaic.view(d // across, h, across, w).transpose(1, 2).reshape(1, *HEAD)
    slices, rows, columns = shape
    return F.adaptive_avg_pool3d(slab, (slices, rows, columns))[0]


# Half axes, centre and brightness on [−1, 1]²; the last number is the share by which both half axes beat.
_CHEST = (
    (0.94, 0.78, 0.0, 0.0, 0.35, 0.0),
    (0.88, 0.72, 0.0, 0.0, 0.10, 0.0),
    (0.26, 0.46, -0.50, -0.06, -0.25, 0.0),
    (0.24, 0.44, 0.52, 0.0, -0.25, 0.0),
    (0.12, 0.12, 0.02, 0.50, 0.30, 0.0),
    (0.31, 0.29, 0.06, -0.14, 0.05, 0.08),
    (0.20, 0.19, 0.10, -0.12, 0.45, 0.25),
    (0.12, 0.17, -0.16, -0.20, 0.30, -0.25),
)


def beating(shape: Sequence[int], beats: int = 1) -> Voxels:
    """A chest whose chambers beat, t × h × w in [0, 1], float64.

    Half axes are r₀(1 + s sin 2πt/T), T = frames/beats, hence periodic in t: after the last frame comes the
    first. Everything but the heart stands still. Edges are one cell wide. Raises ValueError for other than
    three axes or no beat.
    """
    if len(shape) != 3 or min(shape) < 1 or beats < 1:
        raise ValueError(
            f"A film has frames, rows and columns, and one beat at least: {tuple(shape)}, {beats}."
        )
    frames, h, w = shape
    turn = torch.sin(2 * math.pi * beats * torch.arange(frames, dtype=torch.float64) / frames)[:, None, None]
    down, right = (((2 * torch.arange(n, dtype=torch.float64) + 1) / n - 1) for n in (h, w))
    film = torch.zeros(frames, h, w, dtype=torch.float64)
    for a, b, x, y, value, swing in _CHEST:
        size = 1 + swing * turn
        # Nearly the distance to the edge, in cells.
        radius = torch.hypot((right - x) / a, (down[:, None] - y) / b)
        film = film + value * (0.5 + (size - radius) * min(a, b) * min(h, w) / 2).clamp(0, 1)
    return film.clamp(0, 1)
