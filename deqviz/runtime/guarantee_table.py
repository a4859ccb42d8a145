"""The guarantees of a run as its page shows them, renewed now and then."""

import time
from collections.abc import Mapping

from deqviz.core.guarantee import Guarantee
from deqviz.core.records import Evidence, Method, Problem
from deqviz.runtime.logbook import Logbook


class GuaranteeTable:
    """The guarantees of one method on one problem beside what its logbook says."""

    def __init__(self, method: Method, problem: Problem, log: Logbook) -> None:
        """Nothing is read before `read`."""
        self.method, self.problem, self._log = method, problem, log
        self._rows: tuple[Guarantee, ...] = ()
        self._due = 0.0

    def read(self, probes: Mapping[str, float], *, is_settled: bool) -> tuple[Guarantee, ...]:
        """All rows, renewed twice a second at most while the run goes on; a fortieth of the time goes in."""
        now = time.monotonic()
        if now >= self._due or is_settled:
            self._rows = self.method.guarantees(self.problem, Evidence(self._log.marks, probes))
            self._due = now + max(0.5, 40 * (time.monotonic() - now))
        return self._rows
