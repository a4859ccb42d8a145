"""What visitors may leave at Streamlit's upload address, which keeps every file until its session ends.

It also keeps those that no widget shows: whoever sends them by hand could fill the memory of the server.
"""

import re
from collections import Counter
from contextlib import suppress
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config, runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

FILES: Final = 32
"""Of one session; the pages together have five boxes, and a box has one."""
SHARE: Final = 2
"""Times the largest upload that one session may leave."""
TOTAL: Final = 5
"""Times the largest upload that all of them may."""
FILES_TOTAL: Final = 1000

_PATH = re.compile(r".*/_stcore/upload_file/([^/]+)/[^/]+", re.DOTALL)


class Intake:
    """Answers status 413 and a sentence to an upload beyond what is kept or on its way already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._coming: list[tuple[str, int]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an upload, or hand it on."""
        is_upload = scope["type"] == "http" and scope["method"] == "PUT"
        match = _PATH.fullmatch(scope["path"]) if is_upload else None
        if match is None or not runtime.get_instance().is_active_session(match[1]):
            await self._app(scope, receive, send)
            return
        one = (match[1], _size(Headers(scope=scope)))
        if refusal := self._refusal(*one):
            await PlainTextResponse(f"{refusal}\n", 413)(scope, receive, send)
            return
        self._coming.append(one)
        try:
            with suppress(
                ClientDisconnect
            ):  # nobody is left to be answered, and a traceback tells nobody more
                await self._app(scope, receive, send)
        finally:
            self._coming.remove(one)

    def _refusal(self, session: str, size: int) -> str | None:
        count, weight = Counter[str](), Counter[str]()
        for name, length in (*_kept(), *self._coming, (session, size)):
            count[name] += 1
            weight[name] += length
        most = _largest()
        if count[session] > FILES or weight[session] > SHARE * most:
            return (
                f"This page has uploaded {FILES} files or {SHARE * most >> 20} MB, and no more are kept: "
                "remove some, or open the page anew."
            )
        if count.total() > FILES_TOTAL or weight.total() > TOTAL * most:
            return (
                f"The server keeps uploads of {TOTAL * most >> 20} MB and has no room now: "
                "try again when others have left."
            )
        return None


def _largest() -> int:
    return config.get_option("server.maxUploadSize") << 20


def _size(headers: Headers) -> int:
    """Of a request, as far as it says; at most what Streamlit takes before it refuses."""
    length = headers.get("content-length", "")
    is_told = "transfer-encoding" not in headers and length.isascii() and length.isdigit()
    return min(int(length[:20]), _largest()) if is_told else _largest()


def _kept() -> list[tuple[str, int]]:
    """The session and the size of every file that Streamlit has."""
    manager = runtime.get_instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)
    sessions = list(manager.file_storage.items())
    return [
        (session, len(file.data) + len(file.name) + len(file.type))
        for session, files in sessions
        for file in list(files.values())
    ]
