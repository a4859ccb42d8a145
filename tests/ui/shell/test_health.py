"""The health check of the server, which asks the worker."""

import pytest
from starlette.responses import PlainTextResponse

from deqviz.runtime import watchdog
from deqviz.ui.shell.health import Health
from deqviz.ui.shell.server import MIDDLEWARE
from tests.places import awaited


class Stub:
    """A worker whose thread is there or not, and whose slice has taken so many seconds."""

    def __init__(self, seconds: float = 0.0, *, alive: bool = True):
        self.seconds, self.alive = seconds, alive

    def is_alive(self) -> bool:
        return self.alive

    def busy(self) -> float:
        return self.seconds


def answer(path: str) -> tuple[int, str]:
    """What a server says under this path whose every other answer is "ok"."""
    sent = []

    async def ask() -> None:
        async def send(message):
            sent.append(message)

        async def receive():
            return {"type": "http.request"}

        scope = {"type": "http", "path": path, "method": "GET", "headers": []}
        await Health(PlainTextResponse("ok"))(scope, receive, send)

    awaited(ask())
    return sent[0]["status"], b"".join(part.get("body", b"") for part in sent[1:]).decode()


@pytest.mark.parametrize("path", ["/_stcore/health", "/below/a/proxy/_stcore/health"])
def test_ok_means_that_the_worker_answers(monkeypatch, path):
    for stub in (None, Stub(), Stub(watchdog.STUCK / 2)):
        monkeypatch.setattr(watchdog, "_watched", stub)
        assert answer(path) == (200, "ok")
    monkeypatch.setattr(watchdog, "_watched", Stub(alive=False))
    assert answer(path) == (503, "The thread that runs solvers has ended: start the server again.\n")
    monkeypatch.setattr(watchdog, "_watched", Stub(2 * watchdog.STUCK))
    status, text = answer(path)
    assert (status, "has taken 1200 s" in text) == (503, True)


def test_everything_else_is_answered_as_before(monkeypatch):
    monkeypatch.setattr(watchdog, "_watched", Stub(alive=False))
    assert answer("/") == (200, "ok")


def test_the_server_has_it():
    assert Health in [one.cls for one in MIDDLEWARE]
