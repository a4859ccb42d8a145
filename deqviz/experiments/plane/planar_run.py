"""The equation A*(Ax − y) + αR(x) = 0 in the plane: its field, its level sets and what the iteration does.

Nothing here is a model of the package's equilibria: `Plane.method` is `Equilibrium` itself, on images of
1 × 1 × 2 pixels.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, islice, pairwise
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from deqviz.core.records import Map, Problem, Scalars
from deqviz.core.space import Data, Image, norm
from deqviz.experiments.plane.axes import SPACE, Axes
from deqviz.experiments.plane.planar import Matrices, Planar
from deqviz.methods._base import DISTANCE
from deqviz.methods.equilibrium import Equilibrium
from deqviz.solvers.picard import Picard

Point: TypeAlias = tuple[float, float]
Parameter = Literal["first", "second", "weight"]
"""What a sweep moves: p₁, p₂ or α."""

REACH = 3.0
"""The window is [−3, 3]²."""
ARRIVED = 1e-13
"""A trajectory ends when ‖T(x) − x‖ is below this, relative to 1 + ‖x‖."""
FAR = 1e6
"""A trajectory that came so far has left for good."""


@dataclass(frozen=True)
class Plane:
    """One problem in the plane and the way it is solved.

    The data are y = Ap of the point p = `point`: what A does not see of p has no effect.
    """

    regularizer: Planar
    operator: Axes = Axes()
    weight: float = 0.5
    point: Point = (1.5, 0.5)
    splitting: Literal["implicit", "explicit"] = "implicit"
    step: float = 0.5

    @cached_property
    def method(self) -> Equilibrium:
        """The method of the package, with the plain iteration."""
        return Equilibrium(
            solver=Picard(),
            regularizer=self.regularizer,
            weight=self.weight,
            splitting=self.splitting,
            step=self.step,
        )

    @cached_property
    def problem(self) -> Problem:
        """A and y = Ap, without noise: in the plane the hand that moves p is the noise."""
        return Problem(self.operator, self.operator(points([self.point])), 0.0)

    @property
    def map(self) -> Map:
        """T, the very map of the method."""
        return self.method.map(self.problem)

    def pull(self, x: Image) -> Image:
        """A*(Ax − y) + αR(x): what the flow descends along, 0 at the equilibria."""
        A, y = self.operator, self.problem.data
        return A.gram(x) - A.adjoint(y) + self.weight * self.regularizer(x)

    def derivative(self, x: Image) -> Matrices:
        """A*A + αR′(x)."""
        p, q, r = self.operator.gram_matrix
        gram = torch.tensor([[p, q], [q, r]], dtype=x.dtype)
        return gram + self.weight * self.regularizer.derivative(x)

    def at(self, parameter: Parameter, value: float) -> "Plane":
        """The same with one parameter moved."""
        match parameter:
            case "first":
                return replace(self, point=(value, self.point[1]))
            case "second":
                return replace(self, point=(self.point[0], value))
            case "weight":
                return replace(self, weight=value)

    def value(self, parameter: Parameter) -> float:
        """Where that parameter is."""
        return {"first": self.point[0], "second": self.point[1], "weight": self.weight}[parameter]


def points(list_of: list[Point] | list[tuple[float, float]]) -> Image:
    """Points as a batch of images."""
    return torch.tensor(list_of, dtype=SPACE.dtype).reshape(-1, *SPACE.shape)


def grid(n: int, reach: float = REACH) -> Image:
    """n × n points of the window, row by row from below."""
    axis = torch.linspace(-reach, reach, n, dtype=SPACE.dtype)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack((columns, rows), -1).reshape(-1, *SPACE.shape)


@torch.no_grad()
def field(plane: Plane, n: int) -> Float[Tensor, "n n 2"]:
    """−(A*(Ax − y) + αR(x)) on the grid, in one evaluation."""
    return -plane.pull(grid(n)).reshape(n, n, 2)


@torch.no_grad()
def energy(plane: Plane, n: int) -> Float[Tensor, "n n"] | None:
    """½‖Ax − y‖² + αΨ(x) on the grid where R = ∇Ψ; None where R has no potential."""
    value = plane.method.objective(plane.problem, grid(n))
    return None if value is None else value.reshape(n, n)


@torch.no_grad()
def circulation(plane: Plane, radius: float = 1.0, nodes: int = 256) -> float:
    """∮⟨R, dx⟩ once around the circle of this radius about 0, counter-clockwise; 0 for every gradient.

    The trapezoidal rule, which is spectrally accurate on circles.
    """
    angle = torch.arange(nodes, dtype=SPACE.dtype) * (2 * math.pi / nodes)
    x = radius * torch.stack((angle.cos(), angle.sin()), -1).reshape(-1, *SPACE.shape)
    tangent = radius * torch.stack((-angle.sin(), angle.cos()), -1).reshape(-1, *SPACE.shape)
    return float((plane.regularizer(x) * tangent).sum()) * 2 * math.pi / nodes


@torch.no_grad()
def asymmetry(plane: Plane, n: int = 15) -> float:
    """‖J − Jᵀ‖_F/‖J‖_F of R, both averaged over the window: 0 for a gradient, at most 2."""
    J = plane.regularizer.derivative(grid(n))
    size = float(J.square().sum())
    return math.sqrt(float((J - J.mT).square().sum()) / size) if size > 0 else 0.0


@torch.no_grad()
def index(plane: Plane, nodes: int = 200) -> int | None:
    """How often the field turns along the border of the window: nodes and spirals less saddles inside.

    By Poincaré and Hopf; a count of equilibria that differs has missed one. None where the field turns by
    more than 2 rad between two of the 4·`nodes` points, so that the number would be a guess.
    """
    t = torch.linspace(-REACH, REACH, nodes + 1, dtype=SPACE.dtype)[:-1]
    side = torch.full_like(t, REACH)
    border = [(t, -side), (side, t), (-t, side), (-side, -t)]
    x = torch.cat([torch.stack(pair, -1) for pair in border]).reshape(-1, *SPACE.shape)
    u = plane.pull(x).reshape(-1, 2)
    angle = torch.atan2(u[:, 1], u[:, 0])
    turn = torch.remainder(angle.roll(-1) - angle + math.pi, 2 * math.pi) - math.pi
    return None if float(turn.abs().max()) > 2 else round(float(turn.sum()) / (2 * math.pi))


@dataclass(frozen=True, slots=True)
class Move:
    """x_k of every start, and ‖T(x_k) − x_k‖."""

    k: int
    x: Float[Tensor, "n 2"]
    gap: Float[Tensor, "n"]


def moves(plane: Plane, starts: Image) -> Iterator[Move]:
    """The iterates x_{k+1} = T(x_k) from all starts at once, without end."""
    # The plain iteration: the next iterate is T of this one, start by start.
    for now, after in pairwise(plane.method.iterates(plane.problem, starts)):
        yield Move(now.k, now.x.reshape(-1, 2), norm(after.x - now.x))


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The iterates from one start until they arrive, leave or are cut off; `gaps` are ‖T(x_k) − x_k‖."""

    points: tuple[Point, ...]
    gaps: tuple[float, ...]
    end: Literal["arrived", "left", "cut off"]

    def marks(self) -> list[Scalars]:
        """The numbers of a run as the panel of guarantees reads them; the last iterate has no T(x_k) yet."""
        start, out = self.points[0], []
        for k, (x, fx) in enumerate(pairwise(self.points)):
            gap = self.gaps[k]
            out.append(
                Scalars(
                    k, gap / max(math.hypot(*fx), 1e-12), gap, k + 1, None, {DISTANCE: math.dist(x, start)}
                )
            )
        return out


def trajectories(plane: Plane, starts: tuple[Point, ...], steps: int = 300) -> tuple[Trajectory, ...]:
    """At most `steps` iterates from every start."""
    if not starts:
        return ()
    states = list(islice(_until_all_end(moves(plane, points(list(starts)))), steps + 1))
    xs = torch.stack([m.x for m in states], 1).tolist()
    gaps = torch.stack([m.gap for m in states], 1).tolist()
    return tuple(_trajectory(x, g) for x, g in zip(xs, gaps, strict=True))


def _until_all_end(run: Iterator[Move]) -> Iterator[Move]:
    for move in run:
        yield move
        size = 1 + torch.linalg.vector_norm(move.x, dim=1)
        if bool(((move.gap <= ARRIVED * size) | ~(size <= FAR)).all()):
            return


def _trajectory(xs: list[list[float]], gaps: list[float]) -> Trajectory:
    """One start's share, up to its own end."""
    path: list[Point] = []
    for k, (x, gap) in enumerate(zip(xs, gaps, strict=True)):
        size = math.hypot(*x)
        if not size <= FAR:
            return Trajectory(tuple(path), tuple(gaps[:k]), "left")
        path.append((x[0], x[1]))
        if gap <= ARRIVED * (1 + size):
            return Trajectory(tuple(path), tuple(gaps[: k + 1]), "arrived")
    return Trajectory(tuple(path), tuple(gaps), "cut off")


def spread(ends: list[Trajectory]) -> dict[str, float]:
    """The largest distance of two limits, sum of their gaps and of their sizes, over the first limit's size.

    Empty for fewer than two trajectories, or where one of them was lost.
    """
    if len(ends) < 2 or any(t.end == "left" for t in ends):
        return {}
    size = max(math.hypot(*ends[0].points[-1]), 1e-12)
    pairs = list(combinations(ends, 2))
    return {
        "spread": max(math.dist(a.points[-1], b.points[-1]) for a, b in pairs) / size,
        "spread_gap": max(a.gaps[-1] + b.gaps[-1] for a, b in pairs) / size,
        "spread_size": max(math.hypot(*a.points[-1]) + math.hypot(*b.points[-1]) for a, b in pairs) / size,
    }


def data_of(plane: Plane) -> Data:
    """y as two numbers, or one."""
    return plane.problem.data[0]
