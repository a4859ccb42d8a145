"""Oracle parameter search: the value of one parameter with the largest PSNR (uses the ground truth)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from deqviz.core.catalog import METHODS
from deqviz.core.guarantee import Guarantee
from deqviz.core.metrics import psnr
from deqviz.core.records import Iterate, Method, Problem
from deqviz.core.registry import Choice
from deqviz.core.space import Image
from deqviz.core.stop import Stop
from deqviz.experiments._rows import Experiment, Key, Progress, Row

__all__ = ["Knob", "Scale", "Tuning", "TuningRow", "best_row", "with_value"]

COARSE = 7
"""Values of the first look, ends of the range included."""
FINE = 8
"""Values of the golden section after it: the bracket shrinks by 0.618⁷ = 0.034."""
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Knob:
    """One number of a method: `path` leads to it through choices, e.g. ("regularizer", "contraction")."""

    choice: Choice
    path: tuple[str, ...]

    def at(self, value: float) -> Choice:
        """The method as plain data, with this number at `value`."""
        return with_value(self.choice, self.path, value)

    def build(self, value: float) -> Method:
        """The method; raises ValueError where it has no such value."""
        return METHODS[self.choice.key].build(self.at(value).params)


def with_value(choice: Choice, path: tuple[str, ...], value: float) -> Choice:
    """The same choice with one parameter, nested or not, at another value."""
    name, *rest = path
    inner = with_value(choice.params[name], tuple(rest), value) if rest else value
    return Choice(choice.key, {**choice.params, name: inner})


@dataclass(frozen=True)
class Scale:
    """The range of a parameter, walked by t from 0 to 1: evenly, or by its logarithm; `whole` numbers only.

    Values have three significant digits, which a link and a slider hold exactly.
    """

    low: float
    high: float
    is_log: bool = False
    is_whole: bool = False

    def value(self, t: float) -> float:
        """low·(high/low)ᵗ or low + t·(high − low), rounded, never outside."""
        if self.is_log:
            value = self.low * (self.high / self.low) ** t
        else:
            value = self.low + t * (self.high - self.low)
        value = round(value) if self.is_whole else float(f"{value:.3g}")
        return float(min(self.high, max(self.low, value)))


@dataclass(frozen=True, slots=True)
class TuningRow(Row):
    """The run at one value; `psnr` is None where it diverged or could not be made.

    `place` is its t on the scale.
    """

    step: int
    place: float
    value: float
    psnr: float | None
    iterations: int

    @property
    def key(self) -> Key:
        """The number of the trial."""
        return (self.step,)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """None: the ground truth is used."""
        return ()


def best_row(rows: Sequence[TuningRow]) -> TuningRow | None:
    """The row with the largest PSNR, the earliest of equal ones; None where every run failed."""
    judged = [row for row in rows if row.psnr is not None]
    return max(judged, key=lambda row: (row.psnr, -row.step)) if judged else None


@dataclass(frozen=True)
class Tuning(Experiment[TuningRow]):
    """max_v PSNR(x_v, x†) over one parameter v: seven values across the range, then a golden section.

    The section is around the best of the seven and finds the maximum where there is one peak between its
    neighbours (Kiefer, 1953). A value that comes again, as whole numbers do, is not run again.
    """

    problem: Problem
    truth: Image
    knob: Knob
    scale: Scale
    iterations: int = 200
    tolerance: float = 1e-6

    @property
    def row_type(self) -> type[TuningRow]:
        """Of one trial."""
        return TuningRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """The numbers of the trials."""
        return tuple((step,) for step in range(COARSE + FINE))

    def run(self, old_rows: Sequence[TuningRow] = ()) -> Iterator[Progress[TuningRow]]:
        """The trials in their order: where the next one lies depends on those before it."""
        total, rows, by_step = len(self.cells), list[TuningRow](), {row.step: row for row in old_rows}
        for step in range(total):
            row = by_step.get(step)
            if row is None:
                place = step / (COARSE - 1) if step < COARSE else _next_place(rows)
                value = self.scale.value(place)
                twin = next((r for r in rows if r.value == value), None)
                if twin is None:
                    last: Iterate | None = None
                    for iterate in self._iterates(value):
                        last = iterate
                        yield Progress(step, total)
                    row = self._judged(step, place, value, last)
                else:
                    row = TuningRow(step, place, value, twin.psnr, twin.iterations)
            rows.append(row)
            yield Progress(step + 1, total, row)

    def _iterates(self, value: float) -> Iterator[Iterate]:
        """The run at a value, to its end; a value that the method refuses gives no iterate."""
        try:
            stop = Stop(self.tolerance, self.iterations)
            for iterate in self.knob.build(value).iterates(self.problem):
                yield iterate
                if stop.is_last(iterate):
                    return
        except (ValueError, ArithmeticError):
            return

    def _judged(self, step: int, place: float, value: float, last: Iterate | None) -> TuningRow:
        if last is None or not torch.isfinite(last.x).all():
            return TuningRow(step, place, value, None, last.k if last else 0)
        return TuningRow(step, place, value, psnr(last.x, self.truth), last.k)


def _next_place(rows: Sequence[TuningRow]) -> float:
    """The next t of the golden section that the trials so far have begun; a failed trial is the worst."""
    score = {row.place: -math.inf if row.psnr is None else row.psnr for row in rows}
    coarse = [row.place for row in rows[:COARSE]]
    middle = max(coarse, key=lambda t: score[t])
    gap = 1 / (COARSE - 1)
    low, high = max(0.0, middle - gap), min(1.0, middle + gap)
    a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    while a in score and b in score:
        low, high, a, b = _shrunk(low, high, a, b, score)
    return b if a in score else a


def _shrunk(
    low: float, high: float, a: float, b: float, score: dict[float, float]
) -> tuple[float, float, float, float]:
    """The bracket on the better side, with its two inner points."""
    if score[a] >= score[b]:
        return low, b, b - _GOLDEN * (b - low), a
    return a, high, b, a + _GOLDEN * (high - a)
