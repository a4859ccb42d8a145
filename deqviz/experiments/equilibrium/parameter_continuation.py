"""Parameter continuation past the limit of uniqueness: what is proved, and what happens beyond."""

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import torch

from deqviz.core.guarantee import Guarantee, quantity
from deqviz.core.records import Problem
from deqviz.core.regularizer import Regularizer
from deqviz.core.space import Data, Image, norm
from deqviz.diagnostics.convergence import tail_rate
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.equilibrium._distances import spread_guarantee
from deqviz.experiments.equilibrium.distance_to_limit import Approach, Gaps, Look, Route, Start, Target
from deqviz.experiments.equilibrium.equilibria import Equation
from deqviz.experiments.equilibrium.uniqueness import Meeting, Placed
from deqviz.experiments.plane.axes import SPACE, Axes
from deqviz.experiments.plane.planar import Bistable
from deqviz.solvers.picard import Picard

__all__ = ["Case", "ContinuationRow", "ParameterContinuation", "three_equilibria"]

Parameter = Literal["L", "step"]
RESOLVED = 1e6
"""Gaps below this many roundings of T are not compared."""


@dataclass(frozen=True, slots=True)
class ContinuationRow(Row):
    """All starts at one value of the parameter.

    `factor` is the certified κ of the map; `expansion` the largest ratio of successive gaps of any start,
    which bounds Lip(T) from below for plain iteration, with its relative `room`; `rate` the factor per step
    at the end of the slowest run. `distinct` counts the limits that the arrived runs found, `spread` and
    `spread_bound` are those of `UniquenessRow`, of the worst pair and as shares of ‖A*y‖.
    """

    parameter: Parameter
    value: float
    factor: float | None
    expansion: float | None
    room: float
    rate: float | None
    distinct: int
    arrived: int
    stopped: int
    diverged: int
    evaluations: int
    spread: float | None
    spread_bound: float | None

    @property
    def key(self) -> Key:
        """Parameter and value."""
        return (self.parameter, self.value)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """T7 and T1: the map contracts by κ, and there is one limit."""
        return self._contraction(), spread_guarantee(self.spread_bound, self.spread)

    def _contraction(self) -> Guarantee:
        name, statement = "Contraction factor κ", "‖T(x) − T(z)‖ ≤ κ ‖x − z‖"
        if self.factor is None or self.factor > 1:
            shown = "no κ is known" if self.factor is None else f"κ ≤ {self.factor:.4g} is all that is proved"
            reason = f"{shown} at {self.parameter} = {self.value:g}"
            return Guarantee(
                "contraction", name, statement, "hypothesis violated", reason, value=quantity(self.expansion)
            )
        reason = "from the certified constants of A and R; the ratios of successive gaps bound it from below"
        return Guarantee(
            "contraction",
            name,
            statement,
            "certified",
            reason,
            quantity(self.factor),
            quantity(self.expansion),
            self.room * self.factor,
        )


@dataclass(frozen=True)
class Case:
    """One value of the parameter, with the regulariser and the step (a share of the longest) of it."""

    value: float
    regularizer: Regularizer
    step: float = 0.5


@dataclass(frozen=True)
class ParameterContinuation(Experiment[ContinuationRow]):
    """Plain iteration of all starts, as one batch, for every case of L or of the step.

    Views: "limit-n" of a case in which more than one limit was found.
    """

    equation: Equation
    data: Data
    weight: float
    starts: tuple[Start, ...]
    parameter: Parameter
    cases: tuple[Case, ...]
    splitting: Literal["implicit", "explicit"] = "implicit"
    tolerance: float = 1e-7
    max_steps: int = 200

    @property
    def row_type(self) -> type[ContinuationRow]:
        """`ContinuationRow`."""
        return ContinuationRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """One per value."""
        return tuple((self.parameter, case.value) for case in self.cases)

    @torch.no_grad()
    def run(self, old_rows: Sequence[ContinuationRow] = ()) -> Iterator[Progress[ContinuationRow]]:
        """The rows, case by case; a case in which all runs diverge is a row too."""
        by_key, total = {row.key: row for row in old_rows}, len(self.cases)
        for n, case in enumerate(self.cases):
            if (row := by_key.get((self.parameter, case.value))) is not None:
                yield Progress(n + 1, total, row)
                continue
            sign: Progress[ContinuationRow] = Progress(n, total)
            row, views = yield from self._case(case, sign)
            yield Progress(n + 1, total, row, views)

    def _case(
        self, case: Case, sign: Progress[ContinuationRow]
    ) -> Generator[Progress[ContinuationRow], None, tuple[ContinuationRow, Mapping[str, Image]]]:
        equation = replace(self.equation, regularizer=case.regularizer)
        route = Route("plain", "Picard", Picard(), self.splitting, case.step)
        problem = Problem(equation.operator, self.data, 0.0)
        # Nothing is measured from a limit here, which may not even exist: a size is all that is needed.
        target = Target(None, max(float(norm(equation.operator.baseline(self.data)).max()), 1e-12), None)
        method = route.method(equation, self.weight)
        approach = Approach(method, problem, target, self.tolerance, self.max_steps)
        ends: list[Look] = []
        stream = approach.run(torch.cat([start.x for start in self.starts]))
        while True:
            try:
                looks = next(stream)
            except StopIteration as end:
                gaps: Gaps = end.value
                break
            ends += [look for look in looks if look.state != "going"]
            yield sign
        return self._row(case, approach, ends, gaps)

    def _row(
        self, case: Case, approach: Approach, ends: Sequence[Look], gaps: Gaps
    ) -> tuple[ContinuationRow, Mapping[str, Image]]:
        theory, hall = approach.theory, Meeting(approach.target.size)
        is_proved, limits = theory.error is not None, dict[str, Image]()
        worst: Placed | None = None
        for look in ends:
            if look.state != "arrived" or look.x is None:
                continue
            placed = hall.place(look.x, look.ahead + approach.room, is_proved=is_proved)
            limits.setdefault(f"limit-{placed.limit}", look.x)
            if placed.tightness > (-1.0 if worst is None else worst.tightness):
                worst = placed
        rounding = theory.floor * RESOLVED
        ratios = [b / a for of in gaps for a, b in pairwise(of) if a > rounding and math.isfinite(b)]
        rates = [tail_rate(of, floor=rounding) for of in gaps]
        states = [look.state for look in ends]
        row = ContinuationRow(
            self.parameter,
            case.value,
            theory.kappa,
            max(ratios, default=None),
            1e-9 + 4 / RESOLVED,
            max((rate for rate in rates if rate is not None), default=None),
            len(hall.limits),
            states.count("arrived"),
            states.count("stopped"),
            states.count("diverged"),
            max(look.evaluations for look in ends),
            None if worst is None else worst.spread,
            None if worst is None else worst.bound,
        )
        return row, limits if len(limits) > 1 else {}


def three_equilibria(
    values: Sequence[float], *, weight: float = 1.0, data: float = 0.5
) -> ParameterContinuation:
    """T1 of the notes in the plane: A = [1, 0] and R₂(x₂) = x₂ − L tanh x₂, one equilibrium up to L = 1.

    Past it there are three for all data and every α, and starts above, on and below the axis find them.
    """
    operator = Axes(first=1.0, second=0.0)
    equation = Equation(operator, Bistable(min(values)), max_steps=2000)
    heights = (("zero", "Zero", 0.0), ("above", "Above", 1.0), ("below", "Below", -1.0), ("far", "Far", 3.0))
    starts = tuple(Start(key, title, _point(0.0, height)) for key, title, height in heights)
    cases = tuple(Case(value, Bistable(value)) for value in values)
    y = torch.full((1, 1), data, dtype=SPACE.dtype)
    return ParameterContinuation(equation, y, weight, starts, "L", cases, max_steps=1000)


def _point(first: float, second: float) -> Image:
    return torch.tensor([first, second], dtype=SPACE.dtype).view(1, 1, 1, 2)
