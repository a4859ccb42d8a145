"""What a session had is given back, by ways into Streamlit that are held to the pinned version."""

import gc
import inspect
import weakref
from types import SimpleNamespace

from streamlit import runtime
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.fragment import MemoryFragmentStorage
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.state.session_state import SessionState
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

from deqviz.ui.shell import upkeep


def test_what_was_frozen_while_somebody_was_there_is_collected_once_they_are_gone(monkeypatch):
    class Circle:
        """As a session is."""

        def __init__(self):
            self.own = self

    monkeypatch.setattr(upkeep.time, "sleep", lambda seconds: None)
    visit = Circle()
    trace = weakref.ref(visit)
    try:
        gc.freeze()
        del visit
        gc.collect()
        assert trace() is not None, "a collection passes over what is frozen"
        upkeep._tidy()
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
    monkeypatch.setattr(upkeep.runtime, "exists", lambda: True)
    monkeypatch.setattr(upkeep.runtime, "get_instance", lambda: known)
    monkeypatch.setattr(upkeep, "_sessions", visits)
    upkeep._empty()
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
