"""The Reconstruct page: form, run, live view."""

import html
import math

import streamlit as st

from deqviz import domain
from deqviz.core.catalog import METHODS
from deqviz.runtime.job import Job
from deqviz.runtime.run_snapshot import OVER
from deqviz.runtime.worker import worker
from deqviz.scenario import Scenario
from deqviz.ui.components import run as live
from deqviz.ui.components.text import heading, plain
from deqviz.ui.export import bundle as export
from deqviz.ui.pages import entry
from deqviz.ui.pages.reconstruct import form, screen
from deqviz.ui.shell import address, history_strip, session, welcome
from deqviz.ui.shell.descriptions import describe
from deqviz.ui.shell.study_page import WAITING

REFRESH = 0.1
"""Seconds between two looks at a run that is going on."""


def render() -> None:
    """Draw the page; called once per script run."""
    _open()
    # Boxes with fixed places: an element that came and went above the live view would shift it, and a
    # shifted component is built anew, blank charts and lost zoom included.
    head, notices = st.container(), st.container()
    with st.sidebar:
        st.html('<p class="deqviz-logo">DEQ<b>Viz</b></p>')
        draft = _draft()
        _presets()
    job = session.current()
    assert job is not None  # the first script run of a session always starts one
    with notices:
        job = _follow(job, draft)
        for warning in st.session_state.get("complaints", ()):
            st.warning(plain(warning))
        if (trained := domain.use(job.scenario)) is not None and trained.is_outside:
            st.warning(plain(domain.sentences([(METHODS[job.scenario.method.key].title, trained)])))
    with head:
        _header(job)
        welcome.hint(entry("lessons").link())
    _screen(job)


def _open() -> None:
    """Begin what the address asks for, or come back to the run that was here."""
    visit = address.visit("reconstruct")
    job = session.current()
    if visit.query is not None:
        scenario, st.session_state.complaints = Scenario.from_query(visit.query)
        form.fill(scenario)
        session.show(scenario)
    elif visit.is_back and job is not None:
        form.fill(job.scenario)


def _draft() -> Scenario | None:
    """What the widgets say, validated; None when they contradict each other, and then the page says so."""
    try:
        return form.form().validated()
    except ValueError as error:
        st.error(plain(str(error)))
        return None


def _follow(job: Job, draft: Scenario | None) -> Job:
    """Start what the widgets say, at once when nothing is running, else when "Run" is pressed."""
    if draft is None or draft == job.scenario:
        return job
    if job.state in OVER or job.state == "checking":
        st.session_state.complaints = ()
        return session.start(draft)
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.info(WAITING)
    if right.button("Run", type="primary", key="run", width="stretch"):
        session.start(draft)
        st.rerun()
    return job


def _presets() -> None:
    heading("Presets")
    for name, (what, scenario) in form.PRESETS.items():
        if st.button(name, key=f"preset.{name}", help=what, type="tertiary"):
            scenario = scenario.validated()
            address.ask("reconstruct", scenario.to_query())
            st.rerun()


def _header(job: Job) -> None:
    st.html(
        '<div class="deqviz-head"><h1>Reconstruct</h1>'
        f"<span>{html.escape(describe(job.scenario))}</span></div>"
    )


def _act(command: live.Command) -> None:
    """Carry out what was clicked in the live view; called before the fragment is drawn."""
    job = session.current()
    if job is None or command.run != job.id:
        return
    match command.name:
        case "play":
            job.play()
        case "pause":
            job.pause()
        case "step":
            job.step()
        case "stop":
            job.stop()
        case "reset":
            fresh = session.start(job.scenario)
            fresh.set_speed(_per_second())
        case "speed":
            st.session_state.speed = command.value
            job.set_speed(_per_second())
    worker().wake()


def _per_second() -> float:
    return st.session_state.get("speed", 0) or math.inf


def _screen(job: Job) -> None:
    """The live view: pictures and kept iterates outside the fragment, everything that moves inside."""
    job.ready.wait(1.0)
    snapshot = job.snapshot()
    pictures = screen.pictures(job, snapshot)
    is_moving = _is_moving(job)

    @st.fragment(run_every=session.pace(REFRESH) if is_moving else None)
    def panel() -> None:
        now = session.current()
        if now is None:
            return
        moves, snapshot = _is_moving(now), now.snapshot()  # in this order: the run may end between
        worker().wake()
        speed = st.session_state.get("speed", 0)
        name = session.device_name(now.scenario.size)
        waiting = session.waiting(now)
        shown = screen.view(now, snapshot, name, now.guarantees(), speed, waiting, is_moving=moves)
        live.show(shown, on_command=_act)
        # A new run, its pictures, or its end concern what stands outside the fragment.
        if now is not job or moves != is_moving or (snapshot.setup is None) != (pictures is None):
            st.rerun()
        if (snapshot.state == "checking") != (st.session_state.get("phase") == "checking"):
            st.session_state.phase = snapshot.state
            st.rerun()

    # Below the view, not above: what appears before it would shift its place and build it anew.
    # In a box of its own: where a timer's run begins before this one is sent, Streamlit drops the fragment
    # from it, takes its place away and writes the next one over what stands below.
    with st.container():
        panel()
    export.show(job)
    runs = st.container()
    if pictures is not None:
        live.show_pictures(pictures)
    if snapshot.state == "paused" or snapshot.state in OVER or snapshot.state == "checking":
        live.show_frames(screen.frames(job, snapshot))
    with runs:
        history_strip.show(session.history(), job)


def _is_moving(job: Job) -> bool:
    return not job.is_settled
