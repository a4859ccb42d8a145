"""Truncated adjoint: the error of a gradient through a fixed point against the number of backward steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deqviz.core.guarantee import Guarantee, in_letters, quantity
from deqviz.core.operator import ForwardModel
from deqviz.core.space import Space, norm
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.losses._signals import Signals
from deqviz.experiments.losses.architectures import Architecture, Gradient, Proximal, Splitting
from deqviz.methods._theory import bounds
from deqviz.networks.contractive_cnn import ContractiveCNN
from deqviz.operators.gaussian_blur import GaussianBlur
from deqviz.solvers._solve import solve
from deqviz.solvers.picard import Picard

__all__ = ["AdjointRow", "TruncatedAdjoint"]

ROUNDING = 1e-12
"""Relative to the adjoint: where the error is about that, only rounding is left."""


@dataclass(frozen=True, slots=True)
class AdjointRow(Row):
    """The adjoint u = J*u + g cut off after K products: u_K = Σ (J*)ʲg over j ≤ K, J the derivative of T.

    `adjoint` is ‖u_K − u‖/‖u‖, at most L^(K + 1) for L = `factor` ≥ Lip(T); `gradient` the relative error of
    the gradient in all weights. K = 0 leaves J out altogether.
    """

    architecture: str
    steps: int
    adjoint: float
    gradient: float
    factor: float

    @property
    def key(self) -> Key:
        """Architecture and K."""
        return (self.architecture, self.steps)

    @property
    def bound(self) -> float:
        """κ^(K + 1), and what rounding adds."""
        return self.factor ** (self.steps + 1) + ROUNDING

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """u − u_K = (J*)^(K + 1) u."""
        why = f"Lip(T) ≤ κ = {self.factor:.4g} by construction of the network, for this A"
        statement = "‖u_K − u‖/‖u‖ ≤ κ^{K+1}"
        name = "Truncation error of the adjoint"
        row = Guarantee(
            "adjoint", name, statement, "certified", why, quantity(self.bound), quantity(self.adjoint)
        )
        return in_letters("deep equilibrium architectures", (row,))


@dataclass(frozen=True)
class TruncatedAdjoint(Experiment[AdjointRow]):
    """The gradient of ½‖x − x†‖² in the weights of a fresh network, for growing numbers of backward steps."""

    signals: Signals = Signals(GaussianBlur(Space((1, 1, 48), torch.float64), width=1.0))
    architectures: tuple[Architecture, ...] = (Gradient(0.7, 0.4), Proximal(1.0), Splitting(3.0))
    limit: float = 0.7
    steps: int = 40
    seed: int = 0

    @property
    def row_type(self) -> type[AdjointRow]:
        """`AdjointRow`."""
        return AdjointRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Architectures, K = 0, 1, … within."""
        return tuple((a.name, k) for a in self.architectures for k in range(self.steps + 1))

    def run(self, old_rows: Sequence[AdjointRow] = ()) -> Iterator[Progress[AdjointRow]]:
        """The rows in the order of `cells`."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        for architecture in self.architectures:
            keys = [(architecture.name, k) for k in range(self.steps + 1)]
            missing = [key for key in keys if key not in by_key]
            fresh = self._rows(architecture) if missing else iter(())
            for key in keys:
                row = next(fresh, None)
                done += 1
                yield Progress(done, total, by_key.get(key, row))

    def _rows(self, architecture: Architecture) -> Iterator[AdjointRow]:
        A = self.signals.operator
        factor = architecture.factor(bounds(A).bottom, bounds(A).top, self.limit)
        adjoints, gradients = _partial_sums(self, architecture, A)
        u, exact = adjoints[-1], gradients[-1]
        for k in range(self.steps + 1):
            yield AdjointRow(
                architecture.name,
                k,
                float(norm(adjoints[k] - u).max() / norm(u).max()),
                float((gradients[k] - exact).norm() / exact.norm()),
                factor,
            )


@torch.enable_grad()
def _partial_sums(
    question: TruncatedAdjoint, architecture: Architecture, A: ForwardModel
) -> tuple[list[Tensor], list[Tensor]]:
    """u_K and its gradient in the weights for K = 0 … `steps`, and last those of the whole sum."""
    rng = torch.Generator().manual_seed(question.seed)
    clean = question.signals.draw(1, rng)
    back = A.adjoint(question.signals.spoil(clean, rng))
    height, width = A.image.shape[-2:]
    net = ContractiveCNN((height, width), limit=question.limit, seed=question.seed)
    net = net.to(A.image.device, A.image.real_dtype)
    banks = net.banks()
    f = architecture.step(A, back, lambda x: net.apply_banks(x, banks))
    with torch.no_grad():
        start = architecture.start(A, back)
        fixed = solve(Picard(), f, start, tol=1e-15, max_steps=2000).fz
    z = fixed.detach().requires_grad_()
    fz = f(z)
    weights = list(net.parameters())

    def product(u: Tensor) -> Tensor:
        return torch.autograd.grad(fz, z, u, retain_graph=True)[0]

    def gradient(u: Tensor) -> Tensor:
        parts = torch.autograd.grad(fz, weights, u, retain_graph=True, materialize_grads=True)
        return torch.cat([part.flatten() for part in parts])

    # The loss sees the image, and the state is what the adjoint belongs to.
    picture = architecture.picture(A, back, z)
    (g,) = torch.autograd.grad(0.5 * norm(picture - clean).square().sum(), z)
    term, total, adjoints, gradients = g, g, [g], [gradient(g)]
    for _ in range(question.steps):
        term = product(term)
        total = total + term
        adjoints.append(total)
        gradients.append(gradient(total))
    while float(norm(term).max()) > 1e-16 * float(norm(total).max()):
        term = product(term)
        total = total + term
    return [*adjoints, total], [*gradients, gradient(total)]
