"""Upper bounds on norms of periodic convolutions between channels, for strict certificates.

On a grid the convolution is, frequency by frequency, the matrix Ŵ(ω) between channels, so that its norm is
max_ω ‖Ŵ(ω)‖ (Sedghi, Gupta and Long, 2019). Gram's iteration bounds the norm of a matrix from above by
products alone: with G₀ = M*M and G_{j+1} = G_j*G_j, ‖M‖² ≤ ‖G_j‖_F^{2^{-j}} (Delattre et al., 2023).
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

_CHUNK = 4096
"""Frequencies handled at once: 4096 matrices of 64 × 64 in complex128 take 270 MB with their squares."""
_FEW = 256
"""Frequencies at which a first look is taken."""
_TINY = 1e-100
_DELTA = 1e-9
"""What a certified square is above the computed one, relatively."""


def symbols(filters: Tensor, grid: Sequence[int]) -> Tensor:
    """Ŵ(ω) on the half of the frequencies that a real filter needs: n × out × in."""
    axes = tuple(range(2, filters.ndim))
    _check(filters, grid)
    spectra = torch.fft.rfftn(filters, s=tuple(grid), dim=axes)
    return spectra.flatten(2).permute(2, 0, 1)


def _check(filters: Tensor, grid: Sequence[int]) -> None:
    if any(k > n for k, n in zip(filters.shape[2:], grid, strict=True)):
        raise ValueError(
            f"Filters of {tuple(filters.shape[2:])} need an image at least as large, not {grid}."
        )


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
    """‖W‖ of the periodic convolution on a grid of this size from above, in double precision.

    The largest norm τ at any frequency, times √(1 + 2δ) with δ = 10⁻⁹: that it is above all of them is proved
    at every frequency by a Cholesky factor of τ²(1 + δ) − Ŵ*Ŵ. What rounding does to the factor of a matrix
    of n rows is of the order n²·2⁻⁵³, three digits below δ (Higham, 2002, section 10.1).
    """
    kept, top = filters.detach().cpu().double(), 0.0
    parts = list(_frequencies(filters, grid))
    # A look at a few first: hardly any of the others is then above what is known.
    sample = torch.cat(parts)[:: max(1, sum(map(len, parts)) // _FEW)]
    for chosen in (sample, *parts):
        m = _at(kept, chosen)
        top = _raised(m.mH @ m if m.shape[-1] <= m.shape[-2] else m @ m.mH, top)
    return math.sqrt(top * (1 + 2 * _DELTA))


def _raised(grams: Tensor, top: float) -> float:
    """`top`, or the largest eigenvalue of any of the matrices where that is more by the share δ."""
    one = torch.eye(grams.shape[-1], dtype=grams.dtype)
    left = grams
    while len(left):
        _, failed = torch.linalg.cholesky_ex(top * (1 + _DELTA) * one - left)
        left = left[failed != 0]
        if len(left):
            # The few that look largest decide; the others are tested against them. Zeros get a floor.
            likely = torch.linalg.matrix_norm(left @ left).topk(min(len(left), 16)).indices
            top = max(top, float(torch.linalg.eigvalsh(left[likely]).max()), _TINY)
            kept = torch.ones(len(left), dtype=torch.bool)
            kept[likely] = False
            left = left[kept]
    return top


def _frequencies(filters: Tensor, grid: Sequence[int]) -> Iterator[Tensor]:
    """The half of the grid's frequencies that a real filter needs, some at a time: n × axes, in radians."""
    _check(filters, grid)
    counts = (*grid[:-1], grid[-1] // 2 + 1)
    for part in torch.arange(math.prod(counts)).split(_CHUNK):
        places = torch.stack(torch.unravel_index(part, counts), -1)
        yield 2 * math.pi * places.double() / torch.tensor(grid, dtype=torch.float64)


def _at(filters: Tensor, frequencies: Tensor) -> Tensor:
    """Ŵ(ω) at the given frequencies, n × out × in: of 3 × 3 filters nine products, whatever the grid."""
    taps = torch.cartesian_prod(*(torch.arange(k, dtype=torch.float64) for k in filters.shape[2:]))
    angle = frequencies @ taps.view(-1, frequencies.shape[1]).mT
    waves = torch.polar(torch.ones_like(angle), -angle)
    values = waves @ filters.flatten(2).flatten(0, 1).mT.to(waves.dtype)
    return values.view(-1, *filters.shape[:2])


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


def differentiable_norm(filters: Tensor, grid: int | None = None) -> Tensor:
    """max_ω ‖Ŵ(ω)‖ on a coarse grid, with the gradient of σ_max at the worst frequency.

    A little below ‖W‖ on large grids: what training limits. What is promised is divided by `norm_everywhere`.
    """
    spectra = symbols(filters, [grid or (16 if filters.ndim == 4 else 10)] * (filters.ndim - 2))
    with torch.no_grad():
        worst = int(matrix_norms(spectra, squarings=4).argmax())
        left, _, right = torch.linalg.svd(spectra[worst], full_matrices=False)
    return (left[:, 0].conj() @ spectra[worst] @ right[0].conj()).real
