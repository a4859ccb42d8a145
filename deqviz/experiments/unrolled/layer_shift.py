"""Distribution shift: signals x + pη with codes solved anew, and how much the slack may grow."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deqviz.core.guarantee import Guarantee, in_letters, quantity
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.unrolled.baselines import ISTA, Baseline, Exam, descent_of, exam
from deqviz.learning.sparse_coding import SparseCoding


@dataclass(frozen=True, slots=True)
class ShiftRow(Row):
    """One rival at one shift p: `distance` E‖y_K − y*(x̃)‖, `objective` E f(y_K; x̃) and its `optimum`.

    `excess` is the worst slack of the layers, d_ℓ − (1 − ε)d_{ℓ−1}; `unshifted` the same at p = 0, and
    `drift` E‖y*(x̃) − y*(x)‖, which is M·d(𝒟, 𝒟̃) for the merit ‖y − y*‖ and these pairs.
    """

    rival: str
    shift: float
    distance: float
    spread: float
    objective: float
    optimum: float
    excess: float
    unshifted: float
    drift: float
    rate: float

    @property
    def key(self) -> Key:
        """Rival and shift."""
        return (self.rival, self.shift)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """How the slack may grow."""
        row = Guarantee(
            "shift",
            "Slack under distribution shift",
            "ζ(p) ≤ ζ(0) + (2 − ε)M·d",
            "estimated",
            "the theorem compares the same y under both laws; here the layers see the shifted signal too",
            quantity(max(self.unshifted, 0.0) + (2 - self.rate) * self.drift),
            quantity(self.excess),
        )
        return in_letters("descending constraints", (row,))


@dataclass(frozen=True)
class LayerShift(Experiment[ShiftRow]):
    """The same signals at every shift. After Hadou, NaderiAlizadeh and Ribeiro, 2024."""

    problem: SparseCoding
    rivals: tuple[Baseline, ...]
    shifts: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    layers: int = 10
    rate: float = 0.2
    signals: int = 1000
    seed: int = 0

    @property
    def row_type(self) -> type[ShiftRow]:
        """`ShiftRow`."""
        return ShiftRow

    @property
    def everyone(self) -> tuple[Baseline, ...]:
        """The networks and ISTA."""
        return (*self.rivals, ISTA)

    @property
    def cells(self) -> tuple[Key, ...]:
        """Shifts, rivals within."""
        return tuple((rival.title, shift) for shift in self.shifts for rival in self.everyone)

    def run(self, old_rows: Sequence[ShiftRow] = ()) -> Iterator[Progress[ShiftRow]]:
        """One shift after the other; their codes are solved for first."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        clean: Exam | None = None
        unshifted: dict[str, float] = {}
        for shift in self.shifts:
            test_set = None
            for rival in self.everyone:
                done += 1
                row = by_key.get((rival.title, shift))
                if row is None:
                    if clean is None:
                        yield Progress(done - 1, total)
                        clean = exam(self.problem, self.signals, self.seed)
                    if test_set is None:
                        yield Progress(done - 1, total)
                        test_set = exam(self.problem, self.signals, self.seed, shift) if shift else clean
                    if rival.title not in unshifted:
                        unshifted[rival.title] = self._excess(self._distances(rival, clean)[1])
                    row = self._row(rival, shift, test_set, clean, unshifted[rival.title])
                yield Progress(done, total, row)

    @torch.no_grad()
    def _distances(self, rival: Baseline, test_set: Exam) -> tuple[Tensor, Tensor]:
        """y_K, and ‖y_ℓ − y*‖ per signal of all layers."""
        states = rival.states(self.problem, test_set.start, test_set.x, self.layers)
        return states[-1], test_set.distances(states).double()

    def _excess(self, distances: Tensor) -> float:
        return float(descent_of(self.rate).slacks(distances).max())

    @torch.no_grad()
    def _row(self, rival: Baseline, shift: float, test_set: Exam, clean: Exam, unshifted: float) -> ShiftRow:
        last, d = self._distances(rival, test_set)
        return ShiftRow(
            rival.title,
            shift,
            float(d[-1].mean()),
            float(d[-1].std(correction=0)),
            float(self.problem.objective(last, test_set.x).double().mean()),
            float(self.problem.objective(test_set.solution, test_set.x).double().mean()),
            self._excess(d),
            unshifted,
            float(torch.linalg.vector_norm(test_set.solution - clean.solution, dim=1).double().mean()),
            self.rate,
        )
