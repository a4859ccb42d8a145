"""The records of the comparison: what it shows and what it asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from deqviz.core.guarantee import Status
from deqviz.ui.components.board.records import State
from deqviz.ui.components.run.records import Numbers, Picture, Row
from deqviz.ui.components.run.records import State as LaneState

__all__ = [
    "ENABLED",
    "NAMES",
    "Command",
    "CommandName",
    "Frames",
    "Lane",
    "LaneState",
    "Tunable",
    "Tune",
    "View",
]

CommandName = Literal["play", "pause", "stop", "reset", "tune", "untune", "take"]
NAMES: Final[tuple[CommandName, ...]] = ("play", "pause", "stop", "reset", "tune", "untune", "take")

ENABLED: Final[Mapping[State, tuple[CommandName, ...]]] = {
    "preparing": ("pause", "stop"),
    "running": ("pause", "stop", "reset"),
    "paused": ("play", "stop", "reset"),
    "done": ("reset",),
    "stopped": ("reset",),
    "failed": ("reset",),
}
"""What may be asked of the runs in which state; a search for a parameter is asked for at any time."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One method of a comparison.

    The columns k, residual, psnr, seconds and evaluations are of one length, ssim goes with ssim_k. `seconds`
    are of computing, of this run alone. `status` is that of `headline`, the first of its statements, and None
    where nothing is stated. `trained` says what its weights were trained for, and `is_outside` that this is
    something else.
    """

    run: str
    name: str
    state: LaneState
    message: str = ""
    k: int = 0
    evaluations: int | None = None
    seconds: float | None = None
    residual: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    iterate: Picture | None = None
    columns: Mapping[str, Numbers] = field(default_factory=dict)
    status: Status | None = None
    headline: str = ""
    guarantees: tuple[Row, ...] = ()
    trained: str = ""
    is_outside: bool = False


@dataclass(frozen=True, slots=True)
class Tunable:
    """A number of one method that can be searched for: "α of Total variation"."""

    lane: int
    label: str
    symbol: str
    log: bool
    value: float
    range: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Tune:
    """A search for the best value, as far as it has come; `index` says of which tunable."""

    index: int
    state: State
    done: int
    total: int
    values: Numbers = ()
    psnr: Numbers = ()
    best: int | None = None
    message: str = ""
    csv: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """Everything that may change; `csv` and `json` are the table, given once all runs rest."""

    run: str
    state: State
    lanes: tuple[Lane, ...]
    k_max: int
    message: str = ""
    device: str = ""
    tunables: tuple[Tunable, ...] = ()
    tune: Tune | None = None
    csv: str | None = None
    json: str | None = None


@dataclass(frozen=True, slots=True)
class Frames:
    """Kept iterates of several runs: for each run its id, the iterations in ascending order, the pictures."""

    runs: tuple[tuple[str, Sequence[int], Sequence[Picture]], ...]


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asked for; `value` is the index of the tunable for "tune" and 0 otherwise."""

    name: CommandName
    run: str
    number: int
    value: int = 0
