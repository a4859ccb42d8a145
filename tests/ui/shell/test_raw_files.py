"""Files as they were sent: a tab that sends many drives out its own, and the newest of all stays."""

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from deqviz.ui.shell import raw_files


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> MemoryUploadedFileManager:
    """One that keeps ten files of a kilobyte, six of them of one session."""
    monkeypatch.setattr(MemoryUploadedFileManager, "add_file", MemoryUploadedFileManager.add_file)
    monkeypatch.setattr(raw_files, "SHARE", 6 * 2**11)
    monkeypatch.setattr(raw_files, "CAPACITY", 10 * 2**11)
    raw_files.guard()
    return MemoryUploadedFileManager("")


def send(manager: MemoryUploadedFileManager, session: str, *names: str, size: int = 2**10) -> None:
    for name in names:
        manager.add_file(session, UploadedFileRec(name, "", "", bytes(size)))


def kept(manager: MemoryUploadedFileManager, session: str) -> str:
    return "".join(file.file_id for file in manager.get_files(session, [*"abcdefghijklmnopqrstuvw"]))


def test_whoever_sends_many_loses_the_oldest(manager: MemoryUploadedFileManager) -> None:
    send(manager, "one", *"abcdef")
    assert kept(manager, "one") == "abcdef"
    send(manager, "one", *"agh")
    assert kept(manager, "one") == "adefgh"
    assert manager._total_bytes == 6 * 2**10


def test_what_is_too_much_for_all_goes_from_whoever_has_most(manager: MemoryUploadedFileManager) -> None:
    send(manager, "one", *"abc")
    send(manager, "two", *"defghi")
    send(manager, "new", *"kl")
    assert [kept(manager, name) for name in ("one", "two", "new")] == ["abc", "efghi", "kl"]


def test_the_newest_stays_and_empty_files_count(manager: MemoryUploadedFileManager) -> None:
    send(manager, "one", *"abc")
    send(manager, "two", "d", size=2**20)
    assert (kept(manager, "one"), kept(manager, "two")) == ("", "d")
    manager.remove_session_files("two")
    send(manager, "one", *"abcdefghijklmnopq", size=0)
    assert kept(manager, "one") == "fghijklmnopq"
