"""All equilibria in a window of the plane, their kinds, and their bifurcations."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import torch
from torch import Tensor

from deqviz.core.space import Image
from deqviz.experiments.plane.axes import joined, parts
from deqviz.experiments.plane.planar_run import FAR, REACH, Parameter, Plane, Point, grid, points

Flow = Literal["stable node", "stable spiral", "unstable node", "unstable spiral", "saddle", "centre", "fold"]

SAME = 1e-4
"""Zeros that are nearer than this are one; Newton's method is not that exact where two of them merge."""


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """An equilibrium x, with the eigenvalues of the flow ẋ = −(A*(Ax − y) + αR(x)) and the radius of T there.

    `flow` names the kind for the flow; the iteration goes its own way: it stays near where the spectral
    radius ρ(J_T) = `radius` is below 1. `expansion` is the norm ‖J_T‖. `response` is dx*/dp, by rows: how the
    equilibrium follows the data y = Ap, (A*A + αR′)⁻¹A*A.
    """

    x: Point
    eigenvalues: tuple[complex, complex]
    flow: Flow
    radius: float
    expansion: float
    response: tuple[Point, Point]

    @property
    def is_attracting(self) -> bool:
        """Whether iterates that begin near enough converge to it."""
        return self.radius < 1

    @property
    def index(self) -> int:
        """1 for nodes and spirals, −1 for saddles, 0 for a fold."""
        return {"saddle": -1, "fold": 0}.get(self.flow, 1)


def fixed_points(plane: Plane, starts: int = 13) -> tuple[FixedPoint, ...]:
    """Every equilibrium in the window that Newton's method finds from a grid of starts, in one batch.

    Sorted by x₂, then x₁. `plane.index` tells whether one was missed.
    """
    zeros = _zeros([plane], starts)[0]
    return _kinds(plane, zeros) if zeros else ()


@torch.no_grad()
def _zeros(planes: Sequence[Plane], starts: int, steps: int = 40) -> list[list[Point]]:
    """The zeros of several planes that differ in α and y only, by one Newton iteration for all."""
    first, per = planes[0], starts * starts + 2
    seeds = torch.cat((grid(starts), torch.zeros(1, 1, 1, 2, dtype=torch.float64)))
    x = torch.cat([torch.cat((seeds, points([p.point]))) for p in planes])
    alpha = torch.tensor([p.weight for p in planes], dtype=x.dtype).repeat_interleave(per).view(-1, 1, 1, 1)
    back = torch.cat([p.operator.adjoint(p.problem.data) for p in planes]).repeat_interleave(per, 0)
    A, R, entries = first.operator, first.regularizer, first.operator.gram_matrix
    pull = A.gram(x) - back + alpha * R(x)
    for _ in range(steps):
        step = _solve(entries, alpha, R.derivative(x), pull)
        size = torch.linalg.vector_norm(step, dim=-1, keepdim=True)
        # A full step where the derivative nearly vanishes would leave the window for good.
        x = x - step * (1 / size.clamp_min(1.0))
        pull = A.gram(x) - back + alpha * R(x)
        if float(size.max()) < 1e-9:
            break
    scale = torch.linalg.vector_norm(back, dim=-1) + alpha[..., 0] + 1
    good = (torch.linalg.vector_norm(pull, dim=-1) <= 1e-11 * scale) & (x.abs().amax(-1) <= REACH)
    rows, is_good = x.reshape(len(planes), per, 2), good.reshape(len(planes), per)
    return [_distinct(row[ok]) for row, ok in zip(rows, is_good, strict=True)]


def _solve(entries: tuple[float, float, float], alpha: Tensor, slope: Tensor, pull: Image) -> Image:
    """(A*A + αR′)⁻¹ F by Cramer's rule."""
    weight, (k, m, n, o) = alpha[..., 0], slope.flatten(1).view(-1, 4, 1, 1).unbind(1)
    a, b, c, d = (
        entries[0] + weight * k,
        entries[1] + weight * m,
        entries[1] + weight * n,
        entries[2] + weight * o,
    )
    determinant = a * d - b * c
    safe = torch.where(determinant.abs() < 1e-14, 1e-14, determinant)
    u, v = parts(pull)
    return joined((d * u - b * v) / safe, (a * v - c * u) / safe)


def _distinct(x: Tensor) -> list[Point]:
    """One representative of each cluster, lowest first."""
    zeros: list[Point] = []
    while len(x):
        near = torch.linalg.vector_norm(x - x[0], dim=1) <= SAME
        a, b = x[near].mean(0).tolist()
        zeros.append((a, b))
        x = x[~near]
    return sorted(zeros, key=lambda p: (round(p[1], 6), p[0]))


def _kinds(plane: Plane, zeros: list[Point]) -> tuple[FixedPoint, ...]:
    x = points(zeros)
    flows, jacobians = plane.derivative(x).tolist(), map_derivative(plane, x).tolist()
    out = []
    for point, J, T in zip(zeros, flows, jacobians, strict=True):
        one, other = eigenvalues(J)
        radius = max(abs(v) for v in eigenvalues(T))
        response = _response(J, plane.operator.gram_matrix)
        out.append(FixedPoint(point, (-one, -other), _flow(one, other), radius, _norm(T), response))
    return tuple(out)


def _response(J: list[list[float]], gram: tuple[float, float, float]) -> tuple[Point, Point]:
    """J⁻¹A*A; not finite at a fold."""
    (a, b), (c, d) = J
    (p, q, r), det = gram, a * d - b * c
    if det == 0:
        return (math.inf, math.inf), (math.inf, math.inf)
    return ((d * p - b * q) / det, (d * q - b * r) / det), ((a * q - c * p) / det, (a * r - c * q) / det)


def map_derivative(plane: Plane, x: Image) -> Tensor:
    """J_T(x), one 2 × 2 matrix per point, by differentiating the very map of the method."""
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        fx = plane.map(x).reshape(-1, 2)
        rows = [torch.autograd.grad(fx[:, i].sum(), x, retain_graph=i == 0)[0] for i in (0, 1)]
    return torch.stack([row.reshape(-1, 2) for row in rows], 1)


def eigenvalues(matrix: list[list[float]]) -> tuple[complex, complex]:
    """Of a 2 × 2 matrix, the one of larger real part first."""
    (a, b), (c, d) = matrix
    half, square = (a + d) / 2, ((a - d) / 2) ** 2 + b * c
    root = math.sqrt(abs(square)) if square >= 0 else 1j * math.sqrt(-square)
    return complex(half + root), complex(half - root)


def _norm(matrix: list[list[float]]) -> float:
    """The largest singular value of a 2 × 2 matrix."""
    (a, b), (c, d) = matrix
    return (math.hypot(a + d, c - b) + math.hypot(a - d, b + c)) / 2


def _flow(one: complex, other: complex) -> Flow:
    """The kind of ẋ = −F(x), given the eigenvalues of F′: 10⁻⁷ and less counts as 0."""
    low = min(one.real, other.real)
    if abs(one.imag) > 1e-9:
        if abs(low) < 1e-7:
            return "centre"
        return "stable spiral" if low > 0 else "unstable spiral"
    if min(abs(one), abs(other)) < 1e-7:
        return "fold"
    if one.real * other.real < 0:
        return "saddle"
    return "stable node" if low > 0 else "unstable node"


@dataclass(frozen=True, slots=True)
class Branch:
    """The equilibria at one value of a parameter."""

    value: float
    found: tuple[FixedPoint, ...]


def branches(plane: Plane, parameter: Parameter, values: Sequence[float]) -> Iterator[Branch]:
    """The equilibria while one parameter moves; their number changes at folds."""
    moved = [plane.at(parameter, value) for value in values]
    zeros = _zeros(moved, 7)
    if parameter == "weight":
        kinds = [_kinds(now, group) if group else () for now, group in zip(moved, zeros, strict=True)]
    else:
        # No derivative depends on the data, so one batch serves all values.
        flat = [x for group in zeros for x in group]
        rest = iter(_kinds(plane, flat) if flat else ())
        kinds = [tuple(islice(rest, len(group))) for group in zeros]
    yield from (Branch(value, group) for value, group in zip(values, kinds, strict=True))


def followed(
    plane: Plane, parameter: Parameter, values: Sequence[float], steps: int = 200
) -> Iterator[tuple[float, Point | None]]:
    """The limit of the iteration at every value in turn, each begun at the limit before: hysteresis.

    None where it does not settle within `steps`; the next value begins where it stopped.
    """
    x = points([(0.0, 0.0)])
    for i, value in enumerate(values):
        now = plane.at(parameter, value)
        if i == 0:
            x = points([now.point])
        x, is_settled = _settle(now, x, steps)
        a, b = x.reshape(2).tolist()
        yield value, (a, b) if is_settled else None


@torch.no_grad()
def _settle(plane: Plane, x: Image, steps: int) -> tuple[Image, bool]:
    f = plane.map
    for _ in range(steps):
        fx = f(x)
        gap, size = float((fx - x).abs().max()), float(fx.abs().max())
        if not size <= FAR:
            # From a corner next, as from anywhere: what stays near an equilibrium by chance is no limit.
            return points([(REACH, REACH)]), False
        x = fx
        if gap <= 1e-4:
            return x, True
    return x, False
