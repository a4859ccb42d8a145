"""Many visitors at once: how long the page takes to answer, and what they leave behind.

    python benchmarks/crowd.py [--json FILE]

Twenty scripted visitors, who speak Streamlit's own websocket protocol, open the page, each with a run of 300
iterations of its own, look on as a browser would, every eighth time at the whole page, and leave when their
run is over. After one such round come nine shorter ones.
"""

import asyncio
import itertools
import statistics
import sys
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import websockets
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.measure import met, run, serving
from benchmarks.serving import Client
from benchmarks.visitor import connected, rerun, spoken
from benchmarks.watch import FORGET, rested
from deqviz.bench.rows import Row
from deqviz.core.registry import Choice
from deqviz.scenario import Scenario
from deqviz.ui.components.packets import unpack

VISITORS = 20
ROUNDS = 10
PATIENCE = 300.0
"""Seconds after which a run that is not over counts as lost."""
METHODS = (
    Choice("tv"),
    Choice("iterated_tikhonov", {"weight": 1.0}),
    Choice("equilibrium", {"regularizer": Choice("smoothed_tv"), "solver": Choice("picard")}),
    Choice("equilibrium", {"regularizer": Choice("quadratic"), "splitting": "explicit"}),
)


def scenario(number: int, iterations: int) -> Scenario:
    """What a visitor watches: so many iterations, cut short by no tolerance."""
    method = METHODS[number % len(METHODS)]
    return Scenario(method=method, iterations=iterations, tolerance=1e-9, seed=number)


@dataclass
class Seen:
    """What all visitors of a round met."""

    fragments: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    openings: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    queued: int = 0


class Visitor(Client):
    """A client that also notes errors, the state of its run, and whether it stood in the line.

    As a browser does, it tells the server with everything it asks for what its address and its widgets say.
    """

    def __init__(self, socket: websockets.ClientConnection, query: str) -> None:
        super().__init__(socket, query)
        self.state, self.was_queued, self.errors = "", False, []
        self.widgets: dict[str, dict[str, Any]] = {}

    async def run(self, is_fragment: bool) -> None:
        """One run of the script, or of its fragment, to its end."""
        message = rerun(self.page, self.query, self.widgets, self.fragment if is_fragment else "")
        self.finished.clear()
        await self.socket.send(message.SerializeToString())
        await asyncio.wait_for(self.finished.wait(), 60)

    async def read(self) -> None:
        async for raw in self.socket:
            message = ForwardMsg()
            message.ParseFromString(raw)
            match message.WhichOneof("type"):
                case "new_session":
                    self.page = message.new_session.page_script_hash
                case "auto_rerun":
                    self.fragment = message.auto_rerun.fragment_id
                    self.interval = message.auto_rerun.interval
                case "script_finished":
                    self.finished.set()
                case "page_info_changed":
                    self.query = message.page_info_changed.query_string
                case "delta":
                    element = message.delta.new_element
                    kind = element.WhichOneof("type")
                    if kind and (value := spoken(kind, getattr(element, kind))) is not None:
                        self.widgets[getattr(element, kind).id] = value
                    match element.WhichOneof("type"):
                        case "exception":
                            self.errors.append(element.exception.message or element.exception.type)
                        case "bidi_component":
                            self._frame(element.bidi_component.bytes)

    def _frame(self, data: bytes) -> None:
        if not data or data[:4] == b"\0\0\0\0":
            return
        head, _ = unpack(data)
        if head.get("kind") == "view":
            self.state = head["state"]
            self.was_queued |= "Waiting for a slot" in (head.get("message") or "")


async def visit(port: int, asked_for: Scenario, seen: Seen) -> None:
    """One visitor, from the opening of the page to the end of its run."""
    query = urllib.parse.urlencode(asked_for.to_query())
    begun = time.perf_counter()
    async with connected(port, lambda socket: Visitor(socket, query)) as visitor:
        await visitor.run(is_fragment=False)
        seen.openings.append(time.perf_counter() - begun)
        looks = itertools.count(1)
        while visitor.state not in ("done", "stopped", "error", "diverged"):
            if time.perf_counter() - begun > PATIENCE:
                seen.errors.append(f"seed {asked_for.seed}: still {visitor.state} after {PATIENCE:.0f} s")
                break
            asked = time.perf_counter()
            is_page = next(looks) % 8 == 0 or not visitor.fragment
            await visitor.run(is_fragment=not is_page)
            (seen.pages if is_page else seen.fragments).append(time.perf_counter() - asked)
            await asyncio.sleep(max(0.0, asked + visitor.interval - time.perf_counter()))
        if visitor.state != "done":
            seen.errors.append(f"seed {asked_for.seed}: ended as {visitor.state!r}")
        seen.errors += visitor.errors
        seen.queued += visitor.was_queued
        seen.waits.append(time.perf_counter() - begun)


async def round_of(port: int, iterations: int) -> Seen:
    """All visitors, who come within two seconds."""
    seen = Seen()

    async def late(number: int) -> None:
        await asyncio.sleep(2.0 * number / VISITORS)
        await visit(port, scenario(number, iterations), seen)

    found = await asyncio.gather(*(late(number) for number in range(VISITORS)), return_exceptions=True)
    seen.errors += [repr(error) for error in found if error is not None]
    return seen


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return float(np.percentile(values, 95)) if values else float("nan")


def rows() -> Iterator[Row]:
    with serving("--server.disconnectedSessionTTL", str(FORGET)) as (port, pid):
        asyncio.run(_warm_up(port))
        start = rested(pid)
        yield Row("memory after the first visitor", start, "MB")
        seen = asyncio.run(round_of(port, 300))
        yield Row(
            f"{VISITORS} visitors: round trip of a look, p95",
            1000 * p95(seen.fragments),
            "ms",
            150,
            "at most",
        )
        yield Row(f"{VISITORS} visitors: median", 1000 * statistics.median(seen.fragments), "ms")
        yield Row(
            f"{VISITORS} visitors: of the whole page, p95", 1000 * p95(seen.pages), "ms", 150, "at most"
        )
        yield Row("opening the page with a new run, median", statistics.median(seen.openings), "s")
        yield Row("their run is over after, median", statistics.median(seen.waits), "s")
        yield Row("the last one after", max(seen.waits), "s")
        yield Row("stood in the line", seen.queued, "visitors")
        errors = list(seen.errors)
        yield Row("memory after they left, over the start", rested(pid) / start, "×", 1.15, "at most")
        for _ in range(ROUNDS - 1):
            errors += asyncio.run(round_of(port, 60)).errors
        yield Row(f"memory after {ROUNDS} rounds, over the start", rested(pid) / start, "×", 1.15, "at most")
        yield met(errors)


async def _warm_up(port: int) -> None:
    """One visitor of each kind: what is loaded once belongs to the start."""
    seen = Seen()
    for number in range(len(METHODS)):
        await visit(port, scenario(number, 60), seen)


if __name__ == "__main__":
    sys.exit(run(rows, __doc__))
