"""Guarantees as lines of the table: value, bound, allowance, unit and iteration in words."""

import math
from collections.abc import Mapping
from dataclasses import replace

from deqviz.core.guarantee import Curve, Guarantee, Point, Quantity, Side, is_void
from deqviz.core.numbers import number, typeset
from deqviz.ui.components.run.records import Row

_SIGNS: Mapping[Side, str] = {"exact": "", "lower": "≥ ", "upper": "≤ "}
_SHARE = 1e-3
"""An allowance that is less of what many points may be goes without saying: a line has no room for it."""


def named(guarantee: Guarantee, name: str) -> Guarantee:
    """The same inequality under the name of whom it is about: "U: envelope"."""
    return replace(guarantee, name=f"{name}: {guarantee.name[:1].lower()}{guarantee.name[1:]}")


def row(guarantee: Guarantee) -> Row:
    """ "value ≥ 0.3, bound 0.5 + 0.02, relative to ‖x*‖, k = 17": of a curve the last point, or the worst.

    The second number of a bound is what rounding and unfinished solves are allowed to add.
    """
    g = guarantee
    point = _shown(g)
    value, bound = _last(g.value), _last(g.bound)
    k = g.k if point is None else point.k
    parts: list[str] = []
    if point is not None:
        value, bound = point.value, point.bound
    if g.value is not None and value is not None:
        parts.append(f"value {_SIGNS[g.value.side]}{number(value)}")
    if g.bound is not None and bound is not None:
        room = f" + {number(point.allowance)}" if point is not None and point.allowance > 0 else ""
        parts.append(f"bound {_SIGNS[g.bound.side]}{number(bound)}{room}")
    if not parts:
        return row_of(g, "no value" if is_void(g.claim) else "no value yet")
    unit = next((q.unit for q in (g.value, g.bound) if q is not None), "")
    parts += [f"relative to {unit}"] * bool(unit) + [f"k = {k}"] * (k is not None)
    return row_of(g, ", ".join([*_kept(g), *parts] if g.status == "violated" else parts))


def verdict(guarantee: Guarantee) -> Row:
    """ "holds at 57 of 57 points, tightest ratio 0.97": the largest value/bound of any row."""
    g, worst = guarantee, guarantee.worst
    if worst is None or len(g.points) < 2:
        return row(g)
    parts = _kept(g)
    share = worst.allowance / worst.limit if worst.limit > 0 else 0.0
    if share >= _SHARE:
        parts.append(f"of the bound there {number(100 * share)} % is allowance")
    return row_of(g, ", ".join(parts))


def row_of(guarantee: Guarantee, numbers: str) -> Row:
    """The guarantee as a line of the table with these words for its numbers."""
    g = guarantee
    return Row(g.name, g.statement, g.status, numbers, typeset(g.reason), g.paper)


def _kept(g: Guarantee) -> list[str]:
    """At how many points it holds, and the largest share of a bound that was reached."""
    points = g.points
    if len(points) < 2:
        return []
    worst = g.worst
    assert worst is not None
    kept = f"holds at {sum(p.holds for p in points)} of {len(points)} points"
    if worst.holds:
        return [kept, f"tightest ratio {number(worst.ratio)}"] if worst.ratio > 0 else [kept]
    return [kept, f"largest ratio {number(worst.ratio)} at the point {worst.k}"]


def _shown(g: Guarantee) -> Point | None:
    if g.status == "violated":
        return g.worst
    finite = (p for p in reversed(g.points) if math.isfinite(p.value) and math.isfinite(p.bound))
    return next(finite, None)


def _last(side: Quantity | None) -> float | None:
    if side is None:
        return None
    values = side.of.values if isinstance(side.of, Curve) else [side.of]
    return next((float(v) for v in reversed(list(values)) if math.isfinite(v)), None)
