"""Filter banks on mirrored images: analysis W, its adjoint W*, and a certified bound on ‖W‖².

An image is continued by its mirror image: a periodic one would meet an edge at every border, and pay for it.
Patches and one matrix product, because on a CPU the library's transposed convolution with one output channel
takes six times as long. Two hand-written autograd functions, each the derivative of the other.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from deqviz.core.rounding import accumulated
from deqviz.core.space import Image

Bank = Float[Tensor, "n 1 k k"]
Responses = Float[Tensor, "b n h w"]


# Bytes of pixels handled at a time on a CPU, by each thread: temporaries of a whole image cost more in page
# faults than arithmetic, and a strip of float64 twice as long would leave the cache.
_STRIP = 32768


def _pad(x: Tensor, size: int) -> Tensor:
    """Continue an image by its mirror image, edge included (half-sample symmetry)."""
    m = size // 2
    if m == 0:
        return x.contiguous()
    if min(x.shape[-2:]) < m:
        raise ValueError(f"Filters of {size} × {size} need images of at least {m} × {m}: use a larger one.")
    x = torch.cat([x[..., :m].flip(-1), x, x[..., -m:].flip(-1)], -1)
    return torch.cat([x[..., :m, :].flip(-2), x, x[..., -m:, :].flip(-2)], -2)


def _patches(padded: Tensor, size: int) -> Tensor:
    """Every patch of a padded one-channel image as a column: b × k² × hw."""
    b, _, height, width = padded.shape
    rows, columns = height - size + 1, width - size + 1
    # One strided copy: `unfold` gives the same and takes fifteen times as long.
    step = padded.stride()
    windows = padded.as_strided(
        (b, size, size, rows, columns), (step[0], *step[2:], *step[2:]), padded.storage_offset()
    )
    return windows.reshape(b, size**2, -1)


def _overlap_add(columns: Tensor, padded: Tensor) -> None:
    """Add patches b × k × k × h × w into a padded image: the adjoint of `_patches`."""
    b, size, _, height, width = columns.shape
    # Rows first, then columns: 2k large additions in place of k² small ones, and `add_`, as `+=` copies back.
    rows = columns.new_zeros(b, size, height + size - 1, width)
    for i in range(size):
        rows[:, :, i : i + height].add_(columns[:, i])
    for j in range(size):
        padded[:, 0, :, j : j + width].add_(rows[:, j])


def _unpad(padded: Tensor, size: int) -> Tensor:
    """The adjoint of `_pad`: the border belongs to what it mirrors. Overwrites its argument."""
    m = size // 2
    if m == 0:
        return padded
    padded[..., m : 2 * m, :].add_(padded[..., :m, :].flip(-2))
    padded[..., -2 * m : -m, :].add_(padded[..., -m:, :].flip(-2))
    padded[..., m : 2 * m].add_(padded[..., :m].flip(-1))
    padded[..., -2 * m : -m].add_(padded[..., -m:].flip(-1))
    return padded[..., m:-m, m:-m].contiguous()


def _filter_gradient(x: Tensor, h: Tensor, size: int) -> Tensor:
    """Σ_pixels h · patch(x): the gradient of ⟨Wx, h⟩ in the filters."""
    return torch.bmm(h.flatten(2), _patches(_pad(x, size), size).mT).sum(0).view(-1, 1, size, size)


def _each(matrix: Tensor, columns: Tensor) -> Tensor:
    # Where a gradient is wanted `matmul` would fold the batch into the columns: two large transposes.
    return torch.bmm(matrix.expand(columns.shape[0], -1, -1), columns)


class _Analysis(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, filters: Tensor) -> Tensor:
        ctx.save_for_backward(x, filters)
        size = filters.shape[-1]
        responses = _each(filters.flatten(1), _patches(_pad(x, size), size))
        return responses.view(x.shape[0], -1, *x.shape[-2:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (x, filters), (h,) = ctx.saved_tensors, grads
        wants_x, wants_filters = ctx.needs_input_grad
        return (
            synthesis(h, filters) if wants_x else None,
            _filter_gradient(x, h, filters.shape[-1]) if wants_filters else None,
        )


class _Synthesis(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, filters: Tensor) -> Tensor:
        ctx.save_for_backward(h, filters)
        b, n, height, width = h.shape
        size = filters.shape[-1]
        columns = _each(filters.flatten(1).t(), h.reshape(b, n, -1))
        padded = h.new_zeros(b, 1, height + size - 1, width + size - 1)
        _overlap_add(columns.view(b, size, size, height, width), padded)
        return _unpad(padded, size)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (h, filters), (x,) = ctx.saved_tensors, grads
        wants_h, wants_filters = ctx.needs_input_grad
        return (
            analysis(x, filters) if wants_h else None,
            _filter_gradient(x, h, filters.shape[-1]) if wants_filters else None,
        )


def analysis(x: Image, filters: Bank) -> Responses:
    """Wx: the correlation of a mirrored one-channel image with every filter; k odd, k ≤ 2 min(h, w)."""
    return _Analysis.apply(x, filters)  # type: ignore[return-value]


def synthesis(h: Responses, filters: Bank) -> Image:
    """W*h: the exact adjoint of `analysis`, by one matrix product and k² shifted additions."""
    return _Synthesis.apply(h, filters)  # type: ignore[return-value]


def sandwich(x: Image, filters: Bank, phi: Callable[[Responses], Responses], back: Bank) -> Image:
    """V*φ(Wx) with W = `filters` and V = `back`, strip by strip where no gradient is wanted.

    φ works on every pixel by itself, and takes part in a gradient only together with x or the filters.
    """
    if torch.is_grad_enabled() and (x.requires_grad or filters.requires_grad or back.requires_grad):
        return synthesis(phi(analysis(x, filters)), back)
    size, (b, _, height, width) = filters.shape[-1], x.shape
    source, target = _pad(x, size), x.new_zeros(b, 1, height + size - 1, width + size - 1)
    row = b * width * x.element_size()
    strip = max(1, torch.get_num_threads() * _STRIP // row) if x.device.type == "cpu" else height
    for top in range(0, height, strip):
        end = min(top + strip, height) + size - 1
        patches = _patches(source[:, :, top:end], size)
        h = phi(_each(filters.flatten(1), patches).view(b, -1, end - top - size + 1, width))
        columns = _each(back.flatten(1).t(), h.flatten(2))
        _overlap_add(columns.view(b, size, size, -1, width), target[:, :, top:end])
    return _unpad(target, size)


def symbol_bound(filters: Bank, grid: int = 256) -> Tensor:
    """An upper bound on sup p, p(ω) = Σᵢ |ŵᵢ(ω)|²; differentiable in the filters.

    sup p bounds ‖W‖² on every torus, hence also with zeros outside the image, a compression of a torus.
    p is a trigonometric polynomial of degree d = k − 1 per axis. With M = sup p = p(ω°), M. Riesz's lemma
    says that along one axis p(ω° + t) ≥ M cos(d t) for |t| ≤ π/d; a grid of N points has one within π/N of
    ω°, so the maximum over that axis' grid is ≥ M cos(π d/N). Once per axis: M ≤ max over the N × N grid
    / cos²(π d/N), a loss of 0.6 % for k = 7 and N = 256 (Ehlich and Zeller, 1964).
    """
    size = filters.shape[-1]
    if grid <= 2 * size:
        raise ValueError(f"grid {grid} is too coarse for filters of size {size}")
    # p is known from its (2k − 1)² autocorrelation: one small transform per filter is enough.
    power = torch.fft.rfft2(filters[:, 0], s=(2 * size, 2 * size)).abs().square().sum(0)
    autocorrelation = torch.fft.irfft2(power, s=(2 * size, 2 * size))
    lags = torch.arange(-size, size, device=filters.device)
    angle = torch.arange(grid // 2 + 1, device=filters.device, dtype=filters.dtype) * (2 * math.pi / grid)
    # The lag −k of an even transform is empty: degree d = k − 1 leaves it zero.
    wave = torch.exp(1j * angle[:, None] * lags.to(filters.dtype))
    symbol = (wave @ autocorrelation[lags[:, None], lags[None]].to(wave.dtype) @ _both_sides(wave).T).real
    return symbol.max() / math.cos(math.pi * (size - 1) / grid) ** 2


def _both_sides(wave: Tensor) -> Tensor:
    # p(−ω) = p(ω), so one axis needs half the circle only; the other needs all of it.
    return torch.cat([wave, wave[1:-1].conj()])


def certified_norm_squared(filters: Bank) -> float:
    """An upper bound on ‖W‖² of `analysis`, for images of every size: the number a guarantee may quote.

    Let E continue x by mirrors to a torus of 2h × 2w, so that ‖Ex‖² = 4‖x‖². With G = Σᵢ wᵢwᵢᵀ, the energy of
    the responses at a patch u of Ex is uᵀGu, and ‖Wx‖² sums it over one quarter of the torus. The other
    quarters hold the same patches mirrored: with Ḡ, the mean of G over the four mirrorings of the filters,
    Σ_quarter uᵀḠu = ¼ Σ_torus uᵀGu ≤ ¼ sup p ‖Ex‖² = sup p ‖x‖². A bank that mirroring only permutes, up to
    signs, has G = Ḡ. For any other, λ = λ_max(G − Ḡ) counts for every patch: ‖W‖² ≤ sup p + 4k²λ.
    """
    w = filters.detach().cpu().double()
    mirrored = (w, w.flip(-1), w.flip(-2), w.flip(-1, -2))
    energy, *others = (bank.flatten(1).T @ bank.flatten(1) for bank in mirrored)
    asymmetry = torch.linalg.eigvalsh(energy - (energy + sum(others)) / 4)[-1].clamp_min(0)
    return float(symbol_bound(w) + 4 * w.shape[-1] ** 2 * asymmetry)


def sandwich_rounding(filters: Bank) -> float:
    """ε with ‖fl(V(x)) − V(x)‖ ≤ ε‖x‖ in double precision, for V = W*φW, φ 1-Lipschitz, exact and 0 at 0.

    A response is a sum of k² products. A pixel of the result gathers sums of n products: k along rows, k
    along columns from each of k strips at most, and four at a mirrored corner, so that none meets more than
    n + (k + 1)² roundings. Both are off by γ‖|W|‖ times what they sum, and γ_a + γ_b(1 + γ_a) ≤ γ_{a+b}
    (Higham, 2002, lemma 3.3).
    """
    count, size = len(filters), filters.shape[-1]
    roundings = size**2 + count + (size + 1) ** 2
    return accumulated(roundings, torch.float64) * certified_norm_squared(filters.abs())
