"""The live view of a lesson: the study of another page, begun here under a name of its own."""

import html
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from deqviz.core.quoted import quoted
from deqviz.runtime.study import Study
from deqviz.ui.components import board
from deqviz.ui.components.text import plain
from deqviz.ui.pages import entry
from deqviz.ui.pages.convergence import page as convergence
from deqviz.ui.pages.deep_prior import page as prior
from deqviz.ui.pages.lessons.file import Lesson, Reader, Scene
from deqviz.ui.pages.lessons.measures import measured
from deqviz.ui.pages.memory import page as memory
from deqviz.ui.pages.noise import page as noise
from deqviz.ui.pages.robustness import page as robustness
from deqviz.ui.pages.training import page as training
from deqviz.ui.pages.unrolled import page as unrolled
from deqviz.ui.shell import session
from deqviz.ui.shell.study_page import StudyPage, obey, watch

PAGES: Mapping[str, StudyPage[Any]] = {
    module.PAGE.page: module.PAGE
    for module in (convergence, noise, robustness, training, unrolled, prior, memory)
}
"""The pages whose views a lesson can show, by the names in its header."""
READERS: Mapping[str, Reader] = {name: page.read for name, page in PAGES.items()}

_BEGUN = "lesson.begun"
"""In the session: of each view the lesson and the query it was begun with, and the setting."""


def show(lesson: Lesson, view: str) -> None:
    """The view, begun if it is not there yet, and looked at again and again while it moves."""
    study, setting = _begun(lesson, view)
    scene = lesson.scene(view)
    page = PAGES[lesson.page]
    scene_text = f"{entry(lesson.page).title}: {page.describe(setting)}"
    st.html(f'<p class="deqviz-lesson-scene">{html.escape(scene_text)}</p>')
    watch(_name(view), lambda now: chosen(page.draw(now, setting), scene), "lesson", partial(_act, lesson))
    if study.state == "done":
        _complain(page.draw(study, setting), scene)


def numbers(lesson: Lesson) -> dict[str, float]:
    """What both views have measured, of those that were begun and are done."""
    values: dict[str, float] = {}
    for view in ("here", "tried"):
        study = session.study(_name(view))
        if study is None or study.state != "done" or not _is_begun(lesson, view):
            continue
        rows = PAGES[lesson.page].draw(study, st.session_state[_BEGUN][view][2]).guarantees
        for name, value in measured(lesson.page, study.snapshot(), rows).items():
            values[f"{view}.{name}"] = value
    return values


def leave(lesson: Lesson | None) -> None:
    """Stop what belongs to another lesson than this one."""
    for view in ("here", "tried"):
        study = session.study(_name(view))
        if study is not None and (lesson is None or not _is_begun(lesson, view)):
            study.stop()


def chosen(drawing: board.Board, scene: Scene) -> board.Board:
    """The board with the charts and lamps that the scene names, in its order; the text explains."""
    charts = {chart.key: chart for chart in drawing.charts}
    lamps = {row.name: row for row in drawing.guarantees}
    return replace(
        drawing,
        charts=tuple(charts[key] for key in scene.charts if key in charts)
        if scene.charts
        else drawing.charts,
        guarantees=tuple(lamps[n] for n in scene.lamps if n in lamps) if scene.lamps else drawing.guarantees,
        tiles=() if scene.charts else drawing.tiles,
        explanation=None,
    )


def missing(drawing: board.Board, scene: Scene) -> tuple[str, ...]:
    """A sentence for every chart and lamp that the scene names and the page does not have."""
    charts, lamps = [chart.key for chart in drawing.charts], [row.name for row in drawing.guarantees]
    return tuple(
        f"This lesson asks for the {kind} {quoted(name)}, which is not on this page; "
        f"known are {', '.join(names)}."
        for kind, keys, names in (("chart", scene.charts, charts), ("lamp", scene.lamps, lamps))
        for name in keys
        if name not in names
    )


def _complain(drawing: board.Board, scene: Scene) -> None:
    for sentence in missing(drawing, scene):
        st.warning(plain(sentence))


def _name(view: str) -> str:
    return f"lesson.{view}"


def _is_begun(lesson: Lesson, view: str) -> bool:
    return st.session_state.get(_BEGUN, {}).get(view, (None, None))[:2] == (
        lesson.key,
        dict(lesson.scene(view).query),
    )


def _begun(lesson: Lesson, view: str) -> tuple[Study, Any]:
    study = session.study(_name(view))
    if study is None or not _is_begun(lesson, view):
        study = _begin(lesson, view)
    return study, st.session_state[_BEGUN][view][2]


def _begin(lesson: Lesson, view: str) -> Study:
    query = dict(lesson.scene(view).query)
    page = PAGES[lesson.page]
    setting, _ = page.read(query)
    st.session_state.setdefault(_BEGUN, {})[view] = (lesson.key, query, setting)
    return session.begin(_name(view), page.make(setting))


def _act(lesson: Lesson, command: board.Command) -> None:
    """Carry out what was clicked on the board, whichever view it shows."""
    for view in ("here", "tried"):
        study = session.study(_name(view))
        if study is None or command.run != study.id:
            continue
        obey(study, command.name, partial(_begin, lesson, view))
