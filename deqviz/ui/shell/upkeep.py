"""Memory of sessions that are over, given back to the system: Streamlit and the collector take their time.

Streamlit has no public way to most of it; tests hold the private ones to the pinned version.
"""

import contextlib
import gc
import time
import weakref
from typing import Any

from streamlit import runtime
from streamlit.config import get_option
from streamlit.runtime.scriptrunner import get_script_run_ctx

from deqviz.core.machine import trim
from deqviz.ui.shell import downloads
from deqviz.ui.shell.deadlines import Deadlines

_tidying = Deadlines()


def later() -> None:
    """Once Streamlit has forgotten the session: give its memory back to the system.

    A session is a cycle of references, and collections are rare in a quiet process; the allocator keeps what
    it has got. Twenty visitors left 400 MB behind.
    """
    _tidying.note("", get_option("server.disconnectedSessionTTL") + 1.0, _tidy)


_sessions: "weakref.WeakValueDictionary[str, Any]" = weakref.WeakValueDictionary()
"""Streamlit's own sessions, by their names."""


def note() -> None:
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
                downloads.forget(instance.media_file_mgr, name)


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
