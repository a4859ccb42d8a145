"""Activation memory of training, unrolled and through the equilibrium."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from deqviz.core.guarantee import Guarantee, in_letters, quantity
from deqviz.core.records import Map
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.memory._saved import SavedBytes
from deqviz.experiments.memory.scan import Dimension, Iteration, Scan, iteration, per_iteration

__all__ = ["BackwardBytes", "Dimension", "MemoryRow", "Scan", "per_iteration", "unrolled_limit"]

Kind = Literal["unrolled", "equilibrium"]
SHARE = 0.05
"""By how much a measured number of bytes may differ from the formula."""


@dataclass(frozen=True, slots=True)
class MemoryRow(Row):
    """Training through `iterations` of T: `saved` bytes at the peak, and what the formula says.

    For an equilibrium they are the steps of the solve, and as many of its backward pass, which is part of the
    peak. `allocated` is what a GPU's allocator says, kernels' own room included; None on a CPU.
    """

    kind: str
    iterations: int
    saved: int
    predicted: int
    allocated: int | None

    @property
    def key(self) -> Key:
        """Kind and number of iterations."""
        return (self.kind, self.iterations)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """The formula, counted from what each operation of this implementation keeps."""
        off = abs(self.saved / self.predicted - 1)
        if self.kind == "unrolled":
            name, statement = "Activation memory, unrolled", "|bytes − Ks| ≤ 5 % of Ks"
        else:
            name, statement = "Activation memory, equilibrium", "|bytes − s| ≤ 5 % of s, for every K"
        why = "s counts, operation by operation of T, what autograd keeps of it"
        row = Guarantee(
            f"bytes.{self.kind}", name, statement, "certified", why, quantity(SHARE), quantity(off)
        )
        return in_letters("memory", (row,))


@dataclass(frozen=True)
class BackwardBytes(Experiment[MemoryRow]):
    """Bytes held for the backward pass after every unrolled iteration, and through the equilibrium.

    One unrolled run gives all its rows: after k iterations it holds what a network of depth k holds when its
    backward pass begins. An equilibrium is solved in n steps without a graph, has the graph of one T, and
    solves its adjoint in n steps: `Implicit` with Picard on both sides, step by step.
    """

    scan: Scan = Scan()
    unrolled: int = 40
    solved: tuple[int, ...] = (1, 10, 40)

    def __post_init__(self) -> None:
        """Refuse runs without a step, with a sentence."""
        if self.unrolled < 1 or not self.solved or min(self.solved) < 1:
            raise ValueError("At least one iteration is needed, unrolled and to an equilibrium.")

    @property
    def row_type(self) -> type[MemoryRow]:
        """`MemoryRow`."""
        return MemoryRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """The unrolled depths, then the solves."""
        return (
            *(("unrolled", k) for k in range(1, self.unrolled + 1)),
            *(("equilibrium", n) for n in self.solved),
        )

    def run(self, old_rows: Sequence[MemoryRow] = ()) -> Iterator[Progress[MemoryRow]]:
        """The rows in the order of `cells`; unrolled ones after a gap are computed through the gap."""
        by_key, total = {row.key: row for row in old_rows}, len(self.cells)
        step: Iteration | None = None
        for kind in ("unrolled", "equilibrium"):
            keys = [key for key in self.cells if key[0] == kind]
            if all(key in by_key for key in keys):
                rows: Iterator[MemoryRow | None] = (by_key[key] for key in keys)
            else:
                step = step or iteration(self.scan)
                rows = self._unrolled(step) if kind == "unrolled" else self._equilibria(step, by_key)
            done = 0 if kind == "unrolled" else self.unrolled
            for row in rows:
                done += row is not None
                yield Progress(done, total, row if row is None else by_key.get(row.key, row))

    def _unrolled(self, step: Iteration) -> Iterator[MemoryRow]:
        meter = Meter(step, self.scan.device)
        f, x = step.map(), step.start()
        s = per_iteration(self.scan)
        for k in range(1, self.unrolled + 1):
            # Entered for one iteration at a time: between two of them other work may run on this thread.
            x = meter.through(f, x)
            yield MemoryRow("unrolled", k, meter.saved.peak, k * s, meter.allocated())

    def _equilibria(self, step: Iteration, by_key: dict[Key, MemoryRow]) -> Iterator[MemoryRow | None]:
        predicted = per_iteration(self.scan)
        for n in self.solved:
            if (row := by_key.get(("equilibrium", n))) is not None:
                yield row
                continue
            meter = Meter(step, self.scan.device)
            for _ in solved(step, n, meter.through):
                yield None
            yield MemoryRow("equilibrium", n, meter.saved.peak, predicted, meter.allocated())


class Meter:
    """Bytes saved by the calls of `through`, and what the GPU's allocator held at most since it was made."""

    def __init__(self, step: Iteration, device: str) -> None:
        """From now on."""
        self.saved = SavedBytes(step.constants())
        self._device = device if torch.device(device).type == "cuda" else None
        if self._device:
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)

    def through(self, f: Map, x: Tensor) -> Tensor:
        """f(x), with what it saves counted."""
        with torch.enable_grad(), self.saved:
            return f(x)

    def allocated(self) -> int | None:
        """Bytes on the GPU at most, above what was there before; None without one."""
        return torch.cuda.max_memory_allocated(self._device) - self._before if self._device else None


def solved(step: Iteration, n: int, through: Callable[[Map, Tensor], Tensor]) -> Iterator[None]:
    """A gradient through the equilibrium with n steps forward and n backward, one step between two yields.

    `through` evaluates the map where its graph is built.
    """
    f, x = step.map(), step.start()
    for _ in range(n):
        x = _quietly(f, x)
        yield
    z = x.detach().requires_grad_()
    fz = through(f, z)
    g = fz.detach()  # the gradient of ½‖x‖²: any will do
    u = g
    for _ in range(n):
        u = torch.autograd.grad(fz, z, u, retain_graph=True)[0] + g
        yield
    torch.autograd.grad(fz, step.parameters(), u)


@torch.no_grad()
def _quietly(f: Map, x: Tensor) -> Tensor:
    return f(x)


def unrolled_limit(scan: Scan, budget: float) -> int:
    """How many unrolled iterations stay within a budget of bytes; at least 1."""
    return max(1, int(budget // per_iteration(scan)))
