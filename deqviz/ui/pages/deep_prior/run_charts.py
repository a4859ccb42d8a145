"""The charts of one width on its way, from the rows of a study; pure, no Streamlit."""

import math
from collections.abc import Iterator, Sequence

from deqviz.experiments.deep_prior.run import GROUND, PriorRun, RunRow
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import Axis, Chart, Series
from deqviz.ui.components.run.protocol import number
from deqviz.ui.pages.deep_prior.setting import Setting

FLOOR = 1e-10
"""Share of ‖r₀‖ where the lines of the residual end."""


def run_charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """The residual, the way of the weights, the Jacobian and, with noise, the clean data."""
    rows: tuple[RunRow, ...] = snapshot.of("run")
    asked: PriorRun | None = snapshot.experiment("run")
    time = [row.time for row in rows]
    is_flow = setting.rule == "flow"
    yield _residual(setting, asked, rows, time, is_flow)
    yield _distance(rows, time, is_flow)
    yield _jacobian(rows, time)
    if setting.noise > 0:
        yield _clean(rows, time, is_flow)


def _time(is_flow: bool) -> Axis:
    return Axis("time t" if is_flow else "time t = γτ")


def _residual(
    setting: Setting, asked: PriorRun | None, rows: Sequence[RunRow], time: Sequence[float], is_flow: bool
) -> Chart:
    draws = 0 if asked is None else asked.draws
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
    told = f"2‖ε‖ is reached at t = {number(hit)}"
    arrival = rows[0].arrival
    return f"{told}, certified from {name} = {number(arrival)} on." if arrival is not None else f"{told}."
