"""Where the tests find what they test, and how long they wait for it."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
"""The top of the repository."""
APP = str(ROOT / "app.py")
FRONTEND = ROOT / "deqviz" / "ui" / "frontend"
OFFLINE = ROOT / "tests" / "offline"
"""On the path of a Python it keeps it from other machines."""

PATIENCE = 120
"""Seconds in which a state that is waited for surely comes, whatever else the machine does; no claim."""


def until(condition: Callable[[], object], state: str = "it") -> None:
    """Wait for a state, which is named when it never comes."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{state} did not happen"
        time.sleep(0.01)


def awaited(work: Coroutine[Any, Any, T]) -> T:
    """What it returns; in a thread, for a test with a browser leaves an event loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, asyncio.wait_for(work, PATIENCE)).result()


class Clock:
    """Time that goes on only where it is told to, in the place of the module `time`."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
