"""The charts of the Deep prior page: the phase diagram and the widths; pure, no Streamlit."""

from collections.abc import Callable, Iterator, Sequence

from deqviz.experiments.deep_prior.width_diagram import CertifiedRow, CertifiedWidths, WidthDiagram, WidthRow
from deqviz.experiments.deep_prior.widths import half_success, threshold
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import Axis, Chart, Role, Series
from deqviz.ui.components.run.protocol import number
from deqviz.ui.pages.deep_prior.image_charts import picture_charts
from deqviz.ui.pages.deep_prior.recovery_charts import momentum_charts, recovery_charts
from deqviz.ui.pages.deep_prior.run_charts import run_charts
from deqviz.ui.pages.deep_prior.setting import Setting

EDGE = 1.25
"""Factor by which the diagram is wider than its cells."""
_GROUPS: tuple[tuple[str, Role, Callable[[float], bool]], ...] = (
    ("all draws", "iterate", lambda share: share == 1),
    ("at least half", "start-5", lambda share: 0.5 <= share < 1),
    ("less than half", "start-4", lambda share: 0 < share < 0.5),
    ("none", "error", lambda share: share == 0),
)

Line = tuple[list[float], list[float]]
"""m, and a width of each."""


def charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """All cards in their order; each of them is there from the start and fills as rows come."""
    if setting.is_phase:
        yield _diagram(setting, snapshot)
        if not setting.is_both:
            yield _widths(setting, snapshot)
    if setting.is_run:
        yield from run_charts(setting, snapshot)
    if setting.is_recovery:
        yield from recovery_charts(setting, snapshot)
    if setting.is_momentum:
        yield from momentum_charts(snapshot)
    if setting.is_picture:
        yield from picture_charts(setting, snapshot)


def _factor(setting: Setting) -> float:
    """k/m from which on zero loss exists."""
    family = setting.family
    return threshold(family.phi, family.power, is_centred=family.is_centred)


def halves(rows: Sequence[WidthRow] | Sequence[CertifiedRow], share: Callable[..., float | None]) -> Line:
    """Of every m the width at which half of the draws succeed, where one is between two cells."""
    counts = sorted({row.measured for row in rows})
    found: list[tuple[float, float]] = []
    for m in counts:
        mine = [(row.width, share(row)) for row in rows if row.measured == m]
        known = [(k, p) for k, p in mine if p is not None]
        k = half_success([k for k, _ in known], [p for _, p in known])
        if k is not None:
            found.append((float(m), k))
    return [m for m, _ in found], [k for _, k in found]


def _diagram(setting: Setting, snapshot: StudySnapshot) -> Chart:
    asked: WidthDiagram | None = snapshot.experiment("phase")
    rows: tuple[WidthRow, ...] = snapshot.of("phase")
    ms = (2, 20) if asked is None else (min(asked.measured), max(asked.measured))
    ks = (4.0, 96.0) if asked is None else (float(min(asked.widths)), float(max(asked.widths)))
    low, high = ks[0] / EDGE, ks[1] * EDGE
    drawn: list[Series] = []
    m, k = halves(rows, lambda row: row.fitted)
    if len(m) > 1:
        drawn.append(Series("", m, [high] * len(m), "iterate", "band", k))
    factor = _factor(setting)
    line = [v for v in (ms[0] - 0.6, *(ms[0] + (ms[1] - ms[0]) * j / 40 for j in range(41)), ms[1] + 0.6)]
    drawn.append(Series(_law(setting), line, [factor * v for v in line], "predicted", "dashed"))
    for name, role, is_in in _GROUPS:
        mine = [row for row in rows if is_in(row.fitted)]
        drawn.append(Series(name, [r.measured for r in mine], [r.width for r in mine], role, "points"))
    return Chart(
        "phase",
        "Interpolation threshold",
        Axis("measurements m", low=ms[0] - 0.9, high=ms[1] + 0.9),
        Axis("width k", log=True, low=low, high=high),
        tuple(drawn),
        note=f"{setting.draws} draws per cell" + (", V trained too" if setting.is_both else ""),
        formula="‖r‖ ≤ 0.003‖y‖ within 1,200 steps",
        sentence=_boundary(setting, rows, (m, k)),
    )


def _law(setting: Setting) -> str:
    factor = number(_factor(setting))
    return f"k = {factor} m: zero loss attainable" + (", V fixed" if setting.is_both else "")


def _boundary(setting: Setting, rows: Sequence[WidthRow], line: Line) -> str:
    if not rows:
        return "Each mark is a cell: networks of width k on problems with m measurements."
    if setting.is_both:
        whole = sum(row.fitted == 1 for row in rows)
        return f"With V trained too {whole} of {len(rows)} cells interpolate in every draw: no threshold."
    ratios = [k / m for m, k in zip(*line, strict=True)]
    if len(ratios) < 2:
        return "The threshold is drawn once two columns have widths on both sides of it."
    low, high = number(min(ratios)), number(max(ratios))
    return f"Half of the draws interpolate at k = {low} m to {high} m (shaded: more than half)."


def _widths(setting: Setting, snapshot: StudySnapshot) -> Chart:
    """Three widths for the same problems, orders apart."""
    rows: tuple[WidthRow, ...] = snapshot.of("phase")
    wide: tuple[CertifiedRow, ...] = snapshot.of("certified")
    asked: CertifiedWidths | None = snapshot.experiment("certified")
    most = 16384 if asked is None else max(asked.widths)
    observed, possible = halves(rows, lambda row: row.fitted), halves(rows, lambda row: row.feasible)
    certified = halves(wide, lambda row: row.share)
    formula = _formula(wide)
    factor = _factor(setting)
    ms = sorted({row.measured for row in rows})
    drawn = (
        Series("certified: R′ < R", *certified, "truth"),
        Series("16L_{2}²n‖r_{0}‖²/(σ_{A}²C_{φ′}⁴)", *formula, "truth", "dotted"),
        Series("observed", *observed, "iterate"),
        Series("feasible", *possible, "start-3"),
        Series(f"{number(factor)} m", ms, [factor * m for m in ms], "predicted", "dashed"),
    )
    top = max([1.3 * most, *(1.5 * k for k in formula[1])])
    return Chart(
        "widths",
        "Required width: certified, feasible, observed",
        Axis("measurements m"),
        Axis("width k for half of the draws", log=True, low=2.0, high=top),
        drawn,
        note=f"same problems, k to {most:,}",
        formula="R′ < R, linear programme, descent",
        sentence=_apart(certified, observed, wide, most),
    )


def _formula(rows: Sequence[CertifiedRow]) -> Line:
    """The mean over all widths: the same problems, other first weights."""
    ms = sorted({row.measured for row in rows})
    values = [[row.formula for row in rows if row.measured == m] for m in ms]
    return [float(m) for m in ms], [sum(v) / len(v) for v in values]


def _apart(certified: Line, observed: Line, wide: Sequence[CertifiedRow], most: int) -> str:
    """How many times wider the proof asks for, at the largest m that has both."""
    known = dict(zip(*observed, strict=True))
    both = [(m, k, known[m]) for m, k in zip(*certified, strict=True) if m in known]
    if both:
        m, sure, seen = both[-1]
        times = number(sure / seen)
        return (
            f"At m = {m:g} half of the draws interpolate from k = {seen:.0f} on, and are certified from "
            f"{sure:,.0f} on: {times} times as wide."
        )
    if wide and max(row.width for row in wide) == most:
        return f"Fewer than half of the draws are certified at any width up to {most:,}."
    return "The certificate needs no training: R′ and R are computed from the initial network."
