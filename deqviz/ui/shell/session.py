"""What one browser session holds: its run, and the study of every page that has one."""

import uuid
from typing import Any

import streamlit as st
import torch

from deqviz.core.machine import device, thread_count
from deqviz.runtime.job import Job
from deqviz.runtime.study import Study
from deqviz.runtime.worker import Task, worker
from deqviz.scenario import Scenario
from deqviz.ui.shell import address, departure, upkeep
from deqviz.ui.shell.history import History


def _hold_all() -> None:
    """This session is alive, and with it everything that it left running on any page."""
    upkeep.note()
    runs: dict[str, departure.Run | None] = {"reconstruct": st.session_state.get("job"), **_studies()}
    for page, run in runs.items():
        departure.tether(page).hold(run)


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


def stay() -> None:
    """This session is alive, and with it what it uploaded and what its address shows of others' uploads."""
    departure.stay(visitor(), [st.query_params.get(field, "") for field in ("image", "table")])


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
