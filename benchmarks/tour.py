"""What one visitor leaves behind who looks at everything: the server's memory after a tour of all pages.

    python benchmarks/tour.py [--minutes 45] [--stay 20] [--json FILE]

A scripted visitor, who speaks Streamlit's own websocket protocol, opens every page with its defaults and with
every preset, every lesson, and runs of the largest size, looks on as a browser would, and turns to the next
when it is over or after `stay` seconds; what goes on then goes on behind. After the last one it begins anew
until the minutes are over. The server is then as large as it is with the visitor still there.
"""

import asyncio
import itertools
import random
import sys
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.measure import met, run, serving
from benchmarks.visitor import connected, rerun, spoken
from benchmarks.watch import FORGET, megabytes, rested
from deqviz.bench.rows import Row
from deqviz.ui.components.packets import unpack
from deqviz.ui.pages import PAGES
from deqviz.ui.pages.lessons import file as lessons
from deqviz.ui.pages.lessons.view import READERS
from deqviz.ui.pages.playground import setup as playground
from deqviz.ui.pages.reconstruct import form as reconstruct

MOVING = {"preparing", "running", "checking"}
LARGE = (
    {"size": "512", "image": "astronaut", "iterations": "120"},
    {"size": "512", "image": "camera", "method": "tv", "iterations": "300"},
)
"""Runs of the Reconstruct page beside its presets."""


REST = 60.0
"""Seconds at the end in which nothing new is asked for."""


class Stop(NamedTuple):
    """A place of the tour: a page and its address."""

    page: str
    query: str


def stops() -> tuple[Stop, ...]:
    """Every page with its defaults, every preset, every lesson in both views, the large runs."""
    queries: dict[str, list[dict[str, str]]] = {page.name: [{}] for page in PAGES}
    for page in PAGES:
        if find_spec(name := f"deqviz.ui.pages.{page.name}.setting") is not None:
            presets = import_module(name).PRESETS.values()
            queries[page.name] += [setting.validated().to_query() for _, setting in presets]
    mol = import_module("deqviz.ui.pages.monotone.setting").PRESETS.values()
    queries["convergence"] += [setting.validated().to_query() for _, setting in mol]
    queries["reconstruct"] += [
        scenario.validated().to_query() for _, scenario in reconstruct.PRESETS.values()
    ]
    queries["reconstruct"] += LARGE
    queries["playground"] += [setup.to_query() for _, setup in playground.PRESETS.values()]
    for lesson in lessons.lessons(READERS, lessons.FOLDER):
        queries["lessons"] += [{"lesson": lesson.key}, {"lesson": lesson.key, "view": "tried"}]
    return tuple(
        Stop(page, urllib.parse.urlencode(query)) for page, each in queries.items() for query in each
    )


class Tourist:
    """A scripted visitor of all pages, who answers every automatic rerun as a browser would."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.pages: dict[str, str] = {}
        self.page = self.query = self.state = ""
        self.errors: list[str] = []
        self.widgets: dict[str, dict[str, object]] = {}
        self.fragments: dict[str, float] = {}
        self._finished = asyncio.Event()

    async def read(self) -> None:
        """Take in what the server sends, until the connection ends."""
        async for raw in self.socket:
            message = ForwardMsg()
            message.ParseFromString(raw)
            self.take(message)

    def take(self, message: ForwardMsg) -> None:
        """Take in one message of the server."""
        match message.WhichOneof("type"):
            case "navigation":
                self.pages = {p.url_pathname: p.page_script_hash for p in message.navigation.app_pages}
            case "new_session":
                self.page = message.new_session.page_script_hash
            case "auto_rerun":
                self.fragments[message.auto_rerun.fragment_id] = message.auto_rerun.interval
            case "script_finished" if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                self._finished.set()
            case "page_info_changed":
                self.query = message.page_info_changed.query_string
            case "delta":
                self.element(message.delta.new_element)

    def element(self, element: object) -> None:
        kind = element.WhichOneof("type")  # type: ignore[attr-defined]
        widget = getattr(element, kind) if kind else None
        if widget is None:
            return
        if (value := spoken(kind, widget)) is not None:
            self.widgets[widget.id] = value
        elif kind == "exception":
            self.errors.append(f"{self.query}: {widget.message or widget.type}")
        elif kind == "bidi_component" and widget.bytes and widget.bytes[:4] != b"\0\0\0\0":
            head, _ = unpack(widget.bytes)
            self.state = head.get("state", self.state)

    def message(self, fragment: str = "") -> BackMsg:
        """What a browser sends so that the script runs, or a fragment of it."""
        return rerun(self.page, self.query, self.widgets, fragment)

    async def run(self, fragment: str = "") -> None:
        """One run of the script, or of its fragment, to its end."""
        await self.send(self.message(fragment))

    async def send(self, message: BackMsg) -> None:
        """Send it, and wait until the script has run."""
        self._finished.clear()
        await self.socket.send(message.SerializeToString())
        await asyncio.wait_for(self._finished.wait(), 120)

    async def open(self, stop: Stop, stay: float) -> None:
        """Go to a place and look on until all is over there, at most `stay` seconds."""
        if not self.pages:
            await self.run()
        self.page = self.pages.get(stop.page) or self.pages[""]
        self.query, self.state = stop.query, ""
        self.widgets.clear()
        end = time.monotonic() + stay
        while True:
            self.fragments.clear()
            await self.run()
            while self.fragments and self.state in MOVING and time.monotonic() < end:
                due = time.monotonic() + min(self.fragments.values())
                for fragment in tuple(self.fragments):
                    await self.run(fragment)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            if self.state not in MOVING or time.monotonic() >= end:
                break
            await asyncio.sleep(0.2)
        await self.run()  # the whole page at the end, with what it offers then


def tourist(port: int) -> AbstractAsyncContextManager[Tourist]:
    """A visitor, who leaves at the end."""
    return connected(port, Tourist)


async def travel(
    port: int, order: Sequence[Stop], seconds: float, stay: float, tell: "list[tuple[Stop, float]]", pid: int
) -> list[str]:
    """One visitor from place to place, round after round, until the time is over; the errors that it met.

    At the end it stays for a minute with the page that says what this is: what it left running ends.
    """
    end = time.monotonic() + seconds
    async with tourist(port) as visitor:
        for stop in itertools.cycle(order):
            await visitor.open(stop, stay)
            tell.append((stop, megabytes(pid)))
            if time.monotonic() > end:
                break
        rest = Stop("about", "")
        await visitor.open(rest, stay)
        await asyncio.sleep(REST if seconds else 0.0)
        tell.append((rest, megabytes(pid)))
        return visitor.errors


def rows(minutes: float, stay: float) -> Iterator[Row]:
    """The tour of one visitor."""
    seen = list[tuple[Stop, float]]()
    with serving("--server.disconnectedSessionTTL", str(FORGET)) as (port, pid):
        errors = asyncio.run(travel(port, stops()[:1], 0.0, stay, [], pid))
        yield Row("memory after one page", rested(pid), "MB")
        errors += asyncio.run(travel(port, stops(), 60 * minutes, stay, seen, pid))
        for stop, size in seen:
            print(f"{size:7.0f} MB  {stop.page} {stop.query[:90]}", file=sys.stderr)
        yield Row("places seen", len(seen), "")
        yield Row("memory at the end of the tour", seen[-1][1], "MB", 900, "at most")
        yield Row("most memory at the end of a place", max(size for _, size in seen), "MB")
        yield Row("most memory at any moment", megabytes(pid, "VmHWM"), "MB")
        yield Row("memory after the visitor has left", rested(pid), "MB")
        yield met(errors)


def shuffled(seed: int) -> list[Stop]:
    """All places in an order of a visitor's own."""
    order = list(stops())
    random.Random(seed).shuffle(order)
    return order


if __name__ == "__main__":
    sys.exit(run(rows, __doc__, minutes=45.0, stay=20.0))
