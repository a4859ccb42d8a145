"""The Unrolled page: its sidebar, and how it becomes a `StudyPage`."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from deqviz.core.numbers import pretty
from deqviz.ui.components.text import heading
from deqviz.ui.inputs.image_box import picture_box, picture_title
from deqviz.ui.inputs.mask_pad import mask_pad
from deqviz.ui.inputs.widgets import SettingWidgets, several
from deqviz.ui.pages.unrolled.board import board
from deqviz.ui.pages.unrolled.plan import in_colour, plan
from deqviz.ui.pages.unrolled.setting import PRESETS, RIVALS, Setting, View, from_query
from deqviz.ui.shell.study_page import StudyPage

_own = SettingWidgets("u", Setting)
_PICTURES = ("picture", "colour")
_PLAIN = (*_PICTURES, "mask")
_FORMS: Mapping[View, tuple[str, ...]] = {
    "Layers": ("rivals", "rate", "risk", "bound"),
    "Noise": ("rivals", "deviation", "before"),
    "Shift": ("rivals", "rate", "shift"),
    "Training": ("merit", "form", "rate", "is_noisy", "steps", "dual_rate", "is_rival", "is_at_ista"),
    "Pictures": ("picture", "level", "rivals", "shown"),
    "Inpainting": ("colour", "hole", "factor", "shown"),
}
"""What each view asks for, in this order."""


def describe(setting: Setting) -> str:
    """What is asked, in a line."""
    match setting.view:
        case "Layers":
            return f"{len(setting.rivals)} networks of 10 layers · ε = {pretty(setting.rate)}"
        case "Noise":
            where = f"before layer {setting.before}" if setting.before else "before every layer"
            return f"{len(setting.rivals)} networks · noise {where}"
        case "Shift":
            return f"{len(setting.rivals)} networks · shifted signals x + pη"
        case "Training":
            return f"{setting.merit}, {setting.form} · ε = {pretty(setting.rate)} · {setting.steps} steps"
        case "Pictures":
            return f"{picture_title(setting.picture)} · noise {setting.level:g}/255 · 8 × 8 patches"
        case "Inpainting":
            return f"{picture_title(setting.colour)} · mask: {setting.hole} · GLOW-Prox"


def fill(setting: Setting) -> None:
    """Write a setting into the widgets; before any of them is drawn in this run of the script."""
    _own.fill(setting)
    st.session_state["u.rivals"] = list(setting.rivals)
    for name in _PLAIN:
        st.session_state[f"u.{name}"] = getattr(setting, name)


def form() -> Setting:
    """Draw the sidebar's widgets and return what they say, not yet validated as a whole.

    Values of other views stay as they were.
    """
    values: dict[str, Any] = {}
    now = st.session_state.get("u.setting", Setting())
    values["view"] = _own("view")
    heading(_own.specs["view"].text(values["view"]))
    for name in _FORMS[values["view"]]:
        # The session forgets widgets that were not drawn.
        st.session_state.setdefault(f"u.{name}", getattr(now, name))
        if name == "rivals":
            values[name] = several(RIVALS, "u.rivals", "Networks", now.rivals)
        elif name in _PICTURES:
            values[name] = picture_box(f"u.{name}", "Image", getattr(now, name))
        else:
            values[name] = _own(name)
        if name == "hole" and values[name] == "painted":
            st.session_state.setdefault("u.mask", now.mask)
            values["mask"] = mask_pad(in_colour(values["colour"]), "u.mask")
    with st.expander("Advanced"):
        values["seed"] = _own("seed")
    kept = {name: getattr(now, name) for name in (*_own.specs, "rivals", *_PLAIN)}
    return Setting(**{**kept, **values})


PAGE = StudyPage(
    page="unrolled",
    prefix="u",
    question="does every layer descend?",
    presets=PRESETS,
    read=from_query,
    fill=fill,
    form=form,
    describe=describe,
    plan=plan,
    draw=board,
)

render = PAGE.render
