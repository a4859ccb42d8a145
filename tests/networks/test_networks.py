"""The constants of the networks bound what they are said to bound, and every weight file fits its card."""

import hashlib
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deqviz.networks import _weights
from deqviz.networks._conv import analysis, certified_norm_squared, sandwich, symbol_bound, synthesis
from deqviz.networks._threshold import Thresholds
from deqviz.networks.contractive import ContractiveDenoiser
from deqviz.networks.convex_ridge import ConvexRidge, clip
from deqviz.networks.unconstrained import UnconstrainedDenoiser
from deqviz.resources import PRETRAINED
from deqviz.training._constraint import BoundedBank, cosine_bank
from deqviz.training.recipes import RECIPES

SIZES = ((7, 7), (9, 14), (16, 11), (32, 32))
SIGMA = 25 / 255


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=_rng(seed), dtype=torch.float64)


def _balanced(size: int, seed: int = 0) -> Tensor:
    """A random bank whose energy mirroring leaves as it is; no single filter has a symmetry."""
    count = size**2 - 1
    mixture, turn = _randn(count, count, seed=seed), _randn(count, count, seed=seed + 100)
    return BoundedBank(size, math.inf).double()(mixture, turn)


def _energy(w: Tensor) -> Tensor:
    return w.flatten(1).T @ w.flatten(1)


def _fill(net: nn.Module, norm_squared: float, seed: int = 0) -> nn.Module:
    """Random filters with a given certified ‖W‖², in float64."""
    net = net.double()
    for place, (name, parameter) in enumerate(net.named_parameters()):
        if name.endswith("filters"):
            free = _balanced(parameter.shape[-1], seed + place)
            parameter.data.copy_(free * (norm_squared / symbol_bound(free)).sqrt())
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def ridge() -> ConvexRidge:
    net = _fill(ConvexRidge(filters=8, size=3), 3.0)
    assert isinstance(net, ConvexRidge)
    return net


@pytest.fixture(scope="module")
def denoiser() -> ContractiveDenoiser:
    net = _fill(ContractiveDenoiser(layers=3, filters=8, size=3), 2.0 * (1 - 1e-6))
    assert isinstance(net, ContractiveDenoiser)
    return net


@pytest.mark.parametrize("size", SIZES)
def test_analysis_is_the_correlation_of_the_mirrored_picture(size: tuple[int, int]) -> None:
    x, w = _randn(2, 1, *size), _randn(5, 1, 7, 7, seed=1)
    rows, columns = (np.pad(np.arange(n), 3, mode="symmetric") for n in size)
    expected = F.conv2d(x[:, :, rows][..., columns], w)
    torch.testing.assert_close(analysis(x, w), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_synthesis_is_the_adjoint(size: tuple[int, int]) -> None:
    x, h, w = _randn(2, 1, *size), _randn(2, 5, *size, seed=1), _randn(5, 1, 7, 7, seed=2)
    left, right = (analysis(x, w) * h).sum(), (x * synthesis(h, w)).sum()
    assert math.isclose(float(left), float(right), rel_tol=1e-12)


def test_derivatives_of_the_pair() -> None:
    x, h, w = _randn(1, 1, 5, 6), _randn(1, 2, 5, 6, seed=1), _randn(2, 1, 3, 3, seed=2)
    leaves = [t.requires_grad_() for t in (x, h, w)]
    assert torch.autograd.gradcheck(analysis, (leaves[0], leaves[2]))
    assert torch.autograd.gradcheck(synthesis, (leaves[1], leaves[2]))


@pytest.mark.parametrize("strip", [1, 320, 10**6])
def test_strips_give_the_same_as_the_whole(strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deqviz.networks._conv._STRIP", strip)
    x, w, v = _randn(2, 1, 13, 9), _randn(4, 1, 5, 5, seed=1), _randn(4, 1, 5, 5, seed=2)
    limit = torch.rand((2, 4, 1, 1), generator=_rng(), dtype=torch.float64)
    expected = synthesis(clip(analysis(x, w), limit), v)
    torch.testing.assert_close(sandwich(x, w, lambda h: clip(h, limit), v), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [3, 7, 9])
def test_certified_norm_is_tight_where_mirroring_keeps_the_energy(size: int) -> None:
    w = _balanced(size)
    # Between two points of this grid a polynomial of degree 8 rises by 0.1 % at most.
    fine = float(torch.fft.rfft2(w[:, 0], s=(499, 503)).abs().square().sum(0).max())
    assert fine <= certified_norm_squared(w) <= 1.02 * fine


def _norm_squared(w: Tensor, size: tuple[int, int]) -> float:
    x = _randn(1, 1, *size, seed=3)
    for _ in range(100):
        x = synthesis(analysis(x, w), w)
        x = x / x.norm()
    # Zeros outside the picture are a compression of a torus.
    assert float(F.conv2d(x, w, padding=3).square().sum()) <= float(symbol_bound(w))
    return float(analysis(x, w).square().sum())


@pytest.mark.parametrize("size", SIZES)
def test_certified_norm_is_above_power_iteration(size: tuple[int, int]) -> None:
    w = _balanced(7)
    assert 0.5 * float(symbol_bound(w)) < _norm_squared(w, size) <= certified_norm_squared(w)


def test_a_picture_too_small_to_be_mirrored_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 × 3"):
        analysis(torch.rand(1, 1, 1, 160), torch.zeros(2, 1, 7, 7))


def test_a_bank_that_mirroring_changes_may_exceed_its_symbol() -> None:
    # In a corner the diagonal meets its own mirror image: both entries of the filter see large responses.
    w = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    w[0, 0, 0, 0], w[0, 0, 1, 1] = 1.0, 1.0
    assert float(symbol_bound(w)) < _norm_squared(w, (3, 3)) <= certified_norm_squared(w)


def test_symbol_bound_refuses_a_coarse_grid() -> None:
    with pytest.raises(ValueError, match="too coarse"):
        symbol_bound(_randn(1, 1, 7, 7), grid=14)


def test_thresholds_increase_and_vanish() -> None:
    tau = Thresholds(4, at_reference=0.02).double()
    levels = torch.linspace(0, 80, 200, dtype=torch.float64) / 255
    values = tau(levels)[:, :, 0, 0].detach()
    assert bool((values.diff(dim=0) >= 0).all())
    assert float(values[0].max()) < 1e-6
    torch.testing.assert_close(tau(SIGMA)[0, :, 0, 0].detach(), torch.full((4,), 0.02, dtype=torch.float64))


def test_ridge_is_the_gradient_of_its_potential(ridge: ConvexRidge) -> None:
    x = _randn(2, 1, 11, 9).mul_(0.2).requires_grad_()
    (gradient,) = torch.autograd.grad(ridge.potential(x, SIGMA).sum(), x)
    torch.testing.assert_close(gradient, ridge(x.detach(), SIGMA), rtol=1e-10, atol=1e-12)


def test_ridge_jacobian_is_symmetric_and_monotone(ridge: ConvexRidge) -> None:
    x = _randn(1, 1, 7, 8).mul_(0.05)
    jacobian = torch.autograd.functional.jacobian(lambda z: ridge(z, SIGMA), x).reshape(56, 56)
    torch.testing.assert_close(jacobian, jacobian.T, rtol=0, atol=1e-12)
    spectrum = torch.linalg.eigvalsh(jacobian)
    assert float(spectrum.min()) >= -1e-12
    assert 0.1 < float(spectrum.max()) <= ridge.lipschitz()


@pytest.mark.parametrize("size", SIZES)
def test_ridge_is_monotone_and_cocoercive(ridge: ConvexRidge, size: tuple[int, int]) -> None:
    x, z = _randn(4, 1, *size) * 0.1, _randn(4, 1, *size, seed=1) * 0.1
    moved = ridge(x, SIGMA) - ridge(z, SIGMA)
    inner = (moved * (x - z)).sum((1, 2, 3))
    assert bool((inner >= moved.square().sum((1, 2, 3)) / ridge.lipschitz() - 1e-12).all())


def _worst_stretch(net: nn.Module, x: Tensor, steps: int = 40) -> float:
    """‖J‖ at x by power iteration on J*J; Jv is the derivative of J*u in u, a double backward."""
    x = x.clone().requires_grad_()
    y = net(x, SIGMA)
    dual = torch.zeros_like(y, requires_grad=True)
    (transposed,) = torch.autograd.grad(y, x, dual, create_graph=True)
    v, norm = _randn(*x.shape, seed=9), 0.0
    for _ in range(steps):
        (jv,) = torch.autograd.grad(transposed, dual, v / v.norm(), retain_graph=True)
        (v,) = torch.autograd.grad(y, x, jv, retain_graph=True)
        norm = float(jv.norm())
    return norm


@pytest.mark.parametrize("size", SIZES[:3])
def test_denoiser_is_nonexpansive(denoiser: ContractiveDenoiser, size: tuple[int, int]) -> None:
    assert denoiser.lipschitz() <= 1.0
    x, z = _randn(8, 1, *size) * 0.3, _randn(8, 1, *size, seed=1) * 0.3
    for near in (z, x + 1e-3 * z, x + 1e-6 * z):
        stretched = (denoiser(x, SIGMA) - denoiser(near, SIGMA)).square().sum((1, 2, 3))
        assert bool((stretched <= (x - near).square().sum((1, 2, 3)) * (1 + 1e-9)).all())
    assert _worst_stretch(denoiser, x[:1] * 0.1) <= 1 + 1e-9


def test_the_denoiser_constant_is_computed_not_asserted() -> None:
    net = _fill(ContractiveDenoiser(layers=2, filters=8, size=3), 3.0)
    assert isinstance(net, ContractiveDenoiser)
    assert math.isclose(net.lipschitz(), 4.0, rel_tol=1e-6)


@pytest.mark.parametrize("make", [ConvexRidge, ContractiveDenoiser, UnconstrainedDenoiser])
def test_networks_take_any_size_dtype_and_batch(make: type[nn.Module]) -> None:
    net = _fill(make(filters=24, size=5), 1.0)
    x = _randn(2, 1, 10, 7)
    both = net(x, SIGMA)
    assert both.shape == x.shape
    torch.testing.assert_close(both[:1], net(x[:1], SIGMA))
    # Per-picture noise levels, as in training, agree with one level at a time.
    torch.testing.assert_close(net(x, torch.tensor([0.01, SIGMA]))[1:], net(x[1:], SIGMA))
    single = net.float()(x.float(), SIGMA)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), both, rtol=1e-4, atol=1e-5)


def test_the_constraint_gives_its_own_banks_back_and_symmetry_to_others() -> None:
    bank = BoundedBank(5, limit=3.0).double()
    inside = cosine_bank(24, 5).double() / 5
    torch.testing.assert_close(bank(*bank.right_inverse(inside)), inside, rtol=1e-6, atol=1e-8)
    other = 0.02 * _randn(24, 1, 5, 5)
    other -= other.mean((1, 2, 3), keepdim=True)
    near = bank(*bank.right_inverse(other))
    torch.testing.assert_close(_energy(near), _energy(near.flip(-1)), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(_energy(near), _energy(near.flip(-2)), rtol=1e-9, atol=1e-12)
    # It stays near: chance alone would bring two such banks a distance of √2 ‖w‖ apart.
    assert float((near - other).norm() / other.norm()) < 0.8
    large = bank(*bank.right_inverse(50 * other))
    assert 0.99 * 3 < certified_norm_squared(large) <= 3
    with pytest.raises(ValueError, match="needs 24"):
        bank.right_inverse(other[:20])


# --- the shipped weights ------------------------------------------------------------------------------


def test_every_card_fits_its_weights() -> None:
    cards = _weights.cards()
    assert len(cards) == len(list(PRETRAINED.glob("*.json"))), _weights.failures()
    assert {card.key for card in cards} <= set(RECIPES), "every card has a recipe"
    for card in cards:
        blob = (PRETRAINED / f"{card.key}.safetensors").read_bytes()
        assert hashlib.sha256(blob).hexdigest() == card.sha256
        net = _weights.load(card.key)
        assert net is _weights.load(card.key)
        assert type(net).__name__ == card.network
        assert not net.training
        assert not any(p.requires_grad for p in net.parameters())
        assert sum(p.numel() for p in net.parameters()) == card.parameters


def test_shipped_constants_are_those_of_the_cards() -> None:
    by_key = {card.key: card for card in _weights.cards()}
    for key in ("convex_ridge", "convex_ridge_inverse"):
        ridge = _weights.load(key)
        assert isinstance(ridge, ConvexRidge)
        assert math.isclose(ridge.lipschitz(), by_key[key].constants["lipschitz"], rel_tol=1e-9)
    for key in ("contractive", "contractive_range", "contractive_deq"):
        contractive = _weights.load(key)
        assert isinstance(contractive, ContractiveDenoiser)
        assert contractive.lipschitz() <= 1.0


def test_shipped_denoiser_is_nonexpansive_where_it_is_pushed() -> None:
    net = _weights.load("contractive", torch.float64)
    x = 0.5 + 0.2 * _randn(1, 1, 20, 23).cumsum(2).cumsum(3) / 10
    assert 0.5 < _worst_stretch(net, x, steps=25) <= 1 + 1e-9


def test_shipped_networks_denoise() -> None:
    # A square on a slope, float32 behaviour: every network must gain clearly over the noisy picture.
    clean = torch.linspace(0.2, 0.6, 64)[None, None, None].repeat(1, 1, 64, 1)
    clean[..., 20:44, 20:44] += 0.3
    y = clean + SIGMA * torch.randn(clean.shape, generator=_rng())
    noisy = float((y - clean).square().mean())
    for key in ("contractive", "unconstrained"):
        assert float((_weights.load(key)(y, SIGMA) - clean).square().mean()) < noisy / 8
    ridge, x = _weights.load("convex_ridge"), y
    step = 1.8 / (2 + ridge.lipschitz())
    for _ in range(150):
        x = x - step * (x - y + ridge(x, SIGMA))
    assert float((x - clean).square().mean()) < noisy / 8
