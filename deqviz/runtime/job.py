"""One run as the viewer sees it.

The worker calls `advance`, every other thread only sends commands and takes snapshots.
"""

import itertools
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch

from deqviz.core.guarantee import Guarantee
from deqviz.core.records import Evidence, Iterate
from deqviz.core.stopping_rule import StoppingRule, exhausted
from deqviz.experiments.probe import Probe, probes
from deqviz.methods._base import largest_gap
from deqviz.runtime import faults
from deqviz.runtime.export_record import Record
from deqviz.runtime.guarantee_table import GuaranteeTable
from deqviz.runtime.limits import Demand, demands_of
from deqviz.runtime.logbook import ROOM, Frame, Logbook
from deqviz.runtime.run_snapshot import OVER, RunSnapshot, Setup, State
from deqviz.runtime.trajectory_chart import Chart, draw
from deqviz.scenario import Scenario

_ids = itertools.count(1)
_REFRESH = 0.1  # seconds between two images of one slice where each of them waits for the device


@dataclass
class Job:
    """A scenario being run; see the module."""

    scenario: Scenario
    device: str = "cpu"
    is_checked: bool = True
    id: str = field(default_factory=lambda: f"run-{next(_ids)}")
    _room: ClassVar[float] = ROOM

    def __post_init__(self) -> None:
        """Nothing is computed here: the worker does that."""
        self._lock, self.side = threading.Lock(), self.scenario.size
        self.ready = threading.Event()
        self._state: State = "preparing"
        self._message, self._speed = "", math.inf
        self._credit, self._not_before, self._running = 0, 0.0, 0.0
        self._referee: StoppingRule | None = None
        self._probes: list[Probe] = []
        self._latest: Frame | None = None
        self._setup: Setup | None = None
        self._log: Logbook | None = None
        self._wanted, self._shown_at, self._chart_due = True, 0.0, 0.0
        self._stream: Iterator[Iterate] | None = None
        self._checks: Iterator[Probe] | None = None
        self._current: Iterate | None = None
        self._is_advanced = False  # whether the worker is at it just now
        self._chart: Chart | None = None
        self._panel: GuaranteeTable | None = None

    def play(self) -> None:
        """Go on."""
        with self._lock:
            if self._state == "paused":
                self._state = "running"

    def pause(self) -> None:
        """Hold before the next iteration."""
        with self._lock:
            if self._state in ("running", "preparing"):
                self._state = "paused"

    def step(self) -> None:
        """Make one iteration and hold."""
        with self._lock:
            if self._state in ("running", "paused", "preparing"):
                self._state = "paused"
                self._credit += 1

    def stop(self) -> None:
        """End the run; what was computed is kept."""
        with self._lock:
            if self._state == "checking":
                self._state, self._message = "done", f"{self._message} The checks were stopped."
            elif self._state not in OVER:
                self._state = "stopped"

    def end(self, message: str) -> None:
        """Stop where it is because the server says so; what was computed is kept."""
        with self._lock:
            if self._state not in OVER:
                self._state, self._message = "stopped", message
        self.ready.set()

    def release(self) -> None:
        """Let go of the solver's state and of the runs from other starts, once they are drawn."""
        self._chart_due = 0.0
        self._draw()
        with self._lock:
            self._probes = [replace(probe, path=(), landscape=None) for probe in self._probes]
        self._stream = self._checks = None

    def set_speed(self, per_second: float) -> None:
        """At most so many iterations per second; infinity for no limit."""
        with self._lock:
            self._speed = max(0.1, per_second)
            self._not_before = 0.0

    @property
    def demands(self) -> tuple[Demand, ...]:
        """What the server limits."""
        return demands_of(self.scenario)

    @property
    def operator(self) -> object:
        """The forward model of its problem; None before there is one."""
        return self._panel.problem.operator if self._panel else None

    @property
    def state(self) -> State:
        """The state now."""
        return self._state

    @property
    def _is_shown(self) -> bool:
        """Whether the newest iterate has been prepared for viewers."""
        return self._current is None or (self._latest is not None and self._latest.k == self._current.k)

    @property
    def is_settled(self) -> bool:
        """Whether nothing will change by itself: over or held, and the iterate on its way has been shown."""
        is_held = self._state == "paused" and not self._credit and self._setup is not None
        return (self._state in OVER or is_held) and not self._is_advanced and self._is_shown

    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self._state in OVER and self._is_shown

    def is_live(self) -> bool:
        """Whether it wants to go on computing."""
        return self._state in ("preparing", "running", "checking")

    def is_runnable(self) -> bool:
        """Whether `advance` would do anything now."""
        if self._setup is None and self._state not in OVER:
            return True
        # The last image of a run is made though nobody watches: only then is the run over and forgotten.
        if not self._is_shown and (self._wanted or self._state in OVER):
            return True
        if self._state == "running":
            return time.monotonic() >= self._not_before
        return self._state == "checking" or (self._state == "paused" and self._credit > 0)

    def advance(self, deadline: float) -> None:
        """Pull the generator until `deadline`, a pause or the end; every failure becomes a state."""
        self._is_advanced = True
        try:
            if self._setup is None and self._state not in OVER:
                self._prepare()
            while self._state == "running" or (self._state == "paused" and self._credit > 0):
                if self._state == "running" and time.monotonic() < self._not_before:
                    break
                self._iterate()
                if time.monotonic() > deadline:
                    break
            self._look()
            if self._state == "checking":
                self._check(deadline)
            if self._wanted or self._state in OVER:
                self._show()
        except BaseException as error:  # the page must tell any failure, and the worker must survive it
            self._fail(error)
        finally:
            self._is_advanced = False
            self.ready.set()

    def _fail(self, error: BaseException) -> None:
        if self._state in OVER:  # its last image cannot be made: that is not tried for ever
            self._current = None
            return
        k = self._current.k if self._current else 0
        with self._lock:
            self._state = "failed"
            self._message = faults.sentence(error, f"The run failed after iteration {k}")

    def _prepare(self) -> None:
        with torch.no_grad():
            problem, truth = self.scenario.posed(self.device)
            measured = problem.operator.baseline(problem.data)
        method = self.scenario.build_method()
        # The constants of the theorems may take a moment; here nobody waits for them.
        method.guarantees(problem, Evidence())
        self._log = Logbook(truth, measured.device.type, self._room)
        self._panel = GuaranteeTable(method, problem, self._log)
        self._stream = method.iterates(problem)
        self._referee = StoppingRule(method.arrival(self.scenario.tolerance), problem.operator.image.size)
        setup = Setup.of(measured, truth)
        with self._lock:
            self._setup = setup
            if self._state == "preparing":
                self._state = "running"
        self.ready.set()

    def _iterate(self) -> None:
        assert self._stream is not None
        assert self._log is not None
        begun = time.monotonic()
        iterate = next(self._stream, None)
        if self._credit:
            self._credit -= 1
        if iterate is None:
            self._look()
            self._finish("done", self._ending())
            return
        self._current = iterate
        self._log.write(iterate, begun, self._running)
        if self._log.is_due() or math.isfinite(self._speed):
            self._look()
        self._running += time.monotonic() - begun
        self._not_before = begun + 1 / self._speed
        if self._wanted and (self.device == "cpu" or time.monotonic() - self._shown_at >= _REFRESH):
            self._look()
            self._show()
        if iterate.k >= self.scenario.iterations:
            self._look()
            self._finish("done", exhausted(iterate.k, float(iterate.residual)))

    def _look(self) -> None:
        """Read the numbers that have come and see whether the run has arrived or diverged."""
        if self._log is None or self._referee is None:
            return
        for mark in self._log.flush():
            if (verdict := self._referee.judge(mark)) is not None:
                state, message = verdict
                is_end = state == "done" and not self._has_limit
                self._finish(state, self._ending() if is_end else message)

    @property
    def _has_limit(self) -> bool:
        return self._panel is None or self._panel.method.has_limit

    def _ending(self) -> str:
        assert self._panel is not None
        return self._panel.method.ending.format(k=self._current.k if self._current else 0)

    def _finish(self, state: Literal["done", "diverged"], message: str) -> None:
        """End the iteration; a run that arrived goes on to be checked."""
        if self._state in OVER or self._state == "checking" or self._current is None:
            return
        assert self._panel is not None
        assert self._log is not None
        self._log.keep(self._current)
        if state == "done" and self.is_checked:
            self._checks = probes(
                self._panel.method,
                self._panel.problem,
                limit=self._current.x,
                tolerance=self.scenario.tolerance,
                max_steps=self.scenario.iterations,
                seed=self.scenario.seed,
                gap=largest_gap(self._current),
                main=self._log.path,
            )
        with self._lock:
            if self._state not in OVER:
                self._state = "checking" if self._checks is not None else state
                self._message = f"{message} {self._log.note if state == 'done' else ''}".strip()

    def _check(self, deadline: float) -> None:
        assert self._checks is not None
        assert self._log is not None
        self._log.judge()
        while self._state == "checking":
            probe = next(self._checks, None)
            if probe is None:
                self._chart_due = 0.0
                self._draw()  # before the state says that nothing will change any more
                with self._lock:
                    if self._state == "checking":
                        self._state = "done"
                return
            with self._lock:
                self._probes = [p for p in self._probes if p.key != probe.key] + [probe]
            if time.monotonic() > deadline:
                return

    def _show(self) -> None:
        """Prepare the image and the chart that a viewer asked for."""
        if self._current is None or self._log is None:
            return
        self._wanted = False
        frame = self._log.frame(self._current)
        with self._lock:
            self._latest = frame
        self._shown_at = time.monotonic()
        self._draw()

    def _draw(self) -> None:
        """Renew the chart of the path; a fortieth of the time at most goes into it."""
        now = time.monotonic()
        if now < self._chart_due or self._log is None:
            return
        is_final = self._has_limit and self._state in ("checking", "done")
        self._chart = draw(self._log.path, tuple(self._probes), is_final=is_final)
        self._chart_due = now + max(0.5, 40 * (time.monotonic() - now))

    def snapshot(self) -> RunSnapshot:
        """The run as it is now; also asks the worker for a fresh image."""
        log = self._log
        with self._lock:
            self._wanted = True
            state, message, latest = self._state, self._message, self._latest
            probe_values = tuple(self._probes)
        marks, quality = log.marks_and_quality() if log else ((), ())
        more = (log.ssim, latest, log.frames, log.rate()) if log else ({}, latest, (), 0.0)
        return RunSnapshot(state, message, marks, quality, *more, probe_values, self._setup)

    def record(self) -> Record | None:
        """The run in full precision as it is now; None before there is an iterate."""
        if self._panel is None or self._log is None or self._current is None:
            return None
        return Record.of(self.scenario, self.snapshot(), self._panel.problem, self._log, self._current)

    def chart(self) -> Chart | None:
        """The path of the iterates as last drawn."""
        return self._chart

    def guarantees(self) -> tuple[Guarantee, ...]:
        """The guarantees beside what was measured so far."""
        if self._panel is None:
            return ()
        with self._lock:
            values = {p.key: p.value for p in self._probes if p.value is not None}
        return self._panel.read(values, is_settled=self.is_settled)
