"""The charts of monotone operator learning on the Convergence page; pure, no Streamlit."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from deqviz.core.numbers import number
from deqviz.experiments.monotone.beyond_depth import TRAINED, BeyondDepth, DepthRow
from deqviz.experiments.monotone.forward_backward import Margin
from deqviz.experiments.monotone.lipschitz_estimates import ORDER, TITLES, LipschitzEstimates, LipschitzRow
from deqviz.experiments.monotone.step_limits import Example, StepLimits, StepRow
from deqviz.experiments.monotone.uniqueness_counterexample import Counterexample, CounterexampleRow
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import Axis, Chart, Role, Series, gaps

USUAL = 1e-4
"""‖x_{k+1} − x_k‖/‖x_k‖ at which iterations are often stopped."""
TOP = 1.3
"""Factors per step are drawn up to here."""
COLOURS: tuple[Role, ...] = ("start-1", "start-2", "start-3", "start-4", "start-5", "start-6")


def step_charts(snapshot: StudySnapshot) -> Iterator[Chart]:
    """The factor against α, the two runs about the first limit, and what a small step hides."""
    experiment: StepLimits | None = snapshot.experiment("steps")
    rows: tuple[StepRow, ...] = snapshot.of("steps")
    examples = {} if experiment is None else {e.key: e for e in experiment.examples}
    net, turning = examples.get("network"), examples.get("turning")
    yield _factors(net, rows)
    yield _about(turning, [row for row in rows if row.example == "turning"])
    network_rows = [row for row in rows if row.example == "network"]
    yield _runs(net, network_rows)
    yield _misleading(network_rows)


def _ends(rows: Sequence[StepRow], example: str) -> list[StepRow]:
    return [row for row in rows if row.example == example and row.state != "going" and row.factor is not None]


def _factors(net: Example | None, rows: Sequence[StepRow]) -> Chart:
    margin = None if net is None else net.margin
    ends, other = _ends(rows, "network"), _ends(rows, "turning")
    lines = [] if margin is None else list(_bounds(margin))
    marks: tuple[tuple[str, list[StepRow], Role], ...] = (
        ("network, largest value", ends, "iterate"),
        ("F = mId + K, largest value", other, "start-2"),
    )
    for name, of, role in marks:
        factors = [min(row.factor or 0.0, TOP) for row in of]
        lines.append(Series(name, [row.step for row in of], factors, role, "points"))
    return Chart(
        "factors",
        "Contraction factor against the step size α",
        Axis("step size α", log=True, low=0.015, high=2.2),
        Axis("‖xₖ₊₁ − x*‖ / ‖xₖ − x*‖", low=0.0, high=TOP),
        tuple(lines),
        note="" if margin is None else f"{_status(margin)} m = {number(margin.monotonicity)}",
        formula="κ_{1}² = 1 − 2αm + α²(2 − m)², κ_{2} = |1 − α| + α(1 − m)",
        sentence=_limits(margin),
    )


def _status(margin: Margin) -> str:
    return "certified" if margin.is_certified else "not certified:"


def _bounds(margin: Margin) -> Iterator[Series]:
    """Both curves, and where each of them meets 1."""
    steps = np.geomspace(0.015, 2.2, 160)
    first = [margin.first_rate(a) for a in steps]
    yield Series("κ₁: m and Lip(F) ≤ 2 − m", steps, _cut(first), "measured", "dotted")
    if margin.contraction is not None:
        second = [margin.second_rate(a) or 0.0 for a in steps]
        yield Series("κ₂: Lip(H) ≤ 1 − m", steps, _cut(second), "predicted", "dashed")
    ends = [margin.first_limit, *([] if margin.second_limit is None else [margin.second_limit])]
    x = [v for end in ends for v in (end, end, math.nan)]
    y = [v for _ in ends for v in (0.0, TOP, math.nan)]
    yield Series("step-size limits", x, y, "truth", "dotted")


def _cut(values: Sequence[float]) -> list[float]:
    return [v if v <= TOP else math.nan for v in values]


def _limits(margin: Margin | None) -> str:
    if margin is None:
        return "No constant of this network is known, so no step size is certified."
    first = f"With m and Lip(F) alone α < 2m/(2 − m)² = {number(margin.first_limit)} is required"
    if margin.second_limit is None:
        return f"{first}."
    return f"{first}; Lip(H) ≤ 1 − m allows α < 2/(2 − m) = {number(margin.second_limit)}."


def _about(turning: Example | None, rows: Sequence[StepRow]) -> Chart:
    """F = mId + K a little below and a little above the first limit."""
    lines: list[Series] = []
    limit = math.nan if turning is None or turning.margin is None else turning.margin.first_limit
    for step, name, role in zip(
        () if turning is None else turning.steps, ("below", "above"), ("iterate", "error"), strict=False
    ):
        of = [row for row in rows if row.step == step]
        y = gaps(row.distance for row in of)
        title = f"{name} the limit, α = {number(step)}"
        lines.append(Series(title, [row.k for row in of], y, role, "line" if role == "iterate" else "dashed"))
    ends = _ends(rows, "turning")
    parts = "; ".join(_per_step(row.step, row.factor or 0.0) for row in ends)
    return Chart(
        "exact",
        "The first step-size limit is sharp",
        Axis("iteration k"),
        Axis("‖xₖ − x*‖ / ‖x*‖", log=True),
        tuple(lines),
        note="" if math.isnan(limit) else f"2m/(2 − m)² = {number(limit)}",
        formula="F = m Id + K, K skew, Lip(F) = 2 − m",
        sentence=f"The distance at {parts}."
        if parts
        else "For F = m Id + K only m and Lip(F) matter, and A has a large null space.",
    )


def _per_step(step: float, factor: float) -> str:
    """ "α = 0.05 shrinks by 0.05 % per step"."""
    word = "grows" if factor > 1 else "shrinks"
    return f"α = {number(step)} {word} by {number(100 * abs(factor - 1))} % per step"


def _runs(net: Example | None, rows: Sequence[StepRow]) -> Chart:
    lines = []
    steps = () if net is None else net.steps
    for colour, step in zip(COLOURS, steps, strict=False):
        of = [row for row in rows if row.step == step]
        y = gaps(row.distance for row in of)
        lines.append(Series(f"α = {step:g}", [row.k for row in of], y, colour, "line"))
    arrived = [row for row in rows if row.state == "arrived"]
    quick = min(arrived, key=lambda row: row.k, default=None)
    return Chart(
        "runs",
        "Distance to the solution by step size α",
        Axis("iteration k"),
        Axis("‖xₖ − x*‖ / ‖x*‖", log=True),
        tuple(lines),
        note="" if net is None else net.title,
        formula="(I + αλA*A)x_{k+1} = (1 − α)x_{k} + αH(x_{k}) + αλA*y",
        sentence="The solution does not depend on α."
        if quick is None
        else f"The solution does not depend on α; α = {quick.step:g} is fastest, {quick.k} iterations.",
    )


def _misleading(rows: Sequence[StepRow]) -> Chart:
    """The smallest α: the length of the step, the certificate and the truth."""
    slow = min((row.step for row in rows), default=math.nan)
    of = [row for row in rows if row.step == slow]
    ks = [row.k for row in of]
    stopped = next((row for row in of if row.moved is not None and row.moved < USUAL), None)
    lines = [
        Series("a-posteriori bound ‖R‖/m", ks, _numbers(of, "certified"), "predicted", "dashed"),
        Series("true distance", ks, _numbers(of, "distance"), "iterate", "line"),
        Series("step length", ks, _numbers(of, "moved"), "error", "line"),
        Series("10⁻⁴", [0, max(ks, default=1)], [USUAL, USUAL], "truth", "dotted"),
    ]
    return Chart(
        "stopping",
        "Stopping criterion at a small α",
        Axis("iteration k"),
        Axis("relative to ‖x*‖", log=True),
        tuple(lines),
        note="" if math.isnan(slow) else f"α = {slow:g}",
        formula="‖x − x*‖ ≤ ‖λA*(Ax − y) + F(x)‖/m",
        sentence=_misled(stopped),
    )


def _misled(row: StepRow | None) -> str:
    if row is None or row.distance is None or row.moved is None:
        return (
            "The step length does not bound the distance to the solution: at a small α every step is short."
        )
    certified = (
        "" if row.certified is None else f", which the a-posteriori bound limits to {number(row.certified)}"
    )
    return (
        f"Steps are below 10⁻⁴ from k = {row.k} on, where the error is {number(row.distance)}: "
        f"{number(row.distance / row.moved)} times the step length{certified}."
    )


def _numbers(rows: Sequence[StepRow], name: str) -> list[float]:
    return gaps(getattr(row, name) for row in rows)


def counterexample_charts(snapshot: StudySnapshot) -> Iterator[Chart]:
    """Residuals on the line through the pictures, and close to 0 at them."""
    experiment: Counterexample | None = snapshot.experiment("breaker")
    rows: tuple[CounterexampleRow, ...] = snapshot.of("breaker")
    lines: list[Series] = []
    contenders = () if experiment is None else experiment.contenders
    for colour, contender in zip(COLOURS, contenders, strict=False):
        of = [row for row in rows if row.contender == contender.key]
        y = [row.residual for row in of]
        lines.append(Series(contender.title, [row.t for row in of], y, colour, "both"))
    yield Chart(
        "breaker",
        "Residual on the line through two images",
        Axis("t in x + t(z − x)", low=-0.5, high=1.5),
        Axis("‖r(x)‖ / ‖x‖", log=True, high=10.0),
        tuple(lines),
        note="0: first image, 1: second",
        formula="λA² = gg^{T}/⟨g,h⟩ + I − hh^{T}/‖h‖², h = x − z, g = F(z) − F(x)",
        sentence=_solving(experiment, rows),
    )


def _solving(experiment: Counterexample | None, rows: Sequence[CounterexampleRow]) -> str:
    if experiment is None or not rows:
        return "Where F is not monotone between two images, some A and b make solutions of both."
    ends = {row.contender: row for row in rows if row.t == 1}
    parts: list[str] = []
    for contender in experiment.contenders:
        row = ends.get(contender.key)
        if row is None:
            continue
        if row.is_joined == "yes":
            distance = f", {number(100 * row.apart)} % of ‖x‖ apart" if contender.is_searched else ""
            parts.append(f"{contender.title}: both images are solutions{distance}")
        elif contender.is_searched:
            parts.append(f"{contender.title}: no pair was found")
        elif row.margin <= 0:
            parts.append(f"{contender.title}: monotone between these two images, raise L")
        else:
            parts.append(f"{contender.title}: only the first image is a solution")
    return f"{'. '.join(parts)}."


_ROLES: Mapping[str, Role] = {
    "secant": "start-1",
    "derivative": "start-3",
    "grid": "start-2",
    "everywhere": "start-4",
    "product": "start-6",
}
SIDES: Mapping[str, str] = {
    "secant": "below",
    "derivative": "below",
    "grid": "above",
    "everywhere": "above",
    "product": "above Lip(N)",
}
"""On which side of Lip(H) each number is."""


def lipschitz_charts(snapshot: StudySnapshot) -> Iterator[Chart]:
    """Lip(H) of every network from both sides, and what it is made of."""
    experiment: LipschitzEstimates | None = snapshot.experiment("panel")
    rows: tuple[LipschitzRow, ...] = snapshot.of("panel")
    networks = () if experiment is None else experiment.networks
    places = {named.key: n + 1 for n, named in enumerate(networks)}
    lines = [Series("1", [0.4, max(len(networks), 1) + 0.6], [1.0, 1.0], "truth", "dotted")]
    for quantity in ORDER:
        of = [row for row in rows if row.quantity == quantity]
        largest = {key: max((r.value for r in of if r.network == key), default=math.nan) for key in places}
        values = {key: value for key, value in largest.items() if not math.isnan(value)}
        name = f"{TITLES[quantity]} ({SIDES[quantity]})"
        x = [places[key] for key in values]
        lines.append(Series(name, x, list(values.values()), _ROLES[quantity], "points"))
    margins = {named.key: named.margin for named in networks if named.margin is not None}
    limits = ([places[key] for key in margins], [1 - m for m in margins.values()])
    lines.append(Series("1 − m", *limits, "predicted", "points"))
    yield Chart(
        "panel",
        "Lipschitz constant of H: lower and upper bounds",
        Axis("1 to 3 strict, 4 approximate, 5 unconstrained", low=0.4, high=max(len(networks), 1) + 0.6),
        Axis("Lip(H)", log=True),
        tuple(lines),
        note="secant ≤ derivative ≤ bound",
        formula="Lip(H) ≤ (1 − m)(1 − t + t ∏‖W_{i}‖)",
        sentence=_badges(experiment, rows),
    )
    yield _layers(experiment, rows)


def _badges(experiment: LipschitzEstimates | None, rows: Sequence[LipschitzRow]) -> str:
    if experiment is None or not rows:
        return "Lower bounds prove nothing; an upper bound below 1 certifies all guarantees."
    words = {"certified": "certified", "estimated": "estimated only", "none": "no claim"}
    badges = {row.network: row.badge for row in rows}
    parts = [
        f"{named.title}: {words[badges[named.key]]}" for named in experiment.networks if named.key in badges
    ]
    return f"{'; '.join(parts)}."


def _layers(experiment: LipschitzEstimates | None, rows: Sequence[LipschitzRow]) -> Chart:
    lines = [Series("1", [0.6, 5.4], [1.0, 1.0], "truth", "dotted")]
    networks = () if experiment is None else experiment.networks
    for colour, named in zip(COLOURS, networks, strict=False):
        of = [row for row in rows if row.network == named.key and row.quantity == "layer"]
        x = [int(row.where.removeprefix("layer ")) for row in of]
        lines.append(Series(named.title, x, [row.value for row in of], colour))
    return Chart(
        "layers",
        "Operator norms of the layers",
        Axis("layer", low=0.6, high=5.4),
        Axis("‖Wᵢ‖, upper bound", log=True),
        tuple(lines),
        note="valid for every grid",
        formula="‖W‖ = max_{ω} ‖Ŵ(ω)‖ of a periodic convolution",
        sentence="The strict networks keep every layer norm at most 1; the others are not constrained.",
    )


def depth_charts(snapshot: StudySnapshot) -> Iterator[Chart]:
    """PSNR and step length against the iteration."""
    experiment: BeyondDepth | None = snapshot.experiment("depth")
    rows: tuple[DepthRow, ...] = snapshot.of("depth")
    runners = () if experiment is None else experiment.runners
    depth = 5 * TRAINED if experiment is None else experiment.depth
    quality: list[Series] = []
    steps: list[Series] = []
    for colour, runner in zip(COLOURS, runners, strict=False):
        of = [row for row in rows if row.method == runner.key]
        ks = [row.k for row in of]
        quality.append(Series(runner.title, ks, gaps(row.psnr for row in of), colour, "line"))
        steps.append(Series(runner.title, ks, [row.gap or math.nan for row in of], colour, "line"))
        line = gaps(row.line for row in of)
        if any(not math.isnan(v) for v in line) and runner.key == "strict":
            steps.append(Series("certified bound κᵏ", ks, line, "predicted", "dashed"))
    qualities = [row.psnr for row in rows if row.psnr is not None and row.k > 0]
    low, high = (min(qualities), max(qualities)) if qualities else (20.0, 40.0)
    room = 0.08 * (high - low) + 0.05
    mark = Series("training depth", [TRAINED, TRAINED], [low - room, high + room], "truth", "dotted")
    yield Chart(
        "depth",
        "PSNR beyond the training depth",
        Axis("iteration k", low=0, high=depth),
        Axis("PSNR (dB)", low=max(low - room, 0.0), high=high + room),
        (*quality, mark),
        note=f"trained for {TRAINED}",
        formula="same measurements and same data-consistency solver as in training",
        sentence=_changes(experiment, rows),
    )
    yield Chart(
        "settling",
        "Step length ‖xₖ₊₁ − xₖ‖",
        Axis("iteration k", low=0, high=depth),
        Axis("‖xₖ₊₁ − xₖ‖", log=True),
        tuple(steps),
        note="",
        formula="‖x_{k+1} − x_{k}‖ ≤ κ^{k}‖x_{1} − x_{0}‖ where Lip(H) ≤ 1 − m",
        sentence="Lines end where the step length is 0 up to the accuracy of the inner solver.",
    )


def _changes(experiment: BeyondDepth | None, rows: Sequence[DepthRow]) -> str:
    """PSNR at the trained depth and what became of it."""
    parts: list[str] = []
    for runner in () if experiment is None else experiment.runners:
        by_k = {row.k: row.psnr for row in rows if row.method == runner.key}
        end = 5 * TRAINED if experiment is None else experiment.depth
        before, after = by_k.get(TRAINED), by_k.get(end)
        if before is not None and after is not None:
            parts.append(f"{runner.title} {before:.2f} → {after:.2f}")
    if not parts:
        return "Unrolled networks are trained for one iterate only; a fixed point does not move."
    return f"In dB, from iteration {TRAINED} to {5 * TRAINED}: {', '.join(parts)}."
