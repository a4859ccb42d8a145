"""Several runs on one problem: a job for each method, and whoever judges what they keep. No Streamlit.

Every job is a task of its own, so the worker gives each its slice in turn. One that fails ends by itself.
"""

import itertools
import threading
import time
from dataclasses import dataclass

from deqviz.core.guarantee import Guarantee
from deqviz.core.metrics import ssim
from deqviz.core.space import Image
from deqviz.experiments.probe import Path
from deqviz.runtime.job import Job
from deqviz.runtime.limits import Demand
from deqviz.runtime.logbook import ROOM
from deqviz.runtime.run_snapshot import OVER
from deqviz.runtime.study_snapshot import State
from deqviz.runtime.worker import Task
from deqviz.ui.pages.compare.setting import Setting

_ids = itertools.count(1)
BUDGET = 12e6
"""Bytes of kept iterates that the browser is sent of all runs together."""


@dataclass
class Runner(Job):
    """A job that also says how long each of its iterates took, and what it keeps."""

    _room = ROOM / 3  # there may be six of them, and the browser is sent `BUDGET` of them all

    def __post_init__(self) -> None:
        """Nothing is computed here: the worker does that."""
        super().__post_init__()
        self._clock: list[float] = []

    def _iterate(self) -> None:
        before = self._running
        super()._iterate()
        if self._running > before:  # a stream that has ended takes no time
            self._clock.append(self._running)

    @property
    def clock(self) -> tuple[float, ...]:
        """Seconds of computing after each iterate, of this run alone: neither preparation nor waiting."""
        return tuple(self._clock)

    @property
    def kept(self) -> Path:
        """The kept iterates in full precision; empty before the first."""
        return self._log.path if self._log else ()


class Judge:
    """A task for the worker: the structural similarity of what the runs kept, the last iterates first."""

    demands: tuple[Demand, ...] = ()
    """Of a run that is too large nothing is kept."""

    def __init__(self, runs: tuple[Runner, ...]) -> None:
        """Nothing is computed here."""
        self.side = max(run.side for run in runs)
        self._runs = runs
        self._lock = threading.Lock()
        self._truth: Image | None = None
        self._similarities: dict[str, dict[int, float]] = {run.id: {} for run in runs}
        self._is_ended = not runs[0].scenario.is_judged

    def similarities(self, run: Runner) -> dict[int, float]:
        """Structural similarities of one run by iteration."""
        with self._lock:
            return dict(self._similarities[run.id])

    def is_live(self) -> bool:
        """Whether it wants to go on computing."""
        return self.is_runnable()

    def is_runnable(self) -> bool:
        """Whether a run is over that has not been judged."""
        return not self._is_ended and self._next() is not None

    def is_over(self) -> bool:
        """Whether every run is over and judged."""
        return self._is_ended or (all(run.state in OVER for run in self._runs) and self._next() is None)

    def end(self, message: str) -> None:
        """Stop where it is."""
        del message
        self._is_ended = True

    def release(self) -> None:
        """Let go of the truth."""
        self._truth = None

    def _next(self) -> tuple[Runner, int, Image] | None:
        """What comes next: of every finished run the last iterate, then the others."""
        over = [run for run in self._runs if run.state in OVER and run.kept]
        for run in over:
            k, x = run.kept[-1]
            if k not in self._similarities[run.id]:
                return run, k, x
        rest = ((run, k, x) for run in over for k, x in run.kept if k not in self._similarities[run.id])
        return next(rest, None)

    def advance(self, deadline: float) -> None:
        """Judge until `deadline`; without a truth after all it ends, as the runs say why."""
        try:
            if self._truth is None:
                self._truth = self._runs[0].scenario.truth()
            while not self._is_ended and (job := self._next()) is not None:
                run, k, x = job
                if (value := ssim(x, self._truth)) is None:  # the runs say why
                    self._is_ended = True
                    return
                with self._lock:
                    self._similarities[run.id][k] = value
                if time.monotonic() > deadline:
                    return
        except Exception:
            # An upload that was forgotten meanwhile, or no memory: the table has no number then.
            self._is_ended = True


class Comparison:
    """The runs of a setting, played, paused and stopped together.

    Runs of `old` whose scenario is asked for again are taken over as they are: a changed method alone is
    run anew.
    """

    def __init__(self, setting: Setting, device: str = "cpu", old: "Comparison | None" = None) -> None:
        """Nothing is computed here: the worker does that."""
        self.id = f"compare-{next(_ids)}"
        self.setting = setting
        spare = [run for run in old.runs if run.state not in ("stopped", "failed")] if old else []
        self.runs = tuple(self._run(i, device, spare) for i in range(len(setting.methods)))
        self.judge = Judge(self.runs)
        self._panels: dict[str, tuple[Guarantee, ...]] = {}

    def _run(self, i: int, device: str, spare: list[Runner]) -> Runner:
        scenario, is_checked = self.setting.scenario(i), self.setting.is_checked
        for run in spare:
            if run.scenario == scenario and run.is_checked == is_checked and run.device == device:
                spare.remove(run)
                return run
        return Runner(scenario, device, is_checked)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What the worker is to do."""
        return (*self.runs, self.judge)

    @property
    def state(self) -> State:
        """Of all together: preparing until one has data, then running while one goes on."""
        states = [run.state for run in self.runs]
        going = [s for s in states if s not in OVER]
        if going and all(s == "paused" for s in going):
            return "paused"
        if going:
            return "preparing" if all(s == "preparing" for s in states) else "running"
        if not self.judge.is_over() and "stopped" not in states:
            return "running"
        if "stopped" in states:
            return "stopped"
        return "failed" if all(s == "failed" for s in states) else "done"

    @property
    def is_settled(self) -> bool:
        """Whether nothing will change by itself."""
        return all(run.is_settled for run in self.runs) and (self.judge.is_over() or not self.judge.is_live())

    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return all(run.is_over() for run in self.runs) and self.judge.is_over()

    def is_live(self) -> bool:
        """Whether it wants to go on computing."""
        return any(run.is_live() for run in self.runs) or self.judge.is_live()

    def play(self) -> None:
        """Go on with all that are held."""
        for run in self.runs:
            run.play()

    def pause(self) -> None:
        """Hold all that are going on; checks of theorems end."""
        for run in self.runs:
            if run.state == "checking":
                run.stop()
            run.pause()

    def stop(self) -> None:
        """End all; what was computed is kept."""
        for run in self.runs:
            run.stop()

    def end(self, message: str) -> None:
        """Stop because the server says so."""
        for run in self.runs:
            run.end(message)

    def replace(self, fresh: "Comparison") -> None:
        """End what `fresh` has not taken over."""
        for run in self.runs:
            if not any(run is other for other in fresh.runs):
                run.stop()
        self.judge.end("replaced")

    def guarantees(self, run: Runner) -> tuple[Guarantee, ...]:
        """What is stated of one run; asked once more, and kept, when it is over."""
        if run.id not in self._panels:
            panel = run.guarantees()
            if not run.is_over():
                return panel
            self._panels[run.id] = panel
        return self._panels[run.id]


def thinned(count: int, runs: int, size: int) -> list[int]:
    """Which of `count` kept iterates of `size` bytes go to the browser: all, or evenly with both ends."""
    most = max(8, int(BUDGET / (runs * size)))
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})
