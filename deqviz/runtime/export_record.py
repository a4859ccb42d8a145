"""A run as it is taken away: every number and image in full precision."""

from dataclasses import dataclass

from deqviz.core.records import Iterate, Problem
from deqviz.core.space import Image
from deqviz.experiments.probe import Path
from deqviz.runtime.logbook import Frame, Logbook
from deqviz.runtime.run_snapshot import Snapshot
from deqviz.scenario import Scenario


@dataclass(frozen=True)
class Record:
    """One run at one moment; `path` holds the kept iterates and the newest, the numbers stand in `shot`."""

    scenario: Scenario
    shot: Snapshot
    problem: Problem
    truth: Image | None
    path: Path

    @classmethod
    def of(
        cls, scenario: Scenario, shot: Snapshot, problem: Problem, log: Logbook, newest: Iterate
    ) -> "Record":
        """What `log` holds of a run whose newest iterate is `newest`."""
        path = log.path
        if not path or path[-1][0] != newest.k:
            path = (*path, (newest.k, newest.x.detach().cpu()))
        return cls(scenario, shot, problem, log.truth, path)

    @property
    def device(self) -> str:
        """Where the run was computed, "cpu" or "cuda"."""
        return self.problem.data.device.type

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The kept iterates and the newest, as they are shown."""
        frames, latest = self.shot.frames, self.shot.latest
        return frames if latest is None or latest.k in {f.k for f in frames} else (*frames, latest)

    @property
    def ended_at(self) -> int | None:
        """The iterate at which somebody stopped the run or it diverged, None where it ended by itself."""
        marks, scenario = self.shot.marks, self.scenario
        arrived = next((m.k for m in marks if m.residual <= scenario.tolerance), None)
        last = marks[-1].k
        is_own = self.shot.state in ("checking", "done")
        # On a GPU the residual is looked at now and then: such a run goes on a little after it has arrived.
        return None if is_own and arrived in (None, last) else last
