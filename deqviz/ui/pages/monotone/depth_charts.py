"""The charts on Lipschitz constants and on the training depth, from a study's rows; pure, no Streamlit."""

import math
from collections.abc import Iterator, Mapping, Sequence

from deqviz.experiments.monotone.beyond_depth import TRAINED, BeyondDepth, DepthRow
from deqviz.experiments.monotone.lipschitz_estimates import ORDER, TITLES, LipschitzEstimates, LipschitzRow
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import Axis, Chart, Role, Series
from deqviz.ui.pages.monotone.charts import COLOURS

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


def panel_charts(snapshot: StudySnapshot) -> Iterator[Chart]:
    """Lip(H) of every network from both sides, and what it is made of."""
    experiment: LipschitzEstimates | None = snapshot.experiment("panel")
    rows: tuple[LipschitzRow, ...] = snapshot.of("panel")
    networks = () if experiment is None else experiment.networks
    places = {named.key: n + 1 for n, named in enumerate(networks)}
    lines = [Series("1", [0.4, max(len(networks), 1) + 0.6], [1.0, 1.0], "truth", "dotted")]
    for quantity in ORDER:
        of = [row for row in rows if row.quantity == quantity]
        largest = {key: max((r.value for r in of if r.network == key), default=math.nan) for key in places}
        found = {key: value for key, value in largest.items() if not math.isnan(value)}
        name = f"{TITLES[quantity]} ({SIDES[quantity]})"
        x = [places[key] for key in found]
        lines.append(Series(name, x, list(found.values()), _ROLES[quantity], "points"))
    asked = {named.key: named.margin for named in networks if named.margin is not None}
    limits = ([places[key] for key in asked], [1 - m for m in asked.values()])
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
    known = {row.network: row.badge for row in rows}
    parts = [
        f"{named.title}: {words[known[named.key]]}" for named in experiment.networks if named.key in known
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
        quality.append(Series(runner.title, ks, [_or_nan(row.psnr) for row in of], colour, "line"))
        steps.append(Series(runner.title, ks, [row.gap or math.nan for row in of], colour, "line"))
        line = [_or_nan(row.line) for row in of]
        if any(not math.isnan(v) for v in line) and runner.key == "strict":
            steps.append(Series("certified bound κᵏ", ks, line, "predicted", "dashed"))
    seen = [row.psnr for row in rows if row.psnr is not None and row.k > 0]
    low, high = (min(seen), max(seen)) if seen else (20.0, 40.0)
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
        found = {row.k: row.psnr for row in rows if row.method == runner.key}
        end = 5 * TRAINED if experiment is None else experiment.depth
        then, now = found.get(TRAINED), found.get(end)
        if then is not None and now is not None:
            parts.append(f"{runner.title} {then:.2f} → {now:.2f}")
    if not parts:
        return "Unrolled networks are trained for one iterate only; a fixed point does not move."
    return f"In dB, from iteration {TRAINED} to {5 * TRAINED}: {', '.join(parts)}."


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
