"""The charts of the Training page from the rows of its study; pure, no Streamlit."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from deqviz.core.numbers import decibels, number, pretty
from deqviz.experiments._training_progress import Lesson
from deqviz.experiments.losses.architectures import ARCHITECTURES as KINDS
from deqviz.experiments.losses.architectures import Architecture
from deqviz.experiments.losses.contraction_map import ContractionMap, ContractionRow
from deqviz.experiments.losses.deep_equilibrium import BeyondDepth, DepthRow
from deqviz.experiments.losses.loss_lab import LossLab, LossRow
from deqviz.experiments.losses.truncated_adjoint import AdjointRow
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import COLOURS, Axis, Chart, Role, Series
from deqviz.ui.pages.training.setting import ARCHITECTURES, OBJECTIVES, Setting

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
    names_by_key = dict(zip(setting.objectives, names, strict=False))
    place = 0
    for colour, (key, title) in zip(COLOURS, OBJECTIVES.items(), strict=False):
        if key in setting.objectives:
            name, place = names_by_key.get(key, ""), place + 1
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
    text = "; ".join(falls)
    return Chart(
        "losses",
        "Training loss",
        Axis("training step"),
        Axis("training loss of the batch", log=True),
        tuple(drawn),
        note="each loss has its own units",
        formula="L_{β} = E min_{w} ‖R(x) − A*w‖² + β‖w‖²",
        sentence=f"First step → mean of the last tenth: {text}."
        if text
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
    text = ", ".join(turning)
    return Chart(
        "asymmetries",
        "Asymmetry of the learned N",
        _places(lines),
        Axis("‖N − N*‖/‖N‖", low=-0.05, high=1.6),
        (*points, Series("random N, on average", ends, [GENERIC, GENERIC], "truth", "dotted")),
        note="0: conservative (gradient field)",
        formula="‖N − N*‖_{F}/‖N‖_{F}, exact since N is linear",
        sentence=f"Not symmetric, so R is not conservative: {text}."
        if text
        else "R is conservative if and only if N is symmetric; the theory does not require it.",
    )


def _places(lines: Sequence[Line]) -> Axis:
    return Axis(
        "training loss, in the order of the legend", low=0.4, high=max(len(lines), 1) + 0.6, is_nominal=True
    )


def _shown(value: float) -> float:
    """A lower bound that is nothing but rounding has no place on the axis."""
    return value if value > SHOWN else math.nan


BEYOND = 5
"""How many times the training depth is looked at."""
FALL = 12.0
"""Decibels below the best that are shown: a network that runs away would flatten all others."""
ROUNDING = 1e-13
"""Where the axis of the relative errors ends: below, rounding is all there is."""
SIZES = tuple(k / 50 for k in range(1, 65))
"""The ε at which borders are looked for."""
UNROLLED: Role = COLOURS[len(ARCHITECTURES)]
_BY_NAME: dict[str, Role] = {a.name: c for a, c in zip(ARCHITECTURES.values(), COLOURS, strict=False)}


def network_charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """The cards of what is asked, in their order."""
    if setting.is_depth:
        rows: tuple[DepthRow, ...] = snapshot.of("depth")
        networks: BeyondDepth | None = snapshot.experiment("depth")
        names = () if networks is None else tuple(learner.name for learner in networks.learners)
        yield _training(names, snapshot.lessons)
        yield _beyond(names, rows)
    if setting.is_adjoint:
        yield _adjoints(snapshot.of("adjoint"))
    if setting.is_map:
        yield _window(setting, snapshot)


def _colour(name: str) -> Role:
    return _BY_NAME.get(name, UNROLLED)


def _training(names: Sequence[str], lessons: Sequence[Lesson[DepthRow]]) -> Chart:
    drawn: list[Series] = []
    ends: list[str] = []
    for name in names:
        own = [lesson for lesson in lessons if lesson.training == name]
        y = [-10 * math.log10(lesson.loss) for lesson in own]
        drawn.append(Series(name, [lesson.step for lesson in own], y, _colour(name), "line"))
        if own and own[-1].step == own[-1].steps:
            tail = y[-max(1, len(y) // 10) :]
            ends.append(f"{name} {decibels(sum(tail) / len(tail), 1)}")
    text = "; ".join(ends)
    return Chart(
        "training",
        "Training curves",
        Axis("training step"),
        Axis("PSNR of the batch (dB)"),
        tuple(drawn),
        note="live",
        formula="u = J*u + ∇f, ∇_{θ}f = (∂_{θ}T)*u at the fixed point",
        sentence=f"Mean of the last tenth of the steps: {text}."
        if text
        else "Implicit differentiation at the fixed point: memory does not grow with depth.",
    )


def _beyond(names: Sequence[str], rows: Sequence[DepthRow]) -> Chart:
    """PSNR against evaluations; a dotted line where the training of each stopped."""
    last = BEYOND * max((row.depth for row in rows), default=0)
    shown = [row for row in rows if row.k <= last]
    top = max((row.psnr for row in shown), default=0.0)
    low = max(min((row.psnr for row in shown), default=0.0), top - FALL)
    drawn: list[Series] = []
    parts: list[str] = []
    for name in names:
        own = [row for row in shown if row.network == name]
        x, y = [row.k for row in own], [row.psnr for row in own]
        drawn.append(Series(name, x, y, _colour(name)))
        if own:
            depth, trained = own[0].depth, own[0].trained
            end = max((row for row in own if row.k <= BEYOND * depth), key=lambda row: row.k)
            parts.append(
                f"{name} {decibels(trained)} at {depth} and {_signed(end.psnr - trained)} at {end.k}"
            )
            drawn.append(Series("", [depth, depth], [low, top], _colour(name), "dotted"))
    return Chart(
        "depth",
        "Beyond the training depth",
        Axis("evaluations of T"),
        Axis("PSNR (dB)", low=low - 0.3 if rows else None, high=top + 0.3 if rows else None),
        tuple(drawn),
        note="dotted: training depth",
        formula="‖T(a) − T(b)‖ ≤ κ‖a − b‖, κ < 1 if bounded",
        sentence=f"{'; '.join(parts)}."
        if parts
        else "Each network is trained first, then iterated at least five times beyond its depth.",
    )


def _signed(value: float) -> str:
    return "±0.00" if abs(value) < 0.005 else f"{value:+.2f}".replace("-", "−")


def _adjoints(rows: Sequence[AdjointRow]) -> Chart:
    """The adjoint, its bound and the gradient that follows from it, against the number of products."""
    drawn: list[Series] = []
    parts: list[str] = []
    for name in dict.fromkeys(row.architecture for row in rows):
        own = [row for row in rows if row.architecture == name]
        x, colour = [row.steps for row in own], _colour(name)
        drawn.append(Series("", x, [row.bound for row in own], colour, "dashed"))
        drawn.append(Series(f"{name}, adjoint", x, [row.adjoint for row in own], colour, "line"))
        drawn.append(Series(f"{name}, gradient", x, [row.gradient for row in own], colour, "dotted"))
        factor = _factor(own)
        if factor is not None:
            parts.append(f"{name} {number(factor)} ≤ L = {number(own[0].factor)}")
    return Chart(
        "adjoint",
        "Truncated backward pass",
        Axis("truncation K (products with J*)"),
        Axis("relative error", log=True, low=ROUNDING, high=2.0),
        tuple(drawn),
        note="dashed: L^{K + 1}, slope log L",
        formula="‖u_{K} − u‖ ≤ L^{K + 1}‖u‖, u_{K} = Σ_{j ≤ K} (J*)^{j} g",
        sentence=f"Convergence factor of the adjoint iteration: {'; '.join(parts)}."
        if parts
        else "K = 0 is the Jacobian-free gradient.",
    )


def _factor(rows: Sequence[AdjointRow]) -> float | None:
    """The mean factor from K = 1 to where rounding begins."""
    used = [row for row in rows if row.steps >= 1 and row.adjoint > 1e-11]
    if len(used) < 3:
        return None
    first, last = used[0], used[-1]
    return (last.adjoint / first.adjoint) ** (1 / (last.steps - first.steps))


def _window(setting: Setting, snapshot: StudySnapshot) -> Chart:
    """Points at which the worst network contracts, points at which it does not, and what is promised."""
    experiment: ContractionMap | None = snapshot.experiment("map")
    every: tuple[ContractionRow, ...] = snapshot.of("map")
    rows = [row for row in every if row.architecture == setting.drawn]
    contracting = [row for row in rows if row.worst < 1]
    expanding = [row for row in rows if row.worst >= 1]
    etas = (0.03, 6.0) if experiment is None else (min(experiment.step_sizes), max(experiment.step_sizes))
    span = (etas[0] / 1.25, etas[1] * 1.25)
    drawn: list[Series] = []
    if rows:
        window, formula = _borders(setting.drawn, rows[0].low, rows[0].high, span)
        x, low, high = window
        drawn.append(Series("published condition", x, high, "predicted", "band", low))
        x, low, high = formula
        edge = ([*x, *reversed(x)], [*_inner(low, span), *reversed(_inner(high, span))])
        drawn.append(Series("κ = 1 by the formula", *edge, "truth", "line"))
    drawn += [
        Series("contraction", *_border_places(contracting), "iterate", "points"),
        Series("no contraction", *_border_places(expanding), "error", "points"),
    ]
    return Chart(
        "window",
        f"Contraction region of {setting.drawn}",
        Axis("ε, Lipschitz constant of the residual M", low=0.0, high=1.3),
        Axis("step size η", log=True, low=span[0], high=span[1]),
        tuple(drawn),
        note=f"μ = {number(setting.low)}, ℓ = 1",
        formula=next(kind for kind in KINDS if kind.name == setting.drawn).statement,
        sentence=_counted(setting.drawn, rows),
    )


def _border_places(rows: Sequence[ContractionRow]) -> tuple[list[float], list[float]]:
    return [row.size for row in rows], [row.step_size for row in rows]


def _counted(name: str, rows: Sequence[ContractionRow]) -> str:
    """How the measured points agree with the formula and with the window."""
    if not rows:
        return "Worst case over linear networks Id + M with ‖M‖ = ε, for every ε and η."
    contracting = [row for row in rows if row.worst < 1]
    promised = sum(row.predicted < 1 for row in rows)
    inside = [row for row in rows if row.is_in_window]
    kept = sum(row.worst < 1 for row in inside)
    window = (
        f"all {len(inside)} points of the published condition contract"
        if kept == len(inside)
        else f"{kept} of the {len(inside)} points of the published condition contract"
    )
    return (
        f"{name} contracts at {len(contracting)} of {len(rows)} points; the formula certifies {promised}; "
        + (window if inside else "the published condition holds for none of them")
        + "."
    )


Border = tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]
"""ε, and the smallest and the largest η of each."""


@lru_cache(maxsize=32)
def _borders(name: str, low: float, high: float, span: tuple[float, float]) -> tuple[Border, Border]:
    """Of the published window, and of κ < 1 by the formula, which may promise more."""
    kind = next(kind for kind in KINDS if kind.name == name)

    def promised(architecture: Architecture, size: float) -> bool:
        return architecture.residual_factor(low, high, size) < 1

    def published(architecture: Architecture, size: float) -> bool:
        return architecture.is_in_window(low, high, size)

    return _border(kind, published, span), _border(kind, promised, span)


def _border(
    kind: Callable[[float], Architecture],
    is_inside: Callable[[Architecture, float], bool],
    span: tuple[float, float],
) -> Border:
    """The ends of the η in `span`, on a grid of 160; both conditions hold on one interval of η."""
    grid = [span[0] * (span[1] / span[0]) ** (k / 159) for k in range(160)]
    maps = [kind(eta) for eta in grid]
    points = [
        (size, min(inside), max(inside))
        for size in SIZES
        if (inside := [eta for eta, a in zip(grid, maps, strict=True) if is_inside(a, size)])
    ]
    return tuple(f[0] for f in points), tuple(f[1] for f in points), tuple(f[2] for f in points)


def _inner(values: Sequence[float], span: tuple[float, float]) -> list[float]:
    """The values, with gaps where the end is that of the chart and no border."""
    return [v if span[0] * 1.001 < v < span[1] / 1.001 else math.nan for v in values]
