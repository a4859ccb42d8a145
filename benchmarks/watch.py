"""What a server holds, and how long it takes to say how it is, while others use it."""

import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

FORGET = 5
"""Seconds for which the server keeps the session of a closed tab; 60 when nobody says otherwise."""
PATIENCE = 60.0
"""Seconds after which an answer has not come."""


def megabytes(pid: int, name: str = "VmRSS") -> float:
    """What a process holds now, or as "VmHWM" what it has held at most; 0 once it has ended."""
    found = re.search(rf"{name}:\s+(\d+) kB", _text(Path(f"/proc/{pid}/status")))
    return int(found[1]) / 1024 if found else 0.0


def rested(pid: int) -> float:
    """What a process holds once the sessions have been forgotten and nothing changes any more."""
    time.sleep(FORGET + 3)
    values = [megabytes(pid)]
    for _ in range(20):
        time.sleep(1)
        values.append(megabytes(pid))
        if abs(values[-1] - values[-2]) < 0.5:
            break
    return values[-1]


@dataclass
class Watch:
    """How long the server takes to say how it is, and what its processes hold."""

    port: int
    pid: int
    waits: list[float] = field(default_factory=list[float])
    unanswered: int = 0
    readers: float = 0.0
    is_over: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Every 50 ms, until it is over."""
        while not self.is_over.wait(0.05):
            begun = time.perf_counter()
            try:
                urllib.request.urlopen(
                    f"http://127.0.0.1:{self.port}/_stcore/health", timeout=PATIENCE
                ).read()
            except OSError:
                self.unanswered += 1
            self.waits.append(time.perf_counter() - begun)
            self.readers = max(self.readers, sum(map(megabytes, _children(self.pid))))


def _children(pid: int) -> set[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for task in tasks for child in _text(task).split()}


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@contextmanager
def watched(port: int, pid: int) -> Iterator[Watch]:
    """The server is asked as long as the block lasts."""
    watch = Watch(port, pid)
    asking = threading.Thread(target=watch.ask)
    asking.start()
    try:
        yield watch
    finally:
        watch.is_over.set()
        asking.join()
