"""The Training page: its sidebar, and how it becomes a `StudyPage`."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from deqviz.ui.components.text import heading
from deqviz.ui.inputs.widgets import SettingWidgets, several
from deqviz.ui.pages.training.board import board
from deqviz.ui.pages.training.plan import plan
from deqviz.ui.pages.training.setting import ARCHITECTURES, OBJECTIVES, PRESETS, Setting, from_query
from deqviz.ui.shell.study_page import StudyPage

_own = SettingWidgets("t", Setting)
_TITLES: Mapping[str, Mapping[str, str]] = {
    "objectives": OBJECTIVES,
    "architectures": {key: architecture.name for key, architecture in ARCHITECTURES.items()},
}


def describe(setting: Setting) -> str:
    """What is asked, in a line."""
    questions = {
        f"{len(setting.objectives)} training losses": setting.is_lab,
        "beyond the training depth": setting.is_depth,
        "truncated backward pass": setting.is_adjoint,
        f"contraction map of {setting.drawn}": setting.is_map,
    }
    return " · ".join(name for name, is_on in questions.items() if is_on)


def fill(setting: Setting) -> None:
    """Write a setting into the widgets; before any of them is drawn in this run of the script."""
    _own.fill(setting)
    for name in _TITLES:
        st.session_state[f"t.{name}"] = list(getattr(setting, name))


def form() -> Setting:
    """Draw the sidebar's widgets and return what they say, not yet validated as a whole."""
    values: dict[str, Any] = {}
    heading("Training losses")
    values["is_lab"] = _own("is_lab")
    values["objectives"] = _several("objectives", "Losses that train N")
    for name in ("limit", "beta", "dimension", "steps"):
        values[name] = _own(name)
    heading("Deep equilibria")
    values["architectures"] = _several("architectures", "Architectures (the first is also unrolled)")
    for name in ("is_depth", "depth", "net_steps", "is_adjoint"):
        values[name] = _own(name)
    heading("Contraction")
    for name in ("is_map", "shown", "low"):
        values[name] = _own(name)
    with st.expander("Advanced"):
        values["seed"] = _own("seed")
    return Setting(**values)


def _several(name: str, label: str) -> tuple[str, ...]:
    return several(_TITLES[name], f"t.{name}", label, getattr(Setting, name))


PAGE = StudyPage(
    page="training",
    prefix="t",
    question="what should R be trained by?",
    presets=PRESETS,
    read=from_query,
    fill=fill,
    form=form,
    describe=describe,
    plan=plan,
    draw=board,
)

render = PAGE.render
