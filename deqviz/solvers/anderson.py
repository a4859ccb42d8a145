"""Anderson acceleration."""

from typing import Annotated

import torch
from torch import Tensor

from deqviz.core.catalog import SOLVERS
from deqviz.core.registry import Range
from deqviz.solvers._accelerated import Accelerated, Memory, Point


@SOLVERS.register("anderson", title="Anderson acceleration")
class Anderson(Accelerated):
    """z ← Σ aᵢ f(zᵢ) − (1 − β) Σ aᵢ rᵢ, where Σ aᵢ = 1 and the aᵢ minimise ‖Σ aᵢ rᵢ‖ over the last steps.

    Here rᵢ = f(zᵢ) − zᵢ. Safeguarded as `_accelerated` says: on a contraction it needs at most a tenth
    more evaluations than the certified line of plain iteration, and usually a fraction. No factor per
    single step is certified, because a step whose correction failed does not move. Anderson, 1965;
    Walker and Ni, 2011 (the difference form used here).
    """

    memory: Annotated[int, Range(1, 10, "Memory", unit="steps")] = 5
    mixing: Annotated[float, Range(0.1, 1.0, "Mixing", advanced=True)] = 1.0
    ridge: Annotated[
        float,
        Range(
            1e-14,
            1e-2,
            "Ridge",
            log=True,
            advanced=True,
            help="Relative to the remembered residual differences.",
        ),
    ] = 1e-10

    def _memory(self, first: Point) -> Memory:
        return _Window(first, self.memory, self.mixing, self.ridge)

    def _bar(self, rate: Tensor) -> Tensor:
        # A mixed step contracts by 1 − β + βκ at best: its bar must not be the plain step's.
        return rate if self.mixing == 1 else 1 - self.mixing + self.mixing * rate


class _Window(Memory):
    """The last m + 1 residuals, the m moves between them, and the residuals' Gram matrix in float64.

    Rings of fixed slots: a step writes one slot and one row of the Gram matrix, and nothing is copied.
    The residuals are held in float64, since products of float32 would lose the small differences, which
    are formed in the small matrix. Slot i holds residual i and the move that led there from slot i − 1.
    """

    def __init__(self, first: Point, memory: int, mixing: float, ridge: float) -> None:
        """Start from the first point, in slot 0."""
        (b, n), device = first.r.shape, first.r.device
        slots, exact = memory + 1, {"dtype": torch.float64, "device": device}
        self.mixing, self.slot, self.r = mixing, 0, first.r
        self.moves = first.r.new_zeros(b, slots, n)
        self.residuals = torch.zeros(b, slots, n, **exact)
        self.gram = torch.zeros(b, slots, slots, **exact)
        self.count = torch.zeros(b, **exact)
        eye = torch.eye(slots, **exact)
        self.difference, self.ridge = eye - eye.roll(-1, 1), ridge * eye
        here = torch.arange(slots, **exact)
        # ages[s, i]: how old the move in slot i is when s is the newest; the oldest has lost its start.
        self.ages = (here[:, None] - here) % slots
        self.ages[self.ages == memory] = torch.inf
        self._write(first.r)

    def _write(self, r: Tensor) -> None:
        """Put r in the current slot and renew its row of the Gram matrix."""
        self.r = r
        row = self.residuals[:, self.slot]
        row.copy_(r)
        products = torch.bmm(self.residuals, row.unsqueeze(2)).squeeze(2)
        self.gram[:, self.slot] = products
        self.gram[:, :, self.slot] = products

    def learn(self, last: Point, new: Point, good: Tensor) -> None:
        """Take in one move; that of an item which failed is zero and counts for nothing."""
        self.slot = (self.slot + 1) % len(self.ages)
        torch.sub(new.fz, last.fz, out=self.moves[:, self.slot])
        self._write(new.r)
        self.count = (self.count + 1) * good

    def correction(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """−Σ γᵢ Δfᵢ − (1 − β)(r − Σ γᵢ Δrᵢ), where γ minimises ‖r − Σ γᵢ Δrᵢ‖ with a ridge."""
        across = self.difference @ self.gram
        normal, right = across @ self.difference.mT, across[:, :, self.slot]
        # Scaled to unit columns, so that the ridge means the same at every residual and every age.
        scale = (normal.diagonal(dim1=1, dim2=2) + 1e-300).rsqrt() * (
            self.ages[self.slot] < self.count[:, None]
        )
        system = normal * scale[:, :, None] * scale[:, None, :] + self.ridge
        weights = scale * torch.linalg.solve_ex(system, scale * right)[0]
        tried = wanted & (torch.linalg.vector_norm(weights, dim=1) < torch.inf)
        weights = torch.where(tried[:, None], -weights, 0.0).unsqueeze(1)
        change = torch.bmm(weights.to(self.moves.dtype), self.moves).squeeze(1)
        if self.mixing < 1:
            mixed = self.r + torch.bmm(weights @ self.difference, self.residuals).squeeze(1).to(self.r.dtype)
            change = change - (1 - self.mixing) * torch.where(tried[:, None], mixed, 0.0)
        return change, tried
