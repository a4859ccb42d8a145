"""The Training page: its sidebar, and how it becomes a `StudyPage`."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from deqviz.core.registry import params_of
from deqviz.runtime.study import Study
from deqviz.ui.components.text import heading
from deqviz.ui.inputs.widgets import prefill, several, widget
from deqviz.ui.pages.training.board import board
from deqviz.ui.pages.training.plan import plan
from deqviz.ui.pages.training.setting import ARCHITECTURES, OBJECTIVES, PRESETS, Setting, from_query
from deqviz.ui.shell.study_page import StudyPage

SIDE = 64
"""Of the signals, for the number of torch threads."""
_OWN = {p.name: p for p in params_of(Setting)}
_TITLES: Mapping[str, Mapping[str, str]] = {
    "objectives": OBJECTIVES,
    "architectures": {key: architecture.name for key, architecture in ARCHITECTURES.items()},
}


def render() -> None:
    """Draw the page; called once per script run."""
    PAGE.render()


def describe(setting: Setting) -> str:
    """What is asked, in a line."""
    asked = {
        f"{len(setting.objectives)} objectives": setting.is_lab,
        "networks beyond their depth": setting.is_depth,
        "backward steps": setting.is_adjoint,
        f"map of {setting.drawn}": setting.is_map,
    }
    return " · ".join(name for name, is_on in asked.items() if is_on)


def fill(setting: Setting) -> None:
    """Write a setting into the widgets; before any of them is drawn in this run of the script."""
    prefill("t", tuple(_OWN.values()), {name: getattr(setting, name) for name in _OWN})
    for name in _TITLES:
        st.session_state[f"t.{name}"] = list(getattr(setting, name))


def form() -> Setting:
    """Draw the sidebar's widgets and return what they say, not yet validated as a whole."""
    values: dict[str, Any] = {}
    heading("Loss lab")
    values["is_lab"] = _own("is_lab")
    values["objectives"] = _several("objectives", "What N is trained by")
    for name in ("limit", "beta", "dimension", "steps"):
        values[name] = _own(name)
    heading("Deep equilibria")
    values["architectures"] = _several("architectures", "Architectures, the first one also unrolled")
    for name in ("is_depth", "depth", "net_steps", "is_adjoint"):
        values[name] = _own(name)
    heading("Contraction")
    for name in ("is_map", "shown", "low"):
        values[name] = _own(name)
    with st.expander("Advanced"):
        values["seed"] = _own("seed")
    return Setting(**values)


def _own(name: str) -> Any:
    return widget(_OWN[name], f"t.{name}")


def _several(name: str, label: str) -> tuple[str, ...]:
    return several(_TITLES[name], f"t.{name}", label, getattr(Setting, name))


def _study(setting: Setting) -> Study:
    return Study(lambda: plan(setting), SIDE)


def _numbers(setting: Setting) -> Setting:
    return setting.asked


PAGE = StudyPage(
    page="training",
    prefix="t",
    title="Training",
    question="what should R be trained by?",
    presets=PRESETS,
    read=from_query,
    fill=fill,
    form=form,
    describe=describe,
    make=_study,
    draw=board,
    numbers=_numbers,
)
