"""What the plane shows for one setup: computed by the package, in one long-lived thread. No Streamlit.

Not the solvers' thread: there a run may hold the turn for half a second, and a hand that drags must see the
equilibria follow within a tenth. The tensors here have at most a few thousand entries, one torch thread is
the fastest for them, and the thread lives on, so that no thread pool is made for it again and again.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from deqviz.core.guarantee import Guarantee
from deqviz.experiments.plane.fixed_points import Branch, FixedPoint, branches, fixed_points, followed
from deqviz.experiments.plane.guarantee_table import guarantees
from deqviz.experiments.plane.planar_run import (
    REACH,
    Parameter,
    Plane,
    Point,
    Trajectory,
    asymmetry,
    circulation,
    energy,
    field,
    index,
    trajectories,
)

ARROWS = 25
"""Arrows along one side of the window."""
LEVELS = 61
"""Nodes along one side, between which the browser draws the level sets."""

T = TypeVar("T")
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is drawn of one problem and its trajectories.

    `energy` is None where R is no gradient; `turns` is the index of the field along the border, None where
    it cannot be told; `kappa` is the certified contraction factor of T, None where there is none below 1.
    """

    plane: Plane
    field: Values
    energy: Values | None
    found: tuple[FixedPoint, ...]
    turns: int | None
    runs: tuple[Trajectory, ...]
    kappa: float | None
    asymmetry: float
    circulation: float
    guarantees: tuple[Guarantee, ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """The equilibria against one parameter, and those that the iteration follows up and down again."""

    parameter: Parameter
    branches: tuple[Branch, ...]
    up: tuple[tuple[float, Point | None], ...]
    down: tuple[tuple[float, Point | None], ...]


_thread = ThreadPoolExecutor(1, "deqviz-plane", initializer=torch.set_num_threads, initargs=(1,))


def _there(work: Callable[[], T]) -> T:
    """The result of `work`, done in the one thread."""
    return _thread.submit(work).result()


def scene(plane: Plane, starts: tuple[Point, ...], before: Plane | None) -> Scene:
    """The scene; `before` is the problem before its data moved."""
    return _there(lambda: _scene(plane, starts, before))


def sweep(plane: Plane, parameter: Parameter) -> Sweep:
    """The sweep; the value of the parameter in `plane` itself plays no part."""
    neutral = plane.at(parameter, 1.0 if parameter == "weight" else 0.0)
    return _there(lambda: _sweep(neutral, parameter))


@lru_cache(maxsize=64)
def _fixed_points(plane: Plane) -> tuple[FixedPoint, ...]:
    zeros, winding = fixed_points(plane), index(plane)
    if winding is None or winding == sum(f.index for f in zeros):
        return zeros
    # The border has counted otherwise: look again from a finer grid.
    return max(zeros, fixed_points(plane, starts=31), key=len)


@lru_cache(maxsize=64)
def _scene(plane: Plane, starts: tuple[Point, ...], before: Plane | None) -> Scene:
    zeros, runs = _fixed_points(plane), trajectories(plane, starts)
    levels, theory = energy(plane, LEVELS), plane.method.theory(plane.problem)
    return Scene(
        plane,
        field(plane, ARROWS).numpy(),
        None if levels is None else levels.numpy(),
        zeros,
        index(plane),
        runs,
        theory.kappa if theory.is_contraction else None,
        asymmetry(plane),
        circulation(plane),
        guarantees(plane, zeros, runs, before, _fixed_points(before) if before is not None else ()),
    )


def values_of(parameter: Parameter) -> list[float]:
    """Where the sweep looks."""
    if parameter == "weight":
        return np.geomspace(0.02, 5.0, 49).tolist()
    return np.linspace(-REACH, REACH, 61).tolist()


@lru_cache(maxsize=64)
def _sweep(plane: Plane, parameter: Parameter) -> Sweep:
    values = values_of(parameter)
    return Sweep(
        parameter,
        tuple(branches(plane, parameter, values)),
        tuple(followed(plane, parameter, values[::2])),
        tuple(followed(plane, parameter, values[::-2])),
    )
