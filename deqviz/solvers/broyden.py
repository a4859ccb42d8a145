"""Broyden's method with limited memory."""

from typing import Annotated, Literal

import torch
from torch import Tensor

from deqviz.core.catalog import SOLVERS
from deqviz.core.registry import Options, Range
from deqviz.core.space import inner
from deqviz.solvers._accelerated import Accelerated, Memory, Point


@SOLVERS.register("broyden", title="Broyden (limited memory)")
class Broyden(Accelerated):
    """z ← z − H g(z) for g(z) = f(z) − z, where H ≈ g′⁻¹ starts at −I and learns one rank per step.

    The good update changes the Jacobian least; the bad one changes its inverse least, is cheaper and, with
    limited memory on imaging maps, needs fewer steps. When the memory is full the oldest rank goes; the
    newest secant equation still holds.
    Safeguarded as `_accelerated` says, so no factor per single step is certified. Broyden, 1965.
    """

    memory: Annotated[int, Range(1, 30, "Memory", unit="ranks")] = 10
    update: Annotated[
        Literal["bad", "good"],
        Options("Update", help="The names are Broyden's; here bad is better.", advanced=True),
    ] = "bad"

    def _memory(self, first: Point) -> Memory:
        return _Inverse(first, self.memory, self.update == "good")


class _Inverse(Memory):
    """H = −I + Σ uᵢ vᵢᵀ by the formula of Sherman and Morrison, in rings of fixed slots."""

    def __init__(self, first: Point, memory: int, good: bool) -> None:
        """Start at H = −I."""
        b, n = first.r.shape
        self.good, self.slot, self.r = good, 0, first.r
        self.left, self.right = first.r.new_zeros(b, memory, n), first.r.new_zeros(b, memory, n)
        self.tiny = torch.finfo(first.r.dtype).tiny

    def learn(self, last: Point, new: Point, good: Tensor) -> None:
        """The secant equation H y = s of a move s that changed the residual by y."""
        self.r, y = new.r, new.r - last.r
        s = new.fz - last.fz - y
        if good.device.type != "cpu" or not bool(good.all()):
            self.left *= good[:, None, None]
        hy = _times(self.right, y, self.left, self.slot) - y
        if self.good:
            v = _times(self.left, s, self.right, self.slot) - s
            ss, curvature = inner(s, s), inner(s, hy)
            # Moré and Trangenstein, 1976: the determinant keeps at least a tenth of its size.
            ratio = curvature / (ss + self.tiny)
            sign = torch.where(ratio < 0, -1.0, 1.0)
            theta = torch.where(ratio.abs() < 0.1, (1 - 0.1 * sign) / (1 - ratio), 1.0)
            size = theta / ((1 - theta) * ss + theta * curvature)
        else:
            v, size = y, 1 / inner(y, y)
        # A move of nothing, as after a failure, teaches nothing.
        usable = size.isfinite()[:, None]
        torch.mul(s - hy, torch.where(usable, size[:, None], 0.0), out=self.left[:, self.slot])
        self.right[:, self.slot] = v
        self.slot = (self.slot + 1) % self.left.shape[1]

    def correction(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """−Σ uᵢ ⟨vᵢ, r⟩, which added to f(z) = z + r makes z − H r."""
        weights = torch.bmm(self.right, self.r.unsqueeze(2)).mT
        tried = wanted & weights.isfinite().flatten(1).all(1)
        weights = torch.where(tried[:, None, None], -weights, 0.0)
        return torch.bmm(weights, self.left).squeeze(1), tried


def _times(inward: Tensor, x: Tensor, outward: Tensor, without: int) -> Tensor:
    """Σᵢ outwardᵢ ⟨inwardᵢ, x⟩, less the slot that is about to be overwritten."""
    weights = torch.bmm(inward, x.unsqueeze(2)).mT
    weights[:, :, without] = 0
    return torch.bmm(weights, outward).squeeze(1)
