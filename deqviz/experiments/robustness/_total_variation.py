"""The primal-dual map of total variation, as one that can be differentiated."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from deqviz.core.records import Map, Problem
from deqviz.core.space import Data, Image, extent
from deqviz.methods.tv import Tv


@dataclass(frozen=True)
class TvPairs:
    """The states (x, p) of `Tv` as images of 3c channels: x, then p to the right, then p down.

    The same steps as the method's own, which write into fixed buffers and leave no graph.
    """

    method: Tv
    channels: int

    def start(self, problem: Problem) -> Data:
        """The method's x₀ and p = 0."""
        low, high = extent(self.channels)
        x = problem.operator.baseline(problem.data).clamp(low, high)
        return torch.cat([x, torch.zeros_like(x), torch.zeros_like(x)], 1)

    def readout(self, z: Data) -> Image:
        """x."""
        return z[:, : self.channels]

    def map(self, problem: Problem) -> Map:
        """x⁺ = clip(x − τ(A*(Ax − y) + ∇ᵀp)), p⁺ = proj_{|p| ≤ α}(p + ς∇(2x⁺ − x))."""
        A, alpha = problem.operator, self.method.weight
        tau, dual = self.method.steps(problem)
        back, (low, high) = A.adjoint(problem.data), extent(self.channels)

        def f(z: Data) -> Data:
            x, right, down = z.split(self.channels, 1)
            pull = A.gram(x) - back + _adjoint(right, down)
            moved = (x - tau * pull).clamp(low, high)
            across, along = _gradient(2 * moved - x)
            right, down = right + dual * across, down + dual * along
            # The root of 0 has no derivative.
            size = (right.square() + down.square()).clamp_min(torch.finfo(z.dtype).tiny).sqrt()
            shrink = (alpha / size).clamp_max(1)
            return torch.cat([moved, shrink * right, shrink * down], 1)

        return f


def _gradient(x: Tensor) -> tuple[Tensor, Tensor]:
    """Forward differences to the right and down, 0 across the border."""
    return pad(x[..., :, 1:] - x[..., :, :-1], (0, 1)), pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))


def _adjoint(right: Tensor, down: Tensor) -> Tensor:
    """∇ᵀp."""
    inner, below = right[..., :, :-1], down[..., :-1, :]
    return pad(inner, (1, 0)) - pad(inner, (0, 1)) + pad(below, (0, 0, 1, 0)) - pad(below, (0, 0, 0, 1))
