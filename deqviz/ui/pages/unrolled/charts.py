"""The charts of the Unrolled page on what layers do, from the rows of its study; pure, no Streamlit."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from skimage.measure import find_contours

from deqviz.experiments.unrolled.layer_descent import LayerRow
from deqviz.experiments.unrolled.planar_unrolling import PlanarUnrolling, PointRow
from deqviz.learning.descent import envelope, stationarity, steepest
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import COLOURS, Axis, Chart, Role, Series
from deqviz.ui.components.run.protocol import number
from deqviz.ui.pages.unrolled.setting import LAYERS, SHORT, Setting

FAR = 40
"""Layers for which the theorem is drawn: it speaks of a limit that no trained network reaches."""
RISING = 1.0
"""d_ℓ/d_{ℓ−1} from which a layer increases the distance."""
# Two families of LISTA share the last colour; ALISTA is dashed.
_ROLES: Mapping[str, Role] = dict(zip(SHORT.values(), (*COLOURS, COLOURS[-1]), strict=True))


def role_of(title: str) -> Role:
    """The colour of a network, neutral for the classical iterations."""
    return _ROLES.get(title, "truth")


def titles_of(rows: Sequence[Any]) -> tuple[str, ...]:
    """Who has rows, in their order."""
    return tuple(dict.fromkeys(row.rival for row in rows))


def lines(
    rows: Sequence[Any], x: Callable[[Any], float], y: Callable[[Any], float | None]
) -> Iterator[Series]:
    """One line for each rival; the classical iterations are drawn without points."""
    for title in titles_of(rows):
        own = [row for row in rows if row.rival == title]
        values = [math.nan if (value := y(row)) is None else value for row in own]
        role = role_of(title)
        style = "both" if role != "truth" else "dotted"
        if title in ("FISTA", SHORT["analytic"]):
            style = "dashed"
        yield Series(title, [x(row) for row in own], values, role, style)


def layer_charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """All cards of the first view."""
    rows: tuple[LayerRow, ...] = snapshot.of("layers")
    yield distances(rows, setting.rate)
    yield ratios(rows, setting.rate)
    yield _objectives(rows)
    yield _gradients(rows)
    yield _falls(rows)
    yield _theorem(setting, rows)
    yield _plane(snapshot.experiment("plane"), snapshot.of("plane"))


def distances(rows: Sequence[LayerRow], rate: float, note: str = "2,000 test signals") -> Chart:
    """E‖y_l − y*‖ and the envelope."""
    drawn = list(lines(rows, _layer, lambda row: row.distance))
    first = next((row.start for row in rows), None)
    if first is not None:
        line = envelope(first, rate, 0.0, LAYERS).tolist()
        drawn.append(Series("(1 − ε)^{ℓ} d_{0}", list(range(LAYERS + 1)), line, "predicted", "dashed"))
    return Chart(
        "distance",
        "Distance to the LASSO solution",
        Axis("layer ℓ", low=0, high=LAYERS),
        Axis("d_{ℓ} = E‖y_{ℓ} − y*‖", log=True),
        tuple(drawn),
        note=note,
        formula="c_{ℓ} ≤ 0 for all l ⟹ d_{ℓ} ≤ (1 − ε)^{ℓ} d_{0}",
        sentence=_stopped(rows),
    )


def _stopped(rows: Sequence[LayerRow]) -> str:
    """What is there after half of the layers, and at the end."""
    half = LAYERS // 2
    told = []
    for title in titles_of(rows):
        at = {row.layer: row.distance for row in rows if row.rival == title}
        if role_of(title) != "truth" and half in at and LAYERS in at:
            told.append(f"{title} {number(at[half])} → {number(at[LAYERS])}")
    if not told:
        return "y* is the LASSO solution of each signal; every run starts at the same random y₀."
    return f"After layer {half} → after the last layer: {', '.join(told)}."


def ratios(rows: Sequence[LayerRow], rate: float) -> Chart:
    """What each layer leaves of the distance."""
    drawn = list(lines([row for row in rows if row.layer], _layer, lambda row: row.ratio))
    drawn.append(Series("1 − ε", [1, LAYERS], [1 - rate] * 2, "predicted", "dashed"))
    told = ", ".join(
        _risen(title, [row for row in rows if row.rival == title])
        for title in titles_of(rows)
        if role_of(title) != "truth"
    )
    return Chart(
        "ratio",
        "Contraction factor per layer",
        Axis("layer ℓ", low=1, high=LAYERS),
        Axis("d_{ℓ}/d_{ℓ−1}", low=0),
        tuple(drawn),
        note="> 1: increase",
        formula="constraint: d_{ℓ} ≤ (1 − ε) d_{ℓ−1}",
        sentence=f"Layers with ratio > 1, of {LAYERS}: {told}." if told else "",
    )


def _risen(title: str, own: Sequence[LayerRow]) -> str:
    """At how many layers the distance rises, and the worst slack: "U 5 (ζ = 1.22)"."""
    count = sum((row.ratio or 0.0) > RISING for row in own)
    excess = own[-1].excess
    return f"{title} {count}" + ("" if excess is None else f" (ζ = {number(excess)})")


def _objectives(rows: Sequence[LayerRow]) -> Chart:
    drawn = list(lines(rows, _layer, lambda row: row.objective - row.optimum))
    for title in ("ISTA", "FISTA"):
        own = [row for row in rows if row.rival == title and row.sublinear is not None]
        name = f"bound of {title}"
        if own:
            y = [row.sublinear or math.nan for row in own]
            drawn.append(Series(name, [row.layer for row in own], y, "predicted", "dotted"))
    return Chart(
        "objective",
        "Objective above its minimum",
        Axis("layer ℓ", low=0, high=LAYERS),
        Axis("E f(y_{ℓ}) − E f(y*)", log=True),
        tuple(drawn),
        note="bounds: ISTA and FISTA",
        formula="f(y) = ½‖x − Dy‖² + α‖y‖₁",
        sentence="The dotted bounds are proved for ISTA and FISTA, not for trained networks.",
    )


def _gradients(rows: Sequence[LayerRow]) -> Chart:
    """The gradient of the smooth part, which is not 0 at y*: no constraint can ask for less."""
    networks = [row for row in rows if role_of(row.rival) != "truth"]
    drawn = list(lines(networks, _layer, lambda row: row.gradient))
    start = next((row for row in networks if row.layer == 0), None)
    sentence = "A decreasing gradient norm does not imply y → y*: its value at y* is not 0."
    if start is not None:
        floor = start.gradient_floor
        drawn.append(Series("at y*", [0, LAYERS], [floor] * 2, "truth", "dotted"))
        most = steepest(start.gradient, floor, LAYERS)
        sentence = (
            f"{LAYERS} layers that end there can have at most ε = {number(most)} each: more is infeasible."
        )
    return Chart(
        "gradient",
        "Gradient norm of the smooth part",
        Axis("layer ℓ", low=0, high=LAYERS),
        Axis("E‖D*(Dy_{ℓ} − x)‖", log=True),
        tuple(drawn),
        formula="ε_{max} = 1 − (m*/m_{0})^{1/K}",
        sentence=sentence,
    )


def _falls(rows: Sequence[LayerRow]) -> Chart:
    drawn = lines([row for row in rows if row.layer], _layer, lambda row: 100 * (row.falls or 0.0))
    return Chart(
        "falls",
        "Share of signals with decrease",
        Axis("layer ℓ", low=1, high=LAYERS),
        Axis("%", low=0, high=105),
        tuple(drawn),
        formula="share with ‖y_{ℓ} − y*‖ < ‖y_{ℓ−1} − y*‖",
        sentence="The constraint concerns the mean: the distance may increase for single signals.",
    )


def _theorem(setting: Setting, rows: Sequence[LayerRow]) -> Chart:
    """The bound of the theorem, and how far below it the measured mean is."""
    mine = [row for row in rows if row.rival == "C"] or [row for row in rows if role_of(row.rival) != "truth"]
    excess = max((max(row.excess or 0.0, 0.0) for row in mine), default=0.0)
    first = next((row.start for row in mine), setting.bound)
    line = stationarity(first, setting.rate, excess, setting.risk, setting.bound, FAR)
    radius = (excess + setting.risk * setting.bound / (1 - setting.risk)) / setting.rate
    drawn = [
        Series("bound", list(range(FAR + 1)), line.tolist(), "predicted", "dashed"),
        Series("radius", [0, FAR], [radius] * 2, "predicted", "dotted"),
    ]
    if mine:
        title = mine[0].rival
        own = [row for row in mine if row.rival == title]
        drawn.append(
            Series(
                f"{title}, measured",
                [_layer(row) for row in own],
                [row.distance for row in own],
                role_of(title),
            )
        )
    return Chart(
        "theorem",
        "Bound of the theorem with δ and M",
        Axis("layers", low=0, high=FAR),
        Axis("E‖y_{ℓ} − y*‖", log=True),
        tuple(drawn),
        note=f"δ = {setting.risk:g}, M = {setting.bound:g}, ζ = {number(excess)}",
        formula="ρ^{ℓ}d_{0} + ((1 − δ)ζ + δM)(1 − ρ^{ℓ})/(1 − ρ), ρ = (1 − δ)(1 − ε)",
        sentence=f"An upper bound; its limit is (ζ + δM/(1 − δ))/ε = {number(radius)}.",
    )


def _layer(row: LayerRow) -> float:
    return row.layer


def _plane(experiment: PlanarUnrolling | None, rows: Sequence[PointRow]) -> Chart:
    """The ways of one signal through the contours of its objective."""
    drawn: list[Series] = []
    mine = [row for row in rows if row.signal == 0]
    names = {"U, in the plane": ("U", "start-1"), "C, in the plane": ("C", "start-4")}
    if experiment is not None and mine:
        drawn.append(_contours(experiment, mine))
        y = experiment.given.solution[0]
        drawn.append(Series("y*", [float(y[0])], [float(y[1])], "measured", "points"))
    for title in titles_of(mine):
        own = [row for row in mine if row.rival == title]
        name, role = names.get(title, (title, "truth"))
        x, y = [row.first for row in own], [row.second for row in own]
        drawn.append(Series(name, x, y, "truth" if role == "truth" else role_of(name)))
    ends = [f"{names.get(t, (t, ''))[0]} {number(_last(mine, t))}" for t in titles_of(mine)]
    layers = 0 if experiment is None else experiment.layers
    return Chart(
        "plane",
        "Two atoms: iterates in the plane",
        Axis("y_{1}"),
        Axis("y_{2}"),
        tuple(drawn),
        note="trained live",
        formula="dotted: level sets of f(y) = ½‖x − Dy‖² + α‖y‖₁",
        sentence=f"Distance to y* after {layers} layers: {', '.join(ends)}." if ends else "",
    )


def _last(rows: Sequence[PointRow], title: str) -> float:
    return max((row for row in rows if row.rival == title), key=lambda row: row.layer).distance


def _contours(experiment: PlanarUnrolling, rows: Sequence[PointRow]) -> Series:
    """Level sets through some of the points, closed curves with gaps between them."""
    x, y = [row.first for row in rows], [row.second for row in rows]
    margin = 0.15 * max(max(x) - min(x), max(y) - min(y), 1.0)
    across = np.linspace(min(x) - margin, max(x) + margin, 80)
    up = np.linspace(min(y) - margin, max(y) + margin, 80)
    points = torch.tensor(np.stack(np.meshgrid(across, up), -1).reshape(-1, 2), dtype=torch.float32)
    signal = experiment.given.x[:1].expand(len(points), -1)
    f = experiment.problem.objective(points, signal).reshape(80, 80).numpy()
    low = float(f.min())
    px: list[float] = []
    py: list[float] = []
    for share in (0.01, 0.04, 0.1, 0.2, 0.35, 0.55, 0.8):
        for curve in find_contours(f, low + share * (float(f.max()) - low)):
            px += [*np.interp(curve[::2, 1], range(80), across).tolist(), math.nan]
            py += [*np.interp(curve[::2, 0], range(80), up).tolist(), math.nan]
    return Series("", px, py, "truth", "dotted")
