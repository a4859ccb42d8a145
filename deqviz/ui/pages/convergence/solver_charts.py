"""The charts of the solver race on the Convergence page; pure, no Streamlit."""

import math
from collections.abc import Iterator, Mapping, Sequence

from deqviz.experiments.equilibrium.solver_comparison import SolverRow
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import COLOURS, Axis, Chart, Series
from deqviz.ui.components.run.protocol import number

DISTANCE = "‖xₖ − x*‖ / ‖x*‖"


def race_charts(snapshot: StudySnapshot) -> Iterator[Chart]:
    """The distance by evaluations and by seconds, and the measured factors against the certified ones."""
    rows: tuple[SolverRow, ...] = snapshot.of("race")
    experiment = snapshot.experiment("race")
    titles = {} if experiment is None else {route.key: route.title for route in experiment.routes}
    ends = [row for row in rows if row.needed is not None]
    fewest = min(ends, key=lambda row: row.needed or 0, default=None)
    yield Chart(
        "race_evaluations",
        "Convergence by evaluations",
        Axis("evaluations of T"),
        Axis(DISTANCE, log=True),
        _lines(rows, titles, "evaluations"),
        note="" if fewest is None else f"fewest: {titles[fewest.route]}, {fewest.needed}",
        formula="τ = 1/(‖A‖² + αβ) certified, τ = 2/(‖A‖² + σ_{min}² + 2αβ) optimal",
        sentence="" if fewest is None else _needed(ends, titles),
    )
    best = min(ends, key=lambda row: row.seconds, default=None)
    yield Chart(
        "race",
        "Convergence by time",
        Axis("computing time (s)", log=True),
        Axis(DISTANCE, log=True),
        _lines(rows, titles, "seconds"),
        note="" if best is None else f"fastest: {titles[best.route]}, {number(best.seconds)} s",
        formula="the same runs by computing time",
        sentence="An implicit step inverts A*A + αβ and may cost more than an explicit one.",
    )
    yield _factors(rows, titles)


def _lines(rows: Sequence[SolverRow], titles: Mapping[str, str], name: str) -> tuple[Series, ...]:
    """One line for each runner."""
    lines: list[Series] = []
    for colour, key in zip(COLOURS, titles, strict=False):
        of = [row for row in rows if row.route == key]
        x = [float(getattr(row, name)) for row in of]
        y = [math.nan if row.distance is None else row.distance for row in of]
        lines.append(Series(titles[key], x, y, colour))
    return tuple(lines)


def _needed(ends: Sequence[SolverRow], titles: Mapping[str, str]) -> str:
    """Evaluations to the goal, runner by runner."""
    order = sorted(ends, key=lambda row: row.needed or 0)
    return "To 10⁻⁶: " + ", ".join(f"{titles[row.route]} {row.needed}" for row in order) + "."


def _factors(rows: Sequence[SolverRow], titles: Mapping[str, str]) -> Chart:
    """Below the diagonal is faster than proved; above it would contradict the theorem, for the map itself."""
    lines = [Series("estimate = certified bound", [0, 1.05], [0, 1.05], "predicted", "dashed")]
    ends = {row.route: row for row in rows if row.state != "going"}
    for colour, key in zip(COLOURS, titles, strict=False):
        row = ends.get(key)
        has_both = row is not None and row.factor is not None and row.measured is not None
        x, y = ([row.factor], [row.measured]) if row is not None and has_both else ([], [])
        lines.append(Series(titles[key], [v or 0.0 for v in x], [v or 0.0 for v in y], colour, "points"))
    return Chart(
        "factors",
        "Contraction factor κ: estimate and certified bound",
        Axis("certified κ", low=0.0, high=1.05),
        Axis("contraction factor per step, estimated", low=0.0, high=1.05),
        tuple(lines),
        note="from the second half of each run",
        formula="(‖x_{k} − x*‖/‖x_{m} − x*‖)^{1/(k − m)} ≤ κ",
        sentence="Each step of the map contracts by κ or less; accelerated solvers may be faster.",
    )
