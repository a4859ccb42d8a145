"""When a run is over: it arrived, or it diverges; the live view and the sweeps ask the same referee."""

import math
from typing import Literal

from deqviz.core.records import Mark

GROWTH = 1e4
"""A run has diverged when ‖T(x) − x‖ is this many times its smallest value so far."""


class Referee:
    """Looks at the numbers of a run one after the other."""

    def __init__(self, tolerance: float) -> None:
        """Arrival is a relative residual of at most `tolerance`."""
        self._tolerance = tolerance
        self._smallest = math.inf

    def judge(self, mark: Mark) -> tuple[Literal["done", "diverged"], str] | None:
        """The end and a sentence about it, or None to go on."""
        if not (math.isfinite(mark.residual) and math.isfinite(mark.gap)):
            what = f"The iterate is no longer a finite number since iteration {mark.k}"
            return "diverged", f"{what}. What was computed before is kept."
        self._smallest = min(self._smallest, mark.gap)
        grown = mark.gap / max(self._smallest, 1e-12)
        if grown > GROWTH and mark.residual > 1e-2:
            where = f"at iteration {mark.k} the residual is {grown:.0e} times its smallest value"
            return "diverged", f"The run diverges: {where}. What was computed is kept."
        if mark.residual <= self._tolerance:
            return "done", f"Residual {mark.residual:.1e} is below {self._tolerance:.0e}."
        return None
