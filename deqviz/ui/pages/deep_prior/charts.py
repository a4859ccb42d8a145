"""The charts and images of the Deep prior page from the rows of its study; pure, no Streamlit."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache

from deqviz.core.numbers import decibels, number, pretty
from deqviz.core.quoted import capitalised
from deqviz.experiments.deep_prior.image_prior import TARGETS, Hump, HumpRow, Impedance, ImpedanceRow
from deqviz.experiments.deep_prior.momentum import MomentumRow, PriorMomentum
from deqviz.experiments.deep_prior.recovery import GapRow, LandweberGap, RecoveryRow
from deqviz.experiments.deep_prior.run import GROUND, PriorRun, RunRow
from deqviz.experiments.deep_prior.width_diagram import CertifiedRow, CertifiedWidths, WidthDiagram, WidthRow
from deqviz.experiments.deep_prior.widths import half_success, threshold
from deqviz.runtime.logbook import to_bytes
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import COLOURS, Axis, Chart, Picture, Role, Series, Tile
from deqviz.ui.pages.deep_prior.plan import hump
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
        yield from image_charts(setting, snapshot)


def _factor(setting: Setting) -> float:
    """k/m from which on zero loss exists."""
    family = setting.family
    return threshold(family.phi, family.power, is_centred=family.is_centred)


def halves(rows: Sequence[WidthRow] | Sequence[CertifiedRow], share: Callable[..., float | None]) -> Line:
    """Of every m the width at which half of the draws succeed, where one is between two cells."""
    counts = sorted({row.measured for row in rows})
    points: list[tuple[float, float]] = []
    for m in counts:
        pairs = [(row.width, share(row)) for row in rows if row.measured == m]
        shares = [(k, p) for k, p in pairs if p is not None]
        k = half_success([k for k, _ in shares], [p for _, p in shares])
        if k is not None:
            points.append((float(m), k))
    return [m for m, _ in points], [k for _, k in points]


def _diagram(setting: Setting, snapshot: StudySnapshot) -> Chart:
    experiment: WidthDiagram | None = snapshot.experiment("phase")
    rows: tuple[WidthRow, ...] = snapshot.of("phase")
    ms = (2, 20) if experiment is None else (min(experiment.measured), max(experiment.measured))
    ks = (4.0, 96.0) if experiment is None else (float(min(experiment.widths)), float(max(experiment.widths)))
    low, high = ks[0] / EDGE, ks[1] * EDGE
    drawn: list[Series] = []
    m, k = halves(rows, lambda row: row.fitted)
    if len(m) > 1:
        drawn.append(Series("", m, [high] * len(m), "iterate", "band", k))
    factor = _factor(setting)
    line = [v for v in (ms[0] - 0.6, *(ms[0] + (ms[1] - ms[0]) * j / 40 for j in range(41)), ms[1] + 0.6)]
    drawn.append(Series(_law(setting), line, [factor * v for v in line], "predicted", "dashed"))
    for name, role, is_in in _GROUPS:
        cells = [row for row in rows if is_in(row.fitted)]
        drawn.append(Series(name, [r.measured for r in cells], [r.width for r in cells], role, "points"))
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
    experiment: CertifiedWidths | None = snapshot.experiment("certified")
    most = 16384 if experiment is None else max(experiment.widths)
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
    by_m = dict(zip(*observed, strict=True))
    both = [(m, k, by_m[m]) for m, k in zip(*certified, strict=True) if m in by_m]
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


FLOOR = 1e-10
"""Share of ‖r₀‖ where the lines of the residual end."""


def run_charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """The residual, the way of the weights, the Jacobian and, with noise, the clean data."""
    rows: tuple[RunRow, ...] = snapshot.of("run")
    experiment: PriorRun | None = snapshot.experiment("run")
    time = [row.time for row in rows]
    is_flow = setting.rule == "flow"
    yield _residual(setting, experiment, rows, time, is_flow)
    yield _distance(rows, time, is_flow)
    yield _jacobian(rows, time)
    if setting.noise > 0:
        yield _clean(rows, time, is_flow)


def _time(is_flow: bool) -> Axis:
    return Axis("time t" if is_flow else "time t = γτ")


def _residual(
    setting: Setting,
    experiment: PriorRun | None,
    rows: Sequence[RunRow],
    time: Sequence[float],
    is_flow: bool,
) -> Chart:
    draws = 0 if experiment is None else experiment.draws
    # What is below is near rounding: the lines end there.
    most = [row.most if row.most > FLOOR else math.nan for row in rows]
    least = [max(row.least, FLOOR) if row.most > FLOOR else math.nan for row in rows]
    one = [row.residual if row.residual > FLOOR else math.nan for row in rows]
    flagged = [row for row in rows if row.above]
    drawn = (
        Series(f"all {draws} draws", time, most, "iterate", "band", least),
        Series("one draw", time, one, "iterate", "line"),
        Series("certified envelope", time, [row.envelope for row in rows], "predicted", "dashed"),
        Series("NTK rate λ_{min}(K_{0}), estimated", time, [row.sharp for row in rows], "start-3", "dotted"),
        Series("draw above its NTK rate", *_flags(flagged), "error", "points"),
    )
    return Chart(
        "residual",
        "Residual and certified envelope",
        _time(is_flow),
        Axis("‖r(t)‖/‖r_{0}‖", log=True),
        tuple(s for s in drawn if s.style != "points" or len(s.x)),
        note=f"m = {setting.measured}, k = {setting.width:,}",
        formula="‖r(t)‖ ≤ ‖r_{0}‖ exp(−σ_{A}²σ_{0}²t/4)" if is_flow else "(1 − γσ_{A}²σ_{0}²/4)^{τ/2}‖r_{0}‖",
        sentence=_lamp(rows),
    )


def _flags(rows: Sequence[RunRow]) -> tuple[list[float], list[float]]:
    return [row.time for row in rows], [max(row.most, GROUND) for row in rows]


def _lamp(rows: Sequence[RunRow]) -> str:
    if not rows:
        return "Computed before training: σ_{A}, σ_{0} = σ_{min}(J_{0}), and a Lipschitz constant of J."
    state = "Certified" if rows[0].certified else "Not applicable"
    return f"{state}: {rows[0].why}."


def _distance(rows: Sequence[RunRow], time: Sequence[float], is_flow: bool) -> Chart:
    name = "R′" if is_flow else "2R′"
    ends = [time[0], time[-1]] if rows else []
    drawn = [Series("‖W − W_{0}‖", time, [row.moved if row.time else 0.0 for row in rows], "iterate", "line")]
    first = rows[0] if rows else None
    if first is not None:
        if first.radius is not None:
            drawn.append(Series(f"{name}: certified bound", ends, [first.radius] * 2, "predicted", "dashed"))
        if first.ball > 0:
            drawn.append(
                Series("R: radius of the ball in the proof", ends, [first.ball] * 2, "truth", "line")
            )
    return Chart(
        "distance",
        "Distance from initialisation",
        _time(is_flow),
        Axis("‖W(t) − W_{0}‖", log=True),
        tuple(drawn),
        note=_compared(first, name),
        formula="R′ = 2‖r_{0}‖/(σ_{A}σ_{0}), R = σ_{0}/(2 Lip J)",
        sentence=_used(rows, name),
    )


def _compared(row: RunRow | None, name: str) -> str:
    if row is None:
        return ""
    if row.radius is None:
        return f"{name} = ∞, R = {number(row.ball)}"
    sign = "<" if row.radius < row.ball else "≥"
    return f"{name} = {number(row.radius)} {sign} R = {number(row.ball)}"


def _used(rows: Sequence[RunRow], name: str) -> str:
    if not rows or rows[0].radius is None or rows[-1].moved == 0:
        return "Without full row rank of J₀ there is no bound."
    share = number(rows[-1].moved / rows[0].radius)
    return f"Final distance {number(rows[-1].moved)}: {share} times {name}."


def _jacobian(rows: Sequence[RunRow], time: Sequence[float]) -> Chart:
    top = max((row.jacobian for row in rows), default=1.0)
    return Chart(
        "jacobian",
        "Smallest singular value of the Jacobian",
        Axis("time t"),
        Axis("σ_{min}(J(t))", low=0.0, high=1.15 * top if top > 0 else 1.0),
        (
            Series("σ_{min}(J(t))", time, [row.jacobian for row in rows], "iterate", "line"),
            Series("σ_{0}/2", time, [row.half for row in rows], "predicted", "dashed"),
        ),
        note="one draw",
        formula="σ_{min}(J(t)) ≥ σ_{0}/2 as long as ‖W − W_{0}‖ ≤ R",
        sentence=_kept(rows),
    )


def _kept(rows: Sequence[RunRow]) -> str:
    if not rows:
        return "J is the Jacobian in the weights; while it has full rank, the loss decreases."
    first, low = rows[0].jacobian, min(row.jacobian for row in rows)
    if first == 0:
        return "σ_{0} = 0: the theorem is not applicable."
    kept = math.floor(1000 * low / first) / 10
    return f"At least {kept:g} % of the initial value; the proof needs one half."


def _clean(rows: Sequence[RunRow], time: Sequence[float], is_flow: bool) -> Chart:
    ends, name = [time[0], time[-1]] if rows else [], "t*" if is_flow else "2t*"
    first = rows[0] if rows else None
    drawn = [Series("‖Ag(t) − Ax†‖", time, [row.clean for row in rows], "iterate", "line")]
    if first is not None:
        drawn.append(Series("2‖ε‖", ends, [2 * first.noise] * 2, "predicted", "dashed"))
        drawn.append(Series("‖ε‖", ends, [first.noise] * 2, "truth", "dotted"))
        if first.arrival is not None and first.arrival <= time[-1]:
            span = [0.5 * first.noise, max(1.0, first.clean)]
            drawn.append(Series(name, [first.arrival] * 2, span, "truth", "line"))
    return Chart(
        "clean",
        "Early-stopping bound 2‖ε‖",
        _time(is_flow),
        Axis("‖Ag(t) − Ax†‖/‖r_{0}‖", log=True),
        tuple(drawn),
        note="" if first is None or first.arrival is None else f"{name} = {number(first.arrival)}",
        formula="t* = 4 log(‖r_{0}‖/‖ε‖)/(σ_{A}²σ_{0}²)",
        sentence=_early(rows, name),
    )


def _early(rows: Sequence[RunRow], name: str) -> str:
    hit = next((row.time for row in rows if row.clean <= 2 * row.noise), None)
    if hit is None:
        return f"From {name} on the clean data are fitted to 2‖ε‖."
    sentence = f"2‖ε‖ is reached at t = {number(hit)}"
    arrival = rows[0].arrival
    return (
        f"{sentence}, certified from {name} = {number(arrival)} on."
        if arrival is not None
        else f"{sentence}."
    )


def recovery_charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """The error by m/n, the way beside Landweber's, and the distance to it by width."""
    yield _split(setting, snapshot.of("split"))
    experiment: LandweberGap | None = snapshot.experiment("gap")
    rows: tuple[GapRow, ...] = snapshot.of("gap")
    widths = () if experiment is None else experiment.widths
    yield _way(experiment, widths, rows)
    yield _gap(widths, rows)


def _split(setting: Setting, rows: Sequence[RecoveryRow]) -> Chart:
    x = [row.measured / row.unknowns for row in rows]
    drawn = (
        Series("null-space part", x, [row.kernel for row in rows], "truth", "dotted"),
        Series("noise", x, [row.noise for row in rows], "measured", "dotted"),
        Series("both parts: infinite-width limit", x, [row.limit for row in rows], "predicted", "dashed"),
        Series("Landweber", x, [row.landweber for row in rows], "start-3", "line"),
        Series("network", x, [row.error for row in rows], "iterate", "points"),
    )
    width = rows[0].width if rows else 1024
    return Chart(
        "split",
        "Recovery error split",
        Axis("sampling ratio m/n", low=0.0, high=1.05 if setting.is_orthonormal else 2.1),
        Axis("‖x − x†‖/‖x†‖", low=0.0, high=_roof(rows)),
        drawn,
        note=f"n = {setting.unknowns}, k = {width:,}",
        formula="‖x(∞) − x†‖² = ‖P_{ker A}(g_{0} − x†)‖² + ‖A^{†}ε‖²",
        sentence="Wide two-layer networks are no prior: the null-space component stays at its initial value.",
    )


def _roof(rows: Sequence[RecoveryRow]) -> float:
    """A square Gaussian A has a limit of its own order, which nothing reaches in time."""
    errors = [max(row.error, row.landweber, row.kernel) for row in rows]
    return 1.15 * max(errors, default=1.0)


def _way(experiment: LandweberGap | None, widths: Sequence[int], rows: Sequence[GapRow]) -> Chart:
    drawn: list[Series] = []
    for colour, k in zip(COLOURS, widths, strict=False):
        own_rows = [row for row in rows if row.width == k and row.number]
        x, y = [row.number for row in own_rows], [row.error for row in own_rows]
        drawn.append(Series(f"k = {k:,}", x, y, colour, "line"))
    widest = max((row.width for row in rows), default=0)
    best = [row for row in rows if row.width == widest and row.number]
    x, y = [row.number for row in best], [row.landweber for row in best]
    drawn.append(Series("Landweber", x, y, "predicted", "dashed"))
    return Chart(
        "way",
        "Landweber trajectory",
        Axis("steps", log=True),
        Axis("‖x − x†‖/‖x†‖"),
        tuple(drawn),
        note="" if experiment is None else f"blur width w = {experiment.deviation:g} samples, m = n",
        formula="ẋ = −C_{φ′}²A*(Ax − y) in the infinite-width limit",
        sentence=_gap_sentence(rows, widths),
    )


def _gap_sentence(rows: Sequence[GapRow], widths: Sequence[int]) -> str:
    own_rows = [row for row in rows if widths and row.width == widths[-1]]
    if len(own_rows) < 2 or own_rows[-1].number < 0.9 * max(row.number for row in rows):
        return "Semiconvergence: with noise the error of both first decreases, then increases again."
    best, end = min(own_rows, key=lambda row: row.error), own_rows[-1]
    if best.number > 0.8 * end.number:
        return (
            f"k = {end.width:,}: {number(end.error)} after {end.number} steps, and Landweber at "
            f"{number(end.landweber)}: no semiconvergence at this noise level yet."
        )
    return (
        f"k = {end.width:,}: {number(best.error)} at step {best.number}, {number(end.error)} after "
        f"{end.number}; Landweber ends at {number(end.landweber)}. The noise is fitted last."
    )


def _gap(widths: Sequence[int], rows: Sequence[GapRow]) -> Chart:
    points = [(k, max((row.gap for row in rows if row.width == k), default=0.0)) for k in widths]
    points = [(k, gap) for k, gap in points if gap > 0]
    drawn = [Series("max. distance", [k for k, _ in points], [gap for _, gap in points], "iterate")]
    if points:
        k, gap = points[0]
        line = [gap * (k / v) ** 0.5 for v, _ in points]
        drawn.append(Series("slope −½", [v for v, _ in points], line, "predicted", "dashed"))
    text = ", ".join(f"{number(gap)} at k = {k:,}" for k, gap in points)
    return Chart(
        "gap",
        "Distance to the Landweber trajectory",
        Axis("width k", log=True),
        Axis("max_{t} ‖x(t) − x_{L}(t)‖/‖x†‖", log=True),
        tuple(drawn),
        note="mean of 4 draws",
        formula="JJ* → C_{φ′}² Id as k → ∞",
        sentence=f"{text}." if text else "The network converges to the Landweber iteration as k → ∞.",
    )


def momentum_charts(snapshot: StudySnapshot) -> Iterator[Chart]:
    """The residual of every way against its steps."""
    experiment: PriorMomentum | None = snapshot.experiment("momentum")
    rows: tuple[MomentumRow, ...] = snapshot.of("momentum")
    names = () if experiment is None else tuple(way.name for way in experiment.ways)
    drawn: list[Series] = []
    for colour, name in zip(COLOURS, names, strict=False):
        own_rows = [row for row in rows if row.way == name]
        drawn.append(
            Series(name, [r.number for r in own_rows], [r.residual for r in own_rows], colour, "line")
        )
    if rows and experiment is not None:
        ends = [1, max(row.number for row in rows)]
        drawn.append(Series("", ends, [experiment.tolerance] * 2, "truth", "dotted"))
    note = "" if experiment is None else f"m = {experiment.measured}, n = 20, k = {experiment.width}"
    yield Chart(
        "momentum",
        "Step size and momentum",
        Axis("steps", log=True),
        Axis("‖r‖/‖r_{0}‖, median", log=True),
        tuple(drawn),
        note=f"{note}, κ = {number(rows[0].condition)}" if rows else note,
        formula="κ(K_{0}) steps by descent, √κ by momentum",
        sentence=_needed(rows, names),
    )
    yield _peaks(rows, names)


def _needed(rows: Sequence[MomentumRow], names: Sequence[str]) -> str:
    steps = {row.way: row.needed for row in rows if row.needed is not None}
    text = "; ".join(f"{name} {steps[name]}" for name in names if name in steps)
    return f"Steps to 10⁻⁴, median: {text}." if text else "The same draws for every optimiser."


def _peaks(rows: Sequence[MomentumRow], names: Sequence[str]) -> Chart:
    """The early steps of the worst draw: what rises before it falls."""
    drawn: list[Series] = []
    parts: list[str] = []
    for colour, name in zip(COLOURS, names, strict=False):
        own_rows = [row for row in rows if row.way == name]
        early = [row for row in own_rows if row.number <= 40]
        drawn.append(Series(name, [r.number for r in early], [r.most for r in early], colour, "line"))
        peak = max((row.most for row in own_rows), default=0.0)
        if peak > 1.001:
            parts.append(f"{name} {number(peak)}")
    return Chart(
        "peaks",
        "Largest residual (catapult)",
        Axis("steps", low=0.0, high=40.0),
        Axis("‖r‖/‖r_{0}‖, largest", log=True),
        tuple(drawn),
        note="worst of all draws",
        formula="‖r_{τ + 1}‖ ≤ ‖r_{τ}‖ is certified for γ ≤ 1/ℓ only",
        sentence=f"Largest ‖r‖/‖r_{{0}}‖: {'; '.join(parts)}."
        if parts
        else "No residual exceeds its initial value.",
    )


FALL = 12.0
"""Decibels below the best that are shown: the first pictures of a network would flatten the rest."""
_TARGETS: Mapping[str, Role] = dict(zip(TARGETS, ("iterate", "start-3", "measured", "error"), strict=True))


def image_charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """The hump, what the two rules look at, and the impedance."""
    rows: tuple[HumpRow, ...] = snapshot.of("hump")
    yield _hump(setting, rows)
    yield _variance(setting, rows)
    yield _misfit(setting, rows)
    if setting.is_impedance:
        yield _impedance(setting, snapshot.of("impedance"))


def _marks(rows: Sequence[HumpRow]) -> Iterator[tuple[str, int, float, Role]]:
    """What each rule keeps, where, and the best by the truth."""
    if not rows:
        return
    by_k, last = {row.k: row for row in rows}, rows[-1]
    if last.stopped is not None and last.kept is not None:
        yield "variance rule", last.kept, last.kept_psnr, "start-3"
    if last.discrepancy is not None:
        yield "discrepancy principle", last.discrepancy, by_k[last.discrepancy].psnr, "measured"
    yield "oracle (uses the ground truth)", last.oracle, by_k[last.oracle].psnr, "error"


def _hump(setting: Setting, rows: Sequence[HumpRow]) -> Chart:
    x = [row.k for row in rows]
    top = max((max(row.psnr, row.average_psnr) for row in rows), default=30.0)
    drawn = [
        Series("network", x, [row.psnr for row in rows], "iterate", "line"),
        Series("running average", x, [row.average_psnr for row in rows], "predicted", "dashed"),
    ]
    drawn += [Series(name, [k], [psnr], role, "points") for name, k, psnr, role in _marks(rows)]
    return Chart(
        "hump",
        "PSNR against iteration (semiconvergence)",
        Axis("iteration", low=0.0, high=float(setting.iterations)),
        Axis("PSNR (dB)", low=top - FALL, high=top + 0.6),
        tuple(drawn),
        note=f"σ = {pretty(setting.sigma)}, not covered by the theorem",
        formula="min ½‖A g(u, θ) − y‖² over θ, random initialisation",
        sentence=_caption(rows),
    )


def _caption(rows: Sequence[HumpRow]) -> str:
    if len(rows) < 2:
        return "The image is fitted before the noise: early stopping is needed."
    by_k, last = {row.k: row for row in rows}, rows[-1]
    best = by_k[last.oracle].psnr
    parts = [f"oracle {decibels(best, 1)} at iteration {last.oracle}"]
    if last.stopped is not None and last.kept is not None:
        lost = _signed(last.kept_psnr - best)
        parts.append(f"the variance rule stops at {last.stopped} and keeps {last.kept}: {lost} dB")
    if last.discrepancy is not None:
        lost = _signed(by_k[last.discrepancy].psnr - best)
        parts.append(f"the discrepancy principle stops at {last.discrepancy}: {lost} dB")
    parts.append(f"iterate {last.k}: {decibels(last.psnr, 1)}")
    return f"{capitalised('; '.join(parts))}."


def _signed(value: float) -> str:
    return "±0.0" if abs(value) < 0.05 else f"{value:+.1f}".replace("-", "−")


def _variance(setting: Setting, rows: Sequence[HumpRow]) -> Chart:
    own = [(row.k, row.variance) for row in rows if row.variance is not None]
    drawn = [
        Series(f"last {setting.window} iterates", [k for k, _ in own], [v for _, v in own], "iterate", "line")
    ]
    last = rows[-1] if rows else None
    by_k = dict(own)
    if last is not None and last.stopped is not None and last.kept in by_k:
        drawn.append(Series("kept", [last.kept], [by_k[last.kept]], "start-3", "points"))
        ends = (min(by_k.values()), max(by_k.values()))
        drawn.append(Series("stops", [last.stopped] * 2, ends, "truth", "dotted"))
    return Chart(
        "variance",
        "Stopping rule 1: smallest variance",
        Axis("iteration", low=0.0, high=float(setting.iterations)),
        Axis("variance over the window", log=True),
        tuple(drawn),
        note=f"W = {setting.window}, P = {setting.patience}",
        formula="VAR = mean ‖x_{i} − x̄‖² over the last W iterates",
        sentence="The mean of the window with the smallest variance is kept; the rule stops after "
        "P iterations without a smaller one. It uses neither σ nor the ground truth.",
    )


def _misfit(setting: Setting, rows: Sequence[HumpRow]) -> Chart:
    last = rows[-1] if rows else None
    by_k = {row.k: row.misfit for row in rows}
    drawn = [Series("‖Ax − y‖/√m", list(by_k), list(by_k.values()), "iterate", "line")]
    drawn.append(Series("noise std σ", [0, setting.iterations], [setting.sigma] * 2, "predicted", "dashed"))
    if last is not None and last.discrepancy is not None:
        at = last.discrepancy
        drawn.append(Series("stops", [at], [by_k[at]], "measured", "points"))
    return Chart(
        "misfit",
        "Stopping rule 2: discrepancy principle",
        Axis("iteration", low=0.0, high=float(setting.iterations)),
        Axis("residual ‖Ax − y‖/√m", log=True),
        tuple(drawn),
        note="needs σ",
        formula="stop where ‖Ax − y‖/√m ≤ σ",
        sentence="Below σ the network fits the noise. The rule needs σ.",
    )


def _impedance(setting: Setting, rows: Sequence[ImpedanceRow]) -> Chart:
    drawn: list[Series] = []
    parts: list[str] = []
    for name, role in _TARGETS.items():
        own_rows = [row for row in rows if row.target == name]
        drawn.append(Series(name, [row.k for row in own_rows], [row.loss for row in own_rows], role, "line"))
        half = next((row.k for row in own_rows if row.loss <= 0.1), None)
        if half is not None:
            parts.append(f"{name} {half}")
    return Chart(
        "impedance",
        "Spectral bias: loss by target",
        Axis("iteration", low=0.0, high=float(setting.iterations)),
        Axis("relative loss", log=True),
        tuple(drawn),
        note="one network, four targets",
        formula="‖x_{k} − t‖²/‖t − mean‖²",
        sentence=f"Iterations to a loss of 0.1: {', '.join(parts)}."
        if parts
        else "The wide two-layer network of the theorem would fit all four alike: its kernel is isotropic.",
    )


@lru_cache(maxsize=16)
def _data(setting: Setting) -> Picture:
    """The data as a picture; made once, for the board is drawn many times."""
    problem = hump(setting).problem
    return to_bytes(problem.operator.baseline(problem.data))


def image_tiles(setting: Setting, snapshot: StudySnapshot) -> Iterator[Tile]:
    """Truth and data, the network's picture now, what each rule kept, the best by the truth, two targets."""
    experiment: Hump | None = snapshot.experiment("hump")
    if experiment is None:
        return
    yield Tile("truth", "Ground truth", to_bytes(experiment.picture), "not used by the network")
    yield Tile("data", experiment.operator.baseline_name, _data(setting), "fitted by the network")
    rows: tuple[HumpRow, ...] = snapshot.of("hump")
    by_k = {row.k: row for row in rows}
    views = [view for view in snapshot.views if view.part == "hump"]
    newest = {view.name: view for view in views}
    if "current" in newest:
        k = int(newest["current"].row[0])
        note = decibels(by_k[k].psnr) if k in by_k else ""
        yield Tile("current", f"Network, iteration {k}", to_bytes(newest["current"].image), note)
        note = decibels(by_k[k].average_psnr) if k in by_k else ""
        yield Tile("average", "Running average", to_bytes(newest["average"].image), note)
    for name, title in (
        ("kept", "Variance rule"),
        ("discrepancy", "Discrepancy"),
        ("oracle", "Oracle"),
    ):
        k = None if name not in newest else _picked(name, by_k.get(int(newest[name].row[0])))
        if k in by_k:
            value = rows[-1].kept_psnr if name == "kept" else by_k[k].psnr
            note = decibels(value)
            yield Tile(name, f"{title}, {k}", to_bytes(newest[name].image), note)
    yield from _targets(snapshot)


def _picked(name: str, row: HumpRow | None) -> int | None:
    """The iteration of a picture that came with this row; None while its rule may still change it."""
    if row is None or (name == "kept" and row.stopped is None):
        return None
    return {"kept": row.kept, "discrepancy": row.discrepancy, "oracle": row.oracle}[name]


def _targets(snapshot: StudySnapshot) -> Iterator[Tile]:
    experiment: Impedance | None = snapshot.experiment("impedance")
    if experiment is None:
        return
    for view in snapshot.views:
        if view.part == "impedance" and view.row[1] in TARGETS[2:]:
            name = str(view.row[1])
            yield Tile(f"target-{name}", f"Target: {name}", to_bytes(view.image))
