"""What ends when a tab is gone: its runs after seconds, its uploads after minutes.

Each is held by an entry of a session cache of Streamlit's, whose release tells that the tab's socket closed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import streamlit as st

from deqviz.core import uploads
from deqviz.ui.shell import upkeep
from deqviz.ui.shell.deadlines import Deadlines

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
        if job is not None:
            _ending.drop(job.id)

    def release(self) -> None:
        """The session's socket closed; called on the event loop, so it must be quick and use no st.*."""
        upkeep.later()
        if self.job is not None and not self.job.is_over():
            _ending.note(self.job.id, GRACE, self.job.stop)


_ending = Deadlines()
"""Runs that end soon unless their session comes back, by the id of the job."""


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
        _left.note(self.visitor, KEPT, partial(uploads.leave, self.visitor))


_left = Deadlines()
"""Visitors whose connection closed, until their uploads go."""


@st.cache_resource(scope="session", on_release=lambda stay: stay.release(), show_spinner=False)
def _stay(visitor: str) -> Stay:
    return Stay(visitor)


def stay(visitor: str, keys: Iterable[str]) -> None:
    """A visitor is here, and with them their uploads and those of others under these keys."""
    _stay(visitor)
    _left.drop(visitor)
    for key in keys:
        uploads.hold(key, visitor)
