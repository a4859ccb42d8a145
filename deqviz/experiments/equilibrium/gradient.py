"""Is R conservative? The asymmetry of its Jacobian, and its circulation around a closed loop."""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch

from deqviz.core.guarantee import Guarantee, quantity
from deqviz.core.records import Map, Subject
from deqviz.core.regularizer import Regularizer
from deqviz.core.space import Image, inner, norm
from deqviz.diagnostics._jacobian import Jacobian, probe
from deqviz.diagnostics.asymmetry import Asymmetry
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.equilibrium.distance_to_limit import under

__all__ = ["Gradient", "GradientRow", "Loop", "Named", "circulation", "plane_of_rotation"]

Kind = Literal["gradient", "not known to be one"]
NODES, EDGES, BATCH = 5, 6, 10
"""Gauss nodes per panel, edges of the polygon, images per evaluation of R."""
ROUNDING = 1e-9
"""What rounding may leave of the two quantities, which are shares, in float64."""


@dataclass(frozen=True)
class Named:
    """A regulariser with the name under which its row is listed, and an image of its own if it needs one."""

    key: str
    title: str
    regularizer: Regularizer
    picture: Image | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """∮⟨R, dx⟩ around a closed polygon, and ∮‖R(x) − R(x₀)‖ ds, which it cannot exceed.

    `error` is the larger of the last two changes, when the panels were halved: an estimate, not a bound.
    """

    work: float
    length: float
    error: float
    evaluations: int

    @property
    def share(self) -> float:
        """|∮⟨R, dx⟩| / ∮‖R(x) − R(x₀)‖ ds between 0 and 1; 0 where R is constant on the loop."""
        return abs(self.work) / self.length if self.length > 0 else 0.0

    @property
    def doubt(self) -> float:
        """The error as the same share."""
        return self.error / self.length if self.length > 0 else 0.0


@torch.no_grad()
def circulation(
    f: Map,
    center: Image,
    plane: tuple[Image, Image],
    radius: float,
    *,
    most: int = 32,
    accuracy: float = 1e-3,
) -> Generator[int, None, Loop]:
    """The work of f around a regular hexagon of this radius in the plane of two orthonormal directions.

    Gauss's rule with five nodes on 1, 2, 4, … panels per edge, until three in a row agree to `accuracy` of
    the value, or to 10⁻³·`accuracy` of the largest that it could be, or there are `most`. f(x₀) is taken
    off, whose work is 0 exactly. Yields the number of evaluations.
    """
    used, panels, integrals = 0, 1, list[float]()
    origin = f(center)
    while True:
        work = length = 0.0
        for points, steps in _pieces(center, plane, radius, panels):
            value = f(points) - origin
            work += float(inner(value, steps).sum())
            length += float((norm(value) * norm(steps)).sum())
            used += len(points)
            yield used
        integrals.append(work)
        # Where R has kinks two may agree by chance.
        error = max((abs(a - b) for a, b in pairwise(integrals[-3:])), default=math.inf)
        if len(integrals) >= 3 and (panels >= most or error <= accuracy * max(abs(work), 1e-3 * length)):
            return Loop(work, length, error, used)
        panels *= 2


def _pieces(
    center: Image, plane: tuple[Image, Image], radius: float, panels: int
) -> Iterator[tuple[Image, Image]]:
    """The nodes on the polygon with the weights times the direction of their edge, a few at a time."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    spots: list[tuple[float, float, float, float]] = []
    corners = [(math.cos(t), math.sin(t)) for t in (2 * math.pi * n / EDGES for n in range(EDGES + 1))]
    for (a0, b0), (a1, b1) in pairwise(corners):
        for panel in range(panels):
            for node, weight in zip(nodes, weights, strict=True):
                t, share = (panel + (node + 1) / 2) / panels, weight / (2 * panels)
                spots.append((a0 + t * (a1 - a0), b0 + t * (b1 - b0), share * (a1 - a0), share * (b1 - b0)))
    grid = radius * torch.tensor(spots, dtype=center.dtype, device=center.device)
    u, v = plane
    for part in grid.split(BATCH):
        a, b, da, db = (column.view(-1, 1, 1, 1) for column in part.unbind(1))
        yield center + a * u + b * v, da * u + db * v


def plane_of_rotation(f: Map, x: Image, *, products: int = 6, seed: int = 0) -> tuple[Image, Image]:
    """Two orthonormal directions in whose plane f turns most at x, by power iteration on J − J*.

    ⟨(J − J*)v, u⟩ is the work around a small loop, per area. For a symmetric J any plane is as good, and it
    is a random one.
    """
    J, v = Jacobian(f, x), probe(x, seed)
    v = v / norm(v)
    u = _across(probe(x, seed + 1), v)
    for _ in range(products):
        skew = J.apply(v) - J.adjoint(v)
        # ⟨(J − J*)v, v⟩ = 0: what is left along v is rounding, and all there is for a symmetric J.
        if float(norm(skew)) <= 1e-10 * float(norm(J.apply(v))) + 1e-300:
            return _across(probe(x, seed + 1), v), v
        u, v = v, skew / norm(skew)
    return _across(u, v), v


def _across(u: Image, v: Image) -> Image:
    """The part of u orthogonal to the unit vector v, normalised."""
    u = u - inner(u, v).view(-1, 1, 1, 1) * v
    return u / norm(u)


@dataclass(frozen=True, slots=True)
class GradientRow(Row):
    """One regulariser at one image.

    `asymmetry` is ‖J − Jᵀ‖_F/‖J‖_F by random probes, between 0 and 2, with its standard `error`;
    `circulation` |∮⟨R, dx⟩|/∮‖R − R(x₀)‖ds, between 0 and 1, with the estimated `doubt` of the quadrature.
    `kind` says whether R is a gradient by construction.
    """

    regularizer: str
    kind: Kind
    asymmetry: float
    error: float
    probes: int
    circulation: float
    doubt: float
    evaluations: int

    @property
    def key(self) -> Key:
        """The regulariser."""
        return (self.regularizer,)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """Both vanish for a gradient; nothing is claimed of another R."""
        if self.kind != "gradient":
            return ()
        measured = (
            ("asymmetry", "Symmetric Jacobian", "‖J_R − J_Rᵀ‖ = 0", self.asymmetry, ROUNDING),
            ("circulation", "Zero circulation", "∮⟨R, dx⟩ = 0", self.circulation, self._room),
        )
        reason = "R is the gradient of a function known in closed form; the rest is rounding and quadrature"
        return tuple(
            Guarantee(key, name, statement, "certified", reason, quantity(0.0), quantity(value), room)
            for key, name, statement, value, room in measured
        )

    @property
    def _room(self) -> float:
        """The quadrature's doubt three times over, and rounding."""
        return ROUNDING + 3 * self.doubt


@dataclass(frozen=True)
class Gradient(Experiment[GradientRow]):
    """All regularisers at one image; the loop lies where each turns most, `radius`·‖picture‖ wide."""

    regularizers: tuple[Named, ...]
    picture: Image
    probes: int = 8
    seed: int = 0
    radius: float = 3e-3

    @property
    def row_type(self) -> type[GradientRow]:
        """`GradientRow`."""
        return GradientRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """One per regulariser."""
        return tuple((named.key,) for named in self.regularizers)

    def run(self, old_rows: Sequence[GradientRow] = ()) -> Iterator[Progress[GradientRow]]:
        """The rows, one regulariser after the other."""
        by_key, total = {row.key: row for row in old_rows}, len(self.cells)
        for n, named in enumerate(self.regularizers):
            row = by_key.get((named.key,))
            if row is None:
                sign: Progress[GradientRow] = Progress(n, total)
                yield sign
                row = yield from under(self._measure(named), sign)
            yield Progress(n + 1, total, row)

    def _measure(self, named: Named) -> Generator[int, None, GradientRow]:
        f = named.regularizer
        x = self.picture if named.picture is None else named.picture
        diagnostic = Asymmetry(self.probes, self.seed)
        asymmetry, error = diagnostic.mean_and_error(Subject(f, x, x))
        yield 0
        plane = plane_of_rotation(f, x, seed=self.seed)
        yield 0
        loop = yield from circulation(f, x, plane, self.radius * float(norm(x)))
        kind: Kind = "gradient" if f.is_gradient else "not known to be one"
        return GradientRow(
            named.key,
            kind,
            asymmetry,
            error,
            self.probes,
            loop.share,
            loop.doubt,
            loop.evaluations,
        )
