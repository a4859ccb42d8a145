"""A closed tab ends its run; a blink of the connection does not."""

import gc
import inspect
import weakref

import pytest
from streamlit import runtime
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

from deqviz.runtime.job import Job
from deqviz.scenario import Scenario
from deqviz.ui.shell import session
from tests.places import until


@pytest.fixture
def job(monkeypatch):
    monkeypatch.setattr(session, "GRACE", 0.1)
    return Job(Scenario(size=48).validated())


def test_a_closed_tab_ends_the_run(job):
    tether = session.Tether()
    tether.hold(job)
    tether.release()
    assert job.state == "preparing", "a reload of the page comes back sooner"
    until(lambda: job.state == "stopped", "the end of the run")


def test_a_session_that_comes_back_keeps_its_run(job):
    tether = session.Tether()
    tether.hold(job)
    tether.release()
    (timer,) = session._ending.values()
    session.Tether().hold(job)
    timer.join()
    assert job.state == "preparing"


def test_a_session_that_moved_on_does_not_hold_the_old_run(job):
    other = Job(Scenario(size=48).validated())
    tether = session.Tether()
    tether.hold(other)
    tether.release()
    until(lambda: other.state == "stopped", "the end of the other run")
    assert job.state == "preparing"


def test_what_was_frozen_while_somebody_was_there_is_collected_once_they_are_gone(monkeypatch):
    class Visit:
        """In a circle, as a session is."""

        def __init__(self):
            self.own = self

    monkeypatch.setattr(session.time, "sleep", lambda seconds: None)
    visit = Visit()
    trace = weakref.ref(visit)
    try:
        gc.freeze()
        del visit
        gc.collect()
        assert trace() is not None, "a collection passes over what is frozen"
        session._tidy()
        assert trace() is None
        assert gc.get_freeze_count() > 0, "what lives on is frozen again"
    finally:
        gc.unfreeze()


def test_streamlit_still_has_the_way_in_which_expired_sessions_are_forgotten():
    storage = MemorySessionStorage(ttl_seconds=60)
    assert callable(storage._cache.expire)  # type: ignore[attr-defined]
    assert callable(runtime.Runtime._get_async_objs)
    source = inspect.getsource(runtime.Runtime.__init__) + inspect.getsource(WebsocketSessionManager.__init__)
    assert "self._session_mgr = " in source
    assert "self._session_storage = " in source
