"""Samples of one training step: clean patches, their measurements, and the operator."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from deqviz.core.operator import ForwardModel
from deqviz.core.space import Data, Image, Pixels, Space
from deqviz.noises.gaussian import Gaussian
from deqviz.operators.fourier import Fourier
from deqviz.operators.gaussian_blur import GaussianBlur
from deqviz.training.data import patches


@dataclass(frozen=True)
class Sample:
    """Patches b × c × …, their noisy data y, and one level σ per patch for the network."""

    clean: Pixels
    y: Data
    sigma: Tensor
    operator: ForwardModel | None = None  # None: denoising
    weight: float = 1.0  # α of the equilibrium

    def to(self, device: str) -> "Sample":
        """The same sample on another device; an operator keeps its parameters."""
        operator = self.operator
        if operator is not None:
            operator = replace(operator, image=replace(operator.image, device=device))
        return Sample(self.clean.to(device), self.y.to(device), self.sigma.to(device), operator, self.weight)


def denoising(source: list[Tensor], sigma: Tensor, size: int, rng: torch.Generator) -> Sample:
    """One patch per entry of σ, with white noise of that standard deviation."""
    clean = patches(source, len(sigma), size, rng)
    return Sample(clean, clean + sigma[:, None, None, None] * torch.randn(clean.shape, generator=rng), sigma)


def degraded(source: list[Tensor], count: int, size: int, rng: torch.Generator) -> Sample:
    """Patches blurred by 1 to 2.5 px, or sampled along a quarter of their Fourier lines; noise 0.004 to 0.03.

    Any level σ describes the same image up to the strength, so σ is drawn from 15/255 to 40/255.
    """
    clean = patches(source, count, size, rng)
    space = Space(tuple(clean.shape[1:]), clean.dtype)
    operator: ForwardModel
    if _uniform(0, 1, rng) < 0.5:
        operator = GaussianBlur(space, width=_uniform(1.0, 2.5, rng))
    else:
        operator = Fourier(space, fraction=0.25, seed=int(torch.randint(10_000, (), generator=rng)))
    noise, sigma = _log_uniform(0.004, 0.03, rng), _log_uniform(15 / 255, 40 / 255, rng)
    return _behind(operator, clean, noise, sigma, rng)


def examples(clean: Image, seed: int) -> dict[str, Sample]:
    """An image behind the blur and the Fourier mask in the middle of what `degraded` draws."""
    rng = torch.Generator().manual_seed(seed)
    space = Space(tuple(clean.shape[1:]), clean.dtype, str(clean.device))
    operators = {
        "blur": GaussianBlur(space, width=1.6),
        "fourier": Fourier(space, fraction=0.25, seed=seed),
    }
    return {name: _behind(A, clean, 0.01, 25 / 255, rng) for name, A in operators.items()}


def _behind(operator: ForwardModel, clean: Image, noise: float, sigma: float, rng: torch.Generator) -> Sample:
    # α grows with the noise as the best weight of total variation does, and falls with σ as the thresholds of
    # a fresh network grow: training need not shift them to make up for a wrong α.
    weight = 0.009 * (noise / 0.01) ** 1.3 * (25 / 255 / sigma) ** 1.2
    y = Gaussian(noise).add(operator(clean), operator, rng)
    return Sample(clean, y, clean.new_full((len(clean),), sigma), operator, weight)


def _uniform(low: float, high: float, rng: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng))


def _log_uniform(low: float, high: float, rng: torch.Generator) -> float:
    return math.exp(_uniform(math.log(low), math.log(high), rng))
