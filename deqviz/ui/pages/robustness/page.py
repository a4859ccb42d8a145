"""The Robustness page: its sidebar, and how it becomes a `StudyPage`."""

from typing import Any

import streamlit as st

from deqviz.core.catalog import METHODS, NOISES, OPERATORS
from deqviz.ui.components.text import heading
from deqviz.ui.inputs.image_box import picture_box, picture_title
from deqviz.ui.inputs.widgets import SettingWidgets, choose, prefill_choice, several
from deqviz.ui.pages.robustness.board import board
from deqviz.ui.pages.robustness.plan import plan
from deqviz.ui.pages.robustness.setting import OWN, PRESETS, TITLES, Setting, from_query
from deqviz.ui.shell.study_page import StudyPage

_own = SettingWidgets("r", Setting)
_CHOICES = {"operator": OPERATORS, "noise": NOISES, OWN: METHODS}


def describe(setting: Setting) -> str:
    """The setting in a line: picture, operator, size."""
    title = picture_title(setting.image)
    count = f"{len(setting.methods)} method{'s' if len(setting.methods) > 1 else ''}"
    return " · ".join((title, OPERATORS[setting.operator.key].title, f"{setting.pixels} px", count))


def fill(setting: Setting) -> None:
    """Write a setting into the widgets; before any of them is drawn in this run of the script."""
    _own.fill(setting)
    st.session_state["r.image"] = setting.image
    st.session_state["r.methods"] = list(setting.methods)
    for name, choices in _CHOICES.items():
        prefill_choice(f"r.{name}", choices, getattr(setting, name))


def form() -> Setting:
    """Draw the sidebar's widgets and return what they say, not yet validated as a whole."""
    values: dict[str, Any] = {}
    plain = Setting()
    heading("Problem")
    values["image"] = picture_box("r.image", "Image", Setting.image, is_upload_kept=True)
    values["side"] = _own("side")
    values["operator"] = choose(OPERATORS, "r.operator", "Forward operator", plain.operator.key)
    values["noise"] = choose(NOISES, "r.noise", "Noise model", plain.noise.key)
    heading("Methods")
    values["methods"] = several(TITLES, "r.methods", "Methods", plain.methods)
    if "sense" in values["methods"]:
        values["weight"] = _own("weight")
    if OWN in values["methods"]:
        values[OWN] = choose(METHODS, f"r.{OWN}", "Custom method", plain.own.key)
    heading("Adversarial attack")
    for name in ("levels", "restarts", "steps", "shown"):
        values[name] = _own(name)
    with st.expander("Advanced"):
        values["seed"] = _own("seed")
    return Setting(**values)


PAGE = StudyPage(
    page="robustness",
    prefix="r",
    question="how much can a small change of the data hurt?",
    presets=PRESETS,
    read=from_query,
    fill=fill,
    form=form,
    describe=describe,
    plan=plan,
    draw=board,
)

render = PAGE.render
