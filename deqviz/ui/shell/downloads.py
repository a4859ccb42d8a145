"""Files offered for download: they stay while somebody may still ask for them.

Streamlit drops the function behind a button at the end of the next script run of any visitor, and the file
that it made for a click at the end of the one after: where parts of a page are drawn several times a second,
a click under way gets 404. There is no public way to have it wait; a test holds the private one to the
pinned version.
"""

import time
from collections.abc import Collection
from typing import Final

from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileKind

HELD: Final = 30.0
"""Seconds from the end of the script run that offered a file no more: a click is answered within them."""

_unused = MediaFileManager._get_inactive_file_ids


def guard() -> None:
    """From now on what is offered no more is dropped `HELD` seconds later; once per process."""
    MediaFileManager._get_inactive_file_ids = _unused_files  # type: ignore[method-assign]
    MediaFileManager._remove_orphaned_deferred_callables = _drop_functions  # type: ignore[method-assign]


def forget(manager: MediaFileManager, session: str) -> None:
    """Drop what was offered to a session that nobody can come back to: the functions hold its runs."""
    with manager._lock:
        for name in list(manager._deferred_ids_by_session.get(session, ())):
            manager._drop_deferred_id(name)


class _Unused:
    """Since when each of some names is in no use."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def long(self, names: Collection[str]) -> set[str]:
        """Those of them, all that are in no use now, whose time is up."""
        now = time.monotonic()
        self._since = {name: self._since.get(name, now) for name in names}
        return {name for name, since in self._since.items() if now - since >= HELD}


_files, _functions = _Unused(), _Unused()


def _unused_files(manager: MediaFileManager) -> set[str]:
    """What Streamlit may drop: pictures at once, downloads once their time is up."""
    unused, metadata = _unused(manager), manager._file_metadata
    downloads = {name for name in unused if metadata[name].kind is MediaFileKind.DOWNLOADABLE}
    return unused - downloads | _files.long(downloads)


def _drop_functions(manager: MediaFileManager) -> None:
    """Drop those that no session's page has had for long; called with the manager's lock held."""
    used = {name for files in manager._files_by_session_and_coord.values() for name in files.values()}
    for name in _functions.long(manager._deferred_callables.keys() - used):
        manager._drop_deferred_id(name)
