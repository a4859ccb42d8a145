"""The runs of one session, newest last: how each ended, and all that was computed for the latest of them.

Measured as the growth of the process, a finished run of 200 iterations takes 13 MB on 256 × 256 pixels in
grey, 39 MB in colour, and about 100 MB on 512 × 512 in colour: its kept iterates, data and operator. So a
session keeps at most twelve runs, and all sessions together 160 MB beside those on the screen; what was
dropped is computed again when somebody goes back to it. Its picture and numbers stay: at most 24 of them, 10
to 600 kB each. No Streamlit in here.
"""

import math
import threading
import weakref
from dataclasses import dataclass

import torch

from deqviz.io.pixels import png
from deqviz.runtime.job import Job
from deqviz.runtime.run_snapshot import RunSnapshot, State
from deqviz.scenario import Scenario

MOST = 24
"""Runs that are remembered."""
MOST_RESULTS = 12
"""Runs whose results are kept."""
TOTAL = 160 * 2**20
"""Bytes that the results of all sessions may take; each session has its equal part, and at least `FLOOR`."""
FLOOR = 8 * 2**20
OVERHEAD = 1.1
"""The process's memory by what `weight` counts one by one."""
PINS = 2
SIDE = 96
"""Longer side of a thumbnail in pixels."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of a run: numbers and the last iterate as PNG; PSNR and residual are NaN where unknown."""

    state: State
    k: int
    psnr: float = math.nan
    residual: float = math.nan
    evaluations: int = 0
    size: tuple[int, int] = (1, 1)
    picture: bytes = b""
    thumbnail: bytes = b""


@dataclass
class Entry:
    """One run; `job` is None when its results were dropped, `weight` is how many bytes they take."""

    number: int
    scenario: Scenario
    job: Job | None
    look: Look
    is_final: bool = False
    pinned: int = 0
    weight: int = 0

    @property
    def id(self) -> str:
        """What the browser calls it."""
        return f"no-{self.number}"


class History:
    """Bounded in every direction; belongs to one session and goes with it."""

    def __init__(self) -> None:
        """No runs yet."""
        self.entries: list[Entry] = []
        self._count = 0
        self._pins = 0
        self._wanted: Entry | None = None
        with _lock:
            _histories.add(self)

    def add(self, job: Job) -> None:
        """Remember a run that begins; one that repeats the entry just asked for takes its place."""
        entry, self._wanted = self._wanted, None
        if entry is not None and entry.scenario == job.scenario:
            entry.job, entry.is_final = job, False
            return
        self._count += 1
        self.entries.append(Entry(self._count, job.scenario, job, Look(job.state, 0)))

    def find(self, id: str) -> Entry | None:
        """The entry that the browser calls so."""
        return next((entry for entry in self.entries if entry.id == id), None)

    def want(self, entry: Entry) -> None:
        """The next run that is shown is this one."""
        self._wanted = entry

    def wanted(self, scenario: Scenario) -> Job | None:
        """The kept run that was asked for, if it is one of this scenario; None where it must be repeated."""
        entry = self._wanted
        if entry is None or entry.scenario != scenario or entry.job is None:
            return None
        self._wanted = None
        return entry.job

    def pin(self, entry: Entry) -> None:
        """Pin a run or let it go; a third one takes the place of the first."""
        if entry.pinned:
            entry.pinned = 0
            return
        self._pins += 1
        entry.pinned = self._pins
        for old in self.pinned[:-PINS]:
            old.pinned = 0

    @property
    def pinned(self) -> list[Entry]:
        """The pinned runs, in the order in which they were pinned."""
        return sorted((entry for entry in self.entries if entry.pinned), key=lambda entry: entry.pinned)

    def refresh(self, current: Job | None) -> None:
        """Look at the runs that have moved on since the last time, and drop what is too much."""
        for entry in self.entries:
            job = entry.job
            if job is not None and not entry.is_final:
                # Asked first: what is over by then cannot change any more.
                entry.is_final = job.is_over()
                snapshot = job.snapshot()
                entry.look = look(snapshot, entry.look)
                entry.weight = weight(snapshot) + burden(job.operator)
        # Whoever drags a slider begins many runs that never come to a picture.
        self.entries = [e for e in self.entries if e.job is current or not e.is_final or e.look.picture]
        self._forget(current)

    def _forget(self, current: Job | None) -> None:
        loose = [e for e in self.entries if not e.pinned and e.job is not current]
        surplus = {e.number for e in loose[: max(0, len(self.entries) - MOST)]}
        self.entries = [e for e in self.entries if e.number not in surplus]
        entries = [e for e in self.entries if e.job is not None and e.job is not current and e.is_final]
        room = allowance()
        for rank, entry in enumerate(reversed(entries), start=2):  # the current one is the first
            room -= entry.weight
            if rank > MOST_RESULTS or room < 0:
                entry.job = None


_lock = threading.Lock()
_histories: "weakref.WeakSet[History]" = weakref.WeakSet()


def allowance() -> int:
    """Bytes that one session may keep now."""
    with _lock:
        return max(FLOOR, TOTAL // max(1, len(_histories)))


def weight(snapshot: RunSnapshot) -> int:
    """About how many bytes a run holds: the kept iterates, those of other starts, and the numbers."""
    if snapshot.setup is None:
        return 0
    iterate = 4 * math.prod(snapshot.setup.shape)
    kept = sum(frame.pixels.nbytes + iterate for frame in snapshot.frames)
    others = sum(x.nbytes for probe in snapshot.probes for _, x in probe.path)
    # Data, truth and operator: about eight pictures. The solver's own past goes with the end of the run.
    return round(OVERHEAD * (kept + others + 8 * iterate + 500 * len(snapshot.marks)))


def burden(part: object) -> int:
    """Bytes of the tensors that an operator holds: the sparse matrix of a tomograph takes 200 MB at 256²."""
    if isinstance(part, torch.Tensor):
        if part.layout is torch.sparse_csr:
            return sum(t.nbytes for t in (part.values(), part.col_indices(), part.crow_indices()))
        return part.nbytes
    if isinstance(part, dict):
        return sum(map(burden, part.values()))
    if isinstance(part, tuple | list):
        return sum(map(burden, part))
    is_own = type(part).__module__.startswith("deqviz.") and hasattr(part, "__dict__")
    return burden(vars(part)) if is_own else 0


def look(snapshot: RunSnapshot, before: Look) -> Look:
    """What is seen of a run now; its picture is made again only when it is another one."""
    latest = snapshot.latest
    if latest is None:
        return Look(snapshot.state, 0)
    is_same = before.picture and before.k == latest.k
    picture = before.picture if is_same else png(latest.pixels)
    return Look(
        state=snapshot.state,
        k=latest.k,
        psnr=latest.psnr,
        residual=snapshot.marks[-1].residual if snapshot.marks else math.nan,
        evaluations=snapshot.marks[-1].evaluations if snapshot.marks else 0,
        size=(latest.pixels.shape[-2], latest.pixels.shape[-1]),
        picture=picture,
        thumbnail=before.thumbnail if is_same else png(latest.pixels, side=SIDE),
    )
