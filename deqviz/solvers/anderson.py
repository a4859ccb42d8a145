"""Anderson acceleration."""

from typing import Annotated

import torch
from torch import Tensor

from deqviz.core.catalog import SOLVERS
from deqviz.core.registry import Range
from deqviz.solvers._accelerated import Accelerated, Memory


@SOLVERS.register("anderson", title="Anderson acceleration")
class Anderson(Accelerated):
    """z ← Σ aᵢ f(zᵢ) − (1 − β) Σ aᵢ rᵢ, where Σ aᵢ = 1 and the aᵢ minimise ‖Σ aᵢ rᵢ‖ over the last steps.

    Here rᵢ = f(zᵢ) − zᵢ. Safeguarded as `_accelerated` says: on a contraction it needs at most a tenth
    more evaluations than the certified line of plain iteration, and usually a fraction. No factor per
    single step is certified, because a step whose correction failed does not move. Anderson, 1965;
    Walker and Ni, 2011 (the difference form used here).
    """

    memory: Annotated[int, Range(1, 10, "Memory", unit="steps", symbol="m")] = 5
    mixing: Annotated[float, Range(0.1, 1.0, "Mixing", symbol="β", advanced=True)] = 1.0
    ridge: Annotated[
        float,
        Range(
            1e-14, 1e-2, "Ridge", log=True, advanced=True, help="Relative to the remembered residual differences."
        ),
    ] = 1e-10

    def _memory(self, r: Tensor) -> Memory:
        return _Window(r, self.memory, self.mixing, self.ridge)

    def _bar(self, rate: Tensor) -> Tensor:
        # A mixed step contracts by 1 − β + βκ at best: its bar must not be the plain step's.
        return 1 - self.mixing + self.mixing * super()._bar(rate)


class _Window:
    """The last m + 1 residuals, the m moves between them, and the residuals' Gram matrix in float64.

    Rings of fixed slots: a step writes one slot and one row of the Gram matrix, and nothing is copied.
    The residuals are held in float64, since products of float32 would lose the small differences.
    """

    def __init__(self, r: Tensor, memory: int, mixing: float, ridge: float) -> None:
        """Start from the first residual, in slot 0."""
        self.m, self.mixing, self.ridge, self.slot = memory, mixing, ridge, 0
        b, n = r.shape
        self.moves = r.new_zeros(b, memory + 1, n)
        self.residuals = r.new_zeros((b, memory + 1, n), dtype=torch.float64)
        self.gram = r.new_zeros((b, memory + 1, memory + 1), dtype=torch.float64)
        self.known = r.new_zeros(b)
        # Age of the columns, newest first, to be compared with how many moves are known.
        self.age = torch.arange(memory, 0, -1, device=r.device)
        self.eye = torch.eye(memory, dtype=torch.float64, device=r.device)
        self.r, self.noise = r, torch.zeros_like(r[:, 0], dtype=torch.float64)
        self._write(r)

    def _write(self, r: Tensor) -> None:
        """Put r in the current slot and renew its row of the Gram matrix."""
        row = self.residuals[:, self.slot]
        row.copy_(r)
        products = torch.bmm(self.residuals, row.unsqueeze(2)).squeeze(2)
        self.gram[:, self.slot] = products
        self.gram[:, :, self.slot] = products

    def learn(self, r: Tensor, dr: Tensor, df: Tensor, failed: Tensor) -> None:  # noqa: ARG002
        """Take in one move; the differences of the residuals are formed in the small matrix."""
        self.r, self.slot = r, (self.slot + 1) % (self.m + 1)
        self.moves[:, self.slot] = df
        self._write(r)
        self.known = torch.where(failed, 0.0, self.known + 1)

    def correction(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """−Σ γᵢ Δfᵢ − (1 − β)(r − Σ γᵢ Δrᵢ), where γ minimises ‖r − Σ γᵢ Δrᵢ‖ with a ridge."""
        shift = -(self.slot + 1)
        ordered = self.gram.roll((shift, shift), (1, 2))
        across = ordered.diff(dim=2)
        normal, right = across.diff(dim=1), across[:, -1]
        size = normal.diagonal(dim1=1, dim2=2)
        # Scaled to unit columns, so that the ridge means the same at every residual and every age.
        usable = (self.age <= self.known[:, None]) & (size > 0)
        scale = torch.where(usable, size.clamp_min(1e-300).rsqrt(), 0.0)
        system = normal * scale[:, :, None] * scale[:, None, :]
        # Unused columns become rows of the identity: their weight is zero.
        system = system + self.eye * torch.where(usable, self.ridge, 1.0)[:, None, :]
        weights = scale * torch.linalg.solve_ex(system, scale * right)[0]
        tried = wanted & weights.isfinite().all(1)
        weights = torch.where(tried[:, None], weights, 0.0)
        ring = torch.nn.functional.pad(weights, (1, 0)).roll(-shift, 1)
        change = torch.bmm(ring.to(self.moves.dtype).unsqueeze(1), self.moves).squeeze(1).neg()
        if self.mixing < 1:
            # Σ γᵢ Δrᵢ as a combination of the residuals themselves.
            a = (ring - ring.roll(-1, 1)).unsqueeze(1)
            rest = self.r - torch.bmm(a, self.residuals).squeeze(1).to(self.r.dtype)
            change = change - (1 - self.mixing) * torch.where(tried[:, None], rest, 0.0)
        return change, tried
