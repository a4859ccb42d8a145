"""Files as browsers sent them: Streamlit keeps them while their tab is open, however many a tab sends.

Their number and their names are the browser's, so that one tab could fill the memory. There is no public
place to bound that; a test holds the private one to the pinned version.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

SHARE: Final = 256 * 2**20
"""Bytes of one session: a scan, and images beside it."""
CAPACITY: Final = 2**30
"""Bytes of all sessions."""
_ENTRY: Final = 2**10
"""Bytes of a file that is empty."""

Storage = Mapping[str, Mapping[str, UploadedFileRec]]
_add = MemoryUploadedFileManager.add_file


def guard() -> None:
    """From now on, where there is too much, the oldest file of whoever has most goes; never the newest."""
    MemoryUploadedFileManager.add_file = _careful  # type: ignore[method-assign]


def _careful(manager: MemoryUploadedFileManager, session_id: str, file: UploadedFileRec) -> None:
    manager.remove_file(session_id, file.file_id)  # one that is sent again is the newest
    _add(manager, session_id, file)
    with manager._lock:
        kept = {session: dict(files) for session, files in manager.file_storage.items()}
    for session, oldest in surplus(kept, file.file_id):
        manager.remove_file(session, oldest)


def surplus(kept: Storage, newest: str) -> Iterator[tuple[str, str]]:
    """Session and name of each file that has to go, of those that are kept, each session's oldest first."""
    held = {session: sum(map(_size, files.values())) for session, files in kept.items()}
    rest = {session: [name for name in files if name != newest] for session, files in kept.items()}
    while held:
        session = max((s for s in held if rest[s]), key=lambda s: held[s], default=None)
        if session is None or (held[session] <= SHARE and sum(held.values()) <= CAPACITY):
            return
        oldest = rest[session].pop(0)
        held[session] -= _size(kept[session][oldest])
        yield session, oldest


def _size(file: UploadedFileRec) -> int:
    return len(file.data) + len(file.name) + len(file.type) + _ENTRY
