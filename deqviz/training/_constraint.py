"""The constraint on a filter bank while it trains; the exported network stores the projected filters."""

import math

import torch
from torch import Tensor, nn

from deqviz.networks._conv import symbol_bound

# The filters are rounded to float32 after the projection: aim lower, so that the certificate stays below.
_MARGIN = 1 - 1e-6


class BoundedBank(nn.Module):
    """Mean zero, closed under mirroring, and certified ‖W‖² ≤ limit, from half as many free filters.

    The first half of the free filters is made even (w(−t) = w(t)), the second odd; each is followed by its
    mirror image, so that mirroring the picture permutes the responses up to signs, and the borders cost
    nothing in the certificate. All are divided by √(bound/limit) where that exceeds 1.
    """

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, free: Tensor) -> Tensor:
        """Project; the division is differentiated too, which plain projected gradients would not do."""
        filters = mirrored(free - free.mean((1, 2, 3), keepdim=True))
        excess = symbol_bound(filters) / (self.limit * _MARGIN)
        return filters / excess.clamp_min(1.0).sqrt()

    def right_inverse(self, filters: Tensor) -> Tensor:
        """Free filters that give a bank of this form back."""
        return filters[: len(filters) // 2]


def mirrored(free: Tensor) -> Tensor:
    """The even parts of the first half, the odd parts of the second, and the mirror images of all."""
    half, turned = len(free) // 2, free.flip(-1, -2)
    bank = torch.cat([free[:half] + turned[:half], free[half:] - turned[half:]]) / 2
    return torch.cat([bank, bank.flip(-1)])


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


def diagonal_bank(count: int, size: int) -> Tensor:
    """`count` filters closed under mirroring, of unit norm: sums and differences of two cosines.

    A cosine is its own mirror image up to the sign, so a bank of cosines would hold each of them twice; the
    sum of one that a mirror keeps and one that it turns has another filter as its mirror image.
    """
    if count % 4:
        raise ValueError(f"{count} filters asked for, but mirroring needs a multiple of four")
    kinds: dict[tuple[int, int], list[Tensor]] = {(i, j): [] for i in (0, 1) for j in (0, 1)}
    for (i, j), wave in _cosines(size):
        kinds[i % 2, j % 2].append(wave)
    spare = kinds[0, 0][len(kinds[1, 1]) :]
    even = [a + b for a, b in zip(kinds[0, 0], kinds[1, 1], strict=False)]
    even += [a + b for a, b in zip(spare, kinds[1, 1], strict=False)]
    odd = [a + a.T for a in kinds[0, 1]]
    if count // 4 > min(len(even), len(odd)):
        raise ValueError(
            f"{count} filters of size {size} asked for, but there are {4 * min(len(even), len(odd))}"
        )
    free = torch.stack([*even[: count // 4], *odd[: count // 4]])[:, None]
    return mirrored(free / math.sqrt(2))


def _cosines(size: int) -> list[tuple[tuple[int, int], Tensor]]:
    """All cosines of a patch but the constant with their two frequencies, by rising frequency."""
    position = (torch.arange(size, dtype=torch.float64) + 0.5) * math.pi / size
    waves = torch.cos(torch.arange(size)[:, None] * position)
    waves = waves / waves.norm(dim=1, keepdim=True)
    pairs = [(i, j) for i in range(size) for j in range(size)]
    pairs.sort(key=lambda pair: (pair[0] ** 2 + pair[1] ** 2, pair))
    return [((i, j), torch.outer(waves[i], waves[j]).float()) for i, j in pairs[1:]]
