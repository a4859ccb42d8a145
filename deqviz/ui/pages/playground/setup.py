"""Everything that a visitor can choose in the playground, as one record: session, address bar and presets."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from deqviz.core.quoted import capitalised, quoted
from deqviz.core.registry import Entry, Options, Param, Range, params_of
from deqviz.experiments.plane.axes import Axes
from deqviz.experiments.plane.planar import PLANAR, Bistable, Planar, Quadratic, Residual, Rotating, Skew
from deqviz.experiments.plane.planar_run import REACH, Parameter, Plane, Point

MOST = 8
"""Trajectories at a time; the oldest one goes."""

KINDS: Mapping[str, tuple[float, float] | None] = {
    "Identity": (1.0, 1.0),
    "Rank one": (1.0, 0.0),
    "Ill-conditioned": (1.0, 0.2),
    "Custom": None,
}
"""The singular values of A by the names of the picker."""

_STARTS: tuple[Point, ...] = ((-2.0, 2.2), (2.6, -0.7))


@dataclass(frozen=True)
class Setup:
    """A problem in the plane, the starts of its trajectories and what the lower chart sweeps."""

    regularizer: Planar = field(default_factory=Residual)
    first: Annotated[float, Range(0.1, 1.5, "First singular value", symbol="σ₁")] = 1.0
    second: Annotated[
        float, Range(0.0, 1.5, "Second singular value", symbol="σ₂", help="At 0, A has rank one")
    ] = 0.0
    angle: Annotated[
        float,
        Range(-90.0, 90.0, "Angle of the first axis", unit="°", help="Rotates the singular vectors of A"),
    ] = 0.0
    weight: Annotated[
        float,
        Range(
            0.01,
            10.0,
            "Regularisation parameter",
            log=True,
            symbol="α",
            help="Regularisation against data fidelity",
        ),
    ] = 0.5
    splitting: Annotated[
        Literal["implicit", "explicit"],
        Options("Splitting", "Implicit: inverts A*A + αβ in every step. Explicit: a forward step"),
    ] = "implicit"
    step: Annotated[
        float,
        Range(
            0.05,
            1.5,
            "Step size (explicit)",
            symbol="τ",
            help="As a fraction of the largest certified step size",
        ),
    ] = 0.5
    horizontal: Annotated[float, Range(-REACH, REACH, "Data", symbol="p₁", help="y = A p")] = 1.5
    vertical: Annotated[float, Range(-REACH, REACH, "Data", symbol="p₂", help="y = A p")] = 0.5
    starts: tuple[Point, ...] = _STARTS
    sweep: Parameter = "first"

    @property
    def plane(self) -> Plane:
        """The problem itself."""
        axes = Axes(first=self.first, second=self.second, angle=self.angle)
        return Plane(self.regularizer, axes, self.weight, self.point, self.splitting, self.step)

    @property
    def point(self) -> Point:
        """p."""
        return self.horizontal, self.vertical

    @property
    def entry(self) -> Entry[Planar]:
        """The entry of its R."""
        return next(e for e in PLANAR.values() if e.cls is type(self.regularizer))

    def to_query(self) -> dict[str, str]:
        """For the address bar: R by its key, and whatever is not at its default."""
        query = {"r": self.entry.key}
        for p in self.entry.params:
            value = getattr(self.regularizer, p.name)
            if value != p.default:
                query[f"r.{p.name}"] = _text(value)
        for p in PARAMS:
            if getattr(self, p.name) != p.default:
                query[p.name] = _text(getattr(self, p.name))
        if self.starts != _STARTS:
            query["starts"] = ";".join(f"{_text(a)},{_text(b)}" for a, b in self.starts)
        return query

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "tuple[Setup, tuple[str, ...]]":
        """The record of an address, and one sentence about everything in it that was not understood."""
        warnings: list[str] = []
        key = query.get("r", "residual")
        if key not in PLANAR:
            warnings.append(f"There is no R {quoted(key)}; known are {', '.join(PLANAR)}.")
        entry = PLANAR.get(key, PLANAR["residual"])
        inner = {n[2:]: v for n, v in query.items() if n.startswith("r.") and key in PLANAR}
        own = {n: v for n, v in query.items() if n in _NAMES}
        values: dict[str, Any] = _read(PARAMS, own, warnings)
        values["regularizer"] = entry.cls(**_read(entry.params, inner, warnings))
        unknown = sorted(query.keys() - _NAMES - {"r", "starts"} - {f"r.{n}" for n in inner})
        warnings += [f"The address has the unknown name {quoted(n)}." for n in unknown[:3]]
        if "starts" in query:
            values["starts"] = _points(query["starts"], warnings)
        return cls(**values), tuple(warnings)

    def moved(self, point: Point, starts: tuple[Point, ...], sweep: Parameter) -> "Setup":
        """The same problem as a hand left it."""
        return replace(self, horizontal=point[0], vertical=point[1], starts=starts[-MOST:], sweep=sweep)


PARAMS = params_of(Setup)
_NAMES = {p.name for p in PARAMS}


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def _read(params: tuple[Param, ...], query: Mapping[str, str], warnings: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in sorted(query.keys() - {p.name for p in params}):
        warnings.append(f"This R has no parameter {quoted(name)}.")
    for p in params:
        if p.name not in query:
            continue
        text: Any = query[p.name]
        try:
            values[p.name] = p.check(float(text) if p.type is float else text)
        except ValueError:
            allowed = " or ".join(p.domain) if isinstance(p.domain, tuple) else str(p.domain)
            label = p.label or getattr(p.domain, "label", "") or p.name
            warnings.append(f"{capitalised(label)} is {quoted(text)}; allowed is {allowed}.")
    return values


def _points(text: str, warnings: list[str]) -> tuple[Point, ...]:
    """The starts of an address; an empty text is no start at all."""
    number = r"-?\d{1,2}(?:\.\d{1,6})?"
    if not text:
        return ()
    pairs = [re.fullmatch(f"({number}),({number})", pair) for pair in text.split(";")]
    points = [(float(m[1]), float(m[2])) for m in pairs if m]
    inside = tuple(p for p in points if max(abs(p[0]), abs(p[1])) <= REACH)
    if len(inside) < len(pairs):
        warnings.append(f"Some starting points are invalid: they are pairs like 1.2,−0.5 within ±{REACH:g}.")
    return inside[-MOST:]


def is_point(value: object) -> bool:
    """Whether a browser sent a point of the window."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(v) in (int, float) and math.isfinite(v) and abs(v) <= REACH for v in value)
    )


PRESETS: Mapping[str, tuple[str, Setup]] = {
    "Unique fixed point": (
        "L < 1: every starting point leads to the same limit, at least as fast as the dashed bound",
        Setup(),
    ),
    "L > 1: no contraction": (
        "L = 1.5: three equilibria, and the starting point decides which one is the limit",
        Setup(Bistable(1.5), starts=((-2.0, 2.2), (2.4, -1.8), (2.6, 0.3), (-2.6, -0.2))),
    ),
    "Not conservative (no potential)": (
        "R has a skew part: no potential, and the iterates spiral in",
        Setup(Rotating(0.95, 90.0), 0.3, 0.3, weight=1.0, horizontal=1.0, starts=((2.4, 1.6), (-2.2, -2.0))),
    ),
    "Monotone, not contractive": (
        "Lip(Id − R) = 2, yet the equilibrium is unique: contraction is sufficient, not necessary",
        Setup(Skew(2.0), splitting="explicit"),
    ),
    "Step size beyond the limit": (
        "Above the largest certified step size the iterates overshoot and diverge",
        Setup(Quadratic(1.0), 1.0, 0.4, splitting="explicit", step=1.08, starts=((0.6, 0.9), (1.5, -1.2))),
    ),
    "Fold bifurcation": (
        "σ₂ is small: drag the data up and down, and equilibria merge and vanish",
        Setup(
            Bistable(1.6),
            second=0.3,
            vertical=0.6,
            starts=((-2.0, 2.2), (2.4, -1.8), (0.2, -0.6)),
            sweep="second",
        ),
    ),
}
"""Things worth a click: name, what to look at, the choice."""
