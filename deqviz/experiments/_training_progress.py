"""Progress of an experiment that trains before it measures."""

import math
from dataclasses import dataclass
from typing import TypeVar

from deqviz.experiments._rows import Progress, Row

R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Lesson(Progress[R]):
    """One training step of one network: its loss on that step's examples; `row` stays None."""

    training: str = ""
    step: int = 0
    steps: int = 0
    loss: float = math.nan
