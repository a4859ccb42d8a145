"""A closed tab ends its run; a blink of the connection does not."""

import gc
import inspect
import weakref
from types import SimpleNamespace

import pytest
import streamlit as st
import torch
from streamlit import runtime
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.fragment import MemoryFragmentStorage
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.state.session_state import SessionState
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager
from streamlit.testing.v1 import AppTest

from deqviz import images
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


@pytest.fixture
def picture(monkeypatch):
    monkeypatch.setattr(session, "KEPT", 0.1)
    return images.keep(torch.rand(1, 1, 32, 32), "5e55" * 4, "a visitor")


def test_uploads_go_with_their_visitor(picture):
    session.Stay("a visitor").release()
    images.check(picture)
    until(lambda: picture not in images._uploads, "the end of the upload")
    assert not session._left


def test_a_visitor_who_comes_back_keeps_the_uploads(picture):
    at = AppTest.from_string("from deqviz.ui.shell import session\nsession.stay()")
    at.session_state.visitor = "a visitor"
    at.run()
    session.Stay("a visitor").release()
    (timer,) = session._forgetting
    at.run()
    timer.join()
    images.check(picture)
    # Of another visitor's upload whoever opened its link is a holder as well.
    at.session_state.visitor = "another one"
    at.query_params["image"] = picture
    st.cache_resource.clear()
    at.run()
    images._uploads.leave("a visitor")
    images.check(picture)
    images._uploads.leave("another one")
    assert picture not in images._uploads


def test_what_was_frozen_while_somebody_was_there_is_collected_once_they_are_gone(monkeypatch):
    class Circle:
        """As a session is."""

        def __init__(self):
            self.own = self

    monkeypatch.setattr(session.time, "sleep", lambda seconds: None)
    visit = Circle()
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


class Known:
    """A runtime of Streamlit's that knows of some sessions, active or stored."""

    def __init__(self, active: set[str], stored: set[str]):
        self.active = active
        self._session_mgr = SimpleNamespace(_session_storage={name: name for name in stored})

    def is_active_session(self, name: str) -> bool:
        return name in self.active


class Visit:
    """One of Streamlit's sessions."""

    def __init__(self):
        self.session_state, self._fragment_storage = {"job": 1}, {"panel": 1}


def test_a_session_that_nobody_can_come_back_to_holds_nothing(monkeypatch):
    visits = {name: Visit() for name in ("here", "away for a moment", "gone")}
    known = Known({"here"}, {"away for a moment"})
    monkeypatch.setattr(session.runtime, "exists", lambda: True)
    monkeypatch.setattr(session.runtime, "get_instance", lambda: known)
    monkeypatch.setattr(session, "_sessions", visits)
    session._empty()
    assert [bool(visit.session_state) for visit in visits.values()] == [True, True, False]
    assert [bool(visit._fragment_storage) for visit in visits.values()] == [True, True, False]


def test_streamlit_still_has_the_way_in_which_a_session_is_emptied():
    assert callable(WebsocketSessionManager.get_active_session_info)
    assert callable(runtime.Runtime.is_active_session)
    assert callable(MemorySessionStorage.get)
    assert isinstance(AppSession.session_state, property)
    assert callable(SessionState.clear)
    assert callable(MemoryFragmentStorage.clear)
    assert "self._fragment_storage: FragmentStorage" in inspect.getsource(AppSession.__init__)


def test_streamlit_still_has_the_way_in_which_expired_sessions_are_forgotten():
    storage = MemorySessionStorage(ttl_seconds=60)
    assert callable(storage._cache.expire)  # type: ignore[attr-defined]
    assert callable(runtime.Runtime._get_async_objs)
    source = inspect.getsource(runtime.Runtime.__init__) + inspect.getsource(WebsocketSessionManager.__init__)
    assert "self._session_mgr = " in source
    assert "self._session_storage = " in source
