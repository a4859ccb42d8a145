"""A click on a download is answered, however often scripts run meanwhile; and nothing is kept for ever."""

import importlib.util
from collections.abc import Callable

import pytest
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileStorageError
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from deqviz.ui.shell import downloads

Clock = Callable[[float], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the time that the guard reads."""
    now = [0.0]
    monkeypatch.setattr(downloads.time, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, seconds)


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> MediaFileManager:
    for name in ("_get_inactive_file_ids", "_remove_orphaned_deferred_callables"):
        monkeypatch.setattr(
            MediaFileManager, name, getattr(MediaFileManager, name)
        )  # put back after the test
    downloads.guard()
    return MediaFileManager(MemoryMediaFileStorage("/media"))


def offer(manager: MediaFileManager) -> str:
    """A script run that draws a button."""
    manager.clear_session_refs()
    name = manager.add_deferred(lambda: b"rows", "text/plain", "1.2", "rows.txt", element_id="button")
    manager.remove_orphaned_files()
    return name


def click(manager: MediaFileManager, name: str) -> str:
    """The file that a browser asks for after this click."""
    return manager.execute_deferred(name).rpartition("/")[2].partition(".")[0]


def test_a_click_under_way_outlives_the_runs_that_overtake_it(manager, clock):
    name = offer(manager)
    for _ in range(5):
        offer(manager)
    file = click(manager, name)
    for _ in range(5):
        offer(manager)
    assert manager.read_file(file).content == b"rows"


def test_what_nobody_offers_goes_in_time(manager, clock):
    name = offer(manager)
    file = click(manager, name)
    manager.clear_session_refs()
    manager.remove_orphaned_files()
    clock(downloads.HELD)
    manager.remove_orphaned_files()  # Streamlit marks a file first
    manager.remove_orphaned_files()
    assert manager.read_file(file) is None
    with pytest.raises(MediaFileStorageError, match="not found"):
        manager.execute_deferred(name)


def test_what_is_offered_stays(manager, clock):
    name = offer(manager)
    for seconds in (downloads.HELD, 3 * downloads.HELD):
        clock(seconds)
        manager.remove_orphaned_files()
        assert manager.read_file(click(manager, name)).content == b"rows"


def test_what_a_session_that_is_over_was_offered_goes_with_it(manager):
    name = offer(manager)
    downloads.forget(manager, manager._deferred_callables[name]["session_id"])
    with pytest.raises(MediaFileStorageError, match="not found"):
        manager.execute_deferred(name)


def test_pictures_go_as_they_did(manager):
    file = manager.add(b"pixels", "image/png", "1.3").rpartition("/")[2].partition(".")[0]
    manager.clear_session_refs()
    manager.remove_orphaned_files()
    assert manager.read_file(file) is None


def test_without_the_guard_the_click_is_lost():
    """The reason for the guard: once Streamlit keeps them itself, it can go."""
    # A copy of Streamlit's own, for the app of an earlier test may have guarded this process's.
    spec = importlib.util.find_spec(MediaFileManager.__module__)
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    manager = copy.MediaFileManager(MemoryMediaFileStorage("/media"))
    name = offer(manager)
    offer(manager)
    with pytest.raises(MediaFileStorageError, match="not found"):
        manager.execute_deferred(name)
