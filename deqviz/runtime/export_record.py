"""A run as it is taken away: every number and image in full precision."""

from dataclasses import dataclass

from deqviz.core.records import Iterate, Problem
from deqviz.core.space import Image
from deqviz.core.stop import Arrival
from deqviz.experiments.probe import Path
from deqviz.runtime.logbook import Frame, Logbook
from deqviz.runtime.run_snapshot import RunSnapshot
from deqviz.scenario import Scenario


@dataclass(frozen=True)
class Record:
    """One run at one moment; `path` has the kept iterates and the newest, `snapshot` the numbers."""

    scenario: Scenario
    snapshot: RunSnapshot
    problem: Problem
    truth: Image | None
    path: Path

    @classmethod
    def of(
        cls, scenario: Scenario, snapshot: RunSnapshot, problem: Problem, log: Logbook, newest: Iterate
    ) -> "Record":
        """What `log` holds of a run whose newest iterate is `newest`."""
        path = log.path
        if not path or path[-1][0] != newest.k:
            path = (*path, (newest.k, newest.x.detach().cpu()))
        return cls(scenario, snapshot, problem, log.truth, path)

    @property
    def device(self) -> str:
        """Where the run was computed, "cpu" or "cuda"."""
        return self.problem.data.device.type

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The kept iterates and the newest, as they are shown."""
        frames, latest = self.snapshot.frames, self.snapshot.latest
        return frames if latest is None or latest.k in {f.k for f in frames} else (*frames, latest)

    @property
    def ended_at(self) -> int | None:
        """The iterate at which somebody stopped the run or it diverged, None where it ended by itself."""
        marks, scenario = self.snapshot.marks, self.scenario
        arrival = Arrival(scenario.tolerance, self.problem.operator.image.size)
        arrived = next((m.k for m in marks if arrival.is_at(m.residual, m.gap)), None)
        last = marks[-1].k
        is_own = self.snapshot.state in ("checking", "done")
        # On a GPU the residual is looked at now and then: such a run goes on a little after it has arrived.
        return None if is_own and arrived in (None, last) else last
