"""Solver comparison at the same equilibrium: by evaluations, by seconds, and against the theorem."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from deqviz.core.guarantee import Guarantee, quantity
from deqviz.core.records import Problem
from deqviz.core.space import Data, Image
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.equilibrium._distances import step_guarantees
from deqviz.experiments.equilibrium.distance_to_limit import (
    Approach,
    Look,
    Route,
    State,
    Target,
    aim,
    schedule,
    under,
)
from deqviz.experiments.equilibrium.equilibria import Equation
from deqviz.methods._theory import bounds
from deqviz.solvers.anderson import Anderson
from deqviz.solvers.broyden import Broyden
from deqviz.solvers.picard import Picard

__all__ = ["SolverComparison", "SolverRow", "competitors"]

ABOVE = 1e3
"""Distances below this many errors of the target are not compared: their ratios are rounding."""


def competitors(equation: Equation, weight: float) -> tuple[Route, ...]:
    """The runners of one equation at one α, T7 of the notes.

    Explicit with s = 1/(‖A‖² + αβ), which is certified, and with s = 2/(‖A‖² + σ_min² + 2αβ), whose
    certified factor is the best; both accelerated from the latter; implicit, and that accelerated.
    """
    bound, constants = bounds(equation.operator), equation.regularizer.constants()
    beta, limit = constants.center, constants.contraction.value
    longest = bound.top + weight * (beta + limit)
    safe = 0.5 * longest / (bound.top + weight * beta)
    best = longest / (bound.top + bound.bottom + 2 * weight * beta)
    return (
        Route("explicit", "Explicit", Picard(), "explicit", safe),
        Route("optimal", "Explicit, optimal step size", Picard(), "explicit", best),
        Route("anderson", "Anderson on explicit", Anderson(), "explicit", best),
        Route("broyden", "Broyden on explicit", Broyden(), "explicit", best),
        Route("implicit", "Implicit", Picard()),
        Route("implicit_anderson", "Anderson on implicit", Anderson()),
    )


@dataclass(frozen=True, slots=True)
class SolverRow(Row):
    """One runner after k steps; lengths are shares of ‖x*‖. `seconds` are those of the steps alone.

    `measured` is the factor per step of the distance over the last half of the run, the geometric mean;
    `needed` the evaluations until the distance was at most the goal. Both only where the run ended, None
    where it did not get there. `spare` is what the target's error may add to `measured`, relatively. The
    other fields are those of `UniquenessRow`.
    """

    route: str
    k: int
    evaluations: int
    seconds: float
    state: State
    residual: float | None
    distance: float | None
    line: float | None
    certified: float | None
    factor: float | None
    room: float
    measured: float | None = None
    needed: int | None = None
    spare: float = 0.0
    solver: Literal["plain", "accelerated"] = "plain"

    @property
    def key(self) -> Key:
        """Route and step."""
        return (self.route, self.k)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """T7: the line and the distance at every step, the factor at the end."""
        guarantees = step_guarantees(self.line, self.certified, self.distance, self.factor, self.room)
        if self.state == "going":
            return guarantees
        return (*guarantees, self._rate())

    def _rate(self) -> Guarantee:
        name, statement = "Mean contraction factor", "(‖x_k − x*‖/‖x_j − x*‖)^{1/(k−j)} ≤ κ"
        if self.factor is None or self.factor >= 1:
            reason = "no κ below 1 is proved"
            return Guarantee(
                "factor", name, statement, "hypothesis violated", reason, value=quantity(self.measured)
            )
        if self.solver == "accelerated":
            reason = "κ is the factor of the map; that of an accelerated run may be any"
            return Guarantee(
                "factor",
                name,
                statement,
                "not applicable",
                reason,
                value=quantity(self.measured),
            )
        reason = f"every step of the map itself contracts by κ ≤ {self.factor:.5g}"
        return Guarantee(
            "factor",
            name,
            statement,
            "certified",
            reason,
            quantity(self.factor),
            quantity(self.measured),
            self.spare * self.factor,
        )


@dataclass(frozen=True)
class SolverComparison(Experiment[SolverRow]):
    """All routes from one start, one after the other, each until its proved distance is `tolerance`.

    Gone on with route by route.
    """

    equation: Equation
    data: Data
    weight: float
    start: Image
    routes: tuple[Route, ...]
    goal: float = 1e-6
    tolerance: float = 1e-7
    max_steps: int = 300

    @property
    def row_type(self) -> type[SolverRow]:
        """`SolverRow`."""
        return SolverRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Routes, steps within; a run that ended leaves its later steps out."""
        return tuple((route.key, k) for route in self.routes for k in schedule(self.max_steps))

    @torch.no_grad()
    def run(self, old_rows: Sequence[SolverRow] = ()) -> Iterator[Progress[SolverRow]]:
        """The rows, route by route."""
        ks, target = schedule(self.max_steps), None
        total = len(ks) * len(self.routes)
        for n, route in enumerate(self.routes):
            done = n * len(ks)
            own_rows = [row for row in old_rows if row.route == route.key]
            if any(row.state != "going" for row in own_rows):
                for row in own_rows:
                    yield Progress(done + ks.index(row.k) + 1, total, row)
                continue
            sign: Progress[SolverRow] = Progress(done, total)
            if target is None:
                target = yield from under(aim(self.equation, self.data, self.weight), sign)
            for row in self._rows(route, target):
                done = done if row is None else n * len(ks) + ks.index(row.k) + 1
                yield Progress(done, total, row)

    def _rows(self, route: Route, target: Target) -> Iterator[SolverRow | None]:
        method = route.method(self.equation, self.weight)
        problem = Problem(self.equation.operator, self.data, 0.0)
        approach = Approach(method, problem, target, self.tolerance, self.max_steps)
        factor, is_plain = approach.theory.kappa, method.solver.contraction(0.0) == 0.0
        history: list[Look] = []
        for looks in approach.run(self.start):
            if not looks:
                yield None
                continue
            look = looks[0]
            history.append(look)
            measured, slack = self._tail(history, target) if look.state != "going" else (None, 0.0)
            needed = next((v.evaluations for v in history if _is_within(v.distance, self.goal)), None)
            yield SolverRow(
                route.key,
                look.k,
                look.evaluations,
                look.seconds,
                look.state,
                look.residual,
                look.distance,
                look.line,
                look.certified,
                factor,
                approach.room,
                measured,
                None if look.state == "going" else needed,
                slack,
                "plain" if is_plain else "accelerated",
            )

    def _tail(self, history: Sequence[Look], target: Target) -> tuple[float | None, float]:
        """The geometric mean of the factors over the last half, and the relative room of it."""
        error = target.error or 0.0
        usable = [(v.k, v.distance) for v in history if v.distance is not None and v.distance > ABOVE * error]
        if len(usable) < 3:
            return None, 0.0
        (k1, d1), (k0, d0) = usable[-1], usable[len(usable) // 2 - 1]
        # Each distance is known to ± error: d₁ + e ≤ κ^(k₁−k₀)(d₀ + e), hence the room of the root.
        return (d1 / d0) ** (1 / (k1 - k0)), 2 * (error / d1 + error / d0) / (k1 - k0)


def _is_within(distance: float | None, goal: float) -> bool:
    return distance is not None and distance <= goal
