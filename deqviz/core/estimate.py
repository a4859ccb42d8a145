"""Estimates: numbers that say on which side of the true value they are."""

from dataclasses import dataclass
from typing import Literal

Side = Literal["exact", "lower bound", "upper bound"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """`side` is part of the result: a power iteration bounds a norm from below, never from above."""

    name: str
    value: float
    side: Side

    @property
    def is_certified_above(self) -> bool:
        """Whether the true number is at most `value`."""
        return self.side != "lower bound"
