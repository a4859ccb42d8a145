"""Noise injected into the layers: before every one of them, or before a single one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from deqviz.core.guarantee import Guarantee
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.unrolled.baselines import ISTA, Baseline, Exam, disturbed, exam
from deqviz.learning.sparse_coding import SparseCoding


@dataclass(frozen=True, slots=True)
class NoiseRow(Row):
    """One layer of one rival where what layers are given is disturbed by noise of `deviation` per entry.

    `distance` E‖y_ℓ − y*‖ of what it returns, before the next noise; `falls` the share of signals for which
    that is nearer to y* than what it was given.
    """

    rival: str
    deviation: float
    layer: int
    distance: float
    spread: float
    falls: float

    @property
    def key(self) -> Key:
        """Rival, deviation and layer."""
        return (self.rival, self.deviation, self.layer)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """None: nothing is proved of a trained network under noise that it never saw."""
        return ()


@dataclass(frozen=True)
class LayerNoise(Experiment[NoiseRow]):
    """The same noise for every rival, before all layers from 2 on, or before one of them: `before`, or 0.

    Raises ValueError where there is no such layer.
    """

    problem: SparseCoding
    rivals: tuple[Baseline, ...]
    deviations: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0)
    before: int = 0
    layers: int = 10
    signals: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse layers that are not there, and negative noise."""
        if self.before == 1 or not 0 <= self.before <= self.layers:
            raise ValueError(
                f"Noise can be put before layers 2 to {self.layers}, not before {self.before}: y₀ is noise."
            )
        if min(self.deviations) < 0:
            raise ValueError("A standard deviation is not negative.")

    @property
    def row_type(self) -> type[NoiseRow]:
        """`NoiseRow`."""
        return NoiseRow

    @property
    def everyone(self) -> tuple[Baseline, ...]:
        """The networks and ISTA."""
        return (*self.rivals, ISTA)

    @property
    def cells(self) -> tuple[Key, ...]:
        """Deviations, rivals within, layers within these."""
        return tuple(
            (r.title, s, layer)
            for s in self.deviations
            for r in self.everyone
            for layer in range(1, self._depth(r) + 1)
        )

    def _depth(self, rival: Baseline) -> int:
        return self.layers if rival.net is None else rival.net.depth

    def run(self, old_rows: Sequence[NoiseRow] = ()) -> Iterator[Progress[NoiseRow]]:
        """The rows of one deviation after the other."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        test_set = None
        for deviation in self.deviations:
            for rival in self.everyone:
                depth = self._depth(rival)
                rows = [by_key.get((rival.title, deviation, layer)) for layer in range(1, depth + 1)]
                if None in rows:
                    if test_set is None:
                        yield Progress(done, total)
                        test_set = exam(self.problem, self.signals, self.seed)
                    rows = self._measured(rival, test_set, deviation)
                for row in rows:
                    done += 1
                    yield Progress(done, total, row)

    @torch.no_grad()
    def _measured(self, rival: Baseline, test_set: Exam, deviation: float) -> list[NoiseRow]:
        before = self.before or None
        inputs, outputs = disturbed(rival, self.problem, test_set, deviation, before, self.layers, self.seed)
        was, now = test_set.distances(inputs).double(), test_set.distances(outputs).double()
        return [
            NoiseRow(
                rival.title,
                deviation,
                layer,
                float(after.mean()),
                float(after.std(correction=0)),
                float((after < earlier).double().mean()),
            )
            for layer, (earlier, after) in enumerate(zip(was, now, strict=True), 1)
        ]
