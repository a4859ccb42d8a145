"""What networks lose in double precision: proved bounds, against exact numbers and against more digits."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from deqviz.core.rounding import RoundingBound
from deqviz.core.space import norm
from deqviz.networks import _weights, monotone
from deqviz.networks._conv import sandwich_rounding
from deqviz.networks.contractive import ContractiveDenoiser
from deqviz.networks.convex_ridge import ConvexRidge, ridge_gradient
from deqviz.networks.monotone import MonotoneCNN
from deqviz.regularizers.contractive import Contractive

SIGMA = 10 / 255
EXTENDED = np.finfo(np.longdouble).eps < 1e-18
"""Whether this machine has more than double precision."""
needs_digits = pytest.mark.skipif(not EXTENDED, reason="no more digits than those of double precision here")


def _picture(*shape: int, seed: int = 0) -> Tensor:
    """Of single precision, as a run leaves it."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def _digits(value: Tensor) -> np.ndarray:
    return value.detach().double().numpy().astype(np.longdouble)


def _ridge(x: np.ndarray, filters: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """W* clip(Wx, ±τ) from the entries of W: which pixel a tap of a mirrored patch falls on."""
    (height, width), k = x.shape, filters.shape[-1]
    places = np.pad(np.arange(x.size).reshape(height, width), k // 2, "symmetric")
    taps = np.lib.stride_tricks.sliding_window_view(places, (k, k)).reshape(-1, k * k)
    rows = filters.reshape(len(filters), -1)
    responses = x.reshape(-1)[taps] @ rows.T
    inside = np.minimum(np.maximum(responses, -tau), tau)
    result = 0 * x.reshape(-1)
    np.add.at(result, taps, inside @ rows)
    return result.reshape(height, width)


def _denoised(net: ContractiveDenoiser, x: Tensor) -> np.ndarray:
    y = z = _digits(x[0, 0])
    for layer in net.layers:
        tau, mix = (_digits(part(SIGMA)).reshape(-1) for part in (layer.thresholds, layer.mix))  # type: ignore[operator]
        z = (1 - mix) * (z - _ridge(z, _digits(layer.filters)[:, 0], tau)) + mix * y  # type: ignore[arg-type]
    return z[None, None]


def _ridged(net: ConvexRidge, x: Tensor) -> np.ndarray:
    tau = _digits(net.thresholds(SIGMA)).reshape(-1)
    return _ridge(_digits(x[0, 0]), _digits(net.filters)[:, 0], tau)[None, None]


def _residual(net: MonotoneCNN, x: Tensor) -> np.ndarray:
    """F(x) = x − H(x)."""
    start = z = _digits(x[0])
    for number, layer in enumerate(net.layers):
        if number:
            one, other = np.split(z, 2)
            z = np.concatenate([np.maximum(one, other), np.minimum(one, other)])
        filters, offset = (_digits(p) for p in (layer.filters, layer.offset))  # type: ignore[arg-type]
        half = filters.shape[-1] // 2
        padded = np.pad(z, [(0, 0), (half, half), (half, half)], "wrap")
        windows = np.lib.stride_tricks.sliding_window_view(padded, filters.shape[-2:], axis=(1, 2))
        z = np.einsum("chwij,ocij->ohw", windows, filters) + offset[:, None, None]
    share = _digits(net.share)
    return (start - (1 - np.longdouble(net.margin)) * ((1 - share) * start + share * z))[None]


CASES: dict[str, tuple[Callable[..., np.ndarray], Callable[[nn.Module, Tensor], Tensor]]] = {
    "contractive": (_denoised, lambda net, x: net(x, SIGMA)),
    "contractive_deq": (_denoised, lambda net, x: net(x, SIGMA)),
    "convex_ridge": (_ridged, lambda net, x: net(x, SIGMA)),
    "mol_sn_blur": (_residual, lambda net, x: x - net(x)),
    "mol_sn": (_residual, lambda net, x: x - net(x)),
    "mol_lr_blur": (_residual, lambda net, x: x - net(x)),
}


def _bound(net: nn.Module) -> RoundingBound:
    lost = net.rounding()  # type: ignore[operator]
    return lost if isinstance(lost, RoundingBound) else RoundingBound(lost)


@needs_digits
@pytest.mark.parametrize("key", CASES)
def test_shipped_networks_lose_no_more_than_their_bound_and_in_single_precision_more(key: str):
    """The bound is one that can fail: single precision is beyond it by far."""
    reference, apply = CASES[key]
    net, single = _weights.load(key, torch.float64), _weights.load(key)
    x = _picture(1, 2 if key == "mol_sn" else 1, 16, 14)
    exact = reference(net, x)
    bound = float(_bound(net).at(x.double()))
    with torch.no_grad():
        values = [apply(net, x.double()), apply(single, x)]
    lost, lost_single = (float(np.linalg.norm((_digits(v) - exact).ravel())) for v in values)
    assert 0 < lost <= bound < 1e-2 * lost_single
    assert bound < 1e-9 * float(norm(x))


@needs_digits
@pytest.mark.parametrize("limit", [0.1, 0.95, 1.5])
def test_the_contractive_residual_loses_no_more_than_its_bound(limit: float):
    R, x = Contractive(contraction=limit, sigma=SIGMA), _picture(1, 1, 16, 14)
    net = _weights.load("contractive", torch.float64)
    exact = _digits(x) - (limit * _denoised(net, x) + np.longdouble(0.5 * (1 - limit)))
    lost, lost_single = (float(np.linalg.norm((_digits(R(u)) - exact).ravel())) for u in (x.double(), x))
    assert 0 < lost <= float(R.rounding().at(x.double())) < lost_single


@needs_digits
@pytest.mark.parametrize("seed", range(3))
def test_offsets_count_where_the_image_is_nothing(seed: int):
    net = MonotoneCNN(channels=1, width=8, layers=3, seed=seed).double()
    rng = torch.Generator().manual_seed(seed)
    for layer in net.layers:
        layer.offset.data = 100 * torch.randn(layer.offset.shape, generator=rng).double()  # type: ignore[union-attr]
    x = 1e-6 * _picture(1, 1, 9, 8, seed=seed)
    exact, bound = _residual(net, x), net.rounding()
    with torch.no_grad():
        lost = float(np.linalg.norm((_digits(x.double() - net(x.double())) - exact).ravel()))
    assert bound.relative * float(norm(x)) < lost <= float(bound.at(x.double()))


def test_a_filter_bank_loses_no_more_than_its_bound_in_exact_numbers():
    """Fractions have no rounding at all; a filter that is wrong in its ninth digit is found."""
    rng = torch.Generator().manual_seed(0)
    filters, tau = torch.randn(2, 1, 3, 3, generator=rng).double(), torch.tensor([0.3, 1.0]).double()
    x = _picture(1, 1, 4, 5).double()
    x_exact, filters_exact, tau_exact = (
        np.vectorize(Fraction, otypes=[object])(part.numpy()) for part in (x[0, 0], filters[:, 0], tau)
    )
    exact = _ridge(x_exact, filters_exact, tau_exact)

    def lost(bank: Tensor) -> float:
        value = ridge_gradient(x, bank, tau[None, :, None, None])[0, 0].numpy()
        difference = np.vectorize(Fraction, otypes=[object])(value) - exact
        return float((difference**2).sum()) ** 0.5

    bound = sandwich_rounding(filters) * float(norm(x))
    assert 0 < lost(filters) <= bound
    broken = filters.clone()
    broken[1, 0, 1, 1] *= 1 + 1e-9
    assert lost(broken) > bound


@pytest.mark.parametrize("strip", [1, 5, 32])
def test_strips_of_a_periodic_convolution_give_the_same_as_the_whole(
    strip: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(monotone, "_STRIP", strip)
    net, x = _weights.load("mol_sn_blur", torch.float64), _picture(2, 1, 12, 9).double()
    whole = net(x).detach()
    with torch.no_grad():
        torch.testing.assert_close(net(x), whole, rtol=0, atol=1e-13)
