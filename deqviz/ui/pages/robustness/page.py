"""The Robustness page: its sidebar, and how it becomes a `StudyPage`."""

from dataclasses import replace
from typing import Any

import streamlit as st

from deqviz.core.catalog import METHODS, NOISES, OPERATORS
from deqviz.core.registry import params_of
from deqviz.runtime.study import Study
from deqviz.ui.components.text import heading
from deqviz.ui.inputs.image_box import picture_box, picture_title
from deqviz.ui.inputs.widgets import choose, prefill, prefill_choice, several, widget
from deqviz.ui.pages.robustness.board import board
from deqviz.ui.pages.robustness.plan import plan
from deqviz.ui.pages.robustness.setting import OWN, PRESETS, TITLES, Setting, from_query
from deqviz.ui.shell import session
from deqviz.ui.shell.study_page import StudyPage

_OWN = {p.name: p for p in params_of(Setting)}
_SHELVES = {"operator": OPERATORS, "noise": NOISES, OWN: METHODS}


def render() -> None:
    """Draw the page; called once per script run."""
    PAGE.render()


def describe(setting: Setting) -> str:
    """The setting in a line: picture, operator, size."""
    title = picture_title(setting.image)
    count = f"{len(setting.methods)} method{'s' if len(setting.methods) > 1 else ''}"
    return " · ".join((title, OPERATORS[setting.operator.key].title, f"{setting.pixels} px", count))


def fill(setting: Setting) -> None:
    """Write a setting into the widgets; before any of them is drawn in this run of the script."""
    prefill("r", tuple(_OWN.values()), {name: getattr(setting, name) for name in _OWN})
    st.session_state["r.image"] = setting.image
    st.session_state["r.methods"] = list(setting.methods)
    for name, shelf in _SHELVES.items():
        prefill_choice(f"r.{name}", shelf, getattr(setting, name))


def form() -> Setting:
    """Draw the sidebar's widgets and return what they say, not yet validated as a whole."""
    values: dict[str, Any] = {}
    plain = Setting()
    heading("Problem")
    values["image"] = picture_box("r.image", "Picture", Setting.image, is_upload_kept=True)
    values["side"] = _own("side")
    values["operator"] = choose(OPERATORS, "r.operator", "Operator", plain.operator.key)
    values["noise"] = choose(NOISES, "r.noise", "Noise in the data", plain.noise.key)
    heading("Methods")
    values["methods"] = several(TITLES, "r.methods", "Compared", plain.methods)
    if "sense" in values["methods"]:
        values["weight"] = _own("weight")
    if OWN in values["methods"]:
        values[OWN] = choose(METHODS, f"r.{OWN}", "Method set here", plain.own.key)
    heading("Attack")
    for name in ("levels", "restarts", "steps", "shown"):
        values[name] = _own(name)
    with st.expander("Advanced"):
        values["seed"] = _own("seed")
    return Setting(**values)


def _own(name: str) -> Any:
    return widget(_OWN[name], f"r.{name}")


def _study(setting: Setting) -> Study:
    device = session.device()
    return Study(lambda: plan(setting, device), setting.pixels)


def _numbers(setting: Setting) -> Setting:
    """Which pictures are looked at decides about no number."""
    return replace(setting, shown=1)


PAGE = StudyPage(
    page="robustness",
    prefix="r",
    title="Robustness",
    question="how much can a small change of the data hurt?",
    presets=PRESETS,
    read=from_query,
    fill=fill,
    form=form,
    describe=describe,
    make=_study,
    draw=board,
    numbers=_numbers,
)
