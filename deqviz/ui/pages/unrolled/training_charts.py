"""The charts of the Unrolled page on a training that one looks on at; pure, no Streamlit."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from deqviz.experiments.unrolled.layer_descent import LayerRow
from deqviz.experiments.unrolled.training_run import Taught
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import COLOURS, Axis, Chart, Role, Series
from deqviz.ui.components.run.protocol import number
from deqviz.ui.pages.unrolled.charts import titles_of
from deqviz.ui.pages.unrolled.setting import LAYERS, Setting

SHOWN = (1, 2, 4, 6, 8, 10)
"""Layers whose slack and dual are drawn: there are as many colours."""
ROLES: dict[str, Role] = {"constrained": "start-4", "plain": "start-1"}


def training_charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """Loss, slacks and duals as they move, and what the layers have learned."""
    lessons = [lesson for lesson in snapshot.lessons if isinstance(lesson, Taught)]
    constrained = [lesson for lesson in lessons if lesson.training == "constrained"]
    yield _losses(lessons)
    yield _slacks(constrained, setting)
    yield _duals(constrained)
    yield _products(constrained)
    rows: tuple[LayerRow, ...] = snapshot.of("teaching")
    yield _learned("distance", "Distance to the LASSO solution", "E‖y_{ℓ} − y*‖", rows)
    yield _learned("gradient", "Gradient norm of the smooth part", "E‖D*(Dy_{ℓ} − x)‖", rows)


def _losses(lessons: Sequence[Taught]) -> Chart:
    drawn: list[Series] = []
    for name, role in ROLES.items():
        own = [lesson for lesson in lessons if lesson.training == name]
        drawn.append(Series(name, [t.step for t in own], [t.loss for t in own], role, "line"))
    return Chart(
        "loss",
        "Training loss",
        Axis("training step"),
        Axis("½E‖y_{K} − y*‖²", log=True),
        tuple(line for line in drawn if len(line.x)),
        note="on the batch of 256 signals",
        formula="min_{W} max_{λ ≥ 0} ½E‖y_{K} − y*‖² + Σ_{ℓ} λ_{ℓ}c_{ℓ}(W)",
        sentence="A plateau, then a drop: the layers begin to cooperate.",
    )


def _of_layers(lessons: Sequence[Taught], name: str) -> Iterator[Series]:
    for role, layer in zip(COLOURS, SHOWN, strict=True):
        values = [getattr(t, name) for t in lessons]
        y = [v[layer - 1] if layer <= len(v) else math.nan for v in values]
        yield Series(f"ℓ = {layer}", [t.step for t in lessons], y, role, "line")


def _slacks(lessons: Sequence[Taught], setting: Setting) -> Chart:
    last = lessons[-1].slacks if lessons else ()
    kept = sum(c <= 0 for c in last)
    drawn = list(_of_layers(lessons, "slacks"))
    if lessons:
        drawn.append(Series("", [lessons[0].step, lessons[-1].step], [0.0, 0.0], "truth", "dotted"))
    return Chart(
        "slacks",
        "Constraint slack",
        Axis("training step"),
        Axis("c_{ℓ}"),
        tuple(drawn),
        note=f"{setting.merit}, {setting.form}",
        formula=_FORMULAS[setting.form],
        sentence=f"{kept} of {len(last)} are satisfied on this batch; largest slack {number(max(last))}."
        if last
        else "A constraint is satisfied where its slack is not positive.",
    )


_FORMULAS = {
    "difference of means": "c_{ℓ} = E m_{ℓ} − (1 − ε) E m_{ℓ−1}",
    "mean of ratios": "c_{ℓ} = E[m_{ℓ}/m_{ℓ−1}] − (1 − ε)",
    "ratio of means": "c_{ℓ} = E m_{ℓ}/E m_{ℓ−1} − (1 − ε)",
}


def _duals(lessons: Sequence[Taught]) -> Chart:
    last = lessons[-1].duals if lessons else ()
    return Chart(
        "duals",
        "Dual variables",
        Axis("training step"),
        Axis("λ_{ℓ}", low=0),
        tuple(_of_layers(lessons, "duals")),
        note="increase exactly while c_{ℓ} > 0",
        formula="λ_{ℓ} ← max(λ_{ℓ} + ηc_{ℓ}, 0)",
        sentence=f"Largest dual variable: {number(max(last))}."
        if last
        else "The multiplier of each constraint: 0 where it is inactive.",
    )


def _products(lessons: Sequence[Taught]) -> Chart:
    """Complementary slackness: at a saddle point λ_l c_l = 0."""
    y = [max(abs(d * c) for d, c in zip(t.duals, t.slacks, strict=True)) for t in lessons if t.slacks]
    return Chart(
        "complementary",
        "Complementary slackness",
        Axis("training step"),
        Axis("max_{ℓ} |λ_{ℓ}c_{ℓ}|", log=True),
        (Series("measured", [t.step for t in lessons if t.slacks], y, "measured", "line"),),
        formula="0 at a saddle point",
        sentence="It decreases as the dual variables of inactive constraints go to 0.",
    )


def _learned(name: str, title: str, axis: str, rows: Sequence[LayerRow]) -> Chart:
    drawn: list[Series] = []
    told: list[str] = []
    for who in titles_of(rows):
        own = [row for row in rows if row.rival == who]
        y = [float(getattr(row, name)) for row in own]
        drawn.append(Series(who, [row.layer for row in own], y, ROLES.get(who, "iterate")))
        rises = sum(b > a for a, b in pairwise(y))
        told.append(f"{who} at {rises}")
    return Chart(
        name,
        f"{title} after training",
        Axis("layer ℓ", low=0, high=LAYERS),
        Axis(axis, log=True),
        tuple(drawn),
        note="1,000 test signals",
        sentence=f"Layers with increase: {', '.join(told)} of {LAYERS} layers."
        if told
        else "Computed after training.",
    )
