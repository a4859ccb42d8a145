"""The constraint on a filter bank while it trains; the exported network stores the projected filters."""

import math

import torch
from torch import Tensor, nn

from deqviz.networks._conv import symbol_bound

# The filters are rounded to float32 after the projection, which also blurs the symmetry of their energy.
_MARGIN = 1 - 1e-4


class BoundedBank(nn.Module):
    """Filters w = Q S C of mean zero with certified ‖W‖² ≤ limit, whose energy mirroring leaves as it is.

    C holds the cosines of a patch but the constant, each of which a mirror keeps or turns to its negative. S
    mixes cosines of one parity only, so that SᵀS, and with it the energy Σ wᵢwᵢᵀ = CᵀSᵀSC, commutes with
    mirroring for every orthogonal Q: the condition under which the borders cost nothing in
    `certified_norm_squared`. The single filters stay free of any symmetry. Q = Q₀(Id + K)⁻¹(Id − K) with K
    skew (Cayley, 1846); all filters are divided by √(bound/limit) where that exceeds 1.
    """

    cosines: Tensor
    same: Tensor
    turned: Tensor

    def __init__(self, size: int, limit: float) -> None:
        super().__init__()
        self.limit, self.size = limit, size
        waves = _cosines(size)
        parity = torch.tensor([(i % 2, j % 2) for (i, j), _ in waves])
        same = (parity[:, None] == parity).all(-1).float()
        self.register_buffer("cosines", torch.stack([wave.flatten() for _, wave in waves]), persistent=False)
        self.register_buffer("same", same, persistent=False)
        self.register_buffer("turned", torch.eye(len(waves)))

    def forward(self, mixture: Tensor, turn: Tensor) -> Tensor:
        """The bank of S and of the upper half of K; the division is differentiated too."""
        skew = turn.triu(1) - turn.triu(1).mT
        one = torch.eye(len(skew), dtype=skew.dtype, device=skew.device)
        orthogonal = self.turned @ torch.linalg.solve(one + skew, one - skew)
        filters = (orthogonal @ (mixture * self.same) @ self.cosines).view(-1, 1, self.size, self.size)
        excess = symbol_bound(filters) / (self.limit * _MARGIN)
        return filters / excess.clamp_min(1.0).sqrt()

    def right_inverse(self, filters: Tensor) -> tuple[Tensor, Tensor]:
        """S and K = 0 of the admissible bank next to a given one; its Q₀ is kept."""
        if len(filters) != len(self.cosines):
            raise ValueError(
                f"{len(filters)} filters of size {self.size}: the constraint needs {len(self.cosines)}"
            )
        x = filters.flatten(1).double() @ self.cosines.double().mT
        values, vectors = torch.linalg.eigh((x.mT @ x) * self.same)
        mixture = (vectors * values.clamp_min(0).sqrt()) @ vectors.mT
        # The orthogonal factor nearest to x S (Schönemann, 1966).
        left, _, right = torch.linalg.svd(x @ mixture)
        self.turned = (left @ right).to(filters.dtype)
        return mixture.to(filters.dtype), torch.zeros_like(mixture, dtype=filters.dtype)


class ZeroMean(nn.Module):
    """Filters of mean zero, otherwise free."""

    def forward(self, free: Tensor) -> Tensor:
        """Subtract the mean of each filter."""
        return free - free.mean((1, 2, 3), keepdim=True)


def cosine_bank(count: int, size: int) -> Tensor:
    """The first `count` cosines of a square patch but the constant, by rising frequency, of unit norm."""
    bank = torch.stack([wave for _, wave in _cosines(size)])
    if count > len(bank):
        raise ValueError(f"{count} filters of size {size} asked for, but there are {len(bank)} cosines")
    return bank[:count, None]


def _cosines(size: int) -> list[tuple[tuple[int, int], Tensor]]:
    """All cosines of a patch but the constant with their two frequencies, by rising frequency."""
    position = (torch.arange(size, dtype=torch.float64) + 0.5) * math.pi / size
    waves = torch.cos(torch.arange(size)[:, None] * position)
    waves = waves / waves.norm(dim=1, keepdim=True)
    pairs = [(i, j) for i in range(size) for j in range(size)]
    pairs.sort(key=lambda pair: (pair[0] ** 2 + pair[1] ** 2, pair))
    return [((i, j), torch.outer(waves[i], waves[j]).float()) for i, j in pairs[1:]]
