"""The one thread that runs solvers.

Every OS thread gets its own OpenMP pool, and Streamlit runs each script in a fresh thread, so a solver
started there loses up to a hundred times its speed on small tensors. One long-lived thread pulls all jobs
in turn, each for a short slice: a slice is a few calls of `next`, so nobody waits for anybody's end, a
paused job costs nothing, and there is never more than one team of torch threads on the cores.

With many visitors a turn in twenty would let nobody see anything move. So there are slots: the first few
visitors in line share the turns, and after a lease whoever has a slot goes to the end of the line. A new
task has its first turn at once, for its images to be on the screen while it waits.
"""

import atexit
import threading
import time
from collections import deque
from typing import Protocol, runtime_checkable

import torch

from deqviz.core.machine import thread_count, trim, tune_allocator
from deqviz.runtime import faults, watchdog
from deqviz.runtime.limits import Demand, Limits, limits

SLICE = 0.1
"""Seconds a job may run while others are waiting."""
TRIM = 1.0
"""Seconds between two times that freed memory is given back while others are computing: it takes a while."""


@runtime_checkable
class Task(Protocol):
    """What the worker runs."""

    @property
    def side(self) -> int:
        """The longer side of its images, which decides about torch threads."""
        ...

    @property
    def demands(self) -> tuple[Demand, ...]:
        """What the server limits: one that demands too much is ended with a sentence, and never begun."""
        ...

    def is_runnable(self) -> bool:
        """Whether `advance` would do anything now."""
        ...

    def is_live(self) -> bool:
        """Whether it wants to go on computing, and so needs a slot; a paused one may still want an image."""
        ...

    def is_over(self) -> bool:
        """Whether the task can be forgotten."""
        ...

    def advance(self, deadline: float) -> None:
        """Work until `deadline` (on time.monotonic), or until there is nothing to do; never raises."""
        ...

    def end(self, message: str) -> None:
        """Stop where it is because the server says so, and keep what was computed."""
        ...

    def release(self) -> None:
        """Let go of what only computing needs, once it is over; on the worker's thread."""
        ...


class _Entry:
    """A task in the round, whose it is, and what it has had."""

    def __init__(self, task: Task, party: str) -> None:
        self.task, self.party = task, party
        self.seconds, self.is_new = 0.0, True


class Line:
    """Who may compute now: parties in the order in which they came, the first `slots` of them seated."""

    def __init__(self, slots: int, lease: float) -> None:
        """An empty line."""
        self._slots, self._lease = slots, lease
        self._parties: list[str] = []
        self._since: dict[str, float] = {}

    def update(self, live: list[str], now: float) -> None:
        """Let those go who need nothing, take in who came, and end the leases that are over."""
        self._parties = [p for p in self._parties if p in live]
        self._parties += [p for p in dict.fromkeys(live) if p not in self._parties]
        self._since = {p: self._since.get(p, now) for p in self._parties[: self._slots]}
        if len(self._parties) <= self._slots:
            return
        eldest = min(self._since, key=lambda p: self._since[p])
        if now - self._since[eldest] >= self._lease:
            self._parties.remove(eldest)
            self._parties.append(eldest)
            del self._since[eldest]
            self._since[self._parties[self._slots - 1]] = now

    def ahead(self, party: str) -> int:
        """How many must go before this one has a slot; 0 for those that have one."""
        place = self._parties.index(party) if party in self._parties else 0
        return max(0, place - self._slots + 1)

    def __len__(self) -> int:
        return len(self._parties)


class Worker:
    """One daemon thread that gives every task a slice in turn."""

    def __init__(self, bounds: Limits | None = None) -> None:
        """Start the thread."""
        tune_allocator()
        self._limits = bounds or limits()
        self._entries: deque[_Entry] = deque()
        self._line = Line(self._limits.slots, self._limits.lease)
        self._served: dict[str, float] = {}
        self._wake = threading.Condition()
        self._is_closing = False
        self._since: float | None = None  # when the slice at hand began
        self._trimmed = 0.0
        self._thread = threading.Thread(target=self._loop, name="deqviz-worker", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def close(self) -> None:
        """End the thread after the slice at hand; an interpreter that exits beside torch at work aborts."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        self._thread.join(5)

    def submit(self, task: Task, party: str = "") -> None:
        """Add a task to the round; one that is still in it, e.g. a study gone on with, is not added twice.

        Tasks of one `party`, a visitor, share one slot; without a name each is its own. Where the task is
        larger than the server allows, the line as long, or the visitor has as many runs, a newcomer is ended
        with a sentence.
        """
        with self._wake:
            party = party or f"task {id(task)}"
            if all(e.task is not task for e in self._entries):
                if (refusal := self._refusal(task, party)) is not None:
                    task.end(refusal)
                    return
                self._entries.append(_Entry(task, party))
                self._update()
            self._wake.notify()

    def _refusal(self, task: Task, party: str) -> str | None:
        if (rejection := self._limits.rejection(task.demands)) is not None:
            return rejection
        own = sum(e.party == party and e.task.is_live() for e in self._entries)
        if own >= self._limits.runs:
            return f"You have {own} active runs, and this server allows no more: stop one first."
        if not own and len(self._line) >= self._limits.queue:
            return f"{len(self._line)} visitors are computing or waiting here: try again in a minute."
        return None

    def is_alive(self) -> bool:
        """Whether its thread is there; it ends with the process, or by `close`."""
        return self._thread.is_alive()

    def busy(self) -> float:
        """Seconds that the slice at hand has taken; 0 between two."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def wake(self) -> None:
        """Tell the worker that a task may have become runnable."""
        with self._wake:
            self._wake.notify()

    def ahead(self, task: Task) -> int:
        """How many visitors must let go before this task goes on; 0 while it has a slot."""
        with self._wake:
            entry = next((e for e in self._entries if e.task is task), None)
            return self._line.ahead(entry.party) if entry is not None and task.is_live() else 0

    def visitors(self) -> int:
        """How many are computing or waiting."""
        return len(self._line)

    def _update(self) -> None:
        live = [e.party for e in self._entries if e.task.is_live()]
        self._line.update(live, time.monotonic())
        self._served = {e.party: self._served.get(e.party, 0.0) for e in self._entries}

    def _next(self) -> tuple[_Entry, bool] | None:
        """The next task that may run, and whether others wait; sleeps until there is one.

        None where something is over, which is to be forgotten first, and at the end.
        """
        with self._wake:
            while not self._is_closing and not any(e.task.is_over() for e in self._entries):
                self._update()
                ready = [e for e in self._entries if e.task.is_runnable() and self._may(e)]
                if ready:
                    # Of a visitor with six runs none has more turns than another's only one.
                    entry = min(ready, key=lambda e: (not e.is_new, self._served[e.party]))
                    self._entries.remove(entry)
                    self._entries.append(entry)
                    self._served[entry.party] = time.monotonic()
                    return entry, len(ready) > 1
                # A short time-out as well: slow motion becomes runnable by the clock alone.
                self._wake.wait(0.02 if self._entries else None)
        return None

    def _forget(self) -> None:
        """Let go of what is over, and of the memory that it had: the allocator would keep it for the next."""
        with self._wake:
            over = [e for e in self._entries if e.task.is_over()]
            for entry in over:
                self._entries.remove(entry)
            self._update()
        for entry in over:
            entry.task.release()
        now = time.monotonic()
        if over and (not self._entries or now - self._trimmed > TRIM):
            trim()
            self._trimmed = now

    def _may(self, entry: _Entry) -> bool:
        return entry.is_new or not entry.task.is_live() or self._line.ahead(entry.party) == 0

    def _loop(self) -> None:
        """Turn after turn: the thread lives on whatever comes out of one, no memory included."""
        while not self._is_closing:
            try:
                self._turn()
            except BaseException:
                time.sleep(0.1)

    def _turn(self) -> None:
        """A slice for whoever is next; in a frame of its own, which does not hold the run any longer."""
        if (turn := self._next()) is None:
            self._forget()
            return
        entry, is_crowded = turn
        torch.set_num_threads(thread_count(entry.task.side))
        self._since = begun = time.monotonic()
        try:
            entry.task.advance(begun + (SLICE if is_crowded else 0.5))
        except BaseException as error:
            # Tasks do not raise, and still: one that does goes out of the round, and the others go on.
            with self._wake:
                self._entries.remove(entry)
            entry.task.end(faults.sentence(error, "The server had to end this run"))
            entry.task.release()
            return
        finally:
            self._since = None
        entry.seconds += time.monotonic() - begun
        entry.is_new = False
        if entry.seconds > self._limits.seconds and entry.task.is_live():
            entry.task.end(f"A run may compute for {self._limits.seconds:g} s on this server; this one did.")


_lock = threading.Lock()
_worker: Worker | None = None


def worker() -> Worker:
    """The worker of this process, started on first use."""
    global _worker
    with _lock:
        if _worker is None:
            _worker = Worker()
            watchdog.watch(_worker)
        return _worker
