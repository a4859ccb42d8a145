"""Training of LISTA: loss, slacks and dual variables, then the descent of every layer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from deqviz.experiments._rows import Experiment, Key, Progress
from deqviz.experiments._training_progress import Lesson
from deqviz.experiments.unrolled.baselines import Baseline, exam
from deqviz.experiments.unrolled.layer_descent import LayerRow, measured
from deqviz.learning.primal_dual import Teaching, fit
from deqviz.learning.sparse_coding import SparseCoding, SparseSignals
from deqviz.networks.lista import Lista

PORTION = 500
"""Signals whose codes are solved for at a time, so that a pause is heard."""


@dataclass(frozen=True, slots=True)
class Taught(Lesson[LayerRow]):
    """A training step with the slack c_ℓ of every constraint and the dual λ_ℓ after it."""

    slacks: tuple[float, ...] = ()
    duals: tuple[float, ...] = ()


@dataclass(frozen=True)
class TeachingRun(Experiment[LayerRow]):
    """One network after the other, trained as its `Teaching` says on the same signals, then examined.

    The networks begin with the same small random weights unless `is_at_ista`. A `Taught` comes every `every`
    steps. Raises ValueError for less than one signal.
    """

    problem: SparseCoding
    teachings: tuple[Teaching, ...]
    layers: int = 10
    rate: float = 0.2
    trained: int = 8000
    signals: int = 1000
    every: int = 20
    seed: int = 0
    is_at_ista: bool = False
    draws: SparseSignals = SparseSignals()

    def __post_init__(self) -> None:
        """Refuse a training on nothing."""
        if min(self.trained, self.signals, self.every) < 1:
            raise ValueError("Training needs at least one signal, and an exam one more.")

    @property
    def row_type(self) -> type[LayerRow]:
        """`LayerRow`."""
        return LayerRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Networks, layers within."""
        return tuple((t.name, layer) for t in self.teachings for layer in range(self.layers + 1))

    def run(self, old_rows: Sequence[LayerRow] = ()) -> Iterator[Progress[LayerRow]]:
        """A `Taught` now and then, then the rows of that network; no training where all rows are known."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        x = solution = test_set = None
        for teaching in self.teachings:
            rows = [by_key.get((teaching.name, layer)) for layer in range(self.layers + 1)]
            if None in rows:
                if x is None or solution is None or test_set is None:
                    rng = torch.Generator().manual_seed(self.seed + 1)
                    x = self.draws.draw(self.problem, self.trained, rng)
                    parts = []
                    for portion in x.split(PORTION):
                        yield Progress(done, total)
                        parts.append(self.problem.solution(portion))
                    solution = torch.cat(parts)
                    test_set = exam(self.problem, self.signals, self.seed, signals=self.draws)
                rows_of, atoms = self.problem.dictionary.shape
                net = Lista(rows_of, atoms, self.layers, seed=self.seed)
                if self.is_at_ista:
                    net.begin_at(self.problem.dictionary, self.problem.weight, self.problem.lipschitz)
                for step in fit(net, self.problem, x, solution, teaching, self.seed):
                    if step.number % self.every and step.number != step.steps:
                        yield Progress(done, total)
                        continue
                    yield Taught(
                        done,
                        total,
                        training=teaching.name,
                        step=step.number,
                        steps=step.steps,
                        loss=step.loss,
                        slacks=step.slacks,
                        duals=step.duals,
                    )
                rival = Baseline(teaching.name, net=net)
                rows = measured(rival, self.problem, test_set, self.layers, self.rate)
            for row in rows:
                done += 1
                yield Progress(done, total, row)
