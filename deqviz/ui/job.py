"""One run as the viewer sees it: play, pause, step, stop, and immutable snapshots. No Streamlit in here.

The worker calls `advance`, every other thread only sends commands and takes snapshots. The truth lives
here and in nothing that a method can reach.
"""

import itertools
import math
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch

from deqviz.core.guarantee import Guarantee
from deqviz.core.metrics import squared_error, ssim
from deqviz.core.records import Evidence, Iterate, Mark, Method, Problem
from deqviz.core.space import Image
from deqviz.experiments.probe import Probe, probes
from deqviz.scenario import Scenario
from deqviz.ui.chart import Chart, draw

State = Literal["preparing", "running", "paused", "checking", "done", "stopped", "diverged", "failed"]

OVER: frozenset[State] = frozenset({"done", "stopped", "diverged", "failed"})
CHUNK = 64
"""Iterates between two looks at the numbers on a GPU, each of which waits for it; fixed, so runs repeat."""
GROWTH = 1e4
"""A run has diverged when ‖T(x) − x‖ is this many times its smallest value so far."""

_ids = itertools.count(1)


def kept(k: int) -> bool:
    """Whether iterate k is among the kept ones: all up to 16, then about 18 per decade."""
    if k <= 16:
        return True
    index = math.floor(18 * math.log10(k))
    return math.floor(18 * math.log10(k - 1)) < index


def to_bytes(x: Image) -> np.ndarray:
    """The first picture of a batch as uint8 c × h × w; values outside [0, 1] are clipped."""
    return (x[0].real.detach().clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy()


@dataclass(frozen=True, slots=True)
class Frame:
    """A kept iterate with its quality."""

    k: int
    pixels: np.ndarray
    psnr: float
    error_max: float


@dataclass(frozen=True, slots=True)
class Setup:
    """What is known once the problem is built."""

    truth: np.ndarray
    measured: np.ndarray
    measured_psnr: float
    shape: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a page needs, immutable; `marks` and `psnr` are as long as each other."""

    state: State
    message: str
    marks: tuple[Mark, ...]
    psnr: tuple[float, ...]
    ssim: Mapping[int, float]
    latest: Frame | None
    frames: tuple[Frame, ...]
    rate: float
    evidence: Evidence
    probes: tuple[Probe, ...]
    setup: Setup | None


@dataclass
class _Kept:
    """An iterate kept in full, for trajectories and exports."""

    k: int
    x: Image


@dataclass
class Job:
    """A scenario being run; see the module."""

    scenario: Scenario
    device: str = "cpu"
    is_checked: bool = True
    id: str = field(default_factory=lambda: f"run-{next(_ids)}")

    def __post_init__(self) -> None:
        """Nothing is computed here: the worker does that."""
        self._lock = threading.Lock()
        self.ready = threading.Event()
        self._state: State = "preparing"
        self._message = ""
        self._speed = math.inf
        self._credit = 0
        self._not_before = 0.0
        self._marks: list[Mark] = []
        self._psnr: list[float] = []
        self._ssim: dict[int, float] = {}
        self._frames: list[Frame] = []
        self._kept: list[_Kept] = []
        self._probes: list[Probe] = []
        self._latest: Frame | None = None
        self._setup: Setup | None = None
        self._wanted = True
        self._pending: list[tuple[Iterate, torch.Tensor | None]] = []
        self._busy = 0.0
        self._metric_seconds = 0.0
        self._recent: list[tuple[float, int]] = []
        self._stream: Iterator[Iterate] | None = None
        self._checks: Iterator[Probe] | None = None
        self._current: Iterate | None = None
        self._chart: Chart | None = None
        self._chart_due = 0.0
        self._panel: tuple[Guarantee, ...] = ()
        self._panel_due = 0.0
        self._smallest_gap = math.inf
        self.problem: Problem | None = None
        self.method: Method | None = None
        self.truth: Image | None = None

    # Commands, from any thread.

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
            if self._state not in OVER:
                self._state = "done" if self._state == "checking" else "stopped"

    def set_speed(self, per_second: float) -> None:
        """At most so many iterations per second; infinity for no limit."""
        with self._lock:
            self._speed = max(0.1, per_second)
            self._not_before = 0.0

    # The worker's side.

    @property
    def pixels(self) -> int:
        """The picture's size, for the thread policy."""
        return self._setup.shape[1] * self._setup.shape[2] if self._setup else 0

    @property
    def state(self) -> State:
        """The state now."""
        return self._state

    @property
    def is_settled(self) -> bool:
        """Whether nothing on the page will change by itself: over or held, with the newest picture shown."""
        if self._state not in OVER and (self._state != "paused" or self._credit > 0):
            return False
        return self._current is None or (self._latest is not None and self._latest.k == self._current.k)

    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self._state in OVER and not self._wants_picture()

    def _wants_picture(self) -> bool:
        behind = self._latest is None or (self._current is not None and self._latest.k != self._current.k)
        return self._wanted and self._current is not None and behind

    def is_runnable(self) -> bool:
        """Whether `advance` would do anything now."""
        if self._setup is None and self._state not in OVER:
            return True
        if self._wants_picture():
            return True
        if self._state == "running":
            return time.monotonic() >= self._not_before
        return self._state == "checking" or (self._state == "paused" and self._credit > 0)

    def advance(self, deadline: float) -> None:
        """Pull the generator until `deadline`, a pause or the end; every failure becomes a state."""
        try:
            if self._setup is None and self._state not in OVER:
                self._prepare()
            while self._state == "running" or (self._state == "paused" and self._credit > 0):
                if self._state == "running" and time.monotonic() < self._not_before:
                    break
                self._iterate()
                if time.monotonic() > deadline:
                    break
            self._flush()
            if self._state == "checking":
                self._check(deadline)
            if self._wanted or self._state in OVER:
                self._show()
                self._draw()
        except Exception as error:  # the page must tell any failure, and the worker must survive it
            self._fail(error)
        finally:
            self.ready.set()

    def _fail(self, error: Exception) -> None:
        name = type(error).__name__
        with self._lock:
            self._state = "failed"
            if isinstance(error, torch.OutOfMemoryError):
                self._message = "The device ran out of memory: choose a smaller picture, or close other runs."
            elif isinstance(error, ValueError):
                self._message = str(error)
            else:
                self._message = f"The run failed at iteration {len(self._marks)} ({name}: {error})."

    def _prepare(self) -> None:
        with torch.no_grad():
            truth = self.scenario.truth(self.device)
            problem = self.scenario.problem(truth)
            measured = problem.operator.baseline(problem.data)
            psnr = _psnr(float(squared_error(measured, truth)))
        self.truth, self.problem, self.method = truth, problem, self.scenario.build_method()
        self._stream = self.method.iterates(problem)
        # The constants of the theorems may take a moment; here nobody waits for them.
        self.method.guarantees(problem, Evidence())
        _, channels, height, width = truth.shape
        setup = Setup(to_bytes(truth), to_bytes(measured), psnr, (channels, height, width))
        with self._lock:
            self._setup = setup
            if self._state == "preparing":
                self._state = "running"
        self.ready.set()

    def _iterate(self) -> None:
        begun = time.monotonic()
        assert self._stream is not None and self.truth is not None
        iterate = next(self._stream, None)
        if self._credit:
            self._credit -= 1
        if iterate is None:
            self._flush()
            self._finish("done", "The method is direct: it has no further iterate.")
            return
        self._current = iterate
        # Judging an iterate may take a twentieth of the run at most, so that watching does not slow solving.
        error = None
        if iterate.k < 50 or kept(iterate.k) or self._metric_seconds < 0.05 * self._busy:
            started = time.monotonic()
            with torch.no_grad():
                error = squared_error(iterate.x, self.truth)
            self._metric_seconds += time.monotonic() - started
        self._pending.append((iterate, error))
        if self.device == "cpu" or len(self._pending) >= CHUNK or math.isfinite(self._speed):
            self._flush()
        if kept(iterate.k):
            self._keep(iterate)
        now = time.monotonic()
        self._busy += now - begun
        self._recent.append((now, iterate.k))
        if len(self._recent) > 4096 or now - self._recent[0][0] > 4:
            self._recent = [entry for entry in self._recent[-2048:] if now - entry[0] <= 2]
        if math.isfinite(self._speed):
            self._not_before = begun + 1 / self._speed
        if self._wanted and self.device == "cpu":
            self._show()
            self._draw()
        if self._state in ("running", "paused") and iterate.k >= self.scenario.iterations:
            self._flush()
            self._finish("done", "")

    def _keep(self, iterate: Iterate) -> None:
        frame = self._frame(iterate)
        with self._lock:
            self._kept.append(_Kept(iterate.k, iterate.x.detach().to("cpu", copy=True)))
            self._frames.append(frame)

    def _frame(self, iterate: Iterate) -> Frame:
        assert self.truth is not None
        with torch.no_grad():
            difference = iterate.x - self.truth
            psnr = _psnr(float(difference.square().mean()))
            return Frame(iterate.k, to_bytes(iterate.x), psnr, float(difference.abs().max()))

    def _flush(self) -> None:
        """Take the pending numbers off the device and look whether the run has arrived or diverged."""
        pending, self._pending = self._pending, []
        for iterate, error in pending:
            mark = Mark.of(iterate)
            quality = math.nan if error is None else _psnr(float(error))
            with self._lock:
                self._marks.append(mark)
                self._psnr.append(quality)
            if self._state in OVER or self._state == "checking":
                continue
            if not (math.isfinite(mark.residual) and math.isfinite(mark.gap)):
                self._finish("diverged", f"The iterate is no longer a finite number since iteration {mark.k}.")
                continue
            smallest = self._smallest_gap = min(self._smallest_gap, mark.gap)
            if mark.gap > GROWTH * max(smallest, 1e-12) and mark.residual > 1e-2:
                self._finish(
                    "diverged",
                    f"The run diverges: at iteration {mark.k} the residual is {mark.gap / smallest:.0e} times "
                    "its smallest value. What was computed is kept.",
                )
            elif mark.residual <= self.scenario.tolerance:
                self._finish("done", f"Residual {mark.residual:.1e} is below {self.scenario.tolerance:.0e}.")

    def _finish(self, state: State, message: str) -> None:
        if self._current is not None and (not self._frames or self._frames[-1].k != self._current.k):
            self._keep(self._current)
        assert self.problem is not None and self.method is not None
        with self._lock:
            if self._state in OVER:
                return
            self._state = "checking" if state == "done" and self.is_checked else state
            self._message = message
        if self._state == "checking" and self._current is not None:
            self._checks = probes(
                self.method,
                self.problem,
                limit=self._current.x,
                tolerance=self.scenario.tolerance,
                max_steps=self.scenario.iterations,
                seed=self.scenario.seed,
                residual=self._marks[-1].residual if self._marks else 0.0,
                main=self.iterates(),
            )

    def _check(self, deadline: float) -> None:
        if self.truth is not None and self._current is not None and self._current.k not in self._ssim:
            self._ssim[self._current.k] = ssim(self._current.x, self.truth)
        while self._state == "checking":
            probe = next(self._checks, None) if self._checks else None
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
        """Prepare the picture that a viewer asked for."""
        if self._current is None:
            return
        self._wanted = False
        frame = self._frame(self._current)
        with self._lock:
            self._latest = frame

    def _draw(self) -> None:
        """Renew the chart of the path; a fortieth of the time at most goes into it."""
        now = time.monotonic()
        if now < self._chart_due:
            return
        self._chart = draw(self.iterates(), tuple(self._probes), is_final=self._state in ("checking", "done"))
        self._chart_due = now + max(0.5, 40 * (time.monotonic() - now))

    # The viewer's side.

    def chart(self) -> Chart | None:
        """The path of the iterates as last drawn."""
        return self._chart

    def guarantees(self) -> tuple[Guarantee, ...]:
        """The guarantees beside what was measured, renewed twice a second at most while a run goes on."""
        now = time.monotonic()
        if self.method is None or self.problem is None:
            return ()
        if now >= self._panel_due or self.is_settled:
            with self._lock:
                found = {p.key: p.value for p in self._probes if p.value is not None}
                evidence = Evidence(tuple(self._marks), found)
            self._panel = self.method.guarantees(self.problem, evidence)
            self._panel_due = now + max(0.5, 40 * (time.monotonic() - now))
        return self._panel

    def snapshot(self) -> Snapshot:
        """The run as it is now; also asks the worker for a fresh picture."""
        with self._lock:
            evidence = Evidence(tuple(self._marks), {p.key: p.value for p in self._probes if p.value is not None})
            shot = Snapshot(
                self._state,
                self._message,
                tuple(self._marks),
                tuple(self._psnr),
                dict(self._ssim),
                self._latest,
                tuple(self._frames),
                self._rate(),
                evidence,
                tuple(self._probes),
                self._setup,
            )
            self._wanted = True
        return shot

    def iterates(self) -> tuple[tuple[int, Image], ...]:
        """The kept iterates in full precision, on the CPU."""
        with self._lock:
            return tuple((entry.k, entry.x) for entry in self._kept)

    def _rate(self) -> float:
        """Iterations per second over the last two seconds of running."""
        if len(self._recent) < 2:
            return 0.0
        (t0, k0), (t1, k1) = self._recent[0], self._recent[-1]
        return (k1 - k0) / max(t1 - t0, 1e-9)


def _psnr(mean_square: float) -> float:
    """PSNR in dB of a mean squared error; ∞ for 0."""
    if not math.isfinite(mean_square):
        return -math.inf
    return math.inf if mean_square == 0 else -10 * math.log10(mean_square)
