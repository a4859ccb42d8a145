"""The base of training recipes: a network, its samples, its validation and its export."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from deqviz.core.metrics import psnr
from deqviz.core.space import Image
from deqviz.networks._domain import Domain
from deqviz.training._constraint import BoundedBank, cosine_bank
from deqviz.training.data import split
from deqviz.training.samples import Sample, denoising


@dataclass(frozen=True)
class Recipe(ABC):
    """One trained network: where its images come from, what is minimised, how it is judged and exported."""

    stored: ClassVar[torch.dtype] = torch.float32
    """As what weights are written; validation sees them rounded to it."""
    longest: ClassVar[float] = 1.0
    """Longer gradients are cut to this norm."""
    betas: ClassVar[tuple[float, float]] = (0.9, 0.99)
    """Of Adam."""

    key: str
    title: str
    steps: int
    learning_rate: float
    batch: int = 8
    patch: int = 48
    validation: int = 40  # images, the last ones of the folder

    @property
    def data(self) -> str:
        """What is trained on, after the name of the folder."""
        return f"all pictures but the last {self.validation}"

    @property
    @abstractmethod
    def domain(self) -> Domain:
        """What it is trained for, for its card."""

    def source(self, folder: Path) -> tuple[list[Tensor], list[Tensor]]:
        """(training, validation) images of a folder."""
        return split(folder, self.validation)

    def pace(self, fraction: float) -> float:
        """The share of the learning rate: it warms up over 2 %, then falls by half a cosine to 1 %."""
        return min(1.0, fraction / 0.02 + 0.01) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fraction)))

    @abstractmethod
    def build(self) -> nn.Module:
        """The network at its starting point, with its constraints attached."""

    @abstractmethod
    def sample(self, source: list[Tensor], rng: torch.Generator) -> Sample:
        """What one training step sees."""

    @abstractmethod
    def loss(self, net: nn.Module, sample: Sample) -> Tensor:
        """What is minimised; one number."""

    @abstractmethod
    def score(self, net: nn.Module, clean: Tensor, seed: int) -> dict[str, float]:
        """PSNR in dB of one validation image, by what was done to it."""

    @abstractmethod
    def constants(self, net: nn.Module) -> Mapping[str, float]:
        """The certified constants of the plain network, for its card."""

    @property
    def arguments(self) -> dict[str, Any]:
        """Of the constructor of the plain network."""
        settings = asdict(self)
        return {name: settings[name] for name in ("layers", "filters", "size") if name in settings}

    def plain(self, net: nn.Module) -> nn.Module:
        """A copy without the training constraints: they are baked into its weights."""
        copy = self.build()
        copy.load_state_dict(net.state_dict())
        for module in copy.modules():
            for name in list(getattr(module, "parametrizations", {})):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
        return copy.eval().requires_grad_(False)


@dataclass(frozen=True)
class DenoisingRecipe(Recipe):
    """A denoiser trained for all noise levels at once; subclasses say what is trained and what it returns."""

    sigma_min: float = 1 / 255
    sigma_max: float = 50 / 255
    sigmas: tuple[float, ...] = (5 / 255, 15 / 255, 25 / 255)  # noise levels of the validation

    @property
    def domain(self) -> Domain:
        """Of a denoiser: white noise on photographs, whatever the operator in front of it."""
        low, high = self.sigma_min, self.sigma_max
        levels = f"white noise of std {255 * low:g}/255 to {255 * high:g}/255"
        return Domain(f"denoising grey photographs, {levels}", images=("photograph",), level=(low, high))

    @abstractmethod
    def estimate(self, net: nn.Module, y: Image, sigma: Tensor) -> Image:
        """The denoised images, differentiable in the weights of `net`; one σ per image."""

    @abstractmethod
    def denoise(self, net: nn.Module, y: Image, sigma: float) -> Image:
        """The denoised image as the product will compute it; no gradient."""

    def score(self, net: nn.Module, clean: Image, seed: int) -> dict[str, float]:
        """PSNR in dB of one validation image, by noise level in units of 1/255."""
        scores = {}
        for sigma in self.sigmas:
            rng = torch.Generator().manual_seed(seed)
            noise = torch.randn(clean.shape, generator=rng).to(clean.device)
            scores[f"{255 * sigma:g}"] = float(psnr(self.denoise(net, clean + sigma * noise, sigma), clean))
        return scores

    def sample(self, source: list[Tensor], rng: torch.Generator) -> Sample:
        """Noisy patches, σ uniform in √σ: low noise is seen as often as high noise without taking over."""
        low, high = math.sqrt(self.sigma_min), math.sqrt(self.sigma_max)
        sigma = (low + (high - low) * torch.rand(self.batch, generator=rng)).square()
        return denoising(source, sigma, self.patch, rng)

    def loss(self, net: nn.Module, sample: Sample) -> Tensor:
        """Squared error over σ^1.25, to which a good denoiser's is proportional: every σ counts alike."""
        error = self.estimate(net, sample.y, sample.sigma) - sample.clean
        return (error.square().mean((1, 2, 3)) / sample.sigma**1.25).mean()


@dataclass(frozen=True)
class LayeredRecipe(DenoisingRecipe):
    """A denoiser of layers, trained and used by one pass."""

    layers: int = 6
    filters: int = 48
    size: int = 7

    def estimate(self, net: nn.Module, y: Image, sigma: Tensor) -> Image:
        """One pass through the network."""
        return net(y, sigma)

    @torch.no_grad()
    def denoise(self, net: nn.Module, y: Image, sigma: float) -> Image:
        """One pass through the network."""
        return net(y, sigma)


def constrain(module: nn.Module, start: Tensor, limit: float) -> None:
    """Give the filters of `module` their constraint and a start."""
    assert isinstance(module.filters, Tensor)
    module.filters.data.copy_(start)
    parametrize.register_parametrization(module, "filters", BoundedBank(start.shape[-1], limit))


def tight_frame(count: int, size: int, limit: float) -> Tensor:
    """A tight frame of cosines with ‖W‖² = limit."""
    return cosine_bank(count, size) * math.sqrt(limit) / size
