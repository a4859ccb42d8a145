"""The Lessons page: the list, and one lesson with its live view."""

import html
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from deqviz.core.quoted import quoted
from deqviz.ui.components.text import plain
from deqviz.ui.pages import entry
from deqviz.ui.pages.lessons import file as lessons_file
from deqviz.ui.pages.lessons import view as lessons_view
from deqviz.ui.pages.lessons.condition import filled
from deqviz.ui.pages.lessons.file import Damaged, Lesson
from deqviz.ui.pages.lessons.measures import MEASURES
from deqviz.ui.shell import address, teacher

_STYLE = Path(__file__).parent / "style.css"
PAGE = "lessons"
_WORDS = {"here": "First view", "tried": "Try this"}


def render() -> None:
    """Draw the page; called once per script run."""
    lessons = _lessons()
    key = _open(lessons)
    st.html(_STYLE)
    lesson = next((one for one in lessons if isinstance(one, Lesson) and one.key == key), None)
    lessons_view.leave(lesson)
    if lesson is None:
        _list(lessons)
    else:
        _lesson(lesson, [one for one in lessons if isinstance(one, Lesson)])


def _lessons() -> tuple[Lesson | Damaged, ...]:
    """All lessons, read again only where a file has changed."""
    files = sorted(lessons_file.FOLDER.glob("*.md"))
    return _read(tuple((path.name, path.stat().st_mtime_ns) for path in files), str(lessons_file.FOLDER))


@st.cache_resource(max_entries=2, show_spinner=False)
def _read(files: tuple[tuple[str, int], ...], folder: str) -> tuple[Lesson | Damaged, ...]:
    del files, folder  # what the cache looks at
    return lessons_file.lessons(lessons_view.READERS, lessons_file.FOLDER)


def _open(lessons: Sequence[Lesson | Damaged]) -> str:
    """The lesson that the address asks for, or the one that was here; "" is the list."""
    visit = address.visit(PAGE)
    if visit.query is not None:
        key, view = visit.query.get("lesson", ""), visit.query.get("view", "here")
        st.session_state["lesson.complaints"] = _warnings(visit.query, lessons)
        st.session_state["lesson.key"] = key
        st.session_state["lesson.view"] = view if view in _WORDS else "here"
        st.session_state["lesson.switch"] = st.session_state["lesson.view"]
        _write()
    elif visit.is_back:
        st.session_state["lesson.switch"] = st.session_state.get("lesson.view", "here")
    return st.session_state.get("lesson.key", "")


def _warnings(query: dict[str, str], lessons: Sequence[Lesson | Damaged]) -> tuple[str, ...]:
    messages: list[str] = []
    key, view = query.get("lesson", ""), query.get("view", "here")
    damaged = next((one for one in lessons if isinstance(one, Damaged) and one.key == key), None)
    if key and damaged is None and key not in [one.key for one in lessons]:
        names = ", ".join(one.key for one in lessons if isinstance(one, Lesson))
        messages.append(f"There is no lesson {quoted(key)} here; known are {names}.")
    if view not in _WORDS:
        messages.append(
            f"There is no view {quoted(view)} of a lesson; here and tried are known, and here is shown."
        )
    messages += [
        f"The link says {quoted(name)}, which is unknown here."
        for name in query
        if name not in ("lesson", "view")
    ]
    return tuple(messages)


def _write() -> None:
    key, view = st.session_state["lesson.key"], st.session_state["lesson.view"]
    query = {"lesson": key} if key else {}
    address.write(PAGE, {**query, "view": "tried"} if key and view == "tried" else query)


def _go(key: str) -> None:
    """To another lesson, or to the list; called before the script runs."""
    st.session_state["lesson.complaints"] = ()
    st.session_state["lesson.key"], st.session_state["lesson.view"] = key, "here"
    st.session_state["lesson.switch"] = "here"
    _write()


def _switched() -> None:
    st.session_state["lesson.view"] = st.session_state["lesson.switch"] or "here"
    _write()


# ---------------------------------------------------------------- the list


def _list(lessons: Sequence[Lesson | Damaged]) -> None:
    _head("Lessons", "where do I start? One theorem each: a page of text, a live view, one experiment")
    with st.container():
        for warning in st.session_state.get("lesson.complaints", ()):
            st.warning(plain(warning))
        for one in lessons:
            if isinstance(one, Damaged):
                st.warning(plain(one.reason))
    with st.container(key="lesson_cards"):
        for number, one in enumerate((x for x in lessons if isinstance(x, Lesson)), 1):
            with st.container(key=f"lesson_card_{one.key}"):
                note = f"Lesson {number} · {entry(one.page).title} · {one.minutes} min"
                st.html(f'<p class="deqviz-card-note">{html.escape(note)}</p>')
                st.button(
                    plain(one.title),
                    key=f"lesson.open.{one.key}",
                    type="tertiary",
                    on_click=_go,
                    args=(one.key,),
                )
                st.html(f'<p class="deqviz-card-text">{html.escape(one.question)}</p>')


def _head(title: str, words: str) -> None:
    st.html(f'<div class="deqviz-head"><h1>{html.escape(title)}</h1><span>{html.escape(words)}</span></div>')


# ---------------------------------------------------------------- one lesson


def _lesson(lesson: Lesson, all_of: Sequence[Lesson]) -> None:
    place = all_of.index(lesson)
    _head(lesson.title, f"{lesson.question} · lesson {place + 1} of {len(all_of)}, {lesson.minutes} minutes")
    with st.container():
        for warning in st.session_state.get("lesson.complaints", ()):
            st.warning(plain(warning))
    with st.container(horizontal=True, gap="medium", key="lesson_turns"):
        st.button("All lessons", key="lesson.list", type="tertiary", on_click=_go, args=("",))
        for step, mark in ((-1, "Previous"), (1, "Next")):
            if 0 <= place + step < len(all_of):
                other = all_of[place + step]
                label = plain(f"{mark}: {other.title}")
                st.button(label, key=f"lesson.turn.{mark}", type="tertiary", on_click=_go, args=(other.key,))
    # Three boxes with fixed places, which style.css puts beside or under each other.
    with st.container(key="lesson_grid"):
        with st.container(key="lesson_text"):
            st.markdown(lesson.text)
            st.markdown(f"## Try this\n\n{lesson.advice}")
        with st.container(key="lesson_view"):
            view = _switch(lesson)
            lessons_view.show(lesson, view)
        with st.container(key="lesson_ask"):
            _ask(lesson)


def _switch(lesson: Lesson) -> str:
    with st.container(horizontal=True, vertical_alignment="bottom", key="lesson_bar"):
        st.session_state.setdefault("lesson.switch", st.session_state.get("lesson.view", "here"))
        labels = {"here": "First view", "tried": lesson.tried.label}
        st.segmented_control(
            "Shown",
            list(_WORDS),
            key="lesson.switch",
            format_func=lambda view: labels[view],
            required=True,
            on_change=_switched,
        )
        view: str = st.session_state.get("lesson.view", "here")
        query = {**lesson.scene(view).query, **({teacher.NAME: lesson.hide} if lesson.hide else {})}
        st.page_link(
            entry(lesson.page).link(),
            label="Open in the full page",
            query_params=query,
            icon=":material/open_in_full:",
        )
    return view


def _ask(lesson: Lesson) -> None:
    """The question, and what the data say about the answer."""
    question = lesson.asked
    st.markdown("## Question")
    texts = [answer.text for answer in question.answers]
    reply = st.radio(
        question.text,
        range(len(texts)),
        None,
        key=f"lesson.answer.{lesson.key}",
        format_func=texts.__getitem__,
    )
    with st.container(key="lesson_verdict"):
        if reply is None:
            return
        numbers = lessons_view.numbers(lesson)
        lacking = sorted(question.names - set(numbers))
        if lacking:
            st.info(plain(_waiting(lesson, lacking)))
            return
        right = [n for n, answer in enumerate(question.answers) if answer.when.holds(numbers)]
        explanation = filled(question.explanation, numbers)
        if len(right) != 1:
            st.warning(
                f"The results of this run support {len(right)} of these answers, not one. {explanation}"
            )
        elif reply == right[0]:
            st.success(f"**Correct.** {explanation}")
        else:
            st.error(f"**The results say otherwise:** {texts[right[0]].rstrip('.')}. {explanation}")


def _waiting(lesson: Lesson, lacking: Sequence[str]) -> str:
    """What has to be done before the data can answer."""
    views = {name.partition(".")[0] for name in lacking}
    begun = {name.partition(".")[0] for name in lessons_view.numbers(lesson)}
    if views & begun:
        words = MEASURES[lesson.page][lacking[0].partition(".")[2]].words
        return f"This run did not compute {words}: run it again, or read the charts."
    if "tried" in views and st.session_state.get("lesson.view") != "tried":
        return f"The results will answer: choose “{lesson.tried.label}” above the view, and let it finish."
    return "The results will answer as soon as the run is finished."
