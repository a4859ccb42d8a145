"""Training images: a folder of grey images, and random patches from an explicit generator."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from deqviz.core.space import Image
from deqviz.io.pixels import decoded

_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}


def pictures(folder: Path) -> list[Tensor]:
    """Every image of the folder in sorted order, each 1 × h × w in [0, 1]; colour is turned to grey."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"no pictures in {folder}: give a folder of PNG or JPEG files with --data")
    return [torch.from_numpy(_grey(path))[None] for path in paths]


def split(folder: Path, validation: int) -> tuple[list[Tensor], list[Tensor]]:
    """(training, validation): the last `validation` images, in sorted order, are never trained on."""
    tensors = pictures(folder)
    if len(tensors) <= validation:
        raise ValueError(f"{folder} has {len(tensors)} pictures, and the last {validation} only validate")
    return tensors[:-validation], tensors[-validation:]


def patches(source: list[Tensor], count: int, size: int, rng: torch.Generator) -> Image:
    """`count` random square patches, each from a random image, turned or mirrored at random."""
    drawn = []
    for _ in range(count):
        picture = source[_below(len(source), rng)]
        height, width = picture.shape[-2:]
        if min(height, width) < size:
            raise ValueError(f"a picture of {height} × {width} is smaller than the patch, {size} × {size}")
        top, left = _below(height - size + 1, rng), _below(width - size + 1, rng)
        patch = torch.rot90(picture[:, top : top + size, left : left + size], _below(4, rng), (1, 2))
        drawn.append(patch.flip(2) if _below(2, rng) else patch)
    return torch.stack(drawn)


def pixels(path: Path, mode: Literal["L", "RGB"]) -> np.ndarray:
    """h × w or h × w × 3 bytes of a file; raises ValueError for one that is no image."""
    try:
        return decoded(path, mode)
    except Exception:  # whatever the library makes of foreign bytes
        raise ValueError(f"{path} is no image that can be read: take it out of the folder.") from None


def _grey(path: Path) -> np.ndarray:
    return pixels(path, "L").astype(np.float32) / 255


def _below(high: int, rng: torch.Generator) -> int:
    return int(torch.randint(high, (), generator=rng))
