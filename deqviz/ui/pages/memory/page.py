"""The Memory page: its sidebar, and how it becomes a `StudyPage`."""

from typing import Any

import streamlit as st

from deqviz.core.registry import params_of
from deqviz.runtime.study import Study
from deqviz.ui.components.text import heading
from deqviz.ui.inputs.widgets import prefill, widget
from deqviz.ui.pages.memory.board import board
from deqviz.ui.pages.memory.plan import plan
from deqviz.ui.pages.memory.setting import PRESETS, Setting, from_query, written
from deqviz.ui.shell import session
from deqviz.ui.shell.study_page import StudyPage

_OWN = {p.name: p for p in params_of(Setting)}
_GROUPS = (
    ("Scan", ("dimension", "size", "coils", "acceleration")),
    ("Network", ("width", "layers", "iterations")),
    ("Beside it", ("is_gradient", "is_fresh", "is_run")),
)


def render() -> None:
    """Draw the page; called once per script run."""
    PAGE.render()


def describe(setting: Setting) -> str:
    """What is asked, in a line."""
    return (
        f"{setting.dimension}, {written(setting.scan.shape)} · {setting.coils} coils · "
        f"{setting.layers} layers of {setting.width} channels"
    )


def fill(setting: Setting) -> None:
    """Write a setting into the widgets; before any of them is drawn in this run of the script."""
    prefill("m", tuple(_OWN.values()), {name: getattr(setting, name) for name in _OWN})


def form() -> Setting:
    """Draw the sidebar's widgets and return what they say, not yet validated as a whole."""
    values: dict[str, Any] = {}
    for title, names in _GROUPS:
        heading(title)
        for name in names:
            values[name] = widget(_OWN[name], f"m.{name}")
    with st.expander("Advanced"):
        for name in ("margin", "seed"):
            values[name] = widget(_OWN[name], f"m.{name}")
    return Setting(**values)


def _study(setting: Setting) -> Study:
    device = session.device()
    # One thread for the smaller scans: their iterations are many short pieces of work.
    return Study(lambda: plan(setting, device), 256 if setting.size == "large" else 128)


PAGE = StudyPage(
    page="memory",
    prefix="m",
    title="Memory",
    question="what does training hold, and for how long?",
    presets=PRESETS,
    read=from_query,
    fill=fill,
    form=form,
    describe=describe,
    make=_study,
    draw=board,
)
