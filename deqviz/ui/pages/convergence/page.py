"""The Convergence page: two questions, each with a sidebar, a plan and a board of its own."""

from collections.abc import Mapping

import streamlit as st

from deqviz.core.quoted import quoted
from deqviz.runtime.study import Plan, Study
from deqviz.ui.components.board import Board
from deqviz.ui.components.text import heading
from deqviz.ui.pages.convergence import setting as convergence_setting
from deqviz.ui.pages.convergence.board import board
from deqviz.ui.pages.convergence.form import describe, fill, form
from deqviz.ui.pages.convergence.plan import plan
from deqviz.ui.pages.convergence.setting import Setting
from deqviz.ui.pages.monotone import setting as convergence_mol_setting
from deqviz.ui.pages.monotone.board import mol_board
from deqviz.ui.pages.monotone.form import describe_mol, fill_mol, mol_form
from deqviz.ui.pages.monotone.plan import plan as mol_plan
from deqviz.ui.pages.monotone.setting import MolSetting
from deqviz.ui.shell.study_page import StudyPage

LIMITS, MOL = "limits and speed", convergence_mol_setting.QUESTION
_TITLES = {LIMITS: "Uniqueness and rates of equilibria", MOL: "Monotone operator learning (MOL)"}
AnySetting = Setting | MolSetting
"""What the page asks: the class tells which question."""


def read(query: Mapping[str, str]) -> tuple[AnySetting, tuple[str, ...]]:
    """The setting of an address, and one sentence for everything in it that was refused."""
    rest = {name: text for name, text in query.items() if name != "question"}
    match query.get("question", LIMITS):
        case convergence_mol_setting.QUESTION:
            return convergence_mol_setting.from_query(rest)
        case "limits and speed":
            return convergence_setting.from_query(rest)
        case other:
            setting, warnings = convergence_setting.from_query(rest)
            warning = (
                f"There is no question {quoted(other)} here; known are {LIMITS}, {MOL}. {LIMITS!r} is used."
            )
            return setting, (warning, *warnings)


def _fill(setting: AnySetting) -> None:
    """Into the widgets of its own question; those of the other one keep what they say."""
    st.session_state["c.question"] = MOL if isinstance(setting, MolSetting) else LIMITS
    if isinstance(setting, MolSetting):
        fill_mol(setting)
    else:
        fill(setting)


def _form() -> AnySetting:
    heading("Question")
    st.session_state.setdefault("c.question", LIMITS)
    index = (LIMITS, MOL).index(st.session_state["c.question"])
    question = st.selectbox(
        "Question", (LIMITS, MOL), index, key="c.question", label_visibility="collapsed", format_func=_title
    )
    return mol_form() if question == MOL else form()


def _title(question: str) -> str:
    return _TITLES[question]


def _describe(setting: AnySetting) -> str:
    return describe_mol(setting) if isinstance(setting, MolSetting) else describe(setting)


def _plan(setting: AnySetting) -> Plan:
    return mol_plan(setting) if isinstance(setting, MolSetting) else plan(setting)


def _draw(study: Study, setting: AnySetting) -> Board:
    return mol_board(study, setting) if isinstance(setting, MolSetting) else board(study, setting)


PAGE = StudyPage[AnySetting](
    page="convergence",
    prefix="c",
    question="is the limit unique, and how fast do we get there?",
    presets={**convergence_setting.PRESETS, **convergence_mol_setting.PRESETS},
    read=read,
    fill=_fill,
    form=_form,
    describe=_describe,
    plan=_plan,
    draw=_draw,
)

render = PAGE.render
