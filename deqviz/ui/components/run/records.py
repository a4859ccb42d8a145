"""The records of the live view: what it shows and what it asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deqviz.core.guarantee import Status

State = Literal["preparing", "running", "paused", "checking", "done", "stopped", "diverged", "error"]
CommandName = Literal["play", "pause", "step", "stop", "reset", "speed"]
Picture: TypeAlias = NDArray[np.uint8]
"""(channels, height, width) with one or three channels; 0 and 255 stand for `Pictures.low` and `high`."""

Numbers: TypeAlias = Sequence[float] | NDArray[np.floating] | NDArray[np.integer]

SPEEDS: Final = (0, 10, 3, 1)
"""Iterations per second that may be asked for; 0 is as fast as possible."""
LIVE_POINTS: Final = 2000
"""Longest column sent while a run is going on; longer ones are thinned."""
FINAL_POINTS: Final = 20000
"""Longest column sent otherwise."""

ENABLED: Final[Mapping[State, tuple[CommandName, ...]]] = {
    "preparing": ("stop", "speed"),
    "running": ("pause", "step", "stop", "reset", "speed"),
    "paused": ("play", "step", "stop", "reset", "speed"),
    "checking": ("stop", "reset", "speed"),
    "done": ("reset", "speed"),
    "stopped": ("reset", "speed"),
    "diverged": ("reset", "speed"),
    "error": ("reset", "speed"),
}


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a run that never change.

    `low` and `high` are the values that 0 and 255 stand for: the readout under the pointer uses them.
    Measured data may have no `truth`, and then there is no error to show. `measured_name` says what is shown
    for the data, e.g. "Zero-filled".
    """

    run: str
    truth: Picture | None
    measured: Picture
    low: float = 0.0
    high: float = 1.0
    measured_psnr: float | None = None
    measured_name: str = ""


@dataclass(frozen=True, slots=True)
class Frames:
    """Kept iterates of a run, in ascending k; the browser adds them to those that it saw live."""

    run: str
    k: Sequence[int]
    images: Sequence[Picture]


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of the charts: `column` against `x`, both names in `View.columns`.

    `baseline` is a horizontal dotted line, e.g. the PSNR of the measured data.
    """

    column: str
    label: str
    axis: str
    x: str = "k"
    log: bool = False
    baseline: float | None = None
    baseline_label: str = "direct inversion"


@dataclass(frozen=True, slots=True)
class Path:
    """One start's way through the plane of the two main directions."""

    label: str
    a: Numbers
    b: Numbers
    k: Numbers


@dataclass(frozen=True, slots=True)
class Shade:
    """log₁₀ of the residual on a grid: z[i, j] belongs to (a[j], b[i])."""

    a: Numbers
    b: Numbers
    z: NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Where the iterates go; the first path is the run's own and carries the cursor.

    The coordinates are drawn as they come: the caller has already taken the logarithm of the radius.
    """

    paths: tuple[Path, ...]
    limit: tuple[float, float] | None = None
    shade: Shade | None = None
    axis: str = "first two principal components, log radius"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the guarantee table; `statement` may hold _{sub} and ^{sup} marks.

    `paper` is the line of theory whose letters the statement uses.
    """

    name: str
    statement: str
    status: Status
    numbers: str
    reason: str = ""
    paper: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The card "What am I looking at?"; `equation` may hold _{sub} and ^{sup} marks."""

    equation: str
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """Everything that may change while a run goes on.

    Known columns, sent as float32 and as long as "k" unless a Curve names another x: residual, psnr,
    error_max, evaluations fill the numbers of a scrubbed iterate; "predicted" against "predicted_k" is
    the dashed bound in the residual chart; every other column is drawn when a Curve of `quality` names it.
    `k_max` is None for a run without a planned end. `iterate` is None until there is one. `is_moving` says
    that more will come: of a run that is held, the iterate that was on its way.
    """

    run: str
    state: State
    is_moving: bool = False
    k: int = 0
    k_max: int | None = None
    message: str = ""
    evaluations: int | None = None
    rate: float | None = None
    residual: float | None = None
    psnr: float | None = None
    error_max: float | None = None
    speed: int = 0
    device: str = ""
    method: str = ""
    iterate: Picture | None = None
    columns: Mapping[str, Numbers] = field(default_factory=dict)
    quality: tuple[Curve, ...] = ()
    trajectory: Trajectory | None = None
    guarantees: tuple[Row, ...] = ()
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asked for; `run` is the run then on the screen, `number` grows from click to click."""

    name: CommandName
    run: str
    number: int
    value: int = 0
