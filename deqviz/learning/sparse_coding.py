"""Sparse coding: the problem, its classical iterations, and the signals that networks are trained on."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from deqviz.networks.lista import soft


@dataclass(frozen=True, eq=False)
class SparseCoding:
    """min_y f(y) = ½‖x − Dy‖² + α‖y‖₁ for signals x (b × N) and codes y (b × M), D = `dictionary` (N × M).

    Tibshirani, 1996. Raises ValueError where α is not positive or D is no matrix.
    """

    dictionary: Tensor
    weight: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what is no such problem."""
        if self.dictionary.ndim != 2:
            raise ValueError(f"A dictionary is a matrix, not of shape {tuple(self.dictionary.shape)}.")
        if not self.weight > 0:
            raise ValueError(f"The weight α of the ℓ₁ norm is positive, not {self.weight}.")

    @cached_property
    def lipschitz(self) -> float:
        """‖D‖², of the smooth part's gradient, by singular values; rounded up by a part in a million."""
        return float(torch.linalg.matrix_norm(self.dictionary.double(), 2) ** 2) * (1 + 1e-6)

    def objective(self, y: Tensor, x: Tensor) -> Tensor:
        """f(y) per item."""
        return 0.5 * self._misfit(y, x).square().sum(-1) + self.weight * y.abs().sum(-1)

    def gradient(self, y: Tensor, x: Tensor) -> Tensor:
        """Dᵀ(Dy − x), of the smooth part; not 0 at the minimiser."""
        return self._misfit(y, x) @ self.dictionary

    def ista(self, y: Tensor, x: Tensor) -> Tensor:
        """One step S(y − Dᵀ(Dy − x)/‖D‖², α/‖D‖²). Daubechies, Defrise and De Mol, 2004."""
        threshold = y.new_tensor(self.weight / self.lipschitz)
        return soft(y - self.gradient(y, x) / self.lipschitz, threshold)

    def prox_gradient(self, y: Tensor, x: Tensor) -> Tensor:
        """‖D‖²(y − S(y − Dᵀ(Dy − x)/‖D‖², α/‖D‖²)): 0 exactly at minimisers."""
        return self.lipschitz * (y - self.ista(y, x))

    def iterates(self, x: Tensor, start: Tensor, *, is_accelerated: bool = False) -> Iterator[Tensor]:
        """y₀ = `start`, y₁, … of ISTA or FISTA (Beck and Teboulle, 2009), without end."""
        y, ahead, t = start, start, 1.0
        while True:
            yield y
            before, y = y, self.ista(ahead, x)
            after = (1 + math.sqrt(1 + 4 * t * t)) / 2 if is_accelerated else t
            ahead, t = (y + (t - 1) / after * (y - before) if is_accelerated else y), after

    @torch.no_grad()
    def solution(self, x: Tensor, steps: int = 600) -> Tensor:
        """y* by FISTA from 0."""
        start = x.new_zeros((len(x), self.dictionary.shape[1]))
        stream = self.iterates(x, start, is_accelerated=True)
        return next(y for k, y in enumerate(stream) if k == steps)

    def _misfit(self, y: Tensor, x: Tensor) -> Tensor:
        return y @ self.dictionary.mT - x


def random_dictionary(rows: int, atoms: int, rng: torch.Generator) -> Tensor:
    """Gaussian directions of length 1: rows × atoms, float32."""
    D = torch.randn(rows, atoms, generator=rng)
    return D / D.norm(dim=0)


@dataclass(frozen=True)
class SparseSignals:
    """x = Ds + ση with `nonzeros` standard normal entries in s and σ = `noise`."""

    nonzeros: int = 8
    noise: float = 0.02

    def draw(self, problem: SparseCoding, count: int, rng: torch.Generator) -> Tensor:
        """Signals: count × N. Raises ValueError where s has fewer entries than that."""
        D = problem.dictionary
        if not 0 < self.nonzeros <= D.shape[1]:
            raise ValueError(f"Of {D.shape[1]} entries {self.nonzeros} cannot be other than 0.")
        places = torch.rand(count, D.shape[1], generator=rng).argsort(1)[:, : self.nonzeros]
        values = torch.randn(count, self.nonzeros, generator=rng)
        codes = torch.zeros(count, D.shape[1]).scatter_(1, places, values).to(D.dtype)
        return codes @ D.mT + self.noise * torch.randn(count, D.shape[0], generator=rng).to(D.dtype)
