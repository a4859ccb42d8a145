"""Where the tests find what they test, and how long they wait for it."""

import time
from collections.abc import Callable
from pathlib import Path

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


class Clock:
    """Time that goes on only where it is told to, in the place of the module `time`."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
