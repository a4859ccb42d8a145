"""Training tasks of the MOL family: images and operators."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from deqviz import images
from deqviz.core.operator import ForwardModel
from deqviz.core.space import Data, Space
from deqviz.networks._domain import Domain
from deqviz.noises.gaussian import Gaussian
from deqviz.operators.gaussian_blur import GaussianBlur
from deqviz.operators.inpainting import Inpainting
from deqviz.operators.parallel_mri import ParallelMri, Pattern
from deqviz.training import head
from deqviz.training.data import patches, split
from deqviz.training.samples import Sample


@dataclass(frozen=True)
class Task(ABC):
    """One inverse problem: `channels` and `axes` of its images, and how its samples are drawn."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """1 for grey images, 2 for complex ones."""

    @property
    def axes(self) -> int:
        """2 in the plane, 3 in space and over time."""
        return 2

    @property
    @abstractmethod
    def data(self) -> str:
        """What is trained on, in a few words."""

    @property
    @abstractmethod
    def domain(self) -> Domain:
        """The same for a card, as what a problem is compared with."""

    @abstractmethod
    def source(self, folder: Path) -> tuple[list[Tensor], list[Tensor]]:
        """(training, validation) images, each channels-first without a batch axis."""

    @abstractmethod
    def sample(self, source: list[Tensor], batch: int, side: int, rng: torch.Generator) -> Sample:
        """Images behind one operator, with noise."""

    @abstractmethod
    def examples(self, clean: Tensor, seed: int) -> dict[str, Sample]:
        """A validation image, 1 × …, behind the operators that the task is about."""


@dataclass(frozen=True)
class Head(Task):
    """Complex axial, coronal and sagittal parts of one head through 4 to 6 coils, 1 of R coefficients."""

    acceleration: float = 4.0
    noise: tuple[float, float] = (0.003, 0.01)
    side: int = 128  # of the validation slices

    @property
    def channels(self) -> int:
        """Real and imaginary part."""
        return 2

    @property
    def data(self) -> str:
        """The rule of the held-out slices."""
        return (
            "mri/ch2.nii.gz: coronal, sagittal and axial slices, but of the axial ones not "
            f"{head.HELD_OUT.start} to {head.HELD_OUT.stop - 1} (test) and "
            f"{head.VALIDATION.start} to {head.VALIDATION.stop - 1} (validation)"
        )

    @property
    def domain(self) -> Domain:
        """R as it was; of another one the nearest."""
        R, (low, high) = self.acceleration, self.noise
        return Domain(
            f"parallel MRI of head slices, R = {R:g}, 4 to 6 coils, noise std {low:g} to {high:g}",
            {"parallel_mri": {"acceleration": (R - 1, R + 1), "coils": (4, 6)}},
            ("head",),
            high,
        )

    def source(self, folder: Path) -> tuple[list[Tensor], list[Tensor]]:
        """Slices of the volume in `folder`/mri."""
        volume = head.read(folder / "mri" / "ch2.nii.gz")
        watched = [head.fitted(plane, self.side) for plane in volume.axial(head.VALIDATION)[::3]]
        return volume.training(), watched

    def sample(self, source: list[Tensor], batch: int, side: int, rng: torch.Generator) -> Sample:
        """Seven in ten through single points, the others through lines or spokes."""
        clean = head.drawn(source, batch, side, rng)
        draw = float(torch.rand((), generator=rng))
        pattern: Pattern = "points" if draw < 0.7 else "lines" if draw < 0.85 else "radial"
        coils, seed = (
            4 + int(torch.randint(3, (), generator=rng)),
            int(torch.randint(10_000, (), generator=rng)),
        )
        A = ParallelMri(
            _space(clean), pattern=pattern, acceleration=self.acceleration, coils=coils, seed=seed
        )
        low, high = self.noise
        noise = low * (high / low) ** float(torch.rand((), generator=rng))
        return behind(A, clean, noise, rng)

    def examples(self, clean: Tensor, seed: int) -> dict[str, Sample]:
        """Points, four coils, noise 0.005."""
        rng = torch.Generator().manual_seed(seed)
        truth = images.with_phase(clean, rng)
        A = ParallelMri(_space(truth), acceleration=self.acceleration, seed=seed)
        return {f"R = {self.acceleration:g}": behind(A, truth, 0.005, rng)}


@dataclass(frozen=True)
class Natural(Task):
    """Grey natural images, blurred or with pixels missing."""

    kind: Literal["blur", "inpainting"] = "blur"
    held: int = 40

    @property
    def channels(self) -> int:
        """Grey."""
        return 1

    @property
    def data(self) -> str:
        """The rule of the validation images."""
        return f"train/bsds400, all pictures but the last {self.held}"

    @property
    def domain(self) -> Domain:
        """What `sample` draws."""
        task, operator = {
            "blur": ("Gaussian blurs of 1 to 2.5 px", {"gaussian_blur": {"width": (1.0, 2.5)}}),
            "inpainting": (
                "inpainting of 30 to 70 % random pixels",
                {"inpainting": {"mask": ("random",), "kept": (0.3, 0.7)}},
            ),
        }[self.kind]
        return Domain(f"{task} of grey photographs, noise std 0.005 to 0.02", operator, ("photograph",), 0.02)

    def source(self, folder: Path) -> tuple[list[Tensor], list[Tensor]]:
        """The images of `folder`/train/bsds400, of which a few of the last 40 are watched."""
        training, validation = split(folder / "train" / "bsds400", self.held)
        return training, validation[::10]

    def sample(self, source: list[Tensor], batch: int, side: int, rng: torch.Generator) -> Sample:
        """Gaussian blurs of 1 to 2.5 px, or 30 to 70 % of the pixels kept."""
        clean = patches(source, batch, side, rng)
        share, seed = float(torch.rand((), generator=rng)), int(torch.randint(10_000, (), generator=rng))
        A: ForwardModel
        if self.kind == "blur":
            A = GaussianBlur(_space(clean), width=1 + 1.5 * share)
        else:
            A = Inpainting(_space(clean), mask="random", kept=0.3 + 0.4 * share, seed=seed)
        noise = 0.005 * 4 ** float(torch.rand((), generator=rng))
        return behind(A, clean, noise, rng)

    def examples(self, clean: Tensor, seed: int) -> dict[str, Sample]:
        """A blur of 1.6 px, or half of the pixels, with noise 0.01."""
        rng = torch.Generator().manual_seed(seed)
        A: ForwardModel
        if self.kind == "blur":
            A = GaussianBlur(_space(clean), width=1.6)
        else:
            A = Inpainting(_space(clean), mask="random", kept=0.5, seed=seed)
        return {self.kind: behind(A, clean, 0.01, rng)}


def behind(operator: ForwardModel, clean: Data, noise: float, rng: torch.Generator) -> Sample:
    """The noisy data of an image."""
    y = Gaussian(noise).add(operator(clean), operator, rng)
    return Sample(clean, y, clean.new_full((len(clean),), noise), operator)


def _space(clean: Tensor) -> Space:
    return Space(tuple(clean.shape[1:]), clean.dtype, str(clean.device))
