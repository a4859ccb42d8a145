"""The first page under its own name opens at its address, with all that was asked."""

from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from deqviz.ui.shell.first_page import FirstPage
from tests.places import awaited


async def _none() -> Message:
    return {"type": "http.disconnect"}


async def _handed_on(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": []})


def _answer(path: str, query: str = "") -> tuple[int, str]:
    """Status, and where to."""
    sent: list[Any] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode()}
    awaited(FirstPage(_handed_on, "reconstruct")(scope, _none, send))
    headers = dict(sent[0]["headers"])
    return sent[0]["status"], headers.get(b"location", b"").decode()


@pytest.mark.parametrize(
    ("path", "query", "where"),
    [
        ("/reconstruct", "", "./"),
        ("/reconstruct", "size=64&image=coins&v=2", "./?size=64&image=coins&v=2"),
        ("/reconstruct/", "size=64", "../?size=64"),
        ("/below/a/path/reconstruct", "", "./"),
        ("//evil.example/reconstruct", "", "./"),
    ],
)
def test_it_is_sent_to_its_address(path: str, query: str, where: str) -> None:
    assert _answer(path, query) == (307, where)


@pytest.mark.parametrize("path", ["/", "/compare", "/unreconstruct", "/reconstruct/static/a.js"])
def test_others_are_handed_on(path: str) -> None:
    assert _answer(path) == (200, "")
