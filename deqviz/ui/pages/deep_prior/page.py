"""The Deep prior page: its sidebar, and how it becomes a `StudyPage`."""

from typing import Any

import streamlit as st

from deqviz.ui.components.text import heading
from deqviz.ui.inputs.image_box import picture_box, picture_title
from deqviz.ui.inputs.widgets import SettingWidgets, pick
from deqviz.ui.pages.deep_prior.board import board
from deqviz.ui.pages.deep_prior.plan import plan
from deqviz.ui.pages.deep_prior.setting import CHOICES, PRESETS, THEORY, Setting, from_query
from deqviz.ui.shell.study_page import StudyPage

_own = SettingWidgets("d", Setting)
_PROBLEM = ("activation", "unknowns", "rows", "is_unit", "is_centred", "noise")
_PICTURE = ("image", "operator", "sigma", "network", "iterations", "jitter", "window", "patience")
_GROUPS = (
    ("Overparametrisation", "is_phase", ("draws", "is_both")),
    ("Gradient flow at one width", "is_run", ("measured", "width", "rule", "steps")),
    ("Recovery error", "is_recovery", ()),
    ("Step size and momentum", "is_momentum", ("rank", "longest")),
    ("Deep image prior", "is_picture", (*_PICTURE, "is_impedance")),
)
"""A heading, the question under it, and what is asked only with it."""


def describe(setting: Setting) -> str:
    """What is asked, in a line."""
    questions = {
        "phase diagram" + (", both layers" if setting.is_both else ""): setting.is_phase,
        f"k = {setting.width:,} on {setting.measured} measurements": setting.is_run,
        "recovery error": setting.is_recovery,
        "step size and momentum": setting.is_momentum,
        f"{picture_title(setting.image).lower()} by deep image prior": setting.is_picture,
    }
    theory = [setting.activation] if setting.is_theory else []
    return " · ".join([*theory, *(name for name, is_on in questions.items() if is_on)])


def fill(setting: Setting) -> None:
    """Write a setting into the widgets; before any of them is drawn in this run of the script."""
    _own.fill(setting)
    for name in ("image", "operator"):
        st.session_state[f"d.{name}"] = getattr(setting, name)


def form() -> Setting:
    """Draw the sidebar's widgets and return what they say, not yet validated as a whole."""
    values: dict[str, Any] = {}
    is_theory = any(st.session_state.get(f"d.{name}", getattr(Setting, name)) for name in THEORY)
    if is_theory:
        heading("Problem")
    values |= {name: _widget(name) if is_theory else _hidden_value(name) for name in _PROBLEM}
    for title, question, names in _GROUPS:
        heading(title)
        is_asked = values[question] = _widget(question)
        values |= {name: _widget(name) if is_asked else _hidden_value(name) for name in names}
    with st.expander("Advanced"):
        values["seed"] = _own("seed")
    return Setting(**values)


def _widget(name: str) -> Any:
    if name == "image":
        return picture_box("d.image", "Image", Setting.image)
    if name == "operator":
        return pick(CHOICES, "d.operator", "Forward operator", Setting.operator).key
    return _own(name)


def _hidden_value(name: str) -> Any:
    """What a widget said that is not on the screen now: Streamlit forgets it unless it is written again."""
    value = st.session_state[f"d.{name}"] = st.session_state.get(f"d.{name}", getattr(Setting, name))
    return value


PAGE = StudyPage(
    page="deep_prior",
    prefix="d",
    question="how wide is wide enough?",
    presets=PRESETS,
    read=from_query,
    fill=fill,
    form=form,
    describe=describe,
    plan=plan,
    draw=board,
)

render = PAGE.render
