"""Guarantees: theorems as inequalities beside what was measured, and the one rule for their status."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeGuard, get_args

Void = Literal["hypothesis violated", "not verifiable", "not applicable"]
"""Why nothing is claimed: a hypothesis is false here, cannot be decided here, or does not speak of this."""
Claim = Literal["certified", "stated", "estimated", "remark"] | Void
"""What is said of an inequality before anybody looks.

"certified": every hypothesis is proved for this very operator, regulariser and parameter. "stated": the same
with a constant that a user states. "estimated": a constant was only measured, or the inequality is what a
network was trained for. "remark": true by the way both sides are made, or no inequality.
"""
Status = Claim | Literal["waiting", "violated"]
"""What is shown: the claim, "waiting" for the first value of what is certified, or "violated"."""
Side = Literal["exact", "lower", "upper"]
"""Whether a number is what it stands for, or a lower or an upper bound of that."""

CLAIMS: tuple[Claim, ...] = ("certified", "stated", "estimated", "remark", *get_args(Void))
ARITHMETIC = 1e-5
"""Relative error of a quotient of two norms, each a sum in single precision: a term of every comparison."""


def is_void(claim: Claim | Status) -> TypeGuard[Void]:
    """Whether nothing is claimed."""
    return claim in get_args(Void)


@dataclass(frozen=True, slots=True)
class Curve:
    """Values against the iteration."""

    k: Sequence[int]
    values: Sequence[float]

    def __post_init__(self) -> None:
        """One value for each iteration; raises ValueError otherwise."""
        if len(self.k) != len(self.values):
            raise ValueError(f"A curve has {len(self.values)} values for {len(self.k)} iterations.")


@dataclass(frozen=True, slots=True)
class Quantity:
    """One side of an inequality; `unit` is what it is a multiple of, empty for a plain number."""

    of: Curve | float
    unit: str = ""
    side: Side = "exact"

    def __post_init__(self) -> None:
        """A number of whichever library is one of Python's: nothing else would be compared."""
        if not isinstance(self.of, Curve):
            object.__setattr__(self, "of", float(self.of))

    @property
    def number(self) -> float | None:
        """The number; None for a curve."""
        return None if isinstance(self.of, Curve) else self.of


def quantity(of: Curve | float | None, unit: str = "", side: Side = "exact") -> Quantity | None:
    """A quantity of what there is; None of None."""
    return None if of is None else Quantity(of, unit, side)


@dataclass(frozen=True, slots=True)
class Point:
    """value ≤ bound + allowance at one iteration; `k` is None where there is none to name."""

    k: int | None
    value: float
    bound: float
    allowance: float = 0.0

    @property
    def limit(self) -> float:
        """What the value may be."""
        return self.bound + self.allowance

    @property
    def holds(self) -> bool:
        """Whether it is no more than that; what is no number is not."""
        return self.value <= self.limit + ARITHMETIC * abs(self.limit)

    @property
    def ratio(self) -> float:
        """value/limit; infinite where nothing was allowed, and 0 where nothing was seen of nothing."""
        if self.limit > 0:
            return self.value / self.limit
        return 0.0 if self.holds else math.inf


@dataclass(frozen=True, slots=True)
class Guarantee:
    """One inequality value ≤ bound + allowance, with the reason why it is known to hold, or not.

    `bound` is None where the statement has no number and `value` until something was measured. `allowance`
    is what rounding and unfinished solves add, in their unit. `k` is the iteration at which numbers, not
    curves, were taken. `reason` says what the claim rests on, or names the hypothesis. `paper` is the line
    of theory whose letters the statement uses, empty for the common ones: the glossary has the meaning of
    both. Raises ValueError for value and bound in two units, for a number beside a curve, and for a claim
    that is none.
    """

    key: str
    name: str
    statement: str
    claim: Claim
    reason: str
    bound: Quantity | None = None
    value: Quantity | None = None
    allowance: Curve | float = 0.0
    k: int | None = None
    paper: str = ""

    def __post_init__(self) -> None:
        """Numbers in two units are never compared, and a number with no curve."""
        if self.claim not in CLAIMS:
            raise ValueError(f"{self.key} claims {self.claim!r}; known are {', '.join(CLAIMS)}.")
        sides = {isinstance(q.of, Curve) for q in (self.bound, self.value) if q is not None}
        if len(sides) > 1 or (isinstance(self.allowance, Curve) and sides == {False}):
            raise ValueError(f"{self.key} compares a number with a curve.")
        if self.bound is not None and self.value is not None and self.bound.unit != self.value.unit:
            units = " and a bound in ".join(q.unit or "plain numbers" for q in (self.value, self.bound))
            raise ValueError(f"{self.key} compares a value in {units}.")

    @property
    def points(self) -> tuple[Point, ...]:
        """Value and bound wherever both are there; what may be anything is compared with nothing."""
        return tuple(p for p in self._pairs if p.limit != math.inf)

    @property
    def _pairs(self) -> tuple[Point, ...]:
        if self.bound is None or self.value is None:
            return ()
        match self.bound.of, self.value.of:
            case Curve() as above, Curve() as below:
                limits = dict(zip(above.k, above.values, strict=True))
                return tuple(
                    Point(k, v, limits[k], room)
                    for k, v, room in zip(below.k, below.values, self._rooms(below.k), strict=True)
                    if k in limits
                )
            case float() as above, float() as below:
                # A number that is none must not pass for one that is small enough.
                value = below if math.isfinite(below) else math.nan
                (room,) = self._rooms((0,))
                return (Point(self.k, value, above, room),)
            case _:
                return ()

    def _rooms(self, ks: Sequence[int]) -> list[float]:
        """The allowance at each of these iterations."""
        room = self.allowance
        if not isinstance(room, Curve):
            return [room] * len(ks)
        by_k = dict(zip(room.k, room.values, strict=True))
        return [by_k.get(k, 0.0) for k in ks]

    @property
    def holds(self) -> bool | None:
        """Whether value ≤ bound + allowance at every point; None while there is nothing to decide it by.

        A value that is an upper bound, or a bound that is a lower one, may lie on the wrong side rightly.
        """
        points = self.points
        if not points:
            return None
        if all(point.holds for point in points):
            return True
        assert self.bound is not None
        assert self.value is not None
        if any(math.isnan(point.value) for point in points):
            return False
        return None if self.value.side == "upper" or self.bound.side == "lower" else False

    @property
    def status(self) -> Status:
        """What is shown of it everywhere: what was checked and is false is violated, whoever claimed it."""
        if is_void(self.claim) or self.claim == "remark":
            return self.claim
        if self.holds is False:
            return "violated"
        return "waiting" if self.claim == "certified" and self.holds is None else self.claim

    @property
    def worst(self) -> Point | None:
        """The point whose value is the largest share of what it may be."""
        return max(self.points, key=lambda p: math.inf if math.isnan(p.ratio) else p.ratio, default=None)

    @property
    def lamp(self) -> Status:
        """The status, under the name that it had in 0.1.0."""
        return self.status

    @property
    def predicted(self) -> Curve | float | None:
        """What the value may be, allowance and all, without its unit."""
        if self.bound is None:
            return None
        of = self.bound.of
        if not isinstance(of, Curve):
            return of + sum(self._rooms((0,)))
        return Curve(of.k, [v + room for v, room in zip(of.values, self._rooms(of.k), strict=True)])

    @property
    def measured(self) -> Curve | float | None:
        """The value without its unit."""
        return None if self.value is None else self.value.of

    @property
    def slack(self) -> float:
        """The share of a bound that every comparison leaves to arithmetic."""
        return ARITHMETIC

    def doubted(self, doubt: str) -> "Guarantee":
        """The same, at most estimated, with the doubt as the first reason."""
        if self.claim not in ("certified", "stated"):
            return self
        return replace(self, claim="estimated", reason=f"{doubt}; {self.reason}")


def in_letters(paper: str, rows: Iterable[Guarantee]) -> tuple[Guarantee, ...]:
    """The same statements, marked as written in the letters of this line of theory."""
    return tuple(replace(row, paper=paper) for row in rows)
