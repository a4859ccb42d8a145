"""Contraction factors of the deep equilibrium architectures over the plane of ε and η."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deqviz.core.guarantee import Guarantee, in_letters, quantity
from deqviz.core.operator import ForwardModel
from deqviz.core.space import Image, Space
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.equilibrium.model import Spectral
from deqviz.experiments.losses.architectures import ARCHITECTURES, Architecture, Network
from deqviz.methods._theory import bounds

__all__ = ["ContractionMap", "ContractionRow"]

STARTS, ASCENT = 8, 60
"""How many vectors look for the worst network, and for how long."""


@dataclass(frozen=True, slots=True)
class ContractionRow(Row):
    """One architecture at one ε and one η, on an A with μ = `low` ≤ λ ≤ `high` = ‖A‖².

    `predicted` bounds Lip(T) for every network Id + M with Lip(M) ≤ ε. `worst` is ‖T‖ for the linear M that
    an ascent found to be worst, hence below the supremum and, if the formula is sharp, near it; `typical` the
    same for an orthogonal M drawn at random.
    """

    architecture: str
    size: float
    step_size: float
    low: float
    high: float
    predicted: float
    worst: float
    typical: float

    @property
    def key(self) -> Key:
        """Architecture, ε and η."""
        return (self.architecture, self.size, self.step_size)

    @property
    def map(self) -> Architecture:
        """The architecture at this η."""
        (kind,) = (kind for kind in ARCHITECTURES if kind.name == self.architecture)
        return kind(self.step_size)

    @property
    def is_in_window(self) -> bool:
        """Whether the published window promises a contraction; the formula may promise more."""
        return self.map.is_in_window(self.low, self.high, self.size)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """The formula against both networks."""
        why = f"Lip(M) = ε = {self.size:g}, {self.low:.3g} ≤ λ(A*A) ≤ {self.high:.3g}"
        rows = (
            Guarantee(
                key, name, self.map.statement, "certified", why, quantity(self.predicted), quantity(value)
            )
            for key, name, value in (
                ("worst", "Contraction factor κ, worst network", self.worst),
                ("typical", "Contraction factor κ, random network", self.typical),
            )
        )
        return in_letters("deep equilibrium architectures", rows)


@dataclass(frozen=True)
class ContractionMap(Experiment[ContractionRow]):
    """‖T‖ over a grid of ε and η for linear networks Id + M, by the singular values of the map itself."""

    operator: ForwardModel = Spectral(Space((1, 1, 12), torch.float64), decades=0.25)
    sizes: tuple[float, ...] = tuple(k / 10 for k in range(1, 13))
    step_sizes: tuple[float, ...] = tuple(10 ** (k / 8 - 1.5) for k in range(19))
    seed: int = 0

    @property
    def row_type(self) -> type[ContractionRow]:
        """`ContractionRow`."""
        return ContractionRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Architectures, ε within, η within."""
        return tuple((a.name, e, s) for a in ARCHITECTURES for e in self.sizes for s in self.step_sizes)

    @torch.no_grad()
    def run(self, old_rows: Sequence[ContractionRow] = ()) -> Iterator[Progress[ContractionRow]]:
        """The rows in the order of `cells`."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        limits = bounds(self.operator)
        rng = torch.Generator().manual_seed(self.seed)
        n = self.operator.image.size
        rotation = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64, generator=rng)).Q
        starts = torch.randn(n, STARTS, dtype=torch.float64, generator=rng)
        for kind in ARCHITECTURES:
            for size in self.sizes:
                for step_size in self.step_sizes:
                    key = (kind.name, size, step_size)
                    row = by_key.get(key)
                    if row is None:
                        architecture = kind(step_size)
                        worst = _worst(architecture, self.operator, size, starts)
                        row = ContractionRow(
                            *key,
                            limits.bottom,
                            limits.top,
                            architecture.residual_factor(limits.bottom, limits.top, size),
                            _norm(architecture, self.operator, size * worst),
                            _norm(architecture, self.operator, size * rotation),
                        )
                    done += 1
                    yield Progress(done, total, row)


def _matrix(architecture: Architecture, A: ForwardModel, M: Tensor) -> Tensor:
    """The matrix of the linear map T for a network Id + M, column by column; y = 0."""
    n = A.image.size

    def residual(x: Image) -> Image:
        return (x.flatten(1) @ M.mT).view(x.shape)

    network: Network = architecture.from_residual(residual)
    units = torch.eye(n, dtype=M.dtype).view(n, *A.image.shape)
    return architecture.step(A, torch.zeros_like(units), network)(units).flatten(1).mT


def _norm(architecture: Architecture, A: ForwardModel, M: Tensor) -> float:
    return float(torch.linalg.matrix_norm(_matrix(architecture, A, M), 2))


def _worst(architecture: Architecture, A: ForwardModel, size: float, starts: Tensor) -> Tensor:
    """A reflection M for which B + εMC, the matrix of T, is about as large as can be.

    The most is that of the convex function ‖Bv‖ + ε‖Cv‖ on the unit sphere, since M may turn Cv towards Bv.
    Going to where its gradient points never makes it smaller. The best of all `starts` counts, which are
    columns, and of the singular vectors of B, at which the ascent stands still.
    """
    eye = torch.eye(A.image.size, dtype=torch.float64)
    B = _matrix(architecture, A, torch.zeros_like(eye))
    C = _matrix(architecture, A, eye) - B
    v = torch.cat([starts, torch.linalg.eigh(B.mT @ B).eigenvectors], 1)
    for _ in range(ASCENT):
        v = _unit(B.mT @ _unit(B @ v) + size * C.mT @ _unit(C @ v))
    values = (B @ v).norm(dim=0) + size * (C @ v).norm(dim=0)
    v = v[:, int(values.argmax())]
    normal = _unit(C @ v) - _unit(B @ v)
    if float(normal.norm()) < 1e-12:
        return eye
    normal = _unit(normal)
    return eye - 2 * torch.outer(normal, normal)


def _unit(v: Tensor) -> Tensor:
    return v / v.norm(dim=0).clamp_min(1e-300)
