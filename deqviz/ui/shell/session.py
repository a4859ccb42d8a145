"""What one browser session holds: its run, and the study of every page that has one."""

import contextlib
import gc
import threading
import time
import uuid
import weakref
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import streamlit as st
import torch
from streamlit import runtime
from streamlit.config import get_option
from streamlit.runtime.scriptrunner import get_script_run_ctx

from deqviz.core import uploads
from deqviz.core.machine import device, thread_count, trim
from deqviz.runtime.job import Job
from deqviz.runtime.study import Study
from deqviz.runtime.worker import Task, worker
from deqviz.scenario import Scenario
from deqviz.ui.shell import address
from deqviz.ui.shell.history import History

GRACE = 3.0
"""Seconds between a lost connection and the end of its run: a reload of the page comes back sooner."""
KEPT = 600.0
"""Seconds between a lost connection and the end of its uploads: a notebook that slept comes back sooner."""


@runtime_checkable
class Run(Protocol):
    """What a tab can be watching: a job or a study."""

    id: str

    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        ...

    def stop(self) -> None:
        """End it; what was computed is kept."""
        ...


@dataclass
class Tether:
    """Ends a run when its tab is gone. Lives in a session cache, whose release tells of the tab."""

    job: Run | None = None

    def hold(self, job: Run | None) -> None:
        """The session is alive and watches `job`."""
        self.job = job
        # A blink of the connection released the session's cache: the run goes on under this new tether.
        timer = _ending.pop(job.id, None) if job is not None else None
        if timer is not None:
            timer.cancel()

    def release(self) -> None:
        """The session's socket closed; called on the event loop, so it must be quick and use no st.*."""
        _tidy_later()
        if self.job is None or self.job.is_over():
            return
        timer = threading.Timer(GRACE, _end, (self.job,))
        timer.daemon = True
        _ending[self.job.id] = timer
        timer.start()


_ending: dict[str, threading.Timer] = {}
"""Runs that end soon unless their session comes back, by the id of the job."""


def _end(run: Run) -> None:
    _ending.pop(run.id, None)  # or its timer would hold the run for ever
    run.stop()


_tidying: list[threading.Timer] = []


def _tidy_later() -> None:
    """Once Streamlit has forgotten the session: give its memory back to the system.

    A session is a cycle of references, and collections are rare in a quiet process; the allocator keeps what
    it has got. Twenty visitors left 400 MB behind.
    """
    for timer in _tidying:
        timer.cancel()
    _tidying[:] = [threading.Timer(get_option("server.disconnectedSessionTTL") + 1.0, _tidy)]
    _tidying[0].daemon = True
    _tidying[0].start()


_sessions: "weakref.WeakValueDictionary[str, Any]" = weakref.WeakValueDictionary()
"""Streamlit's own sessions, by their names."""


def _note() -> None:
    """Which of Streamlit's sessions this script run is of."""
    context = get_script_run_ctx()
    if context is not None and runtime.exists():
        instance: Any = runtime.get_instance()
        with contextlib.suppress(AttributeError):
            info = instance._session_mgr.get_active_session_info(context.session_id)
            if info is not None:
                _sessions[context.session_id] = info.session


def _empty() -> None:
    """Let sessions that nobody can come back to hold nothing: Streamlit's loop holds the last one itself."""
    if not runtime.exists():
        return
    instance: Any = runtime.get_instance()
    for name, session in list(_sessions.items()):
        with contextlib.suppress(AttributeError):
            if (
                not instance.is_active_session(name)
                and instance._session_mgr._session_storage.get(name) is None
            ):
                session.session_state.clear()
                session._fragment_storage.clear()


def _tidy() -> None:
    _forget_expired()
    time.sleep(0.5)
    _empty()
    # app.py has frozen what lived when it was first drawn, the first visitor's session with it: a collection
    # passes that over, and all that the session came to hold would stay for ever.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    trim()


def _forget_expired() -> None:
    """Have Streamlit let go of sessions whose time is up: by itself it does so when the next tab closes.

    It has no public way; a test holds the private one to the pinned version.
    """
    if not runtime.exists():
        return
    instance: Any = runtime.get_instance()
    with contextlib.suppress(AttributeError):
        cache = instance._session_mgr._session_storage._cache
        instance._get_async_objs().eventloop.call_soon_threadsafe(cache.expire)


@st.cache_resource(scope="session", on_release=lambda tether: tether.release(), show_spinner=False)
def _tether(page: str) -> Tether:
    """One for each page: what was left running there goes on while another page is looked at."""
    del page
    return Tether()


def _hold_all() -> None:
    """This session is alive, and with it everything that it left running on any page."""
    _note()
    runs: dict[str, Run | None] = {"reconstruct": st.session_state.get("job"), **_studies()}
    for page, run in runs.items():
        _tether(page).hold(run)


def _studies() -> dict[str, Any]:
    return st.session_state.setdefault("studies", {})


def study(page: str) -> Study | None:
    """The study of a page, kept alive by this call."""
    _hold_all()
    return _studies().get(page)


def begin(page: str, fresh: Study) -> Study:
    """Replace the study of a page by a new one and give it to the worker."""
    old = _studies().get(page)
    if old is not None:
        old.stop()
    _studies()[page] = fresh
    _hold_all()
    submit(fresh)
    return fresh


def submit(task: Task) -> None:
    """Give the worker a task of this session, all of whose tasks share one slot."""
    worker().submit(task, visitor())


def visitor() -> str:
    """The name of this session, under which it has its slot and its uploads."""
    if "visitor" not in st.session_state:
        st.session_state.visitor = uuid.uuid4().hex
    return st.session_state.visitor


@dataclass
class Stay:
    """Ends the keeping of a visitor's uploads some time after the tab is gone."""

    visitor: str

    def release(self) -> None:
        """The session's socket closed; called on the event loop, as for a tether."""
        with _lock:
            _left[self.visitor] = time.monotonic() + KEPT
        _forget_later()


_left: dict[str, float] = {}
"""Visitors whose connection closed, and when their uploads go."""
_lock = threading.Lock()
_forgetting: list[threading.Timer] = []


def _forget_later() -> None:
    """At the moment when the first of them has been away for long; one timer for all."""
    with _lock:
        for timer in _forgetting:
            timer.cancel()
        _forgetting.clear()
        if _left:
            _forgetting.append(threading.Timer(max(0.0, min(_left.values()) - time.monotonic()), _forget))
            _forgetting[0].daemon = True
            _forgetting[0].start()


def _forget() -> None:
    with _lock:
        due = [visitor for visitor, moment in _left.items() if moment <= time.monotonic()]
        for gone in due:
            del _left[gone]
            uploads.leave(gone)
    _forget_later()


@st.cache_resource(scope="session", on_release=lambda stay: stay.release(), show_spinner=False)
def _stay() -> Stay:
    return Stay(visitor())


def stay() -> None:
    """This session is alive, and with it what it uploaded and what its address shows of others' uploads."""
    name = _stay().visitor
    with _lock:
        _left.pop(name, None)
    for field in ("image", "table"):
        uploads.hold(st.query_params.get(field, ""), name)


def waiting(task: Task) -> str:
    """Where this task stands in the line, in a sentence; empty while it has a slot or needs none."""
    ahead = worker().ahead(task)
    if not ahead:
        return ""
    return f"Waiting for a slot: {'one visitor is' if ahead == 1 else f'{ahead} visitors are'} ahead."


def pace(fastest: float) -> float:
    """Seconds between two looks at a run: longer with many visitors, so that the page stays quick for all."""
    return max(fastest, min(0.5, 0.04 * worker().visitors()))


def device_name(side: int) -> str:
    """What the page says a run on pictures of this longer side runs on."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    count = thread_count(side)
    return f"CPU · {count} thread{'s' if count > 1 else ''}"


def current() -> Job | None:
    """The session's run, kept alive by this call."""
    _hold_all()
    return st.session_state.get("job")


def history() -> History:
    """The runs of this session; they go with it."""
    if "history" not in st.session_state:
        st.session_state.history = History()
    return st.session_state.history


def show(scenario: Scenario) -> Job:
    """The run of this scenario that somebody went back to, as it was left, or else a new one."""
    kept = history().wanted(scenario)
    if kept is None:
        return start(scenario)
    _leave(kept)
    st.session_state.job = kept
    _hold_all()
    address.write("reconstruct", scenario.to_query())
    return kept


def _leave(fresh: Job) -> None:
    """Stop the session's run, unless it is the one that comes."""
    old: Job | None = st.session_state.get("job")
    if old is not None and old is not fresh:
        old.stop()
        worker().wake()


def start(scenario: Scenario) -> Job:
    """Replace the session's run by a new one and write its scenario into the address bar."""
    job = Job(scenario, device())
    _leave(job)
    st.session_state.job = job
    history().add(job)
    _hold_all()
    submit(job)
    address.write("reconstruct", scenario.to_query())
    return job
