"""What one browser session holds: its run, and the study of every page that has one."""

import threading
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import streamlit as st
import torch

from deqviz.core.machine import thread_count
from deqviz.scenario import Scenario
from deqviz.ui import address
from deqviz.ui.job import Job
from deqviz.ui.study import Study
from deqviz.ui.worker import worker

GRACE = 3.0
"""Seconds between a lost connection and the end of its run: a reload of the page comes back sooner."""


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
        if self.job is None or self.job.is_over():
            return
        timer = threading.Timer(GRACE, self.job.stop)
        timer.daemon = True
        _ending[self.job.id] = timer
        timer.start()


_ending: dict[str, threading.Timer] = {}
"""Runs that end soon unless their session comes back, by the id of the job."""


@st.cache_resource(scope="session", on_release=lambda tether: tether.release(), show_spinner=False)
def _tether(page: str) -> Tether:
    """One for each page: what was left running there goes on while another page is looked at."""
    del page
    return Tether()


def _hold_all() -> None:
    """This session is alive, and with it everything that it left running on any page."""
    runs: dict[str, Run | None] = {"reconstruct": st.session_state.get("job"), **_studies()}
    for page, run in runs.items():
        _tether(page).hold(run)


def _studies() -> dict[str, Study]:
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
    worker().submit(fresh)
    return fresh


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
    _hold_all()
    return st.session_state.get("job")


def start(scenario: Scenario) -> Job:
    """Replace the session's run by a new one and write its scenario into the address bar."""
    old: Job | None = st.session_state.get("job")
    if old is not None:
        old.stop()
        worker().wake()
    job = Job(scenario, device())
    st.session_state.job = job
    _hold_all()
    worker().submit(job)
    address.write("reconstruct", scenario.to_query())
    return job
