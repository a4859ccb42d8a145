"""Networks for sparse coding: LISTA with and without descending constraints, and a learned dictionary."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from deqviz.core.metrics import psnr
from deqviz.core.space import Image
from deqviz.learning import patches as cutting
from deqviz.learning.primal_dual import Pupil, Teaching, pace
from deqviz.learning.problems import ATOMS, PATCHED, ROWS, TEACHINGS, patch_problem, random_problem
from deqviz.learning.sparse_coding import SparseCoding, SparseSignals, random_dictionary
from deqviz.networks._domain import Domain
from deqviz.networks.dictionary import Dictionary
from deqviz.networks.lista import Alista, Lista, ListaCP, UnrolledSparseCoder
from deqviz.training._recipe import Recipe
from deqviz.training.data import patches, split
from deqviz.training.samples import Sample

LEARNED = 77
"""Atoms of the dictionary of 8 × 8 patches, 1.2 for each pixel."""
LEVELS = (10 / 255, 50 / 255)
"""Noise that images are learned with; patches are divided by it."""
PATCHES = Domain(
    "8 × 8 patches of grey photographs, white noise of std 10/255 to 50/255",
    images=("photograph",),
    level=LEVELS,
)


def patch_signals(source: list[Tensor], count: int, rng: torch.Generator) -> Tensor:
    """Noisy patches without their means in units of the noise, `count` × 64, σ drawn log-uniformly."""
    low, high = LEVELS
    clean = patches(source, count, cutting.SIDE, rng).flatten(1)
    sigma = low * (high / low) ** torch.rand(count, 1, generator=rng)
    noisy = clean / sigma + torch.randn(clean.shape, generator=rng)
    return cutting.NOISE * (noisy - noisy.mean(1, keepdim=True))


def denoising_scores(pictures: Image, sigma: float, seed: int, problem: SparseCoding, code: Any) -> float:
    """PSNR in dB of one image whose patches are coded by `code`."""
    rng = torch.Generator().manual_seed(seed)
    noisy = pictures + sigma * torch.randn(pictures.shape, generator=rng)
    return float(psnr(cutting.denoised(noisy, sigma, problem, code), pictures))


@dataclass(frozen=True)
class DictionaryRecipe(Recipe):
    """min_D E min_y ½‖x − Dy‖² + α‖y‖₁ over patches x and atoms of length 1. Olshausen and Field, 1996.

    By gradient steps on D at the minimising codes: the gradient of the inner minimum, by Danskin's theorem.
    """

    batch: int = 256
    atoms: int = LEARNED
    weight: float = cutting.WEIGHT
    inner: int = 80  # steps of FISTA
    sigma: float = 25 / 255  # of the validation

    @property
    def domain(self) -> Domain:
        """The patches of the networks."""
        return PATCHES

    @property
    def arguments(self) -> dict[str, Any]:
        """Of `Dictionary`."""
        return {"rows": cutting.SIDE**2, "count": self.atoms, "weight": self.weight}

    def build(self) -> Dictionary:
        """Random directions."""
        net = Dictionary(**self.arguments)
        rng = torch.Generator().manual_seed(0)
        net.atoms.data.copy_(random_dictionary(cutting.SIDE**2, self.atoms, rng))
        return net

    def sample(self, source: list[Tensor], rng: torch.Generator) -> Sample:
        """Signals as b × 1 × 1 × 64."""
        x = patch_signals(source, self.batch, rng)[:, None, None]
        return Sample(x, x, x.new_zeros(self.batch))

    def loss(self, net: nn.Module, sample: Sample) -> Tensor:
        """The objective at the codes."""
        assert isinstance(net, Dictionary)
        x, D = sample.y.flatten(1), net.normed()
        y = SparseCoding(D.detach(), self.weight).solution(x, self.inner)
        return SparseCoding(D, self.weight).objective(y, x).mean()

    def score(self, net: nn.Module, clean: Image, seed: int) -> dict[str, float]:
        """PSNR in dB of an image denoised by its codes."""
        assert isinstance(net, Dictionary)
        problem = SparseCoding(net.atoms, self.weight)
        decibels = denoising_scores(clean, self.sigma, seed, problem, lambda x: problem.solution(x, 200))
        return {f"{255 * self.sigma:g}": decibels}

    def constants(self, net: nn.Module) -> Mapping[str, float]:
        """‖D‖², of which every step of ISTA is the inverse."""
        assert isinstance(net, Dictionary)
        return {"lipschitz": SparseCoding(net.atoms, self.weight).lipschitz}

    def plain(self, net: nn.Module) -> nn.Module:
        """With atoms of length 1."""
        copy = super().plain(net)
        assert isinstance(copy, Dictionary)
        copy.atoms.data.copy_(copy.normed())
        return copy


@dataclass(frozen=True)
class Coded(Sample):
    """Signals with their codes, and the seed of what is drawn while the layers are passed."""

    seed: int = 0

    def to(self, device: str) -> "Coded":
        """On another device; random numbers are drawn on the CPU, so that is where it stays."""
        if device != "cpu":
            raise ValueError("Networks for sparse coding are small: train them with --device cpu.")
        return self


@dataclass(frozen=True)
class ListaRecipe(Recipe):
    """E½‖y_K − y*‖², plainly or as `teaching` says, for signals that subclasses draw once."""

    stored: ClassVar[torch.dtype] = torch.float16
    longest: ClassVar[float] = math.inf
    betas: ClassVar[tuple[float, float]] = (0.9, 0.999)

    batch: int = 256
    layers: int = 10
    teaching: Teaching = Teaching("U")
    signals: int = 16_000
    labels: int = 600  # steps of FISTA

    @property
    @abstractmethod
    def problem(self) -> SparseCoding:
        """Whose minimisers the codes are."""

    @property
    def arguments(self) -> dict[str, Any]:
        """Of `Lista`."""
        rows, atoms = self.problem.dictionary.shape
        return {"rows": rows, "atoms": atoms, "layers": self.layers}

    def network(self) -> UnrolledSparseCoder:
        """Small random weights, from which the effect of constraints can be seen."""
        return Lista(**self.arguments, seed=0)

    def build(self) -> Pupil:
        """The network and the duals of its constraints."""
        teaching = replace(self.teaching, steps=self.steps, batch=self.batch)
        return Pupil(self.network(), self.problem, teaching)

    def pace(self, fraction: float) -> float:
        """As where networks are trained on the screen."""
        return pace(fraction)

    def coded(self, signals: Tensor) -> Tensor:
        """Signals beside their codes, count × (N + M)."""
        return torch.cat([signals, self.problem.solution(signals, self.labels)], 1)

    def sample(self, source: list[Tensor], rng: torch.Generator) -> Coded:
        """A batch of the table."""
        (table,) = source
        drawn = table[torch.randint(0, len(table), (self.batch,), generator=rng)][:, None, None]
        rows = len(self.problem.dictionary)
        seed = int(torch.randint(0, 2**31, (), generator=rng))
        return Coded(drawn[..., rows:], drawn[..., :rows], drawn.new_zeros(self.batch), seed=seed)

    def loss(self, net: nn.Module, sample: Sample) -> Tensor:
        """The Lagrangian, by which the duals move too."""
        assert isinstance(net, Pupil)
        assert isinstance(sample, Coded)
        rng = torch.Generator().manual_seed(sample.seed)
        return net.lagrangian(sample.y.flatten(1), sample.clean.flatten(1), rng)[0]

    def constants(self, net: nn.Module) -> Mapping[str, float]:
        """None: what was trained holds on average, on the signals that were seen."""
        return {}

    def plain(self, net: nn.Module) -> nn.Module:
        """The network alone."""
        assert isinstance(net, Pupil)
        copy = self.network()
        copy.load_state_dict(net.net.state_dict())
        return copy.eval().requires_grad_(False)


@dataclass(frozen=True)
class RandomListaRecipe(ListaRecipe):
    """For x = Ds + 0.02η with 8 nonzeros, D Gaussian 64 × 96."""

    validation: int = 2000

    @property
    def data(self) -> str:
        """No folder is used."""
        return f"unused: {self.signals} signals Ds + 0.02η with 8 nonzeros, drawn"

    @property
    def problem(self) -> SparseCoding:
        """With the random dictionary."""
        return random_problem()

    @property
    def domain(self) -> Domain:
        """Signals and no images."""
        return Domain("signals Ds + 0.02η with 8 nonzeros, D Gaussian 64 × 96")

    def source(self, folder: Path) -> tuple[list[Tensor], list[Tensor]]:
        """Tables of signals and codes."""
        del folder
        rng = torch.Generator().manual_seed(1)
        drawn = SparseSignals().draw(self.problem, self.signals + self.validation, rng)
        table = self.coded(drawn)
        return [table[: self.signals]], [table[self.signals :]]

    def score(self, net: nn.Module, clean: Tensor, seed: int) -> dict[str, float]:
        """10 log₁₀(E‖y*‖²/E‖y_K − y*‖²) in dB of the validation table."""
        x, solution = clean[0].split([ROWS, ATOMS], 1)
        start = torch.randn(solution.shape, generator=torch.Generator().manual_seed(seed))
        error = (net(start, x) - solution).square().sum().detach()
        return {"codes": 10 * math.log10(float(solution.square().sum() / error))}


@dataclass(frozen=True)
class CoupledRecipe(RandomListaRecipe):
    """LISTA-CP, or ALISTA with `is_analytic`: both begin at ISTA, as their authors do."""

    is_analytic: bool = False

    def network(self) -> ListaCP | Alista:
        """ISTA, with the least coherent matrix in ALISTA."""
        net = Alista(**self.arguments) if self.is_analytic else ListaCP(**self.arguments)
        net.begin_at(self.problem.dictionary, self.problem.weight, self.problem.lipschitz)
        return net


@dataclass(frozen=True)
class PatchListaRecipe(ListaRecipe):
    """For 8 × 8 patches of images with noise from 10/255 to 50/255."""

    sigma: float = 25 / 255  # of the validation

    @property
    def problem(self) -> SparseCoding:
        """With the learned dictionary."""
        return patch_problem()

    @property
    def domain(self) -> Domain:
        """The patches of the dictionary."""
        return PATCHES

    def source(self, folder: Path) -> tuple[list[Tensor], list[Tensor]]:
        """A table of signals and codes, and whole images for the validation."""
        training, validation = split(folder, self.validation)
        rng = torch.Generator().manual_seed(1)
        return [self.coded(patch_signals(training, self.signals, rng))], validation

    def score(self, net: nn.Module, clean: Image, seed: int) -> dict[str, float]:
        """PSNR in dB of an image denoised by y_K of its patches."""
        rng = torch.Generator().manual_seed(seed + 1)

        def code(x: Tensor) -> Tensor:
            return net(torch.randn(len(x), net.atoms, generator=rng), x)  # pyright: ignore[reportArgumentType]

        return {f"{255 * self.sigma:g}": denoising_scores(clean, self.sigma, seed, self.problem, code)}


# The loop takes thresholds and mixing three times as fast as filters, and here there are no filters.
_RATE = 1e-3 / 3
SPARSE_RECIPES: tuple[Recipe, ...] = (
    DictionaryRecipe("patch_dictionary", "Dictionary of 8 × 8 patches", 2_000, 1e-3),
    *(
        RandomListaRecipe(f"lista_{key}", f"LISTA, {t.name}", 10_000, _RATE, teaching=t)
        for key, t in TEACHINGS.items()
    ),
    CoupledRecipe("lista_coupled", "LISTA-CP", 10_000, _RATE),
    CoupledRecipe("lista_analytic", "ALISTA", 10_000, _RATE, is_analytic=True),
    *(
        PatchListaRecipe(f"lista_patch_{key}", f"LISTA on patches, {t.name}", 10_000, _RATE, teaching=t)
        for key, t in TEACHINGS.items()
        if key in PATCHED
    ),
)
