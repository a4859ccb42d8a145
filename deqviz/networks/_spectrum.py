"""Norms of periodic convolutions between channels, from above: what a strict certificate is made of.

On a grid the convolution is, frequency by frequency, the matrix Ŵ(ω) between channels, so that its norm is
max_ω ‖Ŵ(ω)‖ (Sedghi, Gupta and Long, 2019). Gram's iteration bounds the norm of a matrix from above by
products alone: with G₀ = M*M and G_{j+1} = G_j*G_j, ‖M‖² ≤ ‖G_j‖_F^{2^{-j}} (Delattre et al., 2023).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_CHUNK = 4096
"""Frequencies handled at once: 4096 matrices of 64 × 64 in complex128 take 270 MB with their squares."""


def symbols(filters: Tensor, grid: Sequence[int]) -> Tensor:
    """Ŵ(ω) on the half of the frequencies that a real filter needs: n × out × in."""
    axes = tuple(range(2, filters.ndim))
    if any(k > n for k, n in zip(filters.shape[2:], grid, strict=True)):
        raise ValueError(
            f"Filters of {tuple(filters.shape[2:])} need a picture at least as large, not {grid}."
        )
    spectra = torch.fft.rfftn(filters, s=tuple(grid), dim=axes)
    return spectra.flatten(2).permute(2, 0, 1)


def matrix_norms(matrices: Tensor, squarings: int = 7) -> Tensor:
    """Upper bounds on the spectral norms of n × out × in matrices, at most rank^(1/2^(squarings+2)) above."""
    return torch.cat([_gram_iteration(part, squarings) for part in matrices.split(_CHUNK)])


def _gram_iteration(m: Tensor, squarings: int) -> Tensor:
    g = m.mH @ m if m.shape[-1] <= m.shape[-2] else m @ m.mH
    # Divided by its norm before each squaring, which the logarithm makes up for: nothing over- or underflows.
    logarithm = torch.zeros(len(g), dtype=g.real.dtype, device=g.device)
    for j in range(squarings + 1):
        size = torch.linalg.matrix_norm(g).clamp_min(torch.finfo(g.real.dtype).tiny)
        logarithm = logarithm + size.log() / 2**j
        g = g / size[:, None, None]
        if j < squarings:
            g = g.mH @ g
    # ‖M‖² ≤ exp(logarithm): the last term is log ‖G_j‖_F / 2^j.
    return (logarithm / 2).exp()


def grid_norm(filters: Tensor, grid: Sequence[int]) -> float:
    """‖W‖ of the periodic convolution on a grid of this size from above, in double precision."""
    left = symbols(filters.detach().cpu().double(), grid)
    for squarings in (1, 3):
        bounds = matrix_norms(left, squarings)
        # What lies surely below the norm at one frequency need not be bounded any better.
        reached = float(torch.linalg.matrix_norm(left[bounds.argmax()], 2))
        left = left[bounds >= (1 - 1e-9) * reached]
    return float(matrix_norms(left, 8).max())


def norm_everywhere(filters: Tensor, grid: int | None = None) -> float:
    """‖W‖ from above for periodic grids of every size that the filters fit into.

    For a fixed unit v, ω ↦ ‖Ŵ(ω)v‖² is a trigonometric polynomial of degree k − 1 per axis, and by M. Riesz's
    lemma a grid of N points per axis sees at least cos(π(k − 1)/N) of its maximum, once per axis (see
    `_conv.symbol_bound`). In the plane N = 64 loses half a per cent, in space N = 24 five.
    """
    grid = grid or (64 if filters.ndim == 4 else 24)
    return grid_norm(filters, [grid] * (filters.ndim - 2)) / math.sqrt(_seen(filters, grid))


def _seen(filters: Tensor, grid: int) -> float:
    share = 1.0
    for k in filters.shape[2:]:
        if grid <= 2 * k:
            raise ValueError(f"a grid of {grid} is too coarse for filters of size {k}")
        share *= math.cos(math.pi * (k - 1) / grid)
    return share


def differentiable_norm(filters: Tensor, grid: int = 16) -> Tensor:
    """The bound of `norm_everywhere` on a coarse grid, with the gradient of σ_max at the worst frequency."""
    spectra = symbols(filters, [grid] * (filters.ndim - 2))
    with torch.no_grad():
        worst = int(matrix_norms(spectra, squarings=4).argmax())
        left, _, right = torch.linalg.svd(spectra[worst], full_matrices=False)
    value = (left[:, 0].conj() @ spectra[worst] @ right[0].conj()).real
    return value / math.sqrt(_seen(filters, grid))
