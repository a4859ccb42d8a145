"""The one thread that runs solvers. No Streamlit in here.

Every OS thread gets its own OpenMP pool, and Streamlit runs each script in a fresh thread, so a solver
started there loses up to a hundred times its speed on small tensors. One long-lived thread pulls all jobs
in turn, each for a short slice: a slice is a few calls of `next`, so nobody waits for anybody's end, a
paused job costs nothing, and there is never more than one team of torch threads on the cores.
"""

import atexit
import threading
import time
from collections import deque
from typing import Protocol, runtime_checkable

import torch

from deqviz.core.machine import thread_count, tune_allocator

SLICE = 0.1
"""Seconds a job may run while others are waiting."""


@runtime_checkable
class Task(Protocol):
    """What the worker runs."""

    @property
    def side(self) -> int:
        """The longer side of its pictures, which decides about torch threads."""
        ...

    def is_runnable(self) -> bool:
        """Whether `advance` would do anything now."""
        ...

    def is_over(self) -> bool:
        """Whether the task can be forgotten."""
        ...

    def advance(self, deadline: float) -> None:
        """Work until `deadline` (on time.monotonic), or until there is nothing to do; never raises."""
        ...


class Worker:
    """One daemon thread that gives every task a slice in turn."""

    def __init__(self) -> None:
        """Start the thread."""
        tune_allocator()
        self._tasks: deque[Task] = deque()
        self._wake = threading.Condition()
        self._is_closing = False
        self._thread = threading.Thread(target=self._loop, name="deqviz-worker", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def close(self) -> None:
        """End the thread after the slice at hand; an interpreter that exits beside torch at work aborts."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        self._thread.join(5)

    def submit(self, task: Task) -> None:
        """Add a task to the round; one that is still in it, e.g. a study gone on with, is not added twice."""
        with self._wake:
            if not any(t is task for t in self._tasks):
                self._tasks.append(task)
            self._wake.notify()

    def wake(self) -> None:
        """Tell the worker that a task may have become runnable."""
        with self._wake:
            self._wake.notify()

    def _next(self) -> tuple[Task, bool] | None:
        """The next runnable task, and whether others wait; sleeps until there is one, None at the end."""
        with self._wake:
            while not self._is_closing:
                for task in [t for t in self._tasks if t.is_over()]:
                    self._tasks.remove(task)
                runnable = [t for t in self._tasks if t.is_runnable()]
                if runnable:
                    task = runnable[0]
                    self._tasks.remove(task)
                    self._tasks.append(task)
                    return task, len(runnable) > 1
                # A short time-out as well: slow motion becomes runnable by the clock alone.
                self._wake.wait(0.02 if self._tasks else None)
        return None

    def _loop(self) -> None:
        while (found := self._next()) is not None:
            task, is_crowded = found
            torch.set_num_threads(thread_count(task.side))
            task.advance(time.monotonic() + (SLICE if is_crowded else 0.5))


_lock = threading.Lock()
_worker: Worker | None = None


def worker() -> Worker:
    """The worker of this process, started on first use."""
    global _worker
    with _lock:
        if _worker is None:
            _worker = Worker()
        return _worker
