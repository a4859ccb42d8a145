"""Quasi-Newton solvers under one safeguard: the plain iteration, with a correction only while it pays.

Each step evaluates f once, at the accepted f(z) plus a correction taken from the memory of past steps.
The result is accepted when ‖f(z) − z‖ fell by at least the factor `_bar` allows: the largest ratio that
a plain step has shown on this run, and never less than 0.9. Otherwise z stays where it was, the memory
is cleared and the next step is the plain one, whose value f(z) is already at hand. A correction is tried
only while at most 1 + 0.09 k have failed, so that for a map that contracts by κ

    gap_k ≤ max(κ, 0.9)^(k − w) · gap_0   with   w ≤ 2 + 0.09 k,

which is plain iteration with at most a tenth more evaluations. The decision is taken per batch item and
stays on the device: nothing here waits for a GPU.
"""

from abc import abstractmethod
from collections.abc import Iterator
from itertools import count
from typing import Protocol

import torch
from torch import Tensor

from deqviz.core.records import Map, Solver, Step
from deqviz.core.space import Data

FAILURES, SHARE, LEAST = 2, 0.09, 0.9


class Memory(Protocol):
    """What one run remembers, as flat real tensors `b × n`, all of them detached."""

    def correction(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """What to add to f(z), and the items that get it: those `wanted` for which it exists."""
        ...

    def learn(self, r: Tensor, dr: Tensor, df: Tensor, failed: Tensor) -> None:
        """Take in the accepted residual, how it and f(z) moved, and forget the items that `failed`."""
        ...


class Accelerated(Solver):
    """A solver that corrects the plain step. Through a graph, the corrections count as constants."""

    @abstractmethod
    def _memory(self, r: Tensor) -> Memory:
        """An empty memory; `r` is the first residual."""

    def _bar(self, rate: Tensor) -> Tensor:
        """The factor by which an accepted correction must reduce the gap."""
        return rate.clamp(LEAST, 1.0)

    def steps(self, f: Map, z0: Data) -> Iterator[Step]:
        """One evaluation per step; a step whose correction failed shows the accepted z once more."""
        z, fz = z0, f(z0)
        yield Step(0, z, fz, 1)
        flat = _flat(fz)
        r = flat - _flat(z)
        gap = torch.linalg.vector_norm(r, dim=1)
        memory = self._memory(r)
        eps, tiny = torch.finfo(r.dtype).eps, torch.finfo(r.dtype).tiny
        rate, failures = torch.zeros_like(gap), torch.zeros_like(gap)
        wanted = torch.zeros_like(gap, dtype=torch.bool)
        for k in count(1):
            if k == 1:
                trial, tried = fz, wanted
            else:
                correction, tried = memory.correction(wanted)
                trial = fz + _like(correction, fz)
            f_trial = f(trial)
            flat_trial = _flat(f_trial)
            r_trial = flat_trial - _flat(trial)
            gap_trial = torch.linalg.vector_norm(r_trial, dim=1)
            # The floor: what rounding alone does to f(z) must not count as a failure.
            floor = 0.5 * eps * torch.linalg.vector_norm(flat, dim=1)
            good = ~tried | (gap_trial <= self._bar(rate) * gap + floor)
            failed = ~good
            plain = torch.maximum(rate, gap_trial / gap.clamp_min(tiny)).nan_to_num(1.0, 1.0)
            rate = torch.where(tried, rate, plain)
            failures = failures + failed

            z, fz = _select(good, trial, z), _select(good, f_trial, fz)
            r_old, r = r, _select(good, r_trial, r)
            flat_old, flat = flat, _select(good, flat_trial, flat)
            gap = torch.where(good, gap_trial, gap)
            memory.learn(r, r - r_old, flat - flat_old, failed)
            wanted = good & (failures <= FAILURES - 1 + SHARE * (k + 1))
            yield Step(k, z, fz, k + 1)


def _flat(z: Tensor) -> Tensor:
    """The entries as real numbers `b × n`, outside any graph; a complex number is two of them."""
    z = z.detach()
    return (torch.view_as_real(z.resolve_conj()) if z.is_complex() else z).flatten(1)


def _like(flat: Tensor, z: Tensor) -> Tensor:
    """The inverse of `_flat`, shaped like z."""
    return torch.view_as_complex(flat.view(*z.shape, 2)) if z.is_complex() else flat.view(z.shape)


def _select(mask: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """`torch.where` per batch item, without the copy where the CPU can see that none is needed."""
    if mask.device.type == "cpu" and bool(mask.all()):
        return new
    return torch.where(mask.view(-1, *[1] * (new.ndim - 1)), new, old)
