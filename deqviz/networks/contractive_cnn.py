"""A small residual network of known Lipschitz constant on periodic images of one size."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deqviz.core.space import Image


@dataclass(frozen=True, slots=True)
class Bank:
    """The filters and offsets of one layer as they are applied."""

    filters: Tensor
    offset: Tensor


class ContractiveCNN(nn.Module):
    """Q(x) = ½ + κ(u + εM(u))/(1 + ε), u = x − ½, with M = conv ∘ relu ∘ conv ∘ … ∘ relu ∘ conv.

    Each convolution is periodic and divided by its norm where that exceeds 1, so Lip(M) ≤ 1 and Lip(Q) ≤ κ
    for images of the size given here, and for no other. Where u and M(u) agree Q keeps κ of a signal, where
    they cancel only κ(1 − ε)/(1 + ε). `is_bounded` = False leaves the convolutions as they are: no promise.
    The norm is the largest over all frequencies of the spectral norm of the matrix between channels (Sedghi,
    Gupta and Long, 2019).
    """

    def __init__(
        self,
        shape: tuple[int, int],
        channels: int = 12,
        kernel: tuple[int, int] = (1, 5),
        layers: int = 3,
        *,
        limit: float = 0.98,
        residual: float = 0.8,
        is_bounded: bool = True,
        seed: int = 0,
    ) -> None:
        """Random filters from the seed; refuse κ and ε that bound nothing and kernels that do not fit."""
        super().__init__()
        fits = all(k % 2 and k <= side for k, side in zip(kernel, shape, strict=True))
        if limit <= 0 or residual < 0 or layers < 2 or not fits:
            raise ValueError("κ > 0, ε ≥ 0, two layers and odd kernels no larger than the image are needed.")
        self.shape, self.limit, self.residual, self.is_bounded = shape, limit, residual, is_bounded
        rng = torch.Generator().manual_seed(seed)
        widths = (1, *[channels] * (layers - 1), 1)
        spread = [math.sqrt(2 / (c * math.prod(kernel))) for c in widths[:-1]]
        self.filters = nn.ParameterList(
            s * torch.randn(out, c, *kernel, generator=rng)
            for s, c, out in zip(spread, widths, widths[1:], strict=False)
        )
        self.offsets = nn.ParameterList(torch.zeros(out) for out in widths[1:-1])

    def banks(self) -> tuple[Bank, ...]:
        """The layers with their norms divided out: once for all evaluations of one fixed point."""
        offsets = [*self.offsets, self.filters[-1].new_zeros(1)]
        return tuple(Bank(self._divided(w), b) for w, b in zip(self.filters, offsets, strict=True))

    def _divided(self, w: Tensor) -> Tensor:
        return w / convolution_norm(w, self.shape).clamp_min(1.0) if self.is_bounded else w

    def apply_banks(self, x: Image, banks: tuple[Bank, ...]) -> Image:
        """Q(x) with what `banks` returned."""
        u = h = x - 0.5
        for number, bank in enumerate(banks):
            kh, kw = bank.filters.shape[-2:]
            padded = F.pad(h, (kw // 2, kw // 2, kh // 2, kh // 2), mode="circular")
            h = F.conv2d(padded, bank.filters, bank.offset)
            h = h if number == len(banks) - 1 else h.relu()
        return 0.5 + self.limit / (1 + self.residual) * (u + self.residual * h)

    def forward(self, x: Image) -> Image:
        """Q(x)."""
        return self.apply_banks(x, self.banks())

    def lipschitz(self) -> float:
        """κ; infinite where nothing bounds the convolutions."""
        return self.limit if self.is_bounded else math.inf


def convolution_norm(filters: Tensor, shape: tuple[int, int]) -> Tensor:
    """The norm of a periodic convolution between channels on an h × w grid, exact; differentiable.

    Filters are real, so half of the frequencies has all singular values. No filter may exceed the grid.
    """
    spectra = torch.fft.rfft2(filters, s=shape).permute(2, 3, 0, 1)
    return torch.linalg.matrix_norm(spectra, 2).amax()
