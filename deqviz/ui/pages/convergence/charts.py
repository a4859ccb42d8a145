"""The charts of the Convergence page from the rows of its study; pure, no Streamlit."""

import math
from collections.abc import Iterator, Mapping, Sequence

from deqviz.core.numbers import number
from deqviz.experiments.equilibrium.gradient import GradientRow
from deqviz.experiments.equilibrium.parameter_continuation import ContinuationRow
from deqviz.experiments.equilibrium.solver_comparison import SolverRow
from deqviz.experiments.equilibrium.uniqueness import UniquenessRow
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import COLOURS, Axis, Chart, Role, Series, gaps
from deqviz.ui.pages.convergence.setting import ROUTES, STARTS, THREE, Setting


def charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """All cards in their order; each of them is there from the start and fills as rows come."""
    rows: tuple[UniquenessRow, ...] = snapshot.of("starts")
    yield _starts(setting, rows)
    yield _solvers(setting, rows)
    if setting.is_race:
        yield from _comparison(snapshot)
    yield from _crossing(setting, snapshot.of("crossing"))
    if setting.is_gradient:
        yield from _gradient(snapshot)


def _starts(setting: Setting, rows: Sequence[UniquenessRow]) -> Chart:
    """Every start by the first of the solvers, with what is proved of the slowest.

    The distance to the limit, or the residual where none was found to measure from.
    """
    first = setting.solvers[0]
    own_rows = [row for row in rows if row.route == first]
    is_lost = bool(own_rows) and all(row.distance is None for row in own_rows)
    lines: list[Series] = []
    proved, line = _largest(own_rows, "certified"), _largest(own_rows, "line")
    if line[1]:
        lines.append(Series("certified bound κᵏ", *line, "predicted", "dashed"))
    if proved[1]:
        lines.append(Series("a-posteriori bound", *proved, "truth", "dotted"))
    for colour, key in _coloured(STARTS, setting.used_starts):
        of = [row for row in own_rows if row.start == key]
        y = gaps(row.residual if is_lost else row.distance for row in of)
        lines.append(Series(STARTS[key], [row.k for row in of], y, colour))
    factor = next((row.factor for row in own_rows if row.factor is not None), None)
    return Chart(
        "starts",
        "Residual by starting point" if is_lost else "Distance to the limit by starting point",
        Axis("iteration k"),
        Axis("‖T(x) − x‖/‖T(x)‖" if is_lost else DISTANCE, log=True),
        tuple(lines),
        note="" if factor is None else f"{ROUTES[first].title}, κ ≤ {number(factor)}",
        formula="no limit was found"
        if is_lost
        else "‖x_{k} − x*‖ ≤ κ^{k} ‖x_{0} − x*‖ and ≤ E ‖T(x_{k}) − x_{k}‖",
        sentence=_where_to(rows),
    )


def _coloured(keys: Mapping[str, object], used: Sequence[str]) -> Iterator[tuple[Role, str]]:
    """The keys in use, each with a colour that does not depend on which others are."""
    return (pair for pair in zip(COLOURS, keys, strict=False) if pair[1] in used)


def _largest(rows: Sequence[UniquenessRow], name: str) -> tuple[list[int], list[float]]:
    """The largest value of a field over the starts, step by step."""
    values: dict[int, float] = {}
    for row in rows:
        value = getattr(row, name)
        if value is not None:
            values[row.k] = max(value, values.get(row.k, 0.0))
    return list(values), list(values.values())


def _where_to(rows: Sequence[UniquenessRow]) -> str:
    """How many runs ended, and where."""
    ends = [row for row in rows if row.state != "going"]
    if not ends:
        return "Every run has another starting point; the number of limits comes when all have ended."
    limits = {row.limit for row in ends if row.limit is not None}
    arrived = sum(row.state == "arrived" for row in ends)
    parts = [f"{arrived} of {len(ends)} runs converged" + _at(len(limits))]
    for state, word in (("stopped", "reached max. iterations"), ("diverged", "diverged")):
        count = sum(row.state == state for row in ends)
        if count:
            parts.append(f"{count} {word}")
    return ", ".join(parts) + "."


def _at(count: int) -> str:
    match count:
        case 0:
            return ""
        case 1:
            return " to one limit"
        case _:
            return f" to {count} different limits"


def _solvers(setting: Setting, rows: Sequence[UniquenessRow]) -> Chart:
    """The residual of the slowest start of every solver."""
    lines: list[Series] = []
    for colour, key in _coloured(ROUTES, setting.solvers):
        values: dict[int, float] = {}
        for row in rows:
            if row.route == key and row.residual is not None:
                values[row.evaluations] = max(row.residual, values.get(row.evaluations, 0.0))
        lines.append(Series(ROUTES[key].title, list(values), list(values.values()), colour))
    return Chart(
        "solvers",
        "Residual by solver",
        Axis("evaluations of T", log=True),
        Axis("‖T(x) − x‖/‖T(x)‖", log=True),
        tuple(lines),
        note="slowest starting point of each",
        formula="‖T(x) − x‖ = 0 exactly at the equilibria",
        sentence="Solvers and splittings change the path, not the fixed points.",
    )


def _crossing(setting: Setting, rows: Sequence[ContinuationRow]) -> Iterator[Chart]:
    """Contraction and the number of limits against L or the step."""
    is_step = setting.crossing.startswith("step")
    x = Axis(
        "step size τ / largest certified τ" if is_step else "L",
        low=0.0,
        high=2.0 if is_step else 1.55,
    )
    where = "A = [1, 0], R₂(x₂) = x₂ − L tanh x₂" if setting.crossing == THREE else "this image"
    values = [row.value for row in rows]
    top = max([1.3, *(v for row in rows for v in (row.factor, row.expansion) if v is not None)]) * 1.06
    limit = Series("limit of the theorem", [1, 1], [0, top], "truth", "dotted")
    yield Chart(
        "contraction",
        "Contraction factor against the parameter",
        x,
        Axis("contraction factor per step", low=0.0, high=top),
        (
            limit,
            Series("certified κ", values, gaps(row.factor for row in rows), "predicted", "dashed"),
            Series("largest factor seen", values, gaps(row.expansion for row in rows), "iterate", "points"),
            Series("asymptotic factor", values, gaps(row.rate for row in rows), "start-3", "both"),
        ),
        note=where,
        formula="‖T(x) − T(z)‖ ≤ κ ‖x − z‖",
        sentence="No observed factor may exceed the certified κ. Past the limit runs may diverge.",
    )
    most = max([3, *(row.distinct for row in rows), *(row.diverged for row in rows)])
    yield Chart(
        "distinct",
        "Number of distinct limits",
        x,
        Axis("from all starting points", low=-0.2, high=most + 0.4),
        (
            Series("limit of the theorem", [1, 1], [0, most], "truth", "dotted"),
            Series("distinct limits", values, [row.distinct for row in rows], "iterate"),
            Series("diverged runs", values, [row.diverged or math.nan for row in rows], "error", "points"),
            Series(
                "runs not converged", values, [row.stopped or math.nan for row in rows], "measured", "points"
            ),
        ),
        note=where,
        formula="two ends are one limit if ‖x − x′‖ ≤ d + d′ + 10⁻⁵‖x*‖",
        sentence=_counted(rows, "step" if is_step else "L"),
    )


def _counted(rows: Sequence[ContinuationRow], name: str) -> str:
    several = [row for row in rows if row.distinct > 1]
    diverged = [row for row in rows if row.diverged]
    parts: list[str] = []
    if several:
        first = min(several, key=lambda row: row.value)
        parts.append(
            f"From {name} = {first.value:g} on there are several limits, and the starting point decides."
        )
    if diverged:
        first = min(diverged, key=lambda row: row.value)
        parts.append(f"From {name} = {first.value:g} on runs diverge.")
    return " ".join(parts) or "One limit for all runs so far."


def _gradient(snapshot: StudySnapshot) -> Iterator[Chart]:
    """The two gauges, one point for each regulariser."""
    rows: tuple[GradientRow, ...] = snapshot.of("gradient")
    experiment = snapshot.experiment("gradient")
    named = () if experiment is None else experiment.regularizers
    by_key = {row.regularizer: row for row in rows}
    places = [(n + 1, item.title, by_key[item.key]) for n, item in enumerate(named) if item.key in by_key]
    x = Axis(
        "regulariser, in the order of the legend", low=0.4, high=max(len(named), 1) + 0.6, is_nominal=True
    )
    yield Chart(
        "asymmetry",
        "Asymmetry of the Jacobian of R",
        x,
        Axis("‖J − Jᵀ‖/‖J‖", log=True, high=10.0),
        (
            *(
                Series(title, [n], [row.asymmetry], colour, "points")
                for (n, title, row), colour in zip(places, COLOURS, strict=False)
            ),
            Series("random J, on average", [0.4, len(named) + 0.6], [2**0.5, 2**0.5], "truth", "dotted"),
        ),
        note="0: conservative (gradient field)",
        formula="‖J − J^{T}‖_{F}/‖J‖_{F} by random probes, J = R′(x)",
        sentence=_caption(places),
    )
    yield Chart(
        "circulation",
        "Circulation of R around a loop",
        x,
        Axis("∮⟨R, dx⟩ / ∮‖R − R(x₀)‖ds", log=True, high=10.0),
        (
            *(
                Series(title, [n], [row.circulation], colour, "points")
                for (n, title, row), colour in zip(places, COLOURS, strict=False)
            ),
            Series(
                "quadrature error",
                [n for n, _, _ in places],
                [row.doubt for _, _, row in places],
                "truth",
                "points",
            ),
        ),
        note="0: conservative (gradient field)",
        formula="∮⟨R(x), dx⟩ around a small hexagon where the skew part is largest",
        sentence="A gradient field has no circulation; what remains is the quadrature error.",
    )


def _caption(places: Sequence[tuple[int, str, GradientRow]]) -> str:
    turning = [
        f"{title} {number(row.asymmetry)} ± {number(row.error)}"
        for _, title, row in places
        if row.asymmetry > 1e-9
    ]
    if not places:
        return "J is the Jacobian of R at the image; a gradient field has a symmetric one."
    if not turning:
        return "All Jacobians so far are symmetric up to rounding."
    return f"Not conservative: {'; '.join(turning)}."


DISTANCE = "‖xₖ − x*‖ / ‖x*‖"


def _comparison(snapshot: StudySnapshot) -> Iterator[Chart]:
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
        _solver_lines(rows, titles, "evaluations"),
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
        _solver_lines(rows, titles, "seconds"),
        note="" if best is None else f"fastest: {titles[best.route]}, {number(best.seconds)} s",
        formula="the same runs by computing time",
        sentence="An implicit step inverts A*A + αβ and may cost more than an explicit one.",
    )
    yield _factors(rows, titles)


def _solver_lines(rows: Sequence[SolverRow], titles: Mapping[str, str], name: str) -> tuple[Series, ...]:
    """One line for each runner."""
    lines: list[Series] = []
    for colour, key in zip(COLOURS, titles, strict=False):
        of = [row for row in rows if row.route == key]
        x = [float(getattr(row, name)) for row in of]
        y = gaps(row.distance for row in of)
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
