"""Quasi-Newton solvers under one safeguard: the plain iteration, with a correction only while it pays.

Each step evaluates f once, at the accepted f(z) plus a correction taken from the memory of past steps.
The result is accepted when ‖f(z) − z‖ fell by at least the factor `_bar` allows: the largest ratio that
a plain step has shown on this run, and never less than 0.9. Otherwise z stays where it was, the memory
is cleared and the next step is the plain one, whose value f(z) is already at hand. A correction is tried
only while at most 0.09 k have failed, so that for a map that contracts by κ

    gap_k ≤ max(κ, 0.9)^(k − w) · gap_0   with   w ≤ 1 + 0.09 k,

which is plain iteration's certified line with at most a tenth more evaluations. Where plain iteration
ends by itself after a few steps (a nilpotent map, a clip at which all entries stand still) the line says
little, and corrections can delay that end by some evaluations; more than 5 were never seen. The decision
is taken per batch item and stays on the device: nothing here waits for a GPU.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor

from deqviz.core.records import Map, Solver, Step
from deqviz.core.space import Data

FAILURES, SHARE, LEAST = 1, 0.09, 0.9


class Memory(ABC):
    """What one run remembers, as flat real tensors `b × n`, all of them detached."""

    @abstractmethod
    def learn(self, last: "Point", new: "Point", good: Tensor) -> None:
        """Take in the move between two accepted points, and forget the items that are not `good`."""

    @abstractmethod
    def correction(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """What to add to f(z), and the items that get it: those `wanted` for which it exists."""


class Point(NamedTuple):
    """An accepted f(z) and its residual r = f(z) − z, flat, with ‖r‖."""

    fz: Tensor
    r: Tensor
    gap: Tensor

    @classmethod
    def of(cls, z: Data, fz: Data) -> "Point":
        """The point outside any graph."""
        flat = _flat(fz)
        r = flat - _flat(z)
        return cls(flat, r, torch.linalg.vector_norm(r, dim=1))


class Accelerated(Solver):
    """A solver that corrects the plain step. Through a graph, the corrections count as constants."""

    @abstractmethod
    def _memory(self, first: Point) -> Memory:
        """A memory that knows the first point only."""

    def _bar(self, rate: Tensor) -> Tensor:
        """The factor by which an accepted correction must reduce the gap."""
        return rate

    def steps(self, f: Map, z0: Data) -> Iterator[Step]:
        """One evaluation per step; a step whose correction failed shows the accepted z once more."""
        z, fz = z0, f(z0)
        yield Step(0, z, fz, 1)
        now = Point.of(z, fz)
        memory = self._memory(now)
        eps, tiny = torch.finfo(now.r.dtype).eps, torch.finfo(now.r.dtype).tiny
        rate, failures = torch.full_like(now.gap, LEAST), torch.zeros_like(now.gap)
        tried = torch.zeros_like(now.gap, dtype=torch.bool)
        trial = fz
        for k in count(1):
            f_trial = f(trial)
            new = Point.of(trial, f_trial)
            # The floor: what rounding alone does to f(z) must not count as a failure.
            floor = 0.5 * eps * torch.linalg.vector_norm(now.fz, dim=1)
            good = (new.gap <= self._bar(rate) * now.gap + floor) | ~tried
            plain = torch.maximum(rate, (new.gap / (now.gap + tiny)).clamp_max(1.0))
            rate = torch.where(tried, rate, plain)
            # The CPU can see at no cost that nobody failed, and then needs no copies.
            if good.device.type != "cpu" or not bool(good.all()):
                failures = failures + ~good
                new = Point(*(where(good, a, b) for a, b in zip(new, now, strict=True)))
                trial, f_trial = where(good, trial, z), where(good, f_trial, fz)
            memory.learn(now, new, good)
            z, fz, now = trial, f_trial, new
            yield Step(k, z, fz, k + 1)
            wanted = good & (failures <= FAILURES - 1 + SHARE * (k + 1))
            correction, tried = memory.correction(wanted)
            trial = fz + _like(correction, fz)


def _flat(z: Tensor) -> Tensor:
    """The entries as real numbers `b × n`, outside any graph; a complex number is two of them."""
    z = z.detach()
    return (torch.view_as_real(z.resolve_conj()) if z.is_complex() else z).flatten(1)


def _like(flat: Tensor, z: Tensor) -> Tensor:
    """The inverse of `_flat`, shaped like z."""
    return torch.view_as_complex(flat.view(*z.shape, 2)) if z.is_complex() else flat.view(z.shape)


def where(mask: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """`torch.where` per batch item."""
    return torch.where(mask.view(-1, *[1] * (new.ndim - 1)), new, old)
