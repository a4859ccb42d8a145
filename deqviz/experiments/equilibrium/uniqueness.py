"""Uniqueness of the limit: several starts and solvers of one equilibrium equation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from deqviz.core.guarantee import Guarantee
from deqviz.core.records import Problem
from deqviz.core.space import Data, Image, norm, random_picture
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.equilibrium._distances import spread_guarantee, step_guarantees
from deqviz.experiments.equilibrium.distance_to_limit import (
    Approach,
    Route,
    Start,
    State,
    Target,
    aim,
    schedule,
    under,
)
from deqviz.experiments.equilibrium.equilibria import Equation
from deqviz.solvers.anderson import Anderson
from deqviz.solvers.broyden import Broyden
from deqviz.solvers.conjugate_gradients import ConjugateGradients
from deqviz.solvers.picard import Picard

__all__ = ["Meeting", "Route", "Start", "Uniqueness", "UniquenessRow", "routes", "starts"]

SAME = 1e-5
"""Two ends are different limits when they are further apart than this share of their size, and than both
distances to a limit allow."""


def routes(step: float = 0.5) -> tuple[Route, ...]:
    """Five solvers: the map itself on both splittings, and three that accelerate it on the implicit one."""
    return (
        Route("implicit", "Picard, implicit", Picard()),
        Route("anderson", "Anderson", Anderson()),
        Route("broyden", "Broyden", Broyden()),
        Route("conjugate_gradients", "Conjugate gradients", ConjugateGradients()),
        Route("explicit", "Picard, explicit", Picard(), "explicit", step),
    )


def starts(
    equation: Equation, data: Data, seed: int = 0, pictures: Mapping[str, Image] | None = None
) -> tuple[Start, ...]:
    """Zero, direct inversion, noise from the seed, and images of the caller's by their titles."""
    space = equation.operator.domain
    noise = random_picture(space, torch.Generator().manual_seed(seed))
    return (
        Start("zero", "Zero", space.zeros()),
        Start("data", "Direct inversion", equation.operator.baseline(data)),
        Start("noise", "Noise", noise),
        *(Start(title.lower(), title, x) for title, x in (pictures or {}).items()),
    )


@dataclass(frozen=True, slots=True)
class UniquenessRow(Row):
    """One run after k steps; every length is a share of ‖x*‖, or of ‖A*y‖ where no x* was found.

    `distance` is ‖x_k − x*‖ to the equilibrium of a separate solve, `line` and `certified` the proved bounds
    of it, `factor` the certified κ, `room` what rounding and that solve may add to the bounds. A run that
    ended has a `state` other than "going"; one that arrived has the number of its `limit`, 0 being x*, and
    `spread`, the distance to the end of another run, for which `spread_bound` is proved. Numbers that are
    not finite, and those that nothing is proved of, are None.
    """

    route: str
    start: str
    k: int
    evaluations: int
    state: State
    residual: float | None
    distance: float | None
    line: float | None
    certified: float | None
    factor: float | None
    room: float
    limit: int | None = None
    spread: float | None = None
    spread_bound: float | None = None

    @property
    def key(self) -> Key:
        """Route, start and step."""
        return (self.route, self.start, self.k)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """T1 and T7: the line and the distance at every step, one limit at the end."""
        guarantees = step_guarantees(self.line, self.certified, self.distance, self.factor, self.room)
        if self.state != "arrived":
            return guarantees
        return (*guarantees, spread_guarantee(self.spread_bound, self.spread))


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an end belongs: the number of its limit, and the worst pair with another end."""

    limit: int
    spread: float | None = None
    bound: float | None = None

    @property
    def tightness(self) -> float:
        """spread/bound, how near the pair comes to contradicting the theorem; −1 where nothing is proved."""
        return -1.0 if self.spread is None or self.bound is None else self.spread / self.bound


@dataclass
class Meeting:
    """Sorts the ends of runs into limits, as they come; lengths are shares of `size`.

    Two ends are one limit when ‖x − x′‖ ≤ d + d′ + `tolerance`, d bounding the way that each has left: where
    d is proved, ends further apart than d + d′ cannot tend to one equilibrium, and nearer ones may.
    """

    size: float
    tolerance: float = SAME
    limits: list[tuple[Image, float]] = field(default_factory=list[tuple[Image, float]])
    proved: list[tuple[Image, float]] = field(default_factory=list[tuple[Image, float]])
    shown: set[int] = field(default_factory=set[int])

    def place(self, x: Image, ahead: float, *, is_proved: bool) -> Placed:
        """The limit of an end x whose way is `ahead` of it at most; pairs need both to be proved."""
        spread, bound = None, None
        if is_proved:
            for other, left in self.proved:
                distance, allowed = self._apart(x, other), max(ahead + left, 1e-300)
                if spread is None or bound is None or distance / allowed > spread / bound:
                    spread, bound = distance, allowed
            self.proved.append((x, ahead))
        for n, (other, left) in enumerate(self.limits):
            if self._apart(x, other) <= ahead + left + self.tolerance:
                return Placed(n, spread, bound)
        self.limits.append((x, ahead))
        return Placed(len(self.limits) - 1, spread, bound)

    def is_first(self, limit: int) -> bool:
        """Whether this is asked of a limit for the first time: it is to be shown once."""
        is_new = limit not in self.shown
        self.shown.add(limit)
        return is_new

    def _apart(self, x: Image, other: Image) -> float:
        return float(norm(x - other).max()) / self.size


def meeting(target: Target) -> Meeting:
    """A meeting that knows the target of the runs, if there is one, as limit 0."""
    meeting_point = Meeting(target.size)
    if target.x is not None:
        meeting_point.place(target.x, target.error or 0.0, is_proved=target.error is not None)
    return meeting_point


@dataclass(frozen=True)
class Uniqueness(Experiment[UniquenessRow]):
    """All starts of a route run as one batch; one route after the other, each to `tolerance`·‖x*‖.

    Views: "limit-n" with the first row that ended at limit n. Gone on with route by route; limits can only
    be compared as images, so that all routes run again when a known one found a second limit.
    """

    equation: Equation
    data: Data
    weight: float
    starts: tuple[Start, ...]
    routes: tuple[Route, ...] = routes()
    tolerance: float = 1e-7
    max_steps: int = 300

    @property
    def row_type(self) -> type[UniquenessRow]:
        """`UniquenessRow`."""
        return UniquenessRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Routes, steps within, starts within; a run that ended leaves its later steps out."""
        return tuple(
            (route.key, start.key, k)
            for route in self.routes
            for k in schedule(self.max_steps)
            for start in self.starts
        )

    def _finished(self, old_rows: Sequence[UniquenessRow]) -> dict[str, tuple[UniquenessRow, ...]]:
        """The rows of the routes that are known to their end, if no image is needed to go on."""
        keys, done = {start.key for start in self.starts}, dict[str, tuple[UniquenessRow, ...]]()
        for route in self.routes:
            rows = tuple(row for row in old_rows if row.route == route.key)
            if {row.start for row in rows if row.state != "going"} >= keys:
                done[route.key] = rows
        is_enough = len(done) == len(self.routes) or all(not row.limit for row in old_rows)
        return done if is_enough else {}

    @torch.no_grad()
    def run(self, old_rows: Sequence[UniquenessRow] = ()) -> Iterator[Progress[UniquenessRow]]:
        """The rows, route by route; a run that diverges raises nothing, it is rows too."""
        by_route, ks = self._finished(old_rows), schedule(self.max_steps)
        each = len(ks) * len(self.starts)
        total, target, hall = each * len(self.routes), None, None
        for n, route in enumerate(self.routes):
            for row in by_route.get(route.key, ()):
                yield Progress((n + 1) * each, total, row)
            if route.key in by_route:
                continue
            if target is None or hall is None:
                sign: Progress[UniquenessRow] = Progress(n * each, total)
                target = yield from under(aim(self.equation, self.data, self.weight), sign)
                hall = meeting(target)
            done = n * each
            for row, views in self._rows(route, target, hall):
                if row is not None:
                    done = n * each + ks.index(row.k) * len(self.starts) + 1
                yield Progress(done, total, row, views)

    def _rows(
        self, route: Route, target: Target, hall: Meeting
    ) -> Iterator[tuple[UniquenessRow | None, Mapping[str, Image]]]:
        """The rows of one route with their views; none after steps that are not looked at."""
        problem = Problem(self.equation.operator, self.data, 0.0)
        method = route.method(self.equation, self.weight)
        approach = Approach(method, problem, target, self.tolerance, self.max_steps)
        theory = approach.theory
        for looks in approach.run(torch.cat([start.x for start in self.starts])):
            if not looks:
                yield None, {}
            for look in looks:
                placed = None
                if look.x is not None and look.state == "arrived":
                    ahead = look.ahead + approach.room
                    placed = hall.place(look.x, ahead, is_proved=theory.error is not None)
                row = UniquenessRow(
                    route.key,
                    self.starts[look.start].key,
                    look.k,
                    look.evaluations,
                    look.state,
                    look.residual,
                    look.distance,
                    look.line,
                    look.certified,
                    theory.kappa,
                    approach.room,
                    None if placed is None else placed.limit,
                    None if placed is None else placed.spread,
                    None if placed is None else placed.bound,
                )
                views: Mapping[str, Image] = {}
                if placed is not None and look.x is not None and hall.is_first(placed.limit):
                    views = {f"limit-{placed.limit}": look.x}
                yield row, views
