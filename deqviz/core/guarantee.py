"""Guarantees: theorems as inequalities beside what was measured."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Status = Literal["certified", "estimated", "void"]
Lamp = Literal["holds", "estimated", "void", "violated", "waiting"]
Void = Literal["hypothesis violated", "not verifiable", "not applicable"]
"""Why nothing is claimed: a hypothesis is false here, cannot be decided here, or does not speak of this."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Values against the iteration."""

    k: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Guarantee:
    """One inequality measured ≤ predicted, with the reason why it is known to hold, or not.

    `status` is "certified" when every hypothesis is proved for this very operator, regulariser and
    parameter; "estimated" when a constant in it was only measured; "void" when nothing is claimed: `void`
    says in which way, and `reason` names the hypothesis. `slack` is the relative room left for rounding.
    `predicted` is None where the statement has no number (void) and `measured` is None until something was
    measured. `paper` is the line of theory whose letters the statement uses, empty for the common ones: the
    glossary has the meaning of both.
    """

    key: str
    name: str
    statement: str
    status: Status
    reason: str
    predicted: Curve | float | None = None
    measured: Curve | float | None = None
    slack: float = 1e-3
    void: Void = "hypothesis violated"
    paper: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether measured ≤ predicted at every shared k; None while there is nothing to compare."""
        match self.predicted, self.measured:
            case Curve() as above, Curve() as below:
                limit = dict(zip(above.k, above.values, strict=True))
                shared = [(v, limit[k]) for k, v in zip(below.k, below.values, strict=True) if k in limit]
                return all(v <= bound * (1 + self.slack) for v, bound in shared) if shared else None
            case float() as above, float() as below:
                return math.isfinite(below) and below <= above * (1 + self.slack)
            case _:
                return None

    def doubted(self, doubt: str) -> "Guarantee":
        """The same, at most estimated, with the doubt as the first reason."""
        if self.status != "certified":
            return self
        return replace(self, status="estimated", reason=f"{doubt}; {self.reason}")

    @property
    def lamp(self) -> Lamp:
        """What the panel shows: a certified inequality that is not respected is "violated"."""
        if self.status == "void":
            return "void"
        if self.status == "estimated":
            return "estimated"
        if self.holds is False:
            return "violated"
        return "waiting" if self.holds is None else "holds"


def in_letters(paper: str, rows: Iterable[Guarantee]) -> tuple[Guarantee, ...]:
    """The same statements, marked as written in the letters of this line of theory."""
    return tuple(replace(row, paper=paper) for row in rows)
