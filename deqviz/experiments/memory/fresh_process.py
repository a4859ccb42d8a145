"""Peak RSS of a new process that trains: the cross-check of the activation memory."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from deqviz.core.guarantee import Guarantee, in_letters, quantity
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.memory.scan import Scan, per_iteration
from deqviz.resources import PACKAGE

__all__ = ["FreshProcesses", "ProcessRow", "slope"]

NEAR = 0.1
"""By how much the growth per iteration may differ from the formula: pages, and the room of kernels."""
_LOOK = 0.05
"""Seconds between two looks at a process."""


@dataclass(frozen=True, slots=True)
class ProcessRow(Row):
    """`grown`: bytes by which a fresh process has grown at most after `iterations`, since a T without graph.

    Unrolled: forward only, the graph still held. Equilibrium: forward and backward. `per_iteration` is the
    growth since the row before, per iteration (None in the first row), `predicted` the formula's s.
    """

    kind: str
    iterations: int
    grown: int
    per_iteration: float | None
    predicted: int

    @property
    def key(self) -> Key:
        """Kind and number of iterations."""
        return (self.kind, self.iterations)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """The growth beside the formula: near it, but pages, buffers and the allocator are in it too."""
        if self.kind != "unrolled" or self.per_iteration is None:
            return ()
        off = abs(self.per_iteration / self.predicted - 1)
        why = "the system counts pages, and what kernels need for a moment is in them"
        statement = "|growth per iteration − s| ≤ 10 % of s"
        row = Guarantee(
            "process", "Peak RSS of a new process", statement, "estimated", why, quantity(NEAR), quantity(off)
        )
        return in_letters("memory", (row,))


@dataclass(frozen=True)
class FreshProcesses(Experiment[ProcessRow]):
    """One process for each kind, on the CPU with one thread; freed blocks go back to the system at once.

    Without the last, holes that no later block fits add almost half to the growth. In a process that has
    computed before, freed memory is used again and nothing grows.
    """

    scan: Scan = Scan()
    unrolled: tuple[int, ...] = (5, 10, 20, 40)
    solved: tuple[int, ...] = (1, 10)

    def __post_init__(self) -> None:
        """Refuse counts that do not ascend, with a sentence."""
        for counts in (self.unrolled, self.solved):
            if not counts or counts[0] < 1 or list(counts) != sorted(set(counts)):
                raise ValueError(f"Numbers of iterations ascend from 1 or more, unlike {counts}.")

    @property
    def row_type(self) -> type[ProcessRow]:
        """`ProcessRow`."""
        return ProcessRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """The unrolled counts, then the solves."""
        return (*(("unrolled", k) for k in self.unrolled), *(("equilibrium", n) for n in self.solved))

    def run(self, old_rows: Sequence[ProcessRow] = ()) -> Iterator[Progress[ProcessRow]]:
        """The rows in the order of `cells`, and a Progress for every look at a process that still works."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        for kind, counts in (("unrolled", self.unrolled), ("equilibrium", self.solved)):
            if all((kind, n) in by_key for n in counts):
                for n in counts:
                    done += 1
                    yield Progress(done, total, by_key[kind, n])
                continue
            before: tuple[int, int] | None = None
            for line in _lines(self.scan, kind, counts):
                if line is None:
                    yield Progress(done, total)
                    continue
                n, grown = line
                step = None if before is None else (grown - before[1]) / (n - before[0])
                row = ProcessRow(kind, n, grown, step, per_iteration(self.scan))
                before, done = line, done + 1
                yield Progress(done, total, by_key.get(row.key, row))


def slope(rows: Sequence[ProcessRow]) -> float | None:
    """Bytes per unrolled iteration between the first and the last row; None below two of them."""
    own = sorted((row.iterations, row.grown) for row in rows if row.kind == "unrolled")
    return (own[-1][1] - own[0][1]) / (own[-1][0] - own[0][0]) if len(own) > 1 else None


def _lines(scan: Scan, kind: str, counts: tuple[int, ...]) -> Iterator[tuple[int, int] | None]:
    """What the process says as it says it, None while it is silent; ended when nobody listens any more."""
    plain = json.dumps(asdict(scan) | {"device": "cpu"})
    command = [
        sys.executable,
        "-m",
        "deqviz.experiments.memory._process",
        plain,
        kind,
        ",".join(map(str, counts)),
    ]
    # glibc: every block of 64 kB or more comes from the system and goes back to it.
    env = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    pipe = subprocess.PIPE
    # Without a buffer here: a line that lies in one would not be seen by `select`.
    process = subprocess.Popen(command, bufsize=0, stdout=pipe, stderr=pipe, env=env, cwd=PACKAGE.parent)
    assert process.stdout is not None
    try:
        while True:
            if not select.select([process.stdout], [], [], _LOOK)[0]:
                yield None
            elif line := process.stdout.readline():
                count, grown = line.split()
                yield int(count), int(grown)
            else:
                break
        _, output = process.communicate()
        if process.returncode:
            last = output.decode(errors="replace").strip().splitlines()[-1:] or [
                f"exit status {process.returncode}"
            ]
            raise RuntimeError(f"The process of the cross-check ended early: {last[0]}")
    finally:
        process.kill()
        process.communicate()
