"""The charts of the Noise page from the rows of its study; pure, no Streamlit."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from deqviz.core.numbers import number, pretty
from deqviz.experiments._rows import Fit, fit
from deqviz.experiments.equilibrium.error_bounds import BandRow
from deqviz.experiments.equilibrium.limit_problem import LimitProblem, LimitRow
from deqviz.experiments.equilibrium.noise_sweep import NoiseRow, NoiseSweep, Power, Quantity, slope
from deqviz.experiments.equilibrium.stability import StabilityRow
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import Axis, Chart, Role, Series, gaps
from deqviz.ui.pages.noise.plan import BAND_LEVEL, TENT
from deqviz.ui.pages.noise.setting import Setting

DELTA = "noise norm δ = ‖e‖"
SEEN = 1e-3
"""Two lines that are nearer, relative, are one to the eye."""


@dataclass(frozen=True, slots=True)
class _Question:
    """One quantity of the sweep: its key, its card's title, its axis and its formula."""

    key: Quantity
    title: str
    axis: str
    formula: str


def theory(setting: Setting) -> float | None:
    """The exponent of δ that is proved for D under the source condition; None without it."""
    if not setting.has_source:
        return None
    if setting.rule.key == "fixed":
        return 0.0
    p = float(setting.rule.params.get("exponent", 1.0)) if setting.rule.key == "power" else 1.0
    return max(0.0, min(p, 2 - p))


def power(rule: Power) -> str:
    """cδᵖ, as it is shown."""
    shown = "δ" if rule.exponent == 1 else f"δ^{{{rule.exponent:.3g}}}"
    return shown if rule.factor == 1 else f"{pretty(rule.factor)} {shown}"


def charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """All cards in their order; each of them is there from the start and fills as rows come."""
    rows: tuple[NoiseRow, ...] = snapshot.of("sweep")
    contrast: tuple[NoiseRow, ...] = snapshot.of("contrast")
    proved = theory(setting)
    half = None if proved is None else proved / 2
    axis = _delta_axis(snapshot)
    yield _rate(
        _Question("bregman", "Bregman distance", "D", "D = ⟨R(x) − R(x†), x − x†⟩ ≤ (δ + α‖w‖)²/4α"),
        (rows, contrast),
        (setting, axis),
        proved,
        lambda row: row.bregman_bound,
    )
    yield _rate(
        _Question("error", "Error in the norm", "‖x − x†‖", "‖x − x†‖ ≤ (δ + α‖w‖)/(2√(αc))"),
        (rows, contrast),
        (setting, axis),
        half,
        lambda row: row.error_bound,
    )
    if setting.is_tent:
        yield _tent(setting, snapshot)
    yield _residual(rows, axis, has_source=setting.has_source)
    yield _band(snapshot.of("band"))
    if setting.has_limit:
        yield _limit(snapshot)
    if setting.is_stability:
        yield from stability_charts(snapshot.of("stability"))
    if setting.is_model and setting.kernel:
        yield _unseen(snapshot)


def _no_bound(row: NoiseRow) -> None:
    del row


def _delta_axis(snapshot: StudySnapshot) -> Axis:
    """The whole range of δ from the first row on, so that the axis stands still while rows arrive."""
    sweep: NoiseSweep | None = snapshot.experiment("sweep")
    rows = [row for part in ("sweep", "contrast") for row in snapshot.of(part)[:1]]
    if sweep is None or not rows:
        return Axis(DELTA, log=True)
    sizes = [row.delta / row.level for row in rows]
    low, high = min(sizes) * min(sweep.levels), max(sizes) * max(sweep.levels)
    return Axis(DELTA, log=True, low=low / 1.6, high=high * 1.6)


def _rate(
    question: _Question,
    sweeps: tuple[Sequence[NoiseRow], Sequence[NoiseRow]],
    about: tuple[Setting, Axis],
    proved: float | None,
    bound: Callable[[NoiseRow], float | None],
) -> Chart:
    """A quantity against δ with its bound, its fitted line and the same for a truth that breaks it."""
    (rows, contrast), (setting, axis) = sweeps, about
    fitted = slope(rows, question.key)
    lines = list(_sweep_lines(rows, question.key, setting.has_source, bound))
    if fitted is not None:
        lines.append(_fit_line(rows, question.key, fitted))
    if contrast:
        lines += _sweep_lines(contrast, question.key, False, _no_bound)
    symbol = question.axis if len(question.axis) == 1 else "The error"
    return Chart(
        question.key,
        question.title,
        axis,
        Axis(question.axis, log=True),
        tuple(lines),
        note=_note(fitted, proved),
        formula=question.formula,
        sentence=_rate_sentence(symbol, fitted, proved, slope(contrast, question.key)),
    )


def _sweep_lines(
    rows: Sequence[NoiseRow],
    quantity: Quantity,
    has_source: bool,
    bound: Callable[[NoiseRow], float | None],
) -> Iterator[Series]:
    """The bound, the spread over the seeds and the mean of their logarithms."""
    name, role = ("source condition", "iterate") if has_source else ("without source condition", "error")
    levels = sorted({row.level for row in rows}, reverse=True)
    groups = [[row for row in rows if row.level == level] for level in levels]
    x = [group[0].delta for group in groups]
    bounds = [
        max(b for row in group if (b := bound(row)) is not None) if bound(group[0]) else math.nan
        for group in groups
    ]
    if any(math.isfinite(b) for b in bounds) or (has_source and not rows):
        yield Series("bound", x, bounds, "predicted", "dashed")
    values = [[float(getattr(row, quantity)) for row in group] for group in groups]
    if any(len(v) > 1 for v in values):
        yield Series("", x, [max(v) for v in values], role, "band", [min(v) for v in values])
    yield Series(name, x, [_middle(v) for v in values], role)


def _middle(values: Sequence[float]) -> float:
    """The geometric mean of what is positive."""
    logs = [math.log(v) for v in values if v > 0]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def _fit_line(rows: Sequence[NoiseRow], quantity: Quantity, fitted: Fit) -> Series:
    """The least-squares line over the range that it was fitted on, through the middle of the points."""
    inside = [r for r in rows if fitted.low * (1 - 1e-9) <= r.delta <= fitted.high * (1 + 1e-9)]
    points = [(math.log(r.delta), math.log(v)) for r in inside if (v := float(getattr(r, quantity))) > 0]
    t = sum(p[0] for p in points) / len(points)
    v = sum(p[1] for p in points) / len(points)
    ends = [fitted.low, fitted.high]
    line = [math.exp(v + fitted.slope * (math.log(d) - t)) for d in ends]
    return Series(f"fit, δ^{{{fitted.slope:.2f}}}", ends, line, "truth", "dotted")


def _note(fitted: Fit | None, proved: float | None) -> str:
    order = "" if fitted is None else f"order {fitted.slope:.2f}"
    return " · ".join(part for part in (order, "" if proved is None else f"bound {_plain(proved)}") if part)


def _plain(value: float) -> str:
    return "½" if value == 0.5 else f"{value:.3g}"


def _rate_sentence(symbol: str, fitted: Fit | None, proved: float | None, contrast: Fit | None) -> str:
    if fitted is None:
        return "The order is fitted once three noise levels inside the outer decades are computed."
    fit_range = f"{number(fitted.low)} ≤ δ ≤ {number(fitted.high)}"
    text = f"{symbol} decreases like δ^{{{fitted.slope:.2f}}}, fitted on {fit_range}"
    if proved is not None:
        text += f"; its bound decreases like δ^{{{_plain(proved)}}}"
    if contrast is not None:
        text += f". Without source condition it is δ^{{{contrast.slope:.2f}}}"
    return f"{text}."


def _tent(setting: Setting, snapshot: StudySnapshot) -> Chart:
    """Fitted slopes of D against the exponent p of α = cδ^p."""
    fits = [
        (p, slope(rows, "bregman"))
        for p in TENT
        if _is_whole(snapshot, f"tent {p:g}") and (rows := snapshot.of(f"tent {p:g}"))
    ]
    points = [(p, f.slope) for p, f in fits if f is not None]
    lines = [Series("measured", [p for p, _ in points], [s for _, s in points], "iterate", "points")]
    sentence = "Under- and over-regularisation lose the rate; the order is largest at p = 1."
    if setting.has_source:
        lines.insert(0, Series("theory", [0, 1, 2], [0, 1, 0], "predicted", "dashed"))
    else:
        sentence = "Without source condition no exponent p restores the rate."
    if points:
        best = max(points, key=lambda pair: pair[1])
        sentence += f" Largest order so far: {best[1]:.2f} at p = {best[0]:g}."
    return Chart(
        "tent",
        "Convergence order against p",
        Axis("exponent p in α = cδ^{p}", low=0.0, high=2.1),
        Axis("fitted order of D in δ", low=-0.05, high=1.3),
        tuple(lines),
        formula="D = O(δ^{min(p, 2 − p)})" if setting.has_source else "",
        sentence=sentence,
    )


def _is_whole(snapshot: StudySnapshot, part: str) -> bool:
    experiment = snapshot.experiment(part)
    return experiment is not None and len(snapshot.of(part)) == len(experiment.cells)


def _residual(rows: Sequence[NoiseRow], axis: Axis, *, has_source: bool) -> Chart:
    lines: list[Series] = []
    if rows and rows[0].source is not None:
        bounds = [math.hypot(r.delta, r.weight * (r.source or 0.0)) for r in rows]
        lines.append(Series("bound", [r.delta for r in rows], bounds, "predicted", "dashed"))
    x = [r.delta for r in rows]
    lines.append(Series("‖Ax − y‖", x, [r.residual for r in rows], "measured", "points"))
    lines.append(Series("‖A(x − x†)‖", x, [r.data_error for r in rows], "iterate", "points"))
    worst = max((r.identity for r in rows if r.identity is not None), default=None)
    note = (
        ""
        if worst is None
        else f" αD + ‖q‖² = ⟨e − αw, q⟩ to {number(worst)}, so the equilibria are solved accurately."
    )
    return Chart(
        "residual",
        "Residual",
        axis,
        Axis("in data space", log=True),
        tuple(lines),
        formula="‖Ax − y‖ ≤ √(δ² + α²‖w‖²)" if has_source else "‖Ax − y‖",
        sentence=f"Residual against the noisy data, and against the clean data.{note}",
    )


def _band(rows: Sequence[BandRow]) -> Chart:
    """The true error between what proves that it cannot be less and what proves that it is no more."""
    x = [row.weight for row in rows]
    upper = gaps(row.upper for row in rows)
    lower = [row.refined for row in rows]
    # A lower edge of 0 has no place on the axis: the band then ends a decade below the error.
    floor = [low if low > 0 else row.error / 10 for low, row in zip(lower, rows, strict=True)]
    inside = sum(
        row.refined <= row.error * (1 + 1e-9)
        for row in rows
        if row.upper is None or row.error <= row.upper * (1 + 1e-9)
    )
    lines = [
        Series("certified bounds", x, upper, "predicted", "band", floor),
        Series("true error", x, [row.error for row in rows], "iterate"),
    ]
    if any(row.lower > 0 for row in rows):
        lines.append(Series("‖P_{ker A} R(x†)‖/L_{R}", x, [row.lower for row in rows], "truth", "dotted"))
    return Chart(
        "band",
        "Two-sided error bounds",
        Axis("regularisation parameter α", log=True, low=6e-7, high=1.6),
        Axis("‖x − x†‖", log=True),
        tuple(lines),
        note=f"δ = {pretty(BAND_LEVEL)} ‖Ax†‖",
        formula="d_ρ/L_{R} ≤ ‖x − x†‖ ≤ d_ρ/c + (δ + αρ)/(2√(αc))",
        sentence=f"{inside} of {len(rows)} errors lie within the bounds, which R, A and x† determine."
        if rows
        else "Computed after the sweeps.",
    )


def _limit(snapshot: StudySnapshot) -> Chart:
    """The distance to x° falls to 0, with the bound of the best source element; that to x† need not."""
    experiment: LimitProblem | None = snapshot.experiment("limit")
    rows: tuple[LimitRow, ...] = snapshot.of("limit")
    x = [row.delta for row in rows]
    lines = [Series("‖x − x°‖", x, [row.distance for row in rows], "iterate")]
    if not rows or rows[0].upper is not None:
        lines.insert(0, Series("bound", x, gaps(row.upper for row in rows), "predicted", "dashed"))
    if any(row.error > (1 + SEEN) * row.distance for row in rows):
        lines.append(Series("‖x − x†‖", x, [row.error for row in rows], "truth", "dotted"))
    span = (
        []
        if experiment is None or not rows
        else [rows[0].delta / rows[0].level * v for v in experiment.levels]
    )
    sentence = "Computed after the two-sided error bounds."
    if rows and rows[0].upper is None:
        sentence = "Nothing is proved of this distance: R is not known to be strongly monotone."
    elif rows:
        sentence = (
            "The equilibria tend to x° without a source condition for x†, perhaps slowly: "
            f"R(x°) = A*w° needs ‖w°‖ = {number(rows[0].source)}."
        )
    return Chart(
        "limit",
        "Distance to the limit problem's solution",
        Axis(DELTA, log=True, low=min(span) / 1.6, high=max(span) * 1.6) if span else Axis(DELTA, log=True),
        Axis("‖x − x°‖", log=True),
        tuple(lines),
        note="" if experiment is None else f"α = {power(experiment.rule)}",
        formula="Ax° = y, P_{ker A} R(x°) = 0;  ‖x − x°‖ ≤ d_ρ/c + (δ + αρ)/(2√(αc)) for every ρ",
        sentence=sentence,
    )


def _unseen(snapshot: StudySnapshot) -> Chart:
    """P_ker R at the truth and at the equilibrium, entry by entry."""
    lines: list[Series] = []
    named: tuple[tuple[str, str, Role], ...] = (
        ("kernel_truth", "P_{ker A} R(x†)", "truth"),
        ("kernel", "P_{ker A} R(x_{α})", "iterate"),
    )
    # Rounding is not worth a look: the axis never shows less than this.
    most = 1e-6
    for name, label, role in named:
        image = snapshot.view(name, "band")
        values = np.zeros(0) if image is None else image.flatten().numpy()
        most = max(most, float(np.abs(values).max(initial=0.0)))
        lines.append(Series(label, np.arange(len(values)), values, role, "line"))
    return Chart(
        "kernel",
        "Null-space component of R",
        Axis("null-space index"),
        Axis("P_{ker A} R", low=-1.08 * most, high=1.08 * most),
        tuple(lines),
        formula="P_{ker A} R(x_{α}) = 0 for every α, δ and noise",
        sentence="R(x_{α}) ∈ ran A* at equilibria; P_{ker A} R(x†) bounds the error from below.",
    )


QUARTER = 0.25
"""What αD/‖Δy‖² cannot exceed, for any R."""

Form = Literal["σ", "c", "none"]
"""What the bound of the picture's change comes from: c > 0 alone, σ_min(A) too, or nothing."""


def stability_charts(rows: Sequence[StabilityRow]) -> Iterator[Chart]:
    """The distance and the picture, each against α; both cards are there before the first row."""
    weight = Axis("regularisation parameter α", log=True, low=6e-7, high=1.6)
    yield _distance(rows, weight)
    yield _picture(rows, weight)


def _distance(rows: Sequence[StabilityRow], weight: Axis) -> Chart:
    most = max(rows, key=lambda row: row.ratio, default=None)
    # The axis grows with a ratio above ¼, which must be seen.
    high = 1.08 * max(QUARTER, 0.0 if most is None else most.ratio)
    if most is None:
        sentence = "Computed after the two-sided error bounds."
    else:
        kept, kind = (
            sum(row.ratio <= QUARTER for row in rows),
            "a random" if _is_random(most) else "an adversarial",
        )
        sentence = (
            f"{kept} of {len(rows)} perturbations satisfy the bound ¼; tightest ratio {number(most.ratio)} "
            f"at α = {pretty(most.weight)} in {kind} direction."
        )
    return Chart(
        "stability",
        "Stability in the Bregman distance",
        weight,
        Axis("αD/‖Δy‖²", low=min([0.0, *(1.08 * row.ratio for row in rows)]), high=high),
        (
            Series("bound ¼", [weight.low or 0.0, weight.high or 0.0], [QUARTER] * 2, "predicted", "dashed"),
            *_stability_lines(rows, lambda row: row.ratio),
        ),
        note="" if most is None else f"max. {number(most.ratio)}",
        formula="αD/‖Δy‖² ≤ ¼,  D = ⟨R(x_{2}) − R(x_{1}), x_{2} − x_{1}⟩",
        sentence=sentence,
    )


def _picture(rows: Sequence[StabilityRow], weight: Axis) -> Chart:
    lines = list(_stability_lines(rows, lambda row: row.gain))
    bounds = {row.weight: row.gain_bound for row in rows if row.gain_bound is not None}
    if bounds or not rows:
        lines.insert(0, Series("bound", list(bounds), list(bounds.values()), "predicted", "dashed"))
    form, fitted = _form(rows), fit(_worst_stability(rows, lambda row: row.gain))
    return Chart(
        "gain",
        "Stability in the norm",
        weight,
        Axis("‖Δx‖/‖Δy‖", log=True),
        tuple(lines),
        note=_stability_note(form, fitted),
        formula={
            "c": "‖Δx‖/‖Δy‖ ≤ 1/(2√(αc))",
            "σ": "‖Δx‖/‖Δy‖ ≤ σ/(σ² + αc) or 1/(2√(αc)),  σ = σ_{min}(A)",
            "none": "‖Δx‖/‖Δy‖",
        }[form],
        sentence=_stability_sentence(rows, form, fitted),
    )


def _form(rows: Sequence[StabilityRow]) -> Form:
    if any(row.gain_bound is None for row in rows):
        return "none"
    plain = all(
        row.gain_bound is not None
        and row.monotonicity > 0
        and math.isclose(row.gain_bound, 1 / (2 * math.sqrt(row.weight * row.monotonicity)), rel_tol=1e-6)
        for row in rows
    )
    return "c" if plain else "σ"


def _stability_note(form: Form, fitted: Fit | None) -> str:
    if fitted is None:
        return ""
    return f"order {_signed(fitted.slope)}{' · bound −½' if form == 'c' else ''}"


def _stability_sentence(rows: Sequence[StabilityRow], form: Form, fitted: Fit | None) -> str:
    if not rows:
        return "Gain ‖Δx‖/‖Δy‖ of the equilibrium; it decreases with α."
    shares = [(row.gain / row.gain_bound, row) for row in rows if row.gain_bound]
    text = "No bound is proved here: neither is R known to be strongly monotone nor A to be injective."
    if shares:
        share, row = max(shares, key=lambda pair: pair[0])
        text = (
            f"Tightest ratio gain/bound {number(share)} at α = {pretty(row.weight)}, where a perturbation of "
            f"the data has the gain {number(row.gain)}."
        )
    if fitted is not None:
        text += f" The largest gain found grows like α^{{{_signed(fitted.slope)}}}"
        text += ", the bound like α^{−½}." if form == "c" else "."
    return text


def _stability_lines(
    rows: Sequence[StabilityRow], value: Callable[[StabilityRow], float]
) -> Iterator[Series]:
    """The largest of the worst directions, and the random ones."""
    worst = _worst_stability(rows, value)
    yield Series("largest found (adversarial)", [a for a, _ in worst], [v for _, v in worst], "iterate")
    random = [row for row in rows if _is_random(row)]
    yield Series("random", [row.weight for row in random], [value(row) for row in random], "measured")


def _worst_stability(
    rows: Sequence[StabilityRow], value: Callable[[StabilityRow], float]
) -> list[tuple[float, float]]:
    """The largest value over the directions that are no random ones, for each α in its order."""
    worst: dict[float, float] = {}
    for row in rows:
        if not _is_random(row):
            worst[row.weight] = max(value(row), worst.get(row.weight, -math.inf))
    return list(worst.items())


def _is_random(row: StabilityRow) -> bool:
    return row.direction == "random"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
