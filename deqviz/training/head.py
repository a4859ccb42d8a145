"""Slices of a head volume, and complex training images made of them: contrast, lesions, zoom, phase."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from deqviz import images
from deqviz.core.space import Image
from deqviz.io.nifti import read_nifti

HELD_OUT = range(70, 111)
"""Axial slices that only tables see."""
VALIDATION = range(112, 124)
"""Axial slices that only validation sees."""


@dataclass(frozen=True)
class Volume:
    """A head of z × y × x voxels in [0, 1], axial slices first."""

    voxels: Tensor

    def axial(self, which: range) -> list[Tensor]:
        """Axial slices, 1 × y × x each; raises ValueError where there are too few."""
        if which.stop > len(self.voxels):
            raise ValueError(f"the volume has {len(self.voxels)} axial slices, and {which.stop} are needed.")
        return [self.voxels[z][None].contiguous() for z in which]

    def training(self) -> list[Tensor]:
        """Every second slice of all three directions with enough in it, but for the axial ones set aside."""
        z, y, x = self.voxels.shape
        kept = [k for k in range(0, z, 2) if k not in HELD_OUT and k not in VALIDATION]
        planes = [self.voxels[k] for k in kept]
        planes += [self.voxels[:, k].flip(0) for k in range(0, y, 2)]
        planes += [self.voxels[:, :, k].flip(0) for k in range(0, x, 2)]
        return [plane[None].contiguous() for plane in planes if float((plane > 0.1).float().mean()) > 0.2]


def read(path: Path) -> Volume:
    """A NIfTI volume with its 99.9th percentile at 1.

    Raises FileNotFoundError, or ValueError, with what to do.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no volume {path}: give the folder that holds mri/ch2.nii.gz with --data")
    try:
        raw = read_nifti(path)
    except ValueError:
        raise
    except Exception:  # whatever the library makes of foreign bytes
        raise ValueError(f"{path} is no NIfTI volume that can be read: restore it.") from None
    if raw.ndim != 3 or raw.size == 0:
        raise ValueError(f"{path} has {raw.ndim} axes, and a volume has three.")
    # x × y × z as stored, with y towards the front: axial slices come first and stand upright.
    voxels = torch.from_numpy(np.ascontiguousarray(raw.transpose(2, 1, 0)[:, ::-1]))
    # Sorted, because torch's quantile refuses volumes of this size.
    top = float(voxels.flatten().sort().values[int(0.999 * voxels.numel())])
    return Volume((voxels / top).clamp(0, 1))


def fitted(picture: Tensor, side: int) -> Tensor:
    """A slice 1 × y × x padded to a square of zeros and brought to side × side."""
    height, width = picture.shape[-2:]
    large = max(height, width)
    up, left = (large - height) // 2, (large - width) // 2
    square = F.pad(picture, (left, large - width - left, up, large - height - up))
    return F.interpolate(square[None], (side, side), mode="bicubic", antialias=True)[0].clamp(0, 1)


def drawn(source: list[Tensor], count: int, side: int, rng: torch.Generator) -> Image:
    """`count` random complex images b × 2 × side × side: a zoomed part of a slice in a new contrast."""
    crops = [picture(source, side, rng) for _ in range(count)]
    return torch.cat([images.with_phase(one[None], rng) for one in crops])


def picture(source: list[Tensor], side: int, rng: torch.Generator) -> Tensor:
    """A random part of a random slice, 1 × side × side, zoomed, turned, in a new contrast, with lesions."""
    plane = source[below(len(source), rng)]
    # At 0.59 a whole slice of 217 rows fits into 128.
    zoom = _uniform(0.5, 1.0, rng)
    wide = round(side / zoom)
    plane = _cut(plane, wide, rng)
    plane = F.interpolate(plane[None], (side, side), mode="bicubic", antialias=True)[0].clamp(0, 1)
    plane = torch.rot90(plane, below(4, rng), (1, 2))
    plane = plane.flip(2) if below(2, rng) else plane
    return _lesions(contrast(plane, rng), rng)


def _cut(plane: Tensor, wide: int, rng: torch.Generator) -> Tensor:
    """A random square of a slice, with what lies outside it black."""
    height, width = plane.shape[-2:]
    margin = wide // 4
    padded = F.pad(plane, (margin, margin + max(0, wide - width), margin, margin + max(0, wide - height)))
    top = below(padded.shape[-2] - wide + 1, rng)
    left = below(padded.shape[-1] - wide + 1, rng)
    return padded[:, top : top + wide, left : left + wide]


def contrast(plane: Tensor, rng: torch.Generator) -> Tensor:
    """A power law, and every other time a random curve through five levels, up and down."""
    plane = plane ** _uniform(0.7, 1.4, rng)
    if below(2, rng):
        knots = torch.cat([torch.zeros(1), torch.rand(4, generator=rng) * 0.9 + 0.1])
        place = plane * (len(knots) - 1)
        low = place.floor().long().clamp(max=len(knots) - 2)
        plane = torch.lerp(knots[low], knots[low + 1], place - low)
    return plane


def _lesions(plane: Tensor, rng: torch.Generator) -> Tensor:
    """Up to two ellipses, brighter or darker, where there is something."""
    side = plane.shape[-1]
    grid = torch.linspace(-1, 1, side)
    for _ in range(below(3, rng)):
        y, x, a, b = (_uniform(low, high, rng) for low, high in ((-0.7, 0.7),) * 2 + ((0.03, 0.15),) * 2)
        inside = ((grid[:, None] - y) / a).square() + ((grid - x) / b).square() <= 1
        plane = torch.where(inside & (plane > 0.05), plane + _uniform(-0.4, 0.4, rng), plane).clamp(0, 1)
    return plane


def _uniform(low: float, high: float, rng: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng))


def below(high: int, rng: torch.Generator) -> int:
    """A random integer from 0 to high − 1."""
    return int(torch.randint(high, (), generator=rng))
