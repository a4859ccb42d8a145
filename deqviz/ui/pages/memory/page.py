"""The Memory page: its sidebar, and how it becomes a `StudyPage`."""

from typing import Any

import streamlit as st

from deqviz.ui.components.text import heading
from deqviz.ui.inputs.widgets import SettingWidgets
from deqviz.ui.pages.memory.board import board
from deqviz.ui.pages.memory.plan import plan
from deqviz.ui.pages.memory.setting import PRESETS, Setting, from_query, written
from deqviz.ui.shell.study_page import StudyPage

_own = SettingWidgets("m", Setting)
_GROUPS = (
    ("Scan", ("dimension", "size", "coils", "acceleration")),
    ("Network", ("width", "layers", "iterations")),
    ("Experiments", ("is_gradient", "is_fresh", "is_run")),
)


def describe(setting: Setting) -> str:
    """What is asked, in a line."""
    return (
        f"{setting.dimension}, {written(setting.scan.shape)} · {setting.coils} coils · "
        f"{setting.layers} layers of {setting.width} channels"
    )


def fill(setting: Setting) -> None:
    """Write a setting into the widgets; before any of them is drawn in this run of the script."""
    _own.fill(setting)


def form() -> Setting:
    """Draw the sidebar's widgets and return what they say, not yet validated as a whole."""
    values: dict[str, Any] = {}
    for title, names in _GROUPS:
        heading(title)
        for name in names:
            values[name] = _own(name)
    with st.expander("Advanced"):
        for name in ("margin", "seed"):
            values[name] = _own(name)
    return Setting(**values)


PAGE = StudyPage(
    page="memory",
    prefix="m",
    question="what does training hold, and for how long?",
    presets=PRESETS,
    read=from_query,
    fill=fill,
    form=form,
    describe=describe,
    plan=plan,
    draw=board,
)

render = PAGE.render
