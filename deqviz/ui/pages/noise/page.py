"""The Noise page: its sidebar, and how it becomes a `StudyPage`."""

from typing import Any

import streamlit as st

from deqviz.core.quoted import capitalised
from deqviz.core.registry import Choice
from deqviz.ui.components.text import heading
from deqviz.ui.inputs.image_box import picture_box
from deqviz.ui.inputs.widgets import SettingWidgets, choose, prefill_choice
from deqviz.ui.pages.noise.board import board
from deqviz.ui.pages.noise.plan import plan
from deqviz.ui.pages.noise.setting import MODEL, PRESETS, SOURCE, Setting, choices, default, from_query
from deqviz.ui.shell.study_page import StudyPage

_own = SettingWidgets("n", Setting)


def describe(setting: Setting) -> str:
    """The setting in a line: problem, regulariser, ground truth, noise."""
    entries = choices(setting.is_model)
    where = "model problem" if setting.is_model else entries["operator"][setting.operator.key].title
    noise = f"{_own.specs['noise'].text(setting.noise)} noise"
    return " · ".join(
        (
            where,
            entries["regularizer"][setting.regularizer.key].title,
            _own.specs["truth"].text(setting.truth),
            noise,
        )
    )


def fill(setting: Setting) -> None:
    """Write a setting into the widgets; before any of them is drawn in this run of the script."""
    _own.fill(setting)
    st.session_state["n.image"] = setting.image
    for name, entries in choices(setting.is_model).items():
        prefill_choice(f"n.{name}", entries, getattr(setting, name))


def form() -> Setting:
    """Draw the sidebar's widgets and return what they say, not yet validated as a whole."""
    values: dict[str, Any] = {}
    heading("Problem")
    values["problem"] = _titled("problem")
    is_model = values["problem"] == MODEL
    if is_model:
        values["kernel"] = _own("kernel")
    else:
        values["image"] = picture_box("n.image", "Image", Setting.image, is_upload_kept=True)
        values["operator"] = _choice("operator", is_model, "Forward operator")
        values["side"] = _own("side")
    values["regularizer"] = _choice("regularizer", is_model, "Regulariser")
    heading("Ground truth")
    values["truth"] = _titled("truth")
    if values["truth"] == SOURCE:
        if not is_model:
            values["element"] = _own("element")
        values["is_contrasted"] = _own("is_contrasted")
    heading("Noise")
    values["noise"] = _titled("noise")
    values["levels"], values["seeds"] = _own("levels"), _own("seeds")
    heading("Regularisation parameter")
    values["rule"] = _choice("rule", is_model, "Parameter choice rule", is_titled=True)
    values["is_tent"], values["is_stability"] = _own("is_tent"), _own("is_stability")
    values["is_limit"] = _own("is_limit")
    with st.expander("Advanced"):
        values["seed"] = _own("seed")
    return Setting(**values)


def _titled(name: str) -> str:
    """A select box under a heading that says the same; readers of the screen still hear its label."""
    parameter, key = _own.specs[name], f"n.{name}"
    options = parameter.domain
    assert isinstance(options, tuple)
    if st.session_state.get(key) not in options:
        st.session_state[key] = parameter.default
    index = options.index(st.session_state[key])
    label = parameter.label or name.capitalize()
    return st.selectbox(
        label,
        options,
        index,
        key=key,
        label_visibility="collapsed",
        format_func=lambda o: capitalised(parameter.text(o)),
    )


def _choice(name: str, is_model: bool, label: str, *, is_titled: bool = False) -> Choice:
    entries = choices(is_model)[name]
    return choose(entries, f"n.{name}", label, default(name, is_model), is_titled=is_titled)


PAGE = StudyPage(
    page="noise",
    prefix="n",
    question="what happens as the noise vanishes?",
    presets=PRESETS,
    read=from_query,
    fill=fill,
    form=form,
    describe=describe,
    plan=plan,
    draw=board,
)

render = PAGE.render
