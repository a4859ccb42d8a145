"""The sidebar of the question about monotone operator learning on the Convergence page."""

from typing import Any

import streamlit as st

from deqviz.ui.components.text import heading
from deqviz.ui.inputs.image_box import picture_box, picture_title
from deqviz.ui.inputs.widgets import SettingWidgets
from deqviz.ui.pages.monotone.setting import MolSetting

_own = SettingWidgets("cm", MolSetting)


def describe_mol(setting: MolSetting) -> str:
    """The setting in a line: picture, acceleration, network."""
    title = picture_title(setting.image)
    return f"{title} · parallel MRI, R = {setting.acceleration:g} · {setting.version}"


def fill_mol(setting: MolSetting) -> None:
    """Write a setting into the widgets; before any of them is drawn in this run of the script."""
    _own.fill(setting)
    for name in ("image", "other"):
        st.session_state[f"cm.{name}"] = getattr(setting, name)


def mol_form() -> MolSetting:
    """Draw the sidebar's widgets and return what they say, not yet validated as a whole."""
    values: dict[str, Any] = {}
    heading("Equation")
    values["image"] = picture_box("cm.image", "Image", MolSetting.image)
    for name in ("side", "acceleration", "version"):
        values[name] = _own(name)
    heading("Experiments")
    for name in ("is_steps", "is_depth", "is_panel", "is_breaker"):
        values[name] = _own(name)
    values["other"] = picture_box("cm.other", "Second image of the counterexample", MolSetting.other)
    values["gain"] = _own("gain")
    with st.expander("Advanced"):
        for name in ("coils", "seed"):
            values[name] = _own(name)
    return MolSetting(**values)
