"""Broyden's method with limited memory."""

from typing import Annotated, Literal

import torch
from torch import Tensor

from deqviz.core.catalog import SOLVERS
from deqviz.core.registry import Options, Range
from deqviz.core.space import inner
from deqviz.solvers._accelerated import Accelerated, Memory


@SOLVERS.register("broyden", title="Broyden (limited memory)")
class Broyden(Accelerated):
    """z ← z − H g(z) for g(z) = f(z) − z, where H ≈ g′⁻¹ starts at −I and learns one rank per step.

    The good update changes the Jacobian least; the bad one changes its inverse least, is cheaper and, with
    limited memory on imaging maps, needs fewer steps. When the memory is full the oldest rank goes; the
    newest secant equation still holds.
    Safeguarded as `_accelerated` says, so no factor per single step is certified. Broyden, 1965.
    """

    memory: Annotated[int, Range(1, 30, "Memory", unit="ranks", symbol="m")] = 10
    update: Annotated[
        Literal["bad", "good"], Options("Update", help="The names are Broyden's; here bad is better.", advanced=True)
    ] = "bad"

    def _memory(self, r: Tensor) -> Memory:
        return _Inverse(r, self.memory, self.update == "good")


class _Inverse:
    """H = −I + Σ uᵢ vᵢᵀ by the formula of Sherman and Morrison, in rings of fixed slots."""

    def __init__(self, r: Tensor, memory: int, good: bool) -> None:
        """Start at H = −I."""
        b, n = r.shape
        self.m, self.good, self.slot, self.r = memory, good, 0, r
        self.left, self.right = r.new_zeros(b, memory, n), r.new_zeros(b, memory, n)
        self.tiny = torch.finfo(r.dtype).tiny

    def learn(self, r: Tensor, dr: Tensor, df: Tensor, failed: Tensor) -> None:
        """The secant equation H dr = s of the move s, damped away from a singular H."""
        self.r, s = r, df - dr
        if failed.device.type != "cpu" or bool(failed.any()):
            self.left = torch.where(failed[:, None, None], 0.0, self.left)
        self.left[:, self.slot] = 0
        hy = torch.bmm(torch.bmm(self.right, dr.unsqueeze(2)).mT, self.left).squeeze(1) - dr
        if self.good:
            v = torch.bmm(torch.bmm(self.left, s.unsqueeze(2)).mT, self.right).squeeze(1) - s
            ss, curvature = inner(s, s), inner(s, hy)
            # Moré and Trangenstein, 1976: the new determinant stays at least a tenth of the old one.
            ratio = curvature / ss.clamp_min(self.tiny)
            sign = torch.where(ratio < 0, -1.0, 1.0)
            theta = torch.where(ratio.abs() < 0.1, (1 - 0.1 * sign) / (1 - ratio), 1.0)
            size = theta / ((1 - theta) * ss + theta * curvature)
        else:
            v, size = dr, 1 / inner(dr, dr)
        usable = size.isfinite()[:, None]
        self.left[:, self.slot] = torch.where(usable, size[:, None] * (s - hy), 0.0)
        self.right[:, self.slot] = torch.where(usable, v, 0.0)
        self.slot = (self.slot + 1) % self.m

    def correction(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """−Σ uᵢ ⟨vᵢ, r⟩, which added to f(z) = z + r makes z − H r."""
        weights = torch.bmm(self.right, self.r.unsqueeze(2)).mT
        tried = wanted & weights.isfinite().all(2).squeeze(1)
        weights = torch.where(tried[:, None, None], weights, 0.0)
        return -torch.bmm(weights, self.left).squeeze(1), tried
