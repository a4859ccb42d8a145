"""The charts of the Unrolled page on a training that one looks on at; pure, no Streamlit."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from deqviz.experiments.unrolled.layer_descent import LayerRow
from deqviz.experiments.unrolled.training_run import Taught
from deqviz.runtime.study import Shot
from deqviz.ui.components.board.records import COLOURS, Axis, Chart, Role, Series
from deqviz.ui.components.run.protocol import number
from deqviz.ui.pages.unrolled.charts import titles_of
from deqviz.ui.pages.unrolled.setting import LAYERS, Setting

SHOWN = (1, 2, 4, 6, 8, 10)
"""Layers whose slack and dual are drawn: there are as many colours."""
ROLES: dict[str, Role] = {"constrained": "start-4", "plain": "start-1"}


def training_charts(setting: Setting, shot: Shot) -> Iterator[Chart]:
    """Loss, slacks and duals as they move, and what the layers have learned."""
    lessons = [lesson for lesson in shot.lessons if isinstance(lesson, Taught)]
    constrained = [lesson for lesson in lessons if lesson.training == "constrained"]
    yield _losses(lessons)
    yield _slacks(constrained, setting)
    yield _duals(constrained)
    yield _products(constrained)
    rows: tuple[LayerRow, ...] = shot.of("teaching")
    yield _learned("distance", "Distance to the code", "E‖y_{l} − y*‖", rows)
    yield _learned("gradient", "Gradient of the smooth part", "E‖D*(Dy_{l} − x)‖", rows)


def _losses(lessons: Sequence[Taught]) -> Chart:
    drawn: list[Series] = []
    for name, role in ROLES.items():
        own = [lesson for lesson in lessons if lesson.training == name]
        drawn.append(Series(name, [t.step for t in own], [t.loss for t in own], role, "line"))
    return Chart(
        "loss",
        "Training loss",
        Axis("training step"),
        Axis("½E‖y_{L} − y*‖²", log=True),
        tuple(line for line in drawn if len(line.x)),
        note="of the step's 256 signals",
        formula="min_{W} max_{λ ≥ 0} ½E‖y_{L} − y*‖² + Σ_{l} λ_{l}c_{l}(W)",
        sentence="A plateau, a fall: layers that begin to work together show in the loss of the last.",
    )


def _of_layers(lessons: Sequence[Taught], name: str) -> Iterator[Series]:
    for role, layer in zip(COLOURS, SHOWN, strict=True):
        values = [getattr(t, name) for t in lessons]
        y = [v[layer - 1] if layer <= len(v) else math.nan for v in values]
        yield Series(f"l = {layer}", [t.step for t in lessons], y, role, "line")


def _slacks(lessons: Sequence[Taught], setting: Setting) -> Chart:
    last = lessons[-1].slacks if lessons else ()
    kept = sum(c <= 0 for c in last)
    drawn = list(_of_layers(lessons, "slacks"))
    if lessons:
        drawn.append(Series("", [lessons[0].step, lessons[-1].step], [0.0, 0.0], "truth", "dotted"))
    return Chart(
        "slacks",
        "Slack of the constraints",
        Axis("training step"),
        Axis("c_{l}"),
        tuple(drawn),
        note=f"{setting.merit}, {setting.form}",
        formula=_FORMULAS[setting.form],
        sentence=f"{kept} of {len(last)} are kept on this step's signals; the largest is {number(max(last))}."
        if last
        else "A layer keeps its constraint where its slack is not positive.",
    )


_FORMULAS = {
    "difference of means": "c_{l} = E m_{l} − (1 − ε) E m_{l−1}",
    "mean of ratios": "c_{l} = E[m_{l}/m_{l−1}] − (1 − ε)",
    "ratio of means": "c_{l} = E m_{l}/E m_{l−1} − (1 − ε)",
}


def _duals(lessons: Sequence[Taught]) -> Chart:
    last = lessons[-1].duals if lessons else ()
    return Chart(
        "duals",
        "Dual variables",
        Axis("training step"),
        Axis("λ_{l}", low=0),
        tuple(_of_layers(lessons, "duals")),
        note="they rise exactly while c_{l} > 0",
        formula="λ_{l} ← max(λ_{l} + ηc_{l}, 0)",
        sentence=f"The largest is {number(max(last))} now."
        if last
        else "The price of each constraint: 0 where it would be kept anyway.",
    )


def _products(lessons: Sequence[Taught]) -> Chart:
    """Complementary slackness: at a saddle point λ_l c_l = 0."""
    y = [max(abs(d * c) for d, c in zip(t.duals, t.slacks, strict=True)) for t in lessons if t.slacks]
    return Chart(
        "complementary",
        "Complementary slackness",
        Axis("training step"),
        Axis("max_{l} |λ_{l}c_{l}|", log=True),
        (Series("measured", [t.step for t in lessons if t.slacks], y, "measured", "line"),),
        formula="0 at a saddle point",
        sentence="It falls as duals of constraints that are kept go back to 0.",
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
        f"{title}, learned",
        Axis("layer l", low=0, high=LAYERS),
        Axis(axis, log=True),
        tuple(drawn),
        note="1,000 unseen signals",
        sentence=f"It rises: {', '.join(told)} of {LAYERS} layers."
        if told
        else "Measured when the training is over.",
    )
