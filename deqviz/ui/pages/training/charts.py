"""The charts of the Training page, from the rows and training steps of its study; pure, no Streamlit."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deqviz.experiments._training_progress import Lesson
from deqviz.experiments.losses.loss_lab import LossLab, LossRow
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import COLOURS, Axis, Chart, Role, Series
from deqviz.ui.components.run.protocol import number
from deqviz.ui.components.text import pretty
from deqviz.ui.pages.training.network_charts import network_charts
from deqviz.ui.pages.training.setting import OBJECTIVES, Setting

SHOWN = 1e-17
"""Where zeros stand on a logarithmic axis: below all rounding."""
GENERIC = 2**0.5
"""‖N − N*‖/‖N‖ of a matrix without any symmetry, on average: N and N* are orthogonal then."""


@dataclass(frozen=True, slots=True)
class Line:
    """All rows of one objective, under its title and in its colour; `place` counts from 1."""

    key: str
    title: str
    colour: Role
    place: int
    name: str
    rows: tuple[LossRow, ...]

    @property
    def last(self) -> LossRow:
        """The row of the smallest noise."""
        return min(self.rows, key=lambda row: row.level)


def charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """All cards in their order; each of them is there from the start and fills as rows come."""
    if setting.is_lab:
        lines = tuple(_lines(setting, snapshot))
        yield _losses(lines, snapshot.lessons)
        yield _errors(lines)
        yield _plateaus(lines)
        yield _asymmetries(lines)
    yield from network_charts(setting, snapshot)


def _lines(setting: Setting, snapshot: StudySnapshot) -> Iterator[Line]:
    """One for each chosen objective, in the order of their colours, whatever the order of training."""
    lab: LossLab | None = snapshot.experiment("lab")
    rows: tuple[LossRow, ...] = snapshot.of("lab")
    names = () if lab is None else tuple(objective.name for objective in lab.objectives)
    known = dict(zip(setting.objectives, names, strict=False))
    place = 0
    for colour, (key, title) in zip(COLOURS, OBJECTIVES.items(), strict=False):
        if key in setting.objectives:
            name, place = known.get(key, ""), place + 1
            own = tuple(row for row in rows if row.training == name)
            yield Line(key, title.replace("Lᵦ", "L_{β}"), colour, place, name, own)


def _losses(lines: Sequence[Line], lessons: Sequence[Lesson[LossRow]]) -> Chart:
    drawn: list[Series] = []
    falls: list[str] = []
    for line in lines:
        own = [lesson for lesson in lessons if lesson.training == line.name]
        if line.key != "untrained":
            x, y = [lesson.step for lesson in own], [lesson.loss for lesson in own]
            drawn.append(Series(line.title, x, y, line.colour, "line"))
        if own and own[-1].step == own[-1].steps:
            # The mean of the last tenth, as in the rows: single steps jump with their examples.
            tail = [lesson.loss for lesson in own[-max(1, len(own) // 10) :]]
            falls.append(f"{line.title} {number(own[0].loss)} → {number(sum(tail) / len(tail))}")
    told = "; ".join(falls)
    return Chart(
        "losses",
        "Training loss",
        Axis("training step"),
        Axis("training loss of the batch", log=True),
        tuple(drawn),
        note="each loss has its own units",
        formula="L_{β} = E min_{w} ‖R(x) − A*w‖² + β‖w‖²",
        sentence=f"First step → mean of the last tenth: {told}."
        if told
        else "The range-condition losses need clean signals only: no data, no noise, no equilibrium.",
    )


def _errors(lines: Sequence[Line]) -> Chart:
    """The error against δ, and what the value of L₀ proves that it cannot fall below."""
    drawn: list[Series] = []
    for line in lines:
        x = [row.level for row in line.rows]
        drawn.append(Series("", x, [_shown(row.lower) for row in line.rows], line.colour, "dotted"))
    for line in lines:
        x, y = [row.level for row in line.rows], [row.error for row in line.rows]
        drawn.append(Series(line.title, x, y, line.colour))
    return Chart(
        "errors",
        "Error against noise norm",
        Axis("noise norm δ = ‖e‖ = α", log=True),
        Axis("√(E‖x_{α} − x‖²)", log=True),
        tuple(drawn),
        note="dotted: certified lower bound",
        formula="√L₀/L_{R} ≤ √(E‖x_{α} − x‖²) for every δ and α",
        sentence=_best(lines),
    )


def _best(lines: Sequence[Line]) -> str:
    """Which objective is best where the noise is large, and where it is gone."""
    whole = [line for line in lines if line.rows]
    if len(whole) < 2:
        return "One curve per N, on the same test signals and the same noise."
    loud = min(whole, key=lambda line: _first(line).error)
    quiet = min(whole, key=lambda line: line.last.error)
    top, low = _first(loud), quiet.last
    return (
        f"Smallest error at δ = {pretty(top.level)}: {loud.title}, {number(top.error)}; "
        f"at δ = {pretty(low.level)}: {quiet.title}, {number(low.error)}."
    )


def _first(line: Line) -> LossRow:
    return max(line.rows, key=lambda row: row.level)


def _plateaus(lines: Sequence[Line]) -> Chart:
    """The error at the smallest noise between the two numbers that the loss alone proves."""
    whole = [line for line in lines if line.rows]
    x: list[float] = []
    y: list[float] = []
    for line in whole:
        x += [line.place, line.place, math.nan]
        y += [_shown(line.last.lower), line.last.upper, math.nan]
    points = (Series(line.title, [line.place], [line.last.error], line.colour, "points") for line in whole)
    ends = ([v for v in x if v == v], [v for v in y if v == v])
    level = min((line.last.level for line in whole), default=math.nan)
    return Chart(
        "plateaus",
        "Error plateau and its bounds",
        _places(lines),
        Axis("√(E‖x_{α} − x‖²)", log=True),
        (
            Series("certified by the loss", x, y, "truth", "line"),
            Series("", *ends, "truth", "points"),
            *points,
        ),
        note=f"δ = α = {pretty(level)}" if whole else "",
        formula="√L₀/L_{R} ≤ √(E‖x_{α} − x‖²) ≤ min_{β} bound(L_{β})",
        sentence=_compared(whole),
    )


def _compared(whole: Sequence[Line]) -> str:
    """Every plateau as a share of the denoiser's."""
    denoiser = next((line for line in whole if line.key == "denoising"), None)
    others = [line for line in whole if line.key not in ("denoising", "untrained")]
    if denoiser is None or not others:
        return "Error as δ → 0, and the bounds computed from the loss."
    base = denoiser.last.error
    shares = ", ".join(f"{line.title} {number(line.last.error / base)}" for line in others)
    return f"Plateau of the denoising loss: {number(base)}. Relative to it: {shares}."


def _asymmetries(lines: Sequence[Line]) -> Chart:
    whole = [line for line in lines if line.rows]
    points = (
        Series(line.title, [line.place], [line.last.asymmetry], line.colour, "points") for line in whole
    )
    ends = [0.4, len(lines) + 0.6]
    turning = [f"{line.title} {number(line.last.asymmetry)}" for line in whole if line.last.asymmetry > 1e-9]
    told = ", ".join(turning)
    return Chart(
        "asymmetries",
        "Asymmetry of the learned N",
        _places(lines),
        Axis("‖N − N*‖/‖N‖", low=-0.05, high=1.6),
        (*points, Series("random N, on average", ends, [GENERIC, GENERIC], "truth", "dotted")),
        note="0: conservative (gradient field)",
        formula="‖N − N*‖_{F}/‖N‖_{F}, exact since N is linear",
        sentence=f"Not symmetric, so R is not conservative: {told}."
        if told
        else "R is conservative if and only if N is symmetric; the theory does not require it.",
    )


def _places(lines: Sequence[Line]) -> Axis:
    return Axis("training loss, in the order of the legend", low=0.4, high=max(len(lines), 1) + 0.6)


def _shown(value: float) -> float:
    """A lower bound that is nothing but rounding has no place on the axis."""
    return value if value > SHOWN else math.nan
