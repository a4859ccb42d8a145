"""PSNR against the iteration, to five times the depth that unrolled networks were trained for.

A network trained for what K iterations return was asked for the K-th only; a fixed point stays where it is.
The truth stays in here: methods see the data.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from deqviz.core.guarantee import Guarantee, quantity
from deqviz.core.metrics import psnr
from deqviz.core.records import Iterate, Method, Problem
from deqviz.core.space import Image
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.methods._theory import Theory
from deqviz.methods._unrolled import TRAINED
from deqviz.methods.admm_net import AdmmNet
from deqviz.methods.modl import Modl
from deqviz.methods.mol import Mol
from deqviz.regularizers.monotone import Version
from deqviz.solvers.picard import Picard

__all__ = ["DEPTH", "TRAINED", "BeyondDepth", "DepthRow", "Runner", "runners"]

DEPTH = 5 * TRAINED
"""The iterations that are run."""


@dataclass(frozen=True)
class Runner:
    """One method by its title."""

    key: str
    title: str
    method: Method


def runners(strict: Version = "strict m = 0.1", depth: int = DEPTH) -> tuple[Runner, ...]:
    """The unrolled networks, and the repeated map of MOL at α = 1 with free, approximate and strict H."""
    return (
        Runner("modl", "MoDL", Modl(depth=depth)),
        Runner("admm_net", "ADMM-Net", AdmmNet(depth=depth)),
        Runner("free", "Unconstrained", Mol(solver=Picard(), version="unconstrained")),
        Runner("approximate", "MOL-LR", Mol(solver=Picard(), version="approximate")),
        Runner("strict", f"MOL-SN, m = {strict.rpartition(' ')[2]}", Mol(solver=Picard(), version=strict)),
    )


@dataclass(frozen=True, slots=True)
class DepthRow(Row):
    """One method after k iterations: `psnr` in dB of magnitudes, `gap` the length of the step that follows.

    `line` is κᵏ times the first gap and `factor` the κ < 1 that is proved, None where none is. `room` is what
    the inexact solves of single precision may add to a gap.
    """

    method: str
    k: int
    psnr: float | None
    residual: float
    gap: float
    line: float | None
    factor: float | None
    room: float

    @property
    def key(self) -> Key:
        """Method and iteration."""
        return (self.method, self.k)

    @property
    def accuracy(self) -> float:
        """What the inexact solves of T may add to the residual, relative; 0 where no factor is proved."""
        if self.factor is None or self.gap == 0:
            return 0.0
        return self.room * (1 - self.factor) * self.residual / self.gap

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """That steps shrink by the factor κ, where that is proved."""
        name, statement = "A-priori linear rate of the steps", "‖x_{k+1} − x_k‖ ≤ κᵏ ‖x₁ − x₀‖"
        if self.line is None or self.factor is None:
            reason = "no κ below 1 is proved of this map: it need not converge"
            return (Guarantee("steps", name, statement, "not verifiable", reason, value=quantity(self.gap)),)
        reason = "κ by the norms of the layers, of every network that is known to contract"
        return (
            Guarantee(
                "steps",
                name,
                statement,
                "certified",
                reason,
                quantity(self.line + self.room),
                quantity(self.gap),
            ),
        )


@dataclass(frozen=True)
class BeyondDepth(Experiment[DepthRow]):
    """All methods from the same data, `depth` iterations each, in the precision of the data.

    Views: the image of each method at the trained depth, "trained", and at the end, "end"; "truth" with the
    first row. Gone on with method by method.
    """

    problem: Problem
    truth: Image
    runners: tuple[Runner, ...]
    depth: int = DEPTH

    @property
    def row_type(self) -> type[DepthRow]:
        """`DepthRow`."""
        return DepthRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Methods, iterations within."""
        return tuple((runner.key, k) for runner in self.runners for k in range(self.depth + 1))

    @torch.no_grad()
    def run(self, old_rows: Sequence[DepthRow] = ()) -> Iterator[Progress[DepthRow]]:
        """The rows, method by method; they end where an image is no longer finite."""
        total, done = len(self.cells), 0
        for runner in self.runners:
            own_rows = [row for row in old_rows if row.method == runner.key]
            if len(own_rows) == self.depth + 1:
                for row in own_rows:
                    done += 1
                    yield Progress(done, total, row)
                continue
            yield Progress(done, total)
            theory = runner.method.theory(self.problem) if isinstance(runner.method, Mol) else None
            first = None
            for iterate in runner.method.iterates(self.problem):
                first = iterate if first is None else first
                row = self._row(runner, theory, first, iterate)
                done += 1
                yield Progress(done, total, row, self._views(runner, iterate))
                if iterate.k == self.depth or row.psnr is None:
                    break

    def _row(self, runner: Runner, theory: Theory | None, first: Iterate, iterate: Iterate) -> DepthRow:
        line = factor = None
        room, gap = 0.0, float(iterate.gap)
        if theory is not None and theory.is_contraction and theory.kappa is not None:
            factor = theory.kappa
            line = factor**iterate.k * float(first.gap)
            size = gap / max(float(iterate.residual), 1e-30)
            room = 2 * theory.floor * size / (1 - factor)
        value = psnr(iterate.x, self.truth)
        is_number = bool(torch.isfinite(iterate.x).all())
        return DepthRow(
            runner.key,
            iterate.k,
            value if is_number else None,
            float(iterate.residual),
            gap,
            line,
            factor,
            room,
        )

    def _views(self, runner: Runner, iterate: Iterate) -> dict[str, Image]:
        views: dict[str, Image] = {}
        if runner is self.runners[0] and iterate.k == 0:
            views["truth"] = self.truth
        if iterate.k == TRAINED:
            views["trained"] = iterate.x
        if iterate.k == self.depth:
            views["end"] = iterate.x
        return views
