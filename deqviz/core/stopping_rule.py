"""When a run is over: it arrived, or it diverges; the live view and the sweeps ask the same referee."""

import math
from typing import Literal

from deqviz.core.numbers import number
from deqviz.core.records import Scalars
from deqviz.core.stop import Arrival

GROWTH = 1e4
"""A run has diverged when ‖T(x) − x‖ is this many times its smallest value so far."""


def exhausted(iterations: int, residual: float) -> str:
    """The sentence about a run that used all its iterations."""
    return f"Not converged: maximum of {iterations} iterations, residual {number(residual)}."


class StoppingRule:
    """Looks at the numbers of a run one after the other."""

    def __init__(self, tolerance: float, entries: int = 0) -> None:
        """Arrival is that of `Arrival`, for images of so many entries."""
        self._tolerance, self._arrival = tolerance, Arrival(tolerance, entries)
        self._smallest = math.inf

    def judge(self, mark: Scalars) -> tuple[Literal["done", "diverged"], str] | None:
        """The end and a sentence about it, or None to go on."""
        if not (math.isfinite(mark.residual) and math.isfinite(mark.gap)):
            what = f"the iterate is not finite from iteration {mark.k} on"
            return "diverged", f"Diverged: {what}. What was computed before is kept."
        self._smallest = min(self._smallest, mark.gap)
        grown = mark.gap / max(self._smallest, 1e-12)
        if grown > GROWTH and mark.residual > 1e-2:
            where = f"at iteration {mark.k} ‖T(x) − x‖ is {number(grown)} times its smallest value"
            return "diverged", f"Diverged: {where}. What was computed is kept."
        if self._arrival.is_at(mark.residual, mark.gap):
            tolerance = number(self._tolerance)
            if mark.residual > self._tolerance:
                return "done", f"Converged to 0: ‖T(x) − x‖ = {number(mark.gap)}, tolerance {tolerance}."
            return "done", f"Converged: residual {number(mark.residual)} ≤ tolerance {tolerance}."
        return None
