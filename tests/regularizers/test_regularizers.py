"""Closed forms and extremes of the regularisers; what holds for all of them is in laws/."""

import math

import pytest
import torch

from deqviz.core.linalg import power_iteration
from deqviz.core.space import norm
from deqviz.diagnostics._jacobian import Jacobian
from deqviz.regularizers.contractive import Contractive
from deqviz.regularizers.convex_ridge import ConvexRidge
from deqviz.regularizers.quadratic import Quadratic
from deqviz.regularizers.smoothed_tv import SmoothedTv


def picture(*shape, seed=0, dtype=torch.float64):
    return torch.rand(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def test_quadratic_is_the_identity():
    x = picture(2, 3, 5, 4)
    assert torch.equal(Quadratic()(x), x)
    torch.testing.assert_close(Quadratic().potential(x), 0.5 * norm(x).square())


def test_smoothed_tv_by_hand():
    # One step of height 1, and nothing across the border: |∇x| = 1 in one pixel of four.
    x = torch.tensor([[0.0, 0, 1, 1]], dtype=torch.float64).view(1, 1, 1, 4)
    R = SmoothedTv(smoothing=0.1)
    torch.testing.assert_close(R.potential(x), torch.tensor([math.sqrt(1.01) - 0.1], dtype=torch.float64))
    slope = 1 / math.sqrt(1.01)
    expected = torch.tensor([0, -slope, slope, 0], dtype=torch.float64).view(1, 1, 1, 4)
    torch.testing.assert_close(R(x), expected)


def test_smoothed_tv_is_blind_to_constants():
    x = picture(1, 1, 6, 5)
    torch.testing.assert_close(SmoothedTv()(x + 3), SmoothedTv()(x), rtol=1e-9, atol=1e-9)


def test_smoothed_tv_comes_close_to_its_bound():
    R, k = SmoothedTv(smoothing=0.05), torch.arange(64, dtype=torch.float64)
    # On a flat picture the Hessian is ∇ᵀ∇/ε; the fastest cosine along both axes has its largest eigenvalue.
    wave = torch.cos(math.pi * 63 / 64 * (k + 0.5))
    tiny = 1e-6 * torch.outer(wave, wave).view(1, 1, 64, 64)
    largest = 8 * math.cos(math.pi / 128) ** 2 / 0.05
    assert float(norm(R(tiny)) / norm(tiny)) == pytest.approx(largest, rel=1e-6)
    assert 0.999 * R.constants().lipschitz.value < largest <= R.constants().lipschitz.value


def test_smoothed_tv_approaches_total_variation():
    x = picture(1, 1, 16, 16)
    dx, dy = torch.zeros_like(x), torch.zeros_like(x)
    dx[..., :-1], dy[..., :-1, :] = x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]
    total = float(torch.hypot(dx, dy).sum())
    errors = [abs(float(SmoothedTv(smoothing=e).potential(x)) - total) for e in (0.1, 0.01, 0.001)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01 * total


@pytest.mark.parametrize("contraction", [0.0, 0.5, 0.9, 1.2])
def test_contractive_is_what_it_says(contraction):
    R, x = Contractive(contraction=contraction), picture(1, 1, 12, 11)
    full = x - Contractive(contraction=1.0)(x)
    torch.testing.assert_close(x - R(x), 0.5 + contraction * (full - 0.5), rtol=1e-12, atol=1e-12)
    limit = R.constants().contraction.value
    assert limit == pytest.approx(contraction, rel=1e-6)
    assert R.constants().monotonicity.value == pytest.approx(1 - limit)


def test_contractive_is_no_gradient():
    """The Jacobian of a composition of different filters is not symmetric: no potential is hidden."""
    R, x = Contractive(), picture(1, 1, 7, 7)
    J = torch.autograd.functional.jacobian(R, x).reshape(49, 49)
    assert float((J - J.T).norm() / J.norm()) > 1e-4
    assert R.potential(x) is None


@pytest.mark.parametrize("training", ["denoising", "inverse"])
def test_convex_ridge_is_a_gradient_and_convex(training):
    R, x = ConvexRidge(training=training), picture(1, 1, 7, 7)
    J = torch.autograd.functional.jacobian(R, x).reshape(49, 49)
    torch.testing.assert_close(J, J.T, rtol=1e-9, atol=1e-11)
    assert float(torch.linalg.eigvalsh(J).min()) > -1e-10
    assert float(torch.linalg.eigvalsh(J).max()) <= R.constants().lipschitz.value


@pytest.mark.parametrize("size", [(7, 7), (16, 11), (40, 33)])
def test_local_expansion_stays_below_the_certificate(size):
    R, x = Contractive(contraction=1.0), picture(1, 1, *size)
    N = Jacobian(lambda u: u - R(u), x)
    start = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(4))
    square = power_iteration(lambda v: N.adjoint(N.apply(v)), start, steps=20)
    assert 0.5 < square**0.5 <= R.constants().contraction.value * (1 + 1e-9)
