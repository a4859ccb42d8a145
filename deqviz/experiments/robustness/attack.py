"""Attacks on several methods: largest gain found, random gain, local gain and certified bound."""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from deqviz.core.metrics import psnr
from deqviz.core.records import Method, Problem
from deqviz.core.space import Data, Image, norm
from deqviz.experiments._rows import Experiment, Key, Progress
from deqviz.experiments.robustness._ascent import Budget, ascend, draws, local_gain, on_sphere
from deqviz.experiments.robustness._certified import Certified, certified
from deqviz.experiments.robustness._robustness_row import LINEAR, RobustnessRow
from deqviz.experiments.robustness._solution_map import Reached, SolutionMap
from deqviz.experiments.robustness._solutions import solution_map
from deqviz.methods._theory import bounds

__all__ = ["LEVELS", "Budget", "NamedMethod", "Robustness", "RobustnessRow"]

T = TypeVar("T")

LEVELS = (0.005, 0.01, 0.02, 0.05, 0.1)
"""‖δ‖/‖y‖ by default."""


@dataclass(frozen=True)
class NamedMethod:
    """A method under a key of its own, for the same method may stand here with several parameters."""

    key: str
    title: str
    method: Method


@dataclass(frozen=True)
class Robustness(Experiment[RobustnessRow]):
    """Attacks on some methods, for data perturbed on measured entries by ‖δ‖ = level·‖y‖.

    Ascent begins at the direction of the local gain and at random draws. Solves within it are as exact as its
    level asks for; what is reported is solved to `tolerance`, or as far as rounding lets one. The truth
    is used for the PSNR alone.
    """

    problem: Problem
    contestants: tuple[NamedMethod, ...]
    levels: tuple[float, ...] = LEVELS
    truth: Image | None = None
    budget: Budget = Budget()
    tolerance: float = 1e-6
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what leaves nothing to do, or makes two rows one."""
        keys = [c.key for c in self.contestants]
        if not keys or len(set(keys)) < len(keys):
            raise ValueError(f"At least one method is needed, each under a key of its own, not {keys}.")
        if not self.levels or not all(0 < level < math.inf for level in self.levels):
            raise ValueError(f"Sizes of a perturbation are positive numbers, not {self.levels}.")
        if len(self.problem.data) != 1 or not float(norm(self.problem.data)) > 0:
            raise ValueError("An attack needs one image's data, and data that are not zero.")

    @property
    def row_type(self) -> type[RobustnessRow]:
        """`RobustnessRow`."""
        return RobustnessRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Levels, methods within."""
        return tuple((c.key, level) for level in self.levels for c in self.contestants)

    @torch.no_grad()
    def run(self, old_rows: Sequence[RobustnessRow] = ()) -> Iterator[Progress[RobustnessRow]]:
        """The rows, with the views "clean", "damaged", "perturbation" = A*δ, and "random", of the worst draw.

        Raises ArithmeticError with the method's title where an image is no longer finite.
        """
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        attacks = tuple(_Attack(c, self) for c in self.contestants)
        for level in self.levels:
            for work in attacks:
                done += 1
                if (row := by_key.get((work.contestant.key, level))) is not None:
                    yield Progress(done, total, row)
                    continue
                try:
                    for _ in work.attack(level):
                        yield Progress(done - 1, total)
                except ArithmeticError as error:
                    title = work.contestant.title
                    raise ArithmeticError(f"{title}: {error}. Leave this method out.") from None
                yield Progress(done, total, work.row, work.views)


class _Attack:
    """One method under attack; `row` and `views` are those of the last level."""

    row: RobustnessRow
    views: dict[str, Image]

    def __init__(self, contestant: NamedMethod, experiment: Robustness) -> None:
        """Nothing is computed here."""
        self.contestant, self.experiment = contestant, experiment
        self.solution: SolutionMap = solution_map(contestant.method, experiment.problem)
        self.evaluations = [0]
        self.clean: Reached | None = None
        self.local: float | None = None
        self.worst: Data | None = None

    def _prepare(self) -> Generator[int, None, Reached]:
        """The undisturbed image, its certificate and the local gain."""
        e = self.experiment
        y = e.problem.data
        clean = yield from self.solution.reach(y, None, e.tolerance)
        self.certificate: Certified = certified(self.contestant.method, e.problem, clean.x)
        if self.solution.derivative != "none":
            start = draws(e.problem.operator, y, 1.0, 1, e.seed + 1)
            linear = max(min(LINEAR, 1e3 * e.tolerance), e.tolerance)
            work = local_gain(self.solution, clean, start, e.budget.products, linear)
            self.local, self.worst = yield from work
        return clean

    def attack(self, level: float) -> Generator[int]:
        """One row: ascent in loose arithmetic, then everything that counts once more and exactly."""
        if self.clean is None:
            self.clean = yield from _counted(self._prepare(), self.evaluations)
        e, A, clean = self.experiment, self.experiment.problem.operator, self.clean
        y = e.problem.data
        radius = level * float(norm(y))
        random = draws(A, y, radius, e.budget.draws, e.seed)
        starts = random[: e.budget.restarts]
        if self.worst is not None:
            first = on_sphere(A, self.worst, torch.full_like(norm(y), radius))
            starts = torch.cat([first, random[: e.budget.restarts - 1]])
        loose = min(1e-3, max(e.tolerance, level / 40))
        work = ascend(self.solution, clean, starts, e.budget.steps, loose, e.seed)
        ascent = yield from _counted(work, self.evaluations)
        data = y + torch.cat([random, ascent.change])
        guess = _joined(clean, len(random), ascent.reached)
        reached = yield from _counted(self.solution.reach(data, guess, e.tolerance), self.evaluations)
        self._write(level, data, clean, reached)

    def _write(self, level: float, data: Data, clean: Reached, reached: Reached) -> None:
        """Of all images the one that moved furthest, per unit of its own change."""
        e, A, method = self.experiment, self.experiment.problem.operator, self.contestant.method
        delta, change = reached.x - clean.x, data - e.problem.data
        gains = [float(g) for g in (norm(delta).double() / norm(change).double()).cpu()]
        if not all(map(math.isfinite, gains)):
            raise ArithmeticError("a disturbed image is no longer finite")
        n = e.budget.draws
        worst = max(range(len(gains)), key=gains.__getitem__)
        drawn = max(range(n), key=gains.__getitem__)
        delta, change = delta[worst : worst + 1], change[worst : worst + 1]
        back = A.adjoint(change)
        attacked = replace(e.problem, data=data[worst : worst + 1])
        clean_distance, attacked_distance = (
            self.certificate.distance(method, e.problem, clean),
            self.certificate.distance(method, attacked, reached.item(worst)),
        )
        self.row = RobustnessRow(
            self.contestant.key,
            level,
            float(norm(change)),
            gains[worst],
            gains[drawn],
            sum(gains[:n]) / n,
            self.local,
            self.certificate.gain,
            self.certificate.paper,
            self.certificate.status,
            self.certificate.statement,
            self.certificate.reason,
            self.solution.derivative,
            self.certificate.strength,
            float(norm(back)),
            float(norm(delta)),
            float(norm(A(delta))),
            math.sqrt(bounds(A).top),
            None
            if clean_distance is None or attacked_distance is None
            else clean_distance + attacked_distance,
            max(reached.residual, clean.residual),
            self._psnr(clean.x),
            self._psnr(reached.x[worst : worst + 1]),
            self._psnr(reached.x[drawn : drawn + 1]),
            e.budget.restarts,
            e.budget.steps,
            n,
            self.evaluations[0],
        )
        self.evaluations[0] = 0
        self.views = {
            "clean": clean.x,
            "damaged": reached.x[worst : worst + 1],
            "perturbation": back,
            "random": reached.x[drawn : drawn + 1],
        }

    def _psnr(self, x: Image) -> float | None:
        return None if self.experiment.truth is None else psnr(x, self.experiment.truth)


def _counted(work: Generator[int, None, T], evaluations: list[int]) -> Generator[int, None, T]:
    """`work`, with one more in `evaluations` for every evaluation."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value
        evaluations[0] += 1
        yield evaluations[0]


def _joined(clean: Reached, count: int, rest: Reached) -> Reached:
    """Guesses for `count` draws, which stay near the clean image, and for what was found."""
    first = clean.item(*[0] * count)
    return Reached(
        torch.cat([first.x, rest.x]),
        torch.cat([first.z, rest.z]),
        torch.cat([first.gap, rest.gap]),
        math.inf,
        0,
    )
