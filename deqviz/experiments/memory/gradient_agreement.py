"""The gradient of an unrolled network beside that through the equilibrium, for growing depth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from deqviz.core.guarantee import Guarantee, quantity
from deqviz.core.space import norm
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.memory.scan import Iteration, Scan, iteration
from deqviz.solvers._differentiate import Implicit
from deqviz.solvers.anderson import Anderson

__all__ = ["AgreementRow", "GradientAgreement"]

TOLERANCE = 1e-8
"""Of every solve: of the equilibrium, its adjoint, and the data step in both."""


@dataclass(frozen=True, slots=True)
class AgreementRow(Row):
    """Depth K: the gradient of ½‖x_K − x†‖² in all parameters beside that of ½‖x − x†‖² at the equilibrium x.

    `angle` is 1 − cos of the angle between them, `error` their difference relative to the latter, `distance`
    ‖x_K − x‖/‖x₀ − x‖, at most `factor`^K for the certified Lip(T) ≤ `factor`.
    """

    depth: int
    angle: float
    error: float
    distance: float
    factor: float

    @property
    def key(self) -> Key:
        """K."""
        return (self.depth,)

    @property
    def bound(self) -> float:
        """factor^K."""
        return self.factor**self.depth

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """The contraction is certified; that the gradients come together is not, for want of a constant."""
        why = f"Lip(T) ≤ 1 − m = {self.factor:.4g}: each layer is divided by a certified bound of its norm"
        statement = "‖x_{K} − x*‖ ≤ (1 − m)^{K} ‖x_{0} − x*‖"
        # Below that, only the tolerance of the solves is left.
        above = self.bound + 1e3 * TOLERANCE
        contraction = Guarantee(
            "contraction",
            "Convergence of the unrolled iterates",
            statement,
            "certified",
            why,
            quantity(above),
            quantity(self.distance),
        )
        why = "sorting has kinks: no constant is known that would bound the difference by the distance"
        agreement = Guarantee(
            "agreement",
            "Convergence of the unrolled gradient",
            "→ implicit gradient as K grows",
            "estimated",
            why,
            value=quantity(self.error),
        )
        return contraction, agreement


@dataclass(frozen=True)
class GradientAgreement(Experiment[AgreementRow]):
    """Both gradients on one scan, in double precision whatever the scan says."""

    scan: Scan = Scan(shape=(64, 64))
    depths: tuple[int, ...] = (1, 2, 4, 8, 16, 32)

    def __post_init__(self) -> None:
        """Refuse depths that do not ascend, with a sentence."""
        if not self.depths or self.depths[0] < 1 or list(self.depths) != sorted(set(self.depths)):
            raise ValueError(f"Depths ascend from 1 or more, unlike {self.depths}.")

    @property
    def row_type(self) -> type[AgreementRow]:
        """`AgreementRow`."""
        return AgreementRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """The depths."""
        return tuple((k,) for k in self.depths)

    def run(self, old_rows: Sequence[AgreementRow] = ()) -> Iterator[Progress[AgreementRow]]:
        """The rows in the order of `cells`, after the equilibrium; a Progress comes after each iteration."""
        by_key, total = {row.key: row for row in old_rows}, len(self.cells)
        fresh = self._rows(by_key) if len(by_key) < total else iter(())
        for done, key in enumerate(self.cells):
            if key not in by_key:
                while (row := next(fresh)) is None:
                    yield Progress(done, total)
                by_key[key] = row
            yield Progress(done + 1, total, by_key[key])

    def _rows(self, by_key: dict[Key, AgreementRow]) -> Iterator[AgreementRow | None]:
        scan = replace(self.scan, is_double=True)
        step, truth = iteration(scan, TOLERANCE / 10, 1000), scan.truth()
        start = step.start()
        implicit = Implicit(Anderson(), Anderson(), TOLERANCE, 500)
        with torch.enable_grad():
            x = implicit(step.map(), start)
        exact = _gradient(x, truth, step)
        x = x.detach()
        yield None
        for depth in (k for k in self.depths if (k,) not in by_key):
            f, u = step.map(), start
            for _ in range(depth):
                with torch.enable_grad():
                    u = f(u)
                yield None
            gradient = _gradient(u, truth, step)
            cosine = float(gradient @ exact / (gradient.norm() * exact.norm()))
            distance = float((norm(u.detach() - x) / norm(start - x)).max())
            error = float((gradient - exact).norm() / exact.norm())
            yield AgreementRow(depth, max(0.0, 1 - cosine), error, distance, 1 - scan.margin)


def _gradient(x: Tensor, truth: Tensor, step: Iteration) -> Tensor:
    """∇ ½‖x − x†‖² in all parameters, as one row."""
    with torch.enable_grad():
        loss = (x - truth).square().sum() / 2
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, step.parameters())])
