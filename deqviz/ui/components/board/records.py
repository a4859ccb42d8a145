"""The records of the board: an experiment as it fills, and what a person may ask of it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from deqviz.runtime.study_snapshot import State
from deqviz.ui.components.run.records import Explanation, Numbers, Picture, Row

__all__ = [
    "COLOURS",
    "ENABLED",
    "POINTS",
    "Axis",
    "Board",
    "Chart",
    "Command",
    "CommandName",
    "Explanation",
    "Numbers",
    "Picture",
    "Role",
    "Row",
    "Series",
    "Stack",
    "Stacks",
    "State",
    "Style",
    "Tile",
    "gaps",
]

Role = Literal[
    "iterate",
    "measured",
    "predicted",
    "truth",
    "error",
    "start-1",
    "start-2",
    "start-3",
    "start-4",
    "start-5",
    "start-6",
]
"""What a line stands for; its colour is the one that style.css gives to that on every page."""

COLOURS: tuple[Role, ...] = ("start-1", "start-2", "start-3", "start-4", "start-5", "start-6")
"""The colours of lines that stand beside each other, in their order."""

Style = Literal["line", "points", "both", "dashed", "dotted", "band"]
"""How it is drawn; a band is filled from `Series.low` up to `Series.y`."""

CommandName = Literal["run", "play", "pause", "stop"]

POINTS: Final = 2000
"""Longest series sent; longer ones are thinned."""

ENABLED: Final[Mapping[State, tuple[CommandName, ...]]] = {
    "preparing": ("pause", "stop"),
    "running": ("pause", "stop"),
    "paused": ("play", "stop", "run"),
    "done": ("run",),
    "stopped": ("play", "run"),
    "failed": ("run",),
}
"""What may be asked in which state: play goes on with the rows that are there, run starts again."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart, drawn in the order of its points; values that are not finite leave a gap.

    An empty name keeps it out of the legend and the hover. `low` is the lower edge of a band, as long as
    `y`, and None for every other style.
    """

    name: str
    x: Numbers
    y: Numbers
    role: Role = "iterate"
    style: Style = "both"
    low: Numbers | None = None


def gaps(values: Iterable[float | None]) -> list[float]:
    """The values of a line that has a gap wherever there is None."""
    return [math.nan if value is None else value for value in values]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis; `low` and `high` are in the units of the data also where it is logarithmic.

    Where it `is_nominal` its places only tell things apart, and have no numbers.
    """

    title: str
    log: bool = False
    low: float | None = None
    high: float | None = None
    is_nominal: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A card with one chart.

    `key` is its identity while rows arrive: the zoom belongs to it. `note` stands at the right of the
    title, `formula` under it and `sentence` under the chart; note and formula may hold _{sub} and ^{sup}
    marks. `is_equal` gives both axes one scale.
    """

    key: str
    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    note: str = ""
    formula: str = ""
    sentence: str = ""
    is_equal: bool = False


@dataclass(frozen=True, slots=True)
class Tile:
    """A card with one picture."""

    key: str
    title: str
    pixels: Picture
    note: str = ""


@dataclass(frozen=True, slots=True)
class Stack:
    """A card with a volume or a film: one frame, the cut through all frames along one row, and an error.

    `pixels` are (frames, 1, height, width). The error is |this − other|, `other` being the key of another
    stack of the same shape; none without it. `extra` is a picture that stands below all, under `words`.
    """

    key: str
    title: str
    pixels: NDArray[np.uint8]
    note: str = ""
    other: str = ""
    extra: Picture | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Stacks:
    """Stacks beside each other, with one slider for the frame of all and one for the row of their cuts.

    `frame` says what a frame is and `cut` what a cut is, e.g. "Slice" and "Coronal cut"; errors are shown
    times `gain`. `note` stands beside the sliders.
    """

    frame: str
    cut: str
    items: tuple[Stack, ...]
    gain: int = 5
    note: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """Everything that is shown of an experiment.

    `left` are the seconds that are still needed, None while unknown. `csv` and `json` are the texts of all
    rows, given once the experiment rests (paused, done, stopped, failed).
    """

    run: str
    state: State
    done: int
    total: int
    unit: str = "equilibria"
    seconds: float = 0.0
    left: float | None = None
    message: str = ""
    charts: tuple[Chart, ...] = ()
    tiles: tuple[Tile, ...] = ()
    stacks: Stacks | None = None
    guarantees: tuple[Row, ...] = ()
    explanation: Explanation | None = None
    csv: str | None = None
    json: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asked for; `run` is the run then on the screen, `number` grows from click to click."""

    name: CommandName
    run: str
    number: int
