"""What ends when a tab is gone: its runs after seconds, its uploads after minutes.

Each is held by an entry of a session cache of Streamlit's, whose release tells that the tab's socket closed.
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import streamlit as st

from deqviz.core import uploads
from deqviz.ui.shell import upkeep

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
        upkeep.later()
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


@st.cache_resource(scope="session", on_release=lambda tether: tether.release(), show_spinner=False)
def tether(page: str) -> Tether:
    """One for each page: what was left running there goes on while another page is looked at."""
    del page
    return Tether()


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
def _stay(visitor: str) -> Stay:
    return Stay(visitor)


def stay(visitor: str, keys: Iterable[str]) -> None:
    """A visitor is here, and with them their uploads and those of others under these keys."""
    _stay(visitor)
    with _lock:
        _left.pop(visitor, None)
    for key in keys:
        uploads.hold(key, visitor)
