"""The Batch page: its sidebar, tables that are opened, and how it becomes a `StudyPage`."""

from pathlib import Path
from typing import Any

import streamlit as st

from deqviz.core.catalog import METHODS, OPERATORS
from deqviz.io.table_formats import MAX_BYTES
from deqviz.runtime.study import Plan, Study
from deqviz.sweep import table
from deqviz.sweep.batch import Batch, Opened
from deqviz.sweep.row import Measured
from deqviz.ui.components.text import heading, plain
from deqviz.ui.inputs.image_box import picture_title
from deqviz.ui.inputs.widgets import SettingWidgets, choose, prefill_choice, several
from deqviz.ui.pages.batch import tables as batch_tables
from deqviz.ui.pages.batch.board import board, operators, shown
from deqviz.ui.pages.batch.charts import means
from deqviz.ui.pages.batch.methods import OWN, TITLES
from deqviz.ui.pages.batch.setting import LEVELS, PICTURES, PRESETS, Setting, from_query
from deqviz.ui.shell import address, session
from deqviz.ui.shell.study_page import StudyPage

_own = SettingWidgets("b", Setting)
_LISTS = ("pictures", "levels", "methods")
_STYLE = Path(__file__).parent / "style.css"
_REFRESH = 0.6
"""Seconds between two looks at the means: they are read, not watched."""


def render() -> None:
    """Draw the page; called once per script run."""
    st.html(_STYLE)
    PAGE.render()
    _below()


def describe(setting: Setting) -> str:
    """The batch in a line."""
    if setting.table:
        kept = batch_tables.kept(setting.table)
        return f"{kept.name} · {len(kept.rows)} cells"
    pictures = setting.pictures
    what = picture_title(pictures[0]) if len(pictures) == 1 else f"{len(pictures)} images"
    degraded = OPERATORS[setting.operator.key].title
    return (
        f"{what} · {degraded} · {_counted(len(setting.levels), 'noise level')} · "
        f"{_counted(len(setting.methods), 'method')} · {_counted(setting.count, 'cell')}"
    )


def _counted(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"


def fill(setting: Setting) -> None:
    """Write a setting into the widgets; before any of them is drawn in this run of the script."""
    _own.fill(setting)
    for name in _LISTS:
        st.session_state[f"b.{name}"] = list(getattr(setting, name))
    prefill_choice("b.operator", OPERATORS, setting.operator)
    prefill_choice(f"b.{OWN}", METHODS, setting.own)
    st.session_state["b.shown"] = setting.shown


def form() -> Setting:
    """Draw the sidebar's widgets and return what they say, not yet validated as a whole."""
    now: Setting = st.session_state.get("b.setting", Setting())
    return _opened(now) if now.table else _new_batch()


def _new_batch() -> Setting:
    """The widgets of a batch."""
    plain, values = Setting(), dict[str, Any]()
    heading("Images")
    titles = dict(PICTURES)
    values["pictures"] = several(titles, "b.pictures", "Images", plain.pictures)
    values["side"] = _own("side")
    heading("Forward operator")
    values["operator"] = choose(
        OPERATORS, "b.operator", "Forward operator", plain.operator.key, is_titled=True
    )
    heading("Noise")
    levels = {level: level for level in LEVELS}
    values["levels"] = several(levels, "b.levels", "Noise std σ", plain.levels)
    values["seeds"] = _own("seeds")
    heading("Methods")
    values["methods"] = several(TITLES, "b.methods", "Methods", plain.methods)
    values["strength"] = _own("strength")
    if OWN in values["methods"]:
        values["own"] = choose(METHODS, f"b.{OWN}", "Custom method", plain.own.key)
    else:
        values["own"] = getattr(st.session_state.get("b.setting"), "own", plain.own)
    with st.expander("Advanced"):
        for name in ("iterations", "tolerance", "seed"):
            values[name] = _own(name)
    _opener()
    return Setting(**values)


def _opened(now: Setting) -> Setting:
    """The widgets of a table."""
    rows = batch_tables.kept(now.table).rows
    heading("Table")
    names = operators(rows)
    first = next(iter(names), "")
    chosen = now.shown if now.shown in names else first
    if len(names) > 1:
        if st.session_state.get("b.shown") not in names:
            st.session_state["b.shown"] = chosen
        chosen = st.selectbox("Forward operator", names, names.index(chosen), key="b.shown")
    if st.button("Back to your own batch", key="b.back", type="tertiary"):
        address.ask("batch", {})
        st.rerun()
    _opener()
    return Setting(table=now.table, shown=chosen if chosen != first else "")


def _opener() -> None:
    """Where a table of the command line comes in; a bad one changes nothing."""
    with st.expander("Open a table"):
        file = st.file_uploader("Parquet of `deqviz sweep`", key="b.file", max_upload_size=MAX_BYTES // 10**6)
        if file is None:
            st.session_state.pop("b.refused", None)
            return
        if st.session_state.get("b.read") != file.file_id:
            st.session_state["b.read"] = file.file_id
            st.session_state.pop("b.refused", None)
            try:
                key = batch_tables.keep(file.getvalue(), file.name, session.visitor())
            except ValueError as error:
                st.session_state["b.refused"] = str(error)
            else:
                address.ask("batch", {"table": key})
                st.rerun()
        if message := st.session_state.get("b.refused"):
            st.error(plain(message))


def _plan(setting: Setting) -> Plan:
    """The rows of a table that was opened, or the cells, which take a moment to check."""
    yield None
    return Opened(batch_tables.kept(setting.table).rows) if setting.table else Batch(setting.cells())


def _rows(study: Study | None) -> tuple[Measured, ...]:
    return study.snapshot().of("rows") if study is not None else ()


def _below() -> None:
    """The means as a table, looked at again while the study moves, and the table as a file."""
    study = session.study("batch")
    is_moving = study is not None and not study.is_settled

    @st.fragment(run_every=session.pace(_REFRESH) if is_moving else None)
    def panel() -> None:
        drawn = shown(PAGE.setting, _rows(session.study("batch")))
        body = means(drawn) if drawn else "<p>The first cell is being computed.</p>"
        st.html(
            '<div class="deqviz-means"><div tabindex="0" role="region" aria-label="Mean PSNR">'
            "<h2>Mean PSNR <span>dB ± standard deviation; ★ best, by more than the spread of the pairs</span>"
            f"</h2>{body}</div></div>"
        )

    with st.container():  # of its own: pages/reconstruct/page.py says why
        panel()
    st.download_button(
        "All rows as Parquet",
        lambda: table.to_bytes(_rows(study)),
        "deqviz-batch.parquet",
        "application/vnd.apache.parquet",
        key="b.parquet",
        help="`deqviz sweep` resumes from it, and this page opens it",
        on_click="ignore",
    )


PAGE = StudyPage(
    page="batch",
    prefix="b",
    question="which method is better, and by more than the spread?",
    presets=PRESETS,
    read=from_query,
    fill=fill,
    form=form,
    describe=describe,
    plan=_plan,
    draw=board,
)
