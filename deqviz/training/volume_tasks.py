"""Training tasks of networks with three axes: parts of a head, and dynamic series."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from deqviz import images
from deqviz.core.space import Space, in_phase
from deqviz.networks._domain import Domain
from deqviz.operators._masks import lines_per_frame, phase_encodings
from deqviz.operators._multicoil import ring_scan
from deqviz.training import head
from deqviz.training.samples import Sample
from deqviz.training.tasks import Task, behind

_CENTRE = 0.06
"""Share of the mask around zero frequency that is measured without gaps."""
_VALIDATION = range(112, 148)
"""Axial slices of 1 mm whose volume only validation sees."""


@dataclass(frozen=True)
class SpaceTask(Task):
    """Volumes and dynamic series: complex images with three axes, 1 of R coefficients, 4 to 6 coils."""

    acceleration: float = 4.0
    noise: tuple[float, float] = (0.004, 0.01)
    first: int = 10  # slices or frames
    transformed: ClassVar[int] = 3  # of the last axes, by Fourier

    @property
    def channels(self) -> int:
        """Real and imaginary part."""
        return 2

    @property
    def axes(self) -> int:
        """Slices or frames, rows, columns."""
        return 3

    @property
    def domain(self) -> Domain:
        """Of its own kind of image: no operator of the gallery is one."""
        R, (low, high) = self.acceleration, self.noise
        kind = "volumes of a head" if self.transformed == 3 else "dynamic series"
        return Domain(f"parallel MRI of {kind}, R = {R:g}, 4 to 6 coils, noise std {low:g} to {high:g}")

    def _behind(self, magnitude: Tensor, coils: int, noise: float, rng: Generator) -> Sample:
        # The phase of a film stands still, as that of its coils.
        phase = images.smooth_phase(magnitude.shape[-self.transformed :], rng).float()
        clean = in_phase(magnitude[None], phase)
        mask = self._mask(magnitude.shape, rng)
        operator = ring_scan(Space(tuple(clean.shape[1:])), coils, mask, self.transformed)
        return behind(operator, clean, noise, rng)

    @abstractmethod
    def _mask(self, shape: Sequence[int], rng: Generator) -> Tensor:
        """What is measured."""

    def _drawn(self, magnitude: Tensor, rng: Generator) -> Sample:
        coils = 4 + head.below(3, rng)
        low, high = self.noise
        return self._behind(magnitude, coils, low * (high / low) ** float(torch.rand((), generator=rng)), rng)


@dataclass(frozen=True)
class Slab(SpaceTask):
    """Parts of a head at 2 to 4 mm; points of both phase encodings, the readout whole."""

    @property
    def data(self) -> str:
        """The rule of the slices."""
        test_slices = f"{head.HELD_OUT.start} to {head.HELD_OUT.stop - 1} (test)"
        return (
            f"mri/ch2.nii.gz: parts without the axial slices {test_slices} and "
            f"{_VALIDATION.start} to {_VALIDATION.stop - 1} (validation)"
        )

    def source(self, folder: Path) -> tuple[list[Tensor], list[Tensor]]:
        """The volume below and above what is held out, at 2 mm, and one part at 3 mm to watch."""
        voxels = head.read(folder / "mri" / "ch2.nii.gz").voxels
        below = voxels[: head.HELD_OUT.start]
        above = voxels[_VALIDATION.stop :]
        watched = F.avg_pool3d(voxels[None, None, _VALIDATION.start : _VALIDATION.stop], 3)[0, 0]
        watched = watched[-self.first :, -64:, -52:]
        return [_halved(below), _halved(above)], [watched.contiguous()]

    def sample(self, source: list[Tensor], batch: int, side: int, rng: Generator) -> Sample:
        """One part (batches share their operator, and volumes are large), in a new contrast."""
        del batch
        volume = source[0 if float(torch.rand((), generator=rng)) < 0.7 else 1]
        shape = (min(self.first, len(volume)), side, side)
        wide = [
            min(n, round(k * (1 + float(torch.rand((), generator=rng)))))
            for n, k in zip(volume.shape, shape, strict=True)
        ]
        corner = [head.below(n - k + 1, rng) for n, k in zip(volume.shape, wide, strict=True)]
        part = volume[tuple(slice(c, c + k) for c, k in zip(corner, wide, strict=True))]
        part = F.adaptive_avg_pool3d(part[None, None], shape)[0, 0]
        part = part.flip(2) if head.below(2, rng) else part
        part = part.transpose(1, 2) if head.below(2, rng) else part
        return self._drawn(head.contrast(part, rng), rng)

    def examples(self, clean: Tensor, seed: int) -> dict[str, Sample]:
        """Four coils, noise 0.007 per complex number."""
        return {"3D": self._behind(clean[0], 4, 0.007, torch.Generator().manual_seed(seed))}

    def _mask(self, shape: Sequence[int], rng: Generator) -> Tensor:
        return phase_encodings(shape, self.acceleration, _CENTRE, rng)


@dataclass(frozen=True)
class Film(SpaceTask):
    """Slices of a head in which ellipses beat, periodic in time; whole lines drawn anew for every frame."""

    first: int = 8
    transformed: ClassVar[int] = 2

    @property
    def data(self) -> str:
        """The slices, and what moves in them."""
        return "slices of mri/ch2.nii.gz as for MRI in the plane, with random beating ellipses"

    def source(self, folder: Path) -> tuple[list[Tensor], list[Tensor]]:
        """Slices of the volume; the dynamic series are drawn from them."""
        volume = head.read(folder / "mri" / "ch2.nii.gz")
        rng = torch.Generator().manual_seed(1)
        plane = head.fitted(volume.voxels[head.VALIDATION.start][None], 64)[0]
        return volume.training(), [beating(plane, self.first, rng)]

    def sample(self, source: list[Tensor], batch: int, side: int, rng: Generator) -> Sample:
        """One film."""
        del batch
        plane = head.picture(source, side, rng)[0]
        # Half of the dynamic series move on a flat ground: a chest has less texture than a head.
        plane = 0.3 * (plane > 0.1) if head.below(2, rng) else plane
        return self._drawn(beating(plane, self.first, rng), rng)

    def examples(self, clean: Tensor, seed: int) -> dict[str, Sample]:
        """Four coils, noise 0.007 per complex number."""
        return {"2D+time": self._behind(clean[0], 4, 0.007, torch.Generator().manual_seed(seed))}

    def _mask(self, shape: Sequence[int], rng: Generator) -> Tensor:
        return lines_per_frame(shape, self.acceleration, _CENTRE, rng)


def beating(plane: Tensor, frames: int, rng: Generator) -> Tensor:
    """t × h × w in [0, 1]: two to six ellipses over an image, half axes r₀(1 + s sin(2πt/T + φ))."""
    h, w = plane.shape
    down, right = torch.linspace(-1, 1, h)[:, None], torch.linspace(-1, 1, w)
    time = 2 * math.pi * torch.arange(frames)[:, None, None] / frames
    film = plane.expand(frames, h, w)

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=rng))

    for _ in range(2 + head.below(5, rng)):
        a, b = uniform(0.08, 0.45), uniform(0.08, 0.45)
        radius = torch.hypot((right - uniform(-0.6, 0.6)) / a, (down - uniform(-0.6, 0.6)) / b)
        swing = uniform(-0.3, 0.3) if head.below(3, rng) else 0.0
        size = 1 + swing * torch.sin(time + uniform(0, 2 * math.pi))
        inside = (0.5 + (size - radius) * min(a, b) * min(h, w) / 2).clamp(0, 1)
        film = film + uniform(-0.4, 0.6) * inside
    return film.clamp(0, 1)


def _halved(voxels: Tensor) -> Tensor:
    return F.avg_pool3d(voxels[None, None], 2)[0, 0].contiguous()
