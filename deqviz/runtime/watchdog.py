"""Whether the worker answers, for a health check: a web server that answers says nothing about it.

Nothing heavy is imported here, and nothing waits: the question comes on the server's event loop.
"""

from typing import Protocol, runtime_checkable

STUCK = 600.0
"""Seconds after which a slice counts as one that will not end.

A slice is ended between two steps alone, and a step may be long: the backward pass through a volume takes
minutes on a slow machine. An orchestrator starts a server anew that does not answer, and with it the runs of
all visitors, so it must not be told too early.
"""


@runtime_checkable
class Watched(Protocol):
    """What is watched: a thread that works in slices."""

    def is_alive(self) -> bool:
        """Whether its thread is there."""
        ...

    def busy(self) -> float:
        """Seconds that the slice at hand has taken; 0 between two."""
        ...


_watched: Watched | None = None


def watch(worker: Watched) -> None:
    """From now on the answer is about this worker."""
    global _watched
    _watched = worker


def complaint() -> str:
    """What is wrong with the worker, in a sentence; empty where it answers, or nobody has needed it yet."""
    if _watched is None:
        return ""
    if not _watched.is_alive():
        return "The thread that runs solvers has ended: start the server again."
    if (seconds := _watched.busy()) > STUCK:
        return f"One step of a run has taken {seconds:.0f} s and holds all others up: start the server again."
    return ""


def is_answering() -> bool:
    """Whether the worker takes up what it is given, or would if anybody came."""
    return not complaint()
