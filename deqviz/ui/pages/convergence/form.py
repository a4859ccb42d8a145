"""The sidebar of the question about limits and speed on the Convergence page."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from deqviz.core.registry import Choice
from deqviz.ui.components.text import heading
from deqviz.ui.inputs.image_box import picture_box, picture_title
from deqviz.ui.inputs.widgets import SettingWidgets, choose, prefill_choice, several
from deqviz.ui.pages.convergence.setting import CHOICES, ROUTES, STARTS, Setting
from deqviz.ui.shell import own_image

_own = SettingWidgets("c", Setting)
_TITLES: Mapping[str, Mapping[str, str]] = {
    "starts": STARTS,
    "solvers": {key: route.title for key, route in ROUTES.items()},
}


def describe(setting: Setting) -> str:
    """The setting in a line: picture, operator, regulariser."""
    title = picture_title(setting.image)
    parts = (CHOICES[name][getattr(setting, name).key].title for name in ("operator", "regularizer"))
    return " · ".join((title, *parts))


def fill(setting: Setting) -> None:
    """Write a setting into the widgets; before any of them is drawn in this run of the script."""
    _own.fill(setting)
    for name in ("image", "another", "mine"):
        st.session_state[f"c.{name}"] = getattr(setting, name)
    for name in _TITLES:
        st.session_state[f"c.{name}"] = list(getattr(setting, name))
    for name, choices in CHOICES.items():
        prefill_choice(f"c.{name}", choices, getattr(setting, name))


def form() -> Setting:
    """Draw the sidebar's widgets and return what they say, not yet validated as a whole."""
    values: dict[str, Any] = {}
    heading("Equation")
    values["image"] = picture_box("c.image", "Image", Setting.image)
    values["side"] = _own("side")
    values["operator"] = _choice("operator", "Forward operator")
    values["regularizer"] = _choice("regularizer", "Regulariser")
    values["weight"] = _own("weight")
    heading("Starts")
    values["starts"] = _several("starts", "Starting points")
    values["another"] = picture_box("c.another", "Another image", Setting.another)
    values["mine"] = _mine()
    heading("Solvers")
    values["solvers"] = _several("solvers", "Solvers (the first one is shown by start)")
    values["splitting"] = _own("splitting")
    values["step"] = _own("step")
    heading("Experiments")
    for name in ("crossing", "is_race", "is_gradient"):
        values[name] = _own(name)
    with st.expander("Advanced"):
        values["max_steps"] = _own("max_steps")
        values["seed"] = _own("seed")
    return Setting(**values)


def _several(name: str, label: str) -> tuple[str, ...]:
    return several(_TITLES[name], f"c.{name}", label, getattr(Setting, name))


def _mine() -> str:
    """A picture of the user's to start from: its key, empty while there is none."""
    with st.expander("Your image"):
        if picked := own_image.pick("c.upload", side=256):
            st.session_state["c.mine"] = picked
        if st.session_state.get("c.mine"):
            st.caption("Choose “Your image” among the starts above.")
    return st.session_state.get("c.mine", "")


def _choice(name: str, label: str) -> Choice:
    return choose(CHOICES[name], f"c.{name}", label, getattr(Setting(), name).key)
