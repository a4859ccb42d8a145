"""What one browser session holds: its run, and the link between the run and the address bar."""

import threading
import time
from dataclasses import dataclass

import streamlit as st
import torch

from deqviz.core.machine import thread_count
from deqviz.scenario import Scenario
from deqviz.ui.job import Job
from deqviz.ui.worker import worker

STALE = 5.0
"""Seconds during which an address that was just replaced is not taken for one that somebody opened."""
GRACE = 3.0
"""Seconds between a lost connection and the end of its run: a reload of the page comes back sooner."""


@dataclass
class Tether:
    """Ends a run when its tab is gone. Lives in a session cache, whose release tells of the tab."""

    job: Job | None = None

    def hold(self, job: Job | None) -> None:
        """The session is alive and watches `job`."""
        self.job = job
        # A blink of the connection released the session's cache: the run goes on under this new tether.
        timer = _ending.pop(job.id, None) if job is not None else None
        if timer is not None:
            timer.cancel()

    def release(self) -> None:
        """The session's socket closed; called on the event loop, so it must be quick and use no st.*."""
        if self.job is None or self.job.is_over():
            return
        timer = threading.Timer(GRACE, self.job.stop)
        timer.daemon = True
        _ending[self.job.id] = timer
        timer.start()


_ending: dict[str, threading.Timer] = {}
"""Runs that end soon unless their session comes back, by the id of the job."""


@st.cache_resource(scope="session", on_release=lambda tether: tether.release(), show_spinner=False)
def _tether() -> Tether:
    return Tether()


def device() -> str:
    """ "cuda" where there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name(side: int) -> str:
    """What the page says a run on pictures of this longer side runs on."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    count = thread_count(side)
    return f"CPU · {count} thread{'s' if count > 1 else ''}"


def current() -> Job | None:
    """The session's run, kept alive by this call."""
    job: Job | None = st.session_state.get("job")
    _tether().hold(job)
    return job


def start(scenario: Scenario) -> Job:
    """Replace the session's run by a new one and write its scenario into the address bar."""
    old: Job | None = st.session_state.get("job")
    if old is not None:
        old.stop()
        worker().wake()
    job = Job(scenario, device())
    st.session_state.job = job
    _tether().hold(job)
    worker().submit(job)
    query = scenario.to_query()
    # What is in the address bar now may come back once more, in a rerun that was sent before this change.
    st.session_state.stale = (_address(), time.monotonic() + STALE)
    st.query_params.from_dict(query)
    st.session_state.query = query
    return job


def _address() -> dict[str, str]:
    return {name: st.query_params[name] for name in st.query_params}


def from_address() -> tuple[Scenario, tuple[str, ...]] | None:
    """The scenario of the address bar when it is not the one this session wrote, with complaints."""
    query = _address()
    stale, until = st.session_state.get("stale", (None, 0.0))
    if st.session_state.get("query") == query or (query == stale and time.monotonic() < until):
        return None
    st.session_state.query = query
    return Scenario.from_query(query)
