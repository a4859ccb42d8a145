"""Sparse coding in the plane, where every layer is a point, with and without the constraint."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from deqviz.core.guarantee import Guarantee
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.unrolled.baselines import ISTA, Baseline, Exam, exam
from deqviz.learning.descent import Descent
from deqviz.learning.primal_dual import Teaching, fit
from deqviz.learning.sparse_coding import SparseCoding, SparseSignals
from deqviz.networks.lista import Lista

ANGLE = 30.0
"""Degrees between the two atoms: so near that f has a long valley of f."""
SIGNALS = SparseSignals(nonzeros=2, noise=0.1)
TRAINED = 4000


def planar_problem() -> SparseCoding:
    """Two atoms of length 1 in the plane, α = 0.1."""
    angle = math.radians(ANGLE)
    return SparseCoding(torch.tensor([[1.0, math.cos(angle)], [0.0, math.sin(angle)]]), 0.1)


@dataclass(frozen=True, slots=True)
class PointRow(Row):
    """y_ℓ of one signal: a point of the plane, and how far it is from y*."""

    rival: str
    signal: int
    layer: int
    first: float
    second: float
    distance: float
    objective: float

    @property
    def key(self) -> Key:
        """Rival, signal and layer."""
        return (self.rival, self.signal, self.layer)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """None: means are constrained, and these are single signals."""
        return ()


@dataclass(frozen=True)
class PlanarUnrolling(Experiment[PointRow]):
    """A plain and a constrained LISTA of a few layers, trained here, and ISTA: the ways of some signals."""

    layers: int = 6
    rate: float = 0.2
    steps: int = 800
    signals: int = 3
    seed: int = 0

    @property
    def row_type(self) -> type[PointRow]:
        """`PointRow`."""
        return PointRow

    @cached_property
    def problem(self) -> SparseCoding:
        """The one of `planar_problem`."""
        return planar_problem()

    @cached_property
    def test_set(self) -> Exam:
        """The signals whose ways are shown."""
        return exam(self.problem, self.signals, self.seed, signals=SIGNALS)

    @property
    def teachings(self) -> tuple[Teaching, ...]:
        """Plain, and with the constraint on the distance."""
        shared = {"steps": self.steps, "batch": 128, "rate": 5e-3, "dual_rate": 3e-2}
        return (
            Teaching("U, in the plane", **shared),
            Teaching("C, in the plane", Descent(rate=self.rate), **shared),
        )

    @property
    def cells(self) -> tuple[Key, ...]:
        """Rivals, signals within, layers within these."""
        names = (*(t.name for t in self.teachings), ISTA.title)
        return tuple(
            (name, signal, layer)
            for name in names
            for signal in range(self.signals)
            for layer in range(self.layers + 1)
        )

    def run(self, old_rows: Sequence[PointRow] = ()) -> Iterator[Progress[PointRow]]:
        """Every network is trained and walked through, then ISTA."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        for teaching in (*self.teachings, None):
            title = ISTA.title if teaching is None else teaching.name
            keys = [key for key in self.cells if key[0] == title]
            rows = [by_key.get(key) for key in keys]
            if None in rows:
                rival = ISTA
                if teaching is not None:
                    rng = torch.Generator().manual_seed(self.seed + 1)
                    x = SIGNALS.draw(self.problem, TRAINED, rng)
                    solution = self.problem.solution(x)
                    net = Lista(2, 2, self.layers, seed=self.seed)
                    for _ in fit(net, self.problem, x, solution, teaching, self.seed):
                        yield Progress(done, total)
                    rival = Baseline(title, net=net)
                rows = self._points(rival)
            for row in rows:
                done += 1
                yield Progress(done, total, row)

    @torch.no_grad()
    def _points(self, rival: Baseline) -> list[PointRow]:
        test_set = self.test_set
        states = rival.states(self.problem, test_set.start, test_set.x, self.layers)
        d = test_set.distances(states)
        f = torch.stack([self.problem.objective(y, test_set.x) for y in states])
        return [
            PointRow(
                rival.title,
                signal,
                layer,
                float(states[layer][signal, 0]),
                float(states[layer][signal, 1]),
                float(d[layer, signal]),
                float(f[layer, signal]),
            )
            for signal in range(self.signals)
            for layer in range(self.layers + 1)
        ]
