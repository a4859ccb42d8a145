"""Noise-dependent thresholds: one increasing power law per filter and per range of noise."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

_KNOTS = tuple(level / 255 for level in (2.5, 5.0, 10.0, 15.0, 25.0, 40.0))
_REFERENCE = 25 / 255


class Thresholds(nn.Module):
    """τᵢ(σ) > 0, increasing in σ: log τᵢ is piecewise linear in log σ, and a power law at either end.

    τ → 0 as σ → 0, so whatever it limits fades out; σ below 1e-6 is treated as 1e-6.
    """

    knots: Tensor

    def __init__(self, count: int, at_reference: float, exponent: float = 1.2) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.full((count,), math.log(at_reference)))
        knots = torch.tensor([-math.inf, *map(math.log, _KNOTS), math.inf])
        self.register_buffer("knots", knots, persistent=False)
        self.slopes = nn.Parameter(torch.full((len(_KNOTS) + 1, count), math.log(math.expm1(exponent))))

    def forward(self, sigma: float | Tensor) -> Float[Tensor, "b n 1 1"]:
        """One row per noise level: a number gives one row, a vector as many as it has entries."""
        level = self.level
        u = levels(sigma, level)[:, None].clamp_min(1e-6).log()
        # How far u lies from the reference within each range; the first and last ranges are unbounded.
        reference = torch.full_like(u, math.log(_REFERENCE))
        travelled = _within(u, self.knots) - _within(reference, self.knots)
        return (level + travelled @ F.softplus(self.slopes)).exp()[:, :, None, None]


def levels(sigma: float | Tensor, like: Tensor) -> Tensor:
    """σ as a vector; a number is written by the device itself, because a copy to it would wait for it."""
    if isinstance(sigma, Tensor):
        return sigma.to(like.device, like.dtype).reshape(-1)
    return torch.full((1,), sigma, dtype=like.dtype, device=like.device)


def _within(u: Tensor, knots: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(u, knots[:-1]), knots[1:])
