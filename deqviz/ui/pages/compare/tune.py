"""Which numbers of a comparison can be searched for, and the search. No Streamlit."""

from collections.abc import Generator
from dataclasses import dataclass, replace

from deqviz.core.catalog import METHODS
from deqviz.core.numbers import decibels, pretty
from deqviz.core.registry import REGISTRIES, Choice, Param, Pick, Range
from deqviz.experiments.tuning import Knob, Scale, Tuning, TuningRow, best_row
from deqviz.runtime.study import Study
from deqviz.ui.components.board.records import gaps
from deqviz.ui.components.compare.records import Tunable, Tune
from deqviz.ui.pages.compare.setting import Setting, names

_FIRST = ("weight", "strength", "penalty", "sigma")
"""What is offered first of a method: how strongly it regularises."""


@dataclass(frozen=True)
class Target:
    """A number of method `lane`, where it lies now, and what it is called."""

    lane: int
    knob: Knob
    scale: Scale
    value: float
    symbol: str
    label: str


def targets(setting: Setting) -> tuple[Target, ...]:
    """Every number of every method of a validated setting, those that regularise first in each."""
    options: list[Target] = []
    for lane, (choice, name) in enumerate(zip(setting.methods, names(setting), strict=True)):
        lane_targets = [
            _target(lane, choice, name, *each) for each in _numbers(METHODS[choice.key].params, choice)
        ]
        options += sorted(lane_targets, key=_place)
    return tuple(options)


def _place(target: Target) -> int:
    name = target.knob.path[-1]
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def _numbers(
    specs: tuple[Param, ...], choice: Choice, path: tuple[str, ...] = ()
) -> Generator[tuple[tuple[str, ...], Param, Range, float], None, None]:
    for p in specs:
        value, place = choice.params[p.name], (*path, p.name)
        if isinstance(p.domain, Range):
            yield place, p, p.domain, value
        elif isinstance(p.domain, Pick) and p.domain.kind != "solver":
            yield from _numbers(REGISTRIES[p.domain.kind][value.key].params, value, place)


def _target(
    lane: int, choice: Choice, name: str, path: tuple[str, ...], p: Param, r: Range, value: float
) -> Target:
    scale = Scale(float(r.low), float(r.high), r.log, p.type is int)
    label = (r.label or p.name.capitalize()).removesuffix(f" {r.symbol}")
    # An option of a menu and the title of an axis cannot set an index.
    symbol = "" if "_" in r.symbol else r.symbol
    title = f"{name}: {label} {symbol}".rstrip()
    return Target(lane, Knob(choice, path), scale, float(value), symbol or label.lower(), title)


def tunables(options: tuple[Target, ...]) -> tuple[Tunable, ...]:
    """The same for the view."""
    return tuple(
        Tunable(t.lane, t.label, t.symbol, t.scale.is_log, t.value, (t.scale.low, t.scale.high))
        for t in options
    )


def plan(setting: Setting, target: Target, device: str = "cpu") -> Generator[object, None, Tuning]:
    """The problem and its truth, then the search."""
    yield
    problem, truth = setting.scenario(target.lane).posed(device)
    if truth is None:
        raise ValueError("This k-space has no ground truth, so there is no best value to search for.")
    return Tuning(problem, truth, target.knob, target.scale, setting.iterations, setting.tolerance)


@dataclass(frozen=True)
class Search:
    """A search that goes on or is over, what it is for, and the setting in which it was begun."""

    setting: Setting
    target: Target
    study: Study

    @classmethod
    def begin(cls, setting: Setting, target: Target, device: str) -> "Search":
        """A search of this target; nothing is computed here."""
        study = Study(lambda: plan(setting, target, device), setting.size, setting.demands)
        return cls(setting, target, study)

    @property
    def rows(self) -> tuple[TuningRow, ...]:
        """The trials so far."""
        return self.study.snapshot().of("rows")

    def index(self, setting: Setting) -> int | None:
        """Which of the numbers of a setting this is for; None on other data, or where its method has gone.

        The number itself may have changed since: the search asked for all of its values.
        """
        if _problem(setting) != _problem(self.setting):
            return None
        return next((i for i, t in enumerate(targets(setting)) if _same(t, self.target)), None)

    def taken(self, setting: Setting) -> Setting | None:
        """The setting with the best value so far; None before there is one, or where it is for another."""
        best, index = best_row(self.rows), self.index(setting)
        if best is None or index is None:
            return None
        methods = list(setting.methods)
        methods[self.target.lane] = self.target.knob.at(best.value)
        return replace(setting, methods=tuple(methods)).validated()

    def view(self, setting: Setting) -> Tune | None:
        """As it is shown beside a comparison; None where it is for another."""
        index = self.index(setting)
        if index is None:
            return None
        snapshot = self.study.snapshot()
        rows: tuple[TuningRow, ...] = snapshot.of("rows")
        best = best_row(rows)
        return Tune(
            index,
            snapshot.state,
            snapshot.done,
            snapshot.total,
            [row.value for row in rows],
            gaps(row.psnr for row in rows),
            None if best is None else rows.index(best),
            snapshot.message or self._best_text(best),
            self.study.text("csv"),
        )

    def _best_text(self, best: TuningRow | None) -> str:
        if best is None or best.psnr is None:
            return ""
        return f"{self.target.symbol} = {pretty(best.value)} gives {decibels(best.psnr)}"


def _problem(setting: Setting) -> Setting:
    """All but the methods, and what is asked after a run."""
    return replace(setting, methods=(), is_checked=False)


def _same(one: Target, other: Target) -> bool:
    """Whether both are the same number of the same method, whatever it is now."""
    knob, other_knob = one.knob, other.knob
    is_one = (
        one.lane == other.lane and knob.path == other_knob.path and knob.choice.key == other_knob.choice.key
    )
    return is_one and knob.at(0.0) == other_knob.at(0.0)
