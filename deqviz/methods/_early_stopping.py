"""Early-stopping rules: when to stop a fit, and which image to keep; no rule sees the ground truth."""

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from deqviz.core.records import Scalar
from deqviz.core.space import Image


class Verdict(NamedTuple):
    """What a rule says of the newest image: whether to keep it, and whether to stop now."""

    keeps: bool
    stops: bool


class Window:
    """The variance of the last W images, VAR = Σ‖x_i − x̄‖²/(W n) over the window with its mean x̄.

    One sum of images and one of squares are carried along in double precision: only the window is kept, and
    an image of n pixels costs 4n operations.
    """

    def __init__(self, length: int) -> None:
        """Raises ValueError for a window of less than two images."""
        if length < 2:
            raise ValueError(f"A window of {length} images has no variance: take two at least.")
        self._last: deque[Tensor] = deque()
        self._length = length
        self._sum = self._squares = torch.zeros(())

    def push(self, x: Image) -> Tensor | None:
        """The variance once the window is full, None before; a 0-d tensor."""
        x = x.double()
        # Around the first image nothing cancels: all others are close to it compared with their size.
        if not self._last:
            self._origin, self._sum, self._squares = x, torch.zeros_like(x), x.new_zeros(())
        self._last.append(x)
        d = x - self._origin
        self._sum = self._sum + d
        self._squares = self._squares + d.square().sum()
        if len(self._last) > self._length:
            d = self._last.popleft() - self._origin
            self._sum = self._sum - d
            self._squares = self._squares - d.square().sum()
        if len(self._last) < self._length:
            return None
        # Every square has its own rounding, so that equal images may come out below 0.
        spread = self._squares - self._sum.square().sum() / self._length
        return spread.clamp_min(0) / (self._length * x.numel())

    def mean(self) -> Image:
        """x̄ of the images in the window, at least one, in double precision."""
        return self._origin + self._sum / len(self._last)


class Average:
    """The exponential average x̄_k = Σ wʲ x_{k−j}/Σ wʲ over all images so far; w = 0 is the newest."""

    def __init__(self, weight: float) -> None:
        """Raises ValueError for a weight with which the past never fades."""
        if not 0 <= weight < 1:
            raise ValueError(f"The weight of the past is at least 0 and below 1, not {weight}.")
        self._weight, self._total = weight, 0.0
        self._mean: Tensor | None = None

    def push(self, x: Image) -> Tensor:
        """The average with x."""
        # Σ wʲ is carried along: divided by its limit instead, early averages would be too dark.
        self._total = self._weight * self._total + 1
        mean = x if self._mean is None else torch.lerp(self._mean, x, 1 / self._total)
        self._mean = mean
        return mean


@dataclass
class Rule(ABC):
    """Reads one image's numbers after the other."""

    @abstractmethod
    def judge(self, k: int, variance: Scalar | None, misfit: Scalar) -> Verdict:
        """Of image number k: the window's variance, and ‖Ax − y‖/√m over the m measured entries."""


@dataclass
class Never(Rule):
    """The newest image, for ever."""

    def judge(self, k: int, variance: Scalar | None, misfit: Scalar) -> Verdict:
        """Keep and go on."""
        del k, variance, misfit
        return Verdict(True, False)


@dataclass
class LeastVariance(Rule):
    """Keep the window that varies least; stop when none has varied less for `patience` images.

    Windows that end among the first `burn_in` images are not looked at: until then the newest is kept.
    ES-WMV of Wang, Li, Zhuang, Chen, Liang and Sun, 2021.
    """

    patience: int
    burn_in: int = 0
    least: float = field(default=float("inf"), init=False)
    found: int | None = field(default=None, init=False)

    def judge(self, k: int, variance: Scalar | None, misfit: Scalar) -> Verdict:
        """By the variance alone."""
        del misfit
        if variance is None or k < self.burn_in:
            return Verdict(True, False)
        if (value := float(variance)) < self.least:
            self.least, self.found = value, k
            return Verdict(True, False)
        # A variance that is no number is never the least: the first look may find nothing to keep.
        return Verdict(False, self.found is not None and k - self.found >= self.patience)


@dataclass
class Discrepancy(Rule):
    """Stop at the first image whose misfit is not above the noise level; never where that is 0.

    What is below fits the noise. Morozov, 1966.
    """

    noise: float

    def judge(self, k: int, variance: Scalar | None, misfit: Scalar) -> Verdict:
        """By the misfit alone."""
        del k, variance
        return Verdict(True, self.noise > 0 and float(misfit) <= self.noise)
