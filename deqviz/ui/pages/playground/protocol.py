"""The scene as bytes, and what a hand in the browser asks for; packets as in `ui/live/protocol.py`.

Blocks: "field" and "energy" on their grids, "path:i" the trajectories as float64 rows x₁, x₂, ‖T(x) − x‖ in
bytes, and of the sweep "attracting", "other", "up" and "down" as pairs of a value and a coordinate.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from deqviz.experiments.plane.fixed_points import FixedPoint
from deqviz.experiments.plane.planar_run import REACH, Parameter, Point, Trajectory
from deqviz.ui.components.guarantees import row
from deqviz.ui.components.packets import finite, join
from deqviz.ui.components.run.protocol import packed
from deqviz.ui.components.run.records import Explanation
from deqviz.ui.pages.playground.scene import Scene, Sweep
from deqviz.ui.pages.playground.setup import MOST, Setup, is_point


@dataclass(frozen=True, slots=True)
class Hand:
    """What a visitor did in the plane: the data, the starts, the sweep, and where the data were before.

    `is_resting` is False while something is being dragged. `number` grows from one to the next.
    """

    point: Point
    before: Point | None
    starts: tuple[Point, ...]
    sweep: Parameter
    is_resting: bool
    number: int


def parse(value: object) -> Hand | None:
    """The hand in what a browser sent; None for whatever is not exactly that."""
    if not isinstance(value, Mapping):
        return None
    point, before, starts = value.get("point"), value.get("before"), value.get("starts")
    sweep, resting, number = value.get("sweep"), value.get("resting"), value.get("number")
    if not is_point(point) or not (before is None or is_point(before)) or not isinstance(starts, list):
        return None
    if len(starts) > MOST or not all(is_point(start) for start in starts):
        return None
    if (
        sweep not in get_args(Parameter)
        or type(resting) is not bool
        or type(number) is not int
        or not 0 < number < 2**53
    ):
        return None
    return Hand(
        _point(point),
        None if before is None else _point(before),
        tuple(_point(start) for start in starts),
        cast(Parameter, sweep),
        resting,
        number,
    )


def _point(pair: Any) -> Point:
    return float(pair[0]), float(pair[1])


def pack(
    setup: Setup, scene: Scene, sweep: Sweep, explanation: Explanation, **extra: str | int | None
) -> bytes:
    """The scene and the sweep as bytes; `extra` adds entries of the transport to the header."""
    blocks: dict[str, NDArray[Any]] = {"field": scene.field.astype("<f4")}
    if scene.energy is not None:
        blocks["energy"] = scene.energy.astype("<f4")
    for i, run in enumerate(scene.runs):
        blocks[f"path:{i}"] = _path(run)
    coordinate = _coordinate(sweep)
    blocks |= _lines(sweep, coordinate)
    axes = setup.plane.operator
    head: dict[str, Any] = {
        "kind": "plane",
        "run": setup.entry.key,
        "reach": REACH,
        "most": MOST,
        "point": setup.point,
        "data": setup.plane.problem.data[0].tolist(),
        "rows": axes.rows,
        "gram": axes.gram_matrix,
        "singular": [axes.first, axes.second],
        "angle": axes.angle,
        "weight": setup.weight,
        "starts": setup.starts,
        "fixed": [
            [
                *f.x,
                f.flow,
                f.is_attracting,
                finite(f.radius),
                [[v.real, v.imag] for v in f.eigenvalues],
                _response(f),
            ]
            for f in scene.found
        ],
        "turns": scene.turns,
        "ends": [run.end for run in scene.runs],
        "kappa": scene.kappa,
        "asymmetry": scene.asymmetry,
        "circulation": scene.circulation,
        "sweep": sweep.parameter,
        "coordinate": coordinate,
        "folds": len({len(b.found) for b in sweep.branches}) > 1,
        "guarantees": [packed(row(g)) for g in scene.guarantees],
        "explanation": [explanation.equation, explanation.text, explanation.hint],
    }
    return join({**head, **extra}, blocks)


def _response(f: FixedPoint) -> list[float]:
    """How an equilibrium follows the data until the next scene; near a fold it is better left standing."""
    entries = [*f.response[0], *f.response[1]]
    return entries if all(abs(v) < 20 for v in entries) else [0.0] * 4


def _path(run: Trajectory) -> NDArray[np.uint8]:
    """Rows x₁, x₂, gap; far away ones are cut, the browser could not draw them."""
    rows = [(*x, gap) for x, gap in zip(run.points, run.gaps, strict=False) if math.isfinite(gap)]
    return np.frombuffer(np.asarray(rows, "<f8").reshape(-1, 3).tobytes(), np.uint8)


def _coordinate(sweep: Sweep) -> Literal[0, 1]:
    """The coordinate that tells the equilibria apart, or that moves most where there is one at a time."""
    positions = [[f.x for f in b.found] for b in sweep.branches if b.found]
    for groups in (positions, [[x for xs in positions for x in xs]]):
        wide = [
            max((max(x[i] for x in xs) - min(x[i] for x in xs) for xs in groups if xs), default=0)
            for i in (0, 1)
        ]
        if max(wide) > 0.05:
            return 0 if wide[0] > wide[1] else 1
    return 1


def _lines(sweep: Sweep, i: Literal[0, 1]) -> dict[str, NDArray[Any]]:
    attracting = [(b.value, f.x[i]) for b in sweep.branches for f in b.found if f.is_attracting]
    other = [(b.value, f.x[i]) for b in sweep.branches for f in b.found if not f.is_attracting]
    return {
        "attracting": _pairs(attracting),
        "other": _pairs(other),
        "up": _pairs([(v, math.nan if x is None else x[i]) for v, x in sweep.up]),
        "down": _pairs([(v, math.nan if x is None else x[i]) for v, x in sweep.down]),
    }


def _pairs(values: list[tuple[float, float]]) -> NDArray[np.float32]:
    """Two rows, as long as there are pairs."""
    return np.asarray(values, np.float32).reshape(-1, 2).T
