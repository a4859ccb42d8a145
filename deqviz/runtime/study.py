"""Experiments as the viewer sees them: pulled by the worker, paused, stopped, gone on with.

The worker calls `advance`, every other thread only sends commands and takes snapshots.
"""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, Literal

from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments._training_progress import Lesson
from deqviz.runtime import faults
from deqviz.runtime.limits import Demand
from deqviz.runtime.study_snapshot import OVER, Part, RowImage, State, StudySnapshot

__all__ = ["OVER", "Part", "Plan", "RowImage", "Study", "StudySnapshot"]

VIEWS = 64
"""Images of rows that are kept, the newest: 64 of 128 × 128 in float64 take 8 MB."""
PATIENCE = 1.0
"""Seconds of work before a time left is told."""

_ids = itertools.count(1)


Plan = Generator[object, None, "Experiment[Any] | tuple[Part, ...]"]
"""What a study may need before its first row, e.g. a truth; it yields as often as it can be interrupted."""


class Study:
    """One experiment, or several one after the other, being run; see the module.

    `source` is an experiment or a function that begins a `Plan`. `side`, the longer side of its images,
    decides about torch threads; `demands` are what the server limits.
    """

    def __init__(
        self,
        source: "Experiment[Any] | Callable[[], Plan]",
        side: int = 128,
        demands: tuple[Demand, ...] = (),
    ) -> None:
        """Nothing is computed here: the worker does that."""
        self.id = f"study-{next(_ids)}"
        self.side, self.demands = side, demands
        self._source = source
        self._lock = threading.Lock()
        self._state: State = "preparing"
        self._message = ""
        self._parts: tuple[Part, ...] = ()
        self._rows: list[dict[Key, Row]] = []
        self._views: dict[tuple[str, Key, str], RowImage] = {}
        self._lessons: dict[tuple[str, int], Lesson[Any]] = {}
        self._plan: Plan | None = None
        self._stream: Iterator[Progress[Any]] | None = None
        self._at = 0  # the part that is being run
        self._seconds = 0.0
        self._since: float | None = None  # when the slice of the worker began that is going on
        self._pace = (0.0, 0)  # seconds and rows when it was begun or gone on with
        self._total = 0
        self._written: tuple[int, dict[Literal["csv", "json"], str]] = (0, {})

    @property
    def state(self) -> State:
        """The state now."""
        return self._state

    @property
    def is_settled(self) -> bool:
        """Whether nothing will change by itself: the row that was on its way at a pause or stop is there."""
        return (self._state == "paused" or self._state in OVER) and self._since is None

    def play(self) -> None:
        """Go on after a pause, or after a stop with the rows that are there; submit it again after a stop."""
        with self._lock:
            if self._state in ("paused", "stopped"):
                self._state = "running" if self._parts else "preparing"
                self._message = ""

    def pause(self) -> None:
        """Hold at the next progress."""
        with self._lock:
            if self._state in ("running", "preparing"):
                self._state = "paused"

    def stop(self) -> None:
        """End; the rows that came are kept."""
        with self._lock:
            if self._state not in OVER:
                self._state = "stopped"

    def end(self, message: str) -> None:
        """Stop because the server says so; the rows that came are kept."""
        with self._lock:
            if self._state not in OVER:
                self._state, self._message = "stopped", message

    def is_over(self) -> bool:
        """Whether the worker can forget it."""
        return self._state in OVER

    def is_live(self) -> bool:
        """Whether it wants to go on computing."""
        return self._state in ("preparing", "running")

    def is_runnable(self) -> bool:
        """Whether `advance` would do anything now."""
        return self._state in ("preparing", "running")

    def advance(self, deadline: float) -> None:
        """Pull until `deadline`, a pause, a stop or the end; every failure becomes a state."""
        self._since = begun = time.monotonic()
        try:
            while self.is_runnable():
                if self._parts:
                    self._pull()
                else:
                    self._prepare()
                if time.monotonic() > deadline:
                    break
        except BaseException as error:  # the page must tell any failure, and the worker must survive it
            self._fail(error)
        finally:
            with self._lock:
                self._seconds += time.monotonic() - begun
                self._since = None
            if self._state in OVER:
                self.release()

    def release(self) -> None:
        """Let go of what the generators hold; rows and views stay."""
        streams, self._plan, self._stream = (self._plan, self._stream), None, None
        for stream in streams:
            if isinstance(stream, Generator):
                with contextlib.suppress(BaseException):  # one that does not let itself be closed
                    stream.close()

    def _prepare(self) -> None:
        if isinstance(self._source, Experiment):
            self._begin((Part("rows", self._source),))
            return
        if self._plan is None:
            self._plan = self._source()
        try:
            next(self._plan)
        except StopIteration as end:
            parts = end.value
            self._plan = None
            self._begin((Part("rows", parts),) if isinstance(parts, Experiment) else parts)

    def _begin(self, parts: tuple[Part, ...]) -> None:
        with self._lock:
            self._rows = [{} for _ in parts]
            self._total = sum(len(part.experiment.cells) for part in parts)
            self._parts = parts
            if self._state == "preparing":
                self._state = "running"

    def _pull(self) -> None:
        """One progress of the part at hand; rows that are known come again and are not new."""
        if self._at == len(self._parts):
            with self._lock:
                if self._state == "running":
                    self._state = "done"
            return
        part, rows = self._parts[self._at], self._rows[self._at]
        if self._stream is None:
            self._pace = (self._spent(), self._count())
            self._stream = part.experiment.run(tuple(rows.values()))
        progress = next(self._stream, None)
        if progress is None:
            self._stream, self._at = None, self._at + 1
        elif isinstance(progress, Lesson):
            with self._lock:  # after a stop a training begins anew: its steps come again
                self._lessons[progress.training, progress.step] = progress
        elif progress.row is not None:
            with self._lock:
                rows.setdefault(progress.row.key, progress.row)
                for name, image in progress.views.items():
                    key = (part.key, progress.row.key, name)
                    self._views.pop(key, None)
                    self._views[key] = RowImage(*key, image)
                for old in list(self._views)[: max(0, len(self._views) - VIEWS)]:
                    del self._views[old]

    def _fail(self, error: BaseException) -> None:
        where = f"It failed after {self._count()} rows"
        with self._lock:
            self._state = "failed"
            self._message = faults.sentence(error, where, own=(ValueError, ArithmeticError))

    def _count(self) -> int:
        return sum(len(rows) for rows in self._rows)

    def _spent(self) -> float:
        since = self._since
        return self._seconds + (0.0 if since is None else time.monotonic() - since)

    def _left(self) -> float | None:
        """Seconds that the missing rows take at the pace so far; None before that is known."""
        spent, count = self._spent() - self._pace[0], self._count() - self._pace[1]
        if self._state != "running" or spent < PATIENCE or count <= 0:
            return None
        return spent / count * (self._total - self._count())

    def text(self, form: Literal["csv", "json"]) -> str | None:
        """All rows as a file, written once, while the study rests; None while it moves or has none."""
        snapshot = self.snapshot()
        if not self.is_settled or not snapshot.done:
            return None
        if self._written[0] != snapshot.done:
            self._written = (snapshot.done, {})
        texts = self._written[1]
        if form not in texts:
            texts[form] = snapshot.written(form)
        return texts[form]

    def snapshot(self) -> StudySnapshot:
        """The study as it is now."""
        with self._lock:
            return StudySnapshot(
                self._state,
                self._message,
                self._count(),
                self._total,
                self._spent(),
                self._left(),
                self._parts,
                tuple(tuple(rows.values()) for rows in self._rows),
                tuple(self._views.values()),
                tuple(self._lessons.values()),
            )
