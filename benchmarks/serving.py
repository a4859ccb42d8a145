"""What a watcher costs the solver: iterations per second served to a scripted client, against headless.

    python benchmarks/serving.py [--json FILE]

The client speaks Streamlit's own websocket protocol: it opens the page, answers every automatic rerun as a
browser would, and reads the iteration number out of the frames. No browser runs on the same cores. Headless
is the same scenario pulled in a loop, in this process's child, with the same number of torch threads.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path as File

sys.path.insert(0, str(File(__file__).parents[1]))

import numpy as np
import websockets
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.measure import run, serving
from benchmarks.visitor import connected, rerun
from deqviz.bench.rows import Row
from deqviz.core.registry import Choice
from deqviz.scenario import Scenario
from deqviz.ui.components.packets import unpack
from deqviz.ui.components.run import Curve, Path, Trajectory, View
from deqviz.ui.components.run.protocol import pack

ROOT = File(__file__).parents[1]
SECONDS = 8.0
REPEATS = 5

SCENARIOS = {
    "iterated Tikhonov": Scenario(
        method=Choice("iterated_tikhonov", {"weight": 1.0}), iterations=20000, tolerance=1e-9
    ),
    "total variation": Scenario(method=Choice("tv"), iterations=20000, tolerance=1e-9),
    "contractive equilibrium": Scenario(
        method=Choice("equilibrium", {"solver": Choice("picard")}), iterations=20000, tolerance=1e-9
    ),
}

HEADLESS = """
import sys, time, torch
from deqviz.scenario import Scenario
from deqviz.core.machine import thread_count, tune_allocator
scenario = Scenario.from_json(sys.argv[1]); seconds = float(sys.argv[2])
tune_allocator()
torch.set_num_threads(thread_count())
stream = scenario.run()
next(stream); begun = time.perf_counter(); count = 0
while time.perf_counter() - begun < seconds:
    float(next(stream).residual); count += 1
print(count / (time.perf_counter() - begun))
"""


def headless(scenario: Scenario, seconds: float) -> float:
    """Iterations per second in a fresh process."""
    command = [sys.executable, "-c", HEADLESS, scenario.to_json(), str(seconds)]
    env = {**os.environ, "GOMP_SPINCOUNT": "20000"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=env)
    return float(done.stdout)


class Client:
    """A scripted visitor of the page."""

    def __init__(self, socket_: websockets.ClientConnection, query: str) -> None:
        self.socket, self.query = socket_, query
        self.page = self.fragment = ""
        self.interval = 0.12
        self.finished = asyncio.Event()
        self.seen: list[tuple[float, int]] = []
        self.updates = 0
        self.first_picture: float | None = None

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
                case "delta" if message.delta.new_element.WhichOneof("type") == "bidi_component":
                    self._frame(message.delta.new_element.bidi_component.bytes)

    def _frame(self, data: bytes) -> None:
        if not data or data[:4] == b"\0\0\0\0":
            return
        head, _ = unpack(data)
        if head.get("kind") == "view" and head["k"]:
            self.updates += 1
            now = time.perf_counter()
            self.first_picture = self.first_picture or now
            if not self.seen or head["k"] > self.seen[-1][1]:
                self.seen.append((now, head["k"]))

    async def run(self, is_fragment: bool) -> None:
        """One run of the script, or of its fragment, to its end."""
        message = rerun(self.page, self.query, {}, self.fragment if is_fragment else "")
        self.finished.clear()
        await self.socket.send(message.SerializeToString())
        await asyncio.wait_for(self.finished.wait(), 60)


async def watch(port: int, scenario: Scenario, seconds: float) -> tuple[float, float, float]:
    """Iterations per second while watched, updates per second, seconds to the first picture."""
    query = urllib.parse.urlencode(scenario.to_query())
    async with connected(port, lambda socket: Client(socket, query)) as client:
        begun = time.perf_counter()
        await client.run(is_fragment=False)
        while time.perf_counter() - begun < seconds:
            due = time.perf_counter() + client.interval
            await client.run(is_fragment=bool(client.fragment))
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
    # The first second builds the problem and warms up.
    steady = [(t, k) for t, k in client.seen if t > begun + 1.5]
    (t0, k0), (t1, k1) = steady[0], steady[-1]
    first = (client.first_picture or float("nan")) - begun
    return (k1 - k0) / (t1 - t0), client.updates / seconds, first


def packing() -> float:
    """Milliseconds of processor time that it takes to pack a run of a thousand marks, median of 21."""
    ks = np.arange(1000, dtype=np.float32)
    columns = {name: np.exp(-ks / 9) for name in ("residual", "psnr", "error", "error_max", "evaluations")}
    columns |= {"k": ks, "predicted_k": ks[:2], "predicted": np.ones(2, np.float32)}
    path = Trajectory(tuple(Path(name, ks, -ks, ks) for name in ("from A*y", "from zero")), (0.0, 0.0))
    quality = (Curve("psnr", "iterate", "PSNR (dB)"),)
    now = View("r", "running", k=999, columns=columns, quality=quality, trajectory=path)
    taken = []
    for _ in range(21):
        begun = time.process_time()
        pack(now)
        taken.append(1000 * (time.process_time() - begun))
    return statistics.median(taken)


def rows() -> Iterator[Row]:
    yield Row("packing a thousand marks", packing(), "ms", 2.0, "at most")
    begun = time.perf_counter()
    with serving() as (port, _):
        yield Row("server answers after", time.perf_counter() - begun, "s", 10.0, "at most")
        asyncio.run(watch(port, SCENARIOS["iterated Tikhonov"], 3))
        for name, scenario in SCENARIOS.items():
            yield from _served(name, scenario, port)


def _served(name: str, scenario: Scenario, port: int) -> Iterator[Row]:
    shares, updates, firsts = [], [], []
    for _ in range(REPEATS):
        alone = headless(scenario, SECONDS / 2)
        speed, rate, first = asyncio.run(watch(port, scenario, SECONDS))
        shares.append(speed / alone)
        updates.append(rate)
        firsts.append(first)
    yield Row(f"{name}: served over headless", statistics.median(shares), "×", 0.85)
    yield Row(f"{name}: updates", statistics.median(updates), "1/s")
    yield Row(f"{name}: first picture", statistics.median(firsts), "s", 3.0, "at most")


if __name__ == "__main__":
    sys.exit(run(rows, __doc__))
