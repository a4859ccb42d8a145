"""Diagnostics recover what is known of given matrices, and keep to their side."""

import math

import pytest
import torch
from torch.nn import functional as F

from deqviz.core.catalog import DIAGNOSTICS, discover
from deqviz.core.records import Subject
from deqviz.diagnostics import convergence, trajectory
from deqviz.diagnostics._jacobian import Jacobian
from deqviz.diagnostics.asymmetry import Asymmetry
from deqviz.diagnostics.bregman import Bregman, symmetric_bregman
from deqviz.diagnostics.lipschitz import Lipschitz
from deqviz.diagnostics.monotonicity import Monotonicity, smallest_ritz_value

discover("deqviz.diagnostics")


def matrix(n=12, seed=0, dtype=torch.float64):
    return torch.randn(n, n, dtype=dtype, generator=torch.Generator().manual_seed(seed)) / n**0.5


def subject(f, shape=(1, 1, 3, 4), dtype=torch.float64):
    z, other = torch.randn(2, *shape, dtype=dtype, generator=torch.Generator().manual_seed(9))
    return Subject(f, z, other)


def linear(W):
    return lambda z: (z.flatten(1) @ W.T).view(z.shape)


def test_keys_titles_and_defaults():
    assert {"asymmetry", "bregman", "lipschitz", "monotonicity"} <= set(DIAGNOSTICS.keys())
    for entry in DIAGNOSTICS:
        assert entry.summary
        assert entry.cls.__module__ == f"deqviz.diagnostics.{entry.key}"


@pytest.mark.parametrize("entry", list(DIAGNOSTICS), ids=lambda e: e.key)
def test_leaves_no_trace(entry):
    s, state = subject(torch.sin), torch.get_rng_state()
    before = s.z.clone()
    one, two = entry.build({}).measure(s), entry.build({}).measure(s)
    assert one == two
    assert torch.equal(s.z, before)
    assert s.z.grad is None
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        assert entry.build({}).measure(s) == one


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_lipschitz_is_the_norm_from_below(dtype):
    W = matrix(dtype=dtype)
    truth = float(torch.linalg.matrix_norm(W, 2))
    found = [Lipschitz(products=n).measure(subject(linear(W), dtype=dtype)) for n in (1, 5, 300)]
    values = [e.value for e in found]
    assert values == sorted(values)
    assert values[-1] <= truth * (1 + 1e-12)
    assert values[-1] == pytest.approx(truth, rel=1e-6)
    assert {e.side for e in found} == {"lower bound"}


def test_lipschitz_is_not_the_spectral_radius():
    J = torch.tensor([[0.0, 3.0], [0.0, 0.0]], dtype=torch.float64)
    assert Lipschitz().measure(subject(linear(J), (1, 1, 1, 2))).value == pytest.approx(3)


def test_lipschitz_of_a_batch_is_the_worst():
    factors = torch.tensor([0.2, 0.7, 0.4], dtype=torch.float64).view(3, 1, 1, 1)
    assert Lipschitz().measure(subject(lambda z: factors * z, (3, 1, 3, 4))).value == pytest.approx(0.7)


class Doubled(torch.autograd.Function):
    """2x, known to reverse differentiation alone."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, g):  # pyright: ignore[reportIncompatibleMethodOverride]
        return 2 * g


def test_jacobian_of_maps_with_transforms_and_custom_functions():
    kernel = torch.randn(1, 1, 3, 3, generator=torch.Generator().manual_seed(0)).double()
    maps = {
        "fft": lambda z: torch.fft.irfft2(torch.fft.rfft2(z).abs() ** 2 / 9, s=z.shape[-2:]),
        "conv": lambda z: F.softplus(F.conv2d(z, kernel, padding=1)),
        "custom": lambda z: torch.tanh(Doubled.apply(z)),
        "constant": lambda z: torch.ones_like(z),
        "data dependent": lambda z: z * 3 if bool(z.sum() > -1e9) else z,
    }
    for name, f in maps.items():
        z, u = torch.randn(2, 1, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        v = torch.randn(z.shape, dtype=z.dtype, generator=torch.Generator().manual_seed(4))
        J = Jacobian(f, z)
        with torch.no_grad():
            difference = (f(z + 1e-6 * v) - f(z - 1e-6 * v)) / 2e-6
        torch.testing.assert_close(J.apply(v), difference, rtol=1e-5, atol=1e-6, msg=name)
        if name != "custom":  # it has no forward rule
            torch.testing.assert_close(J._apply_forward(v), J.apply(v), rtol=1e-9, atol=1e-12, msg=name)
        torch.testing.assert_close((J.adjoint(u) * v).sum(), (u * J.apply(v)).sum(), msg=name)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_monotonicity_is_the_smallest_eigenvalue_from_above(dtype):
    W = matrix(dtype=dtype)
    truth = float(torch.linalg.eigvalsh(torch.eye(12) - 0.5 * (W + W.mH)).min())
    values = [
        Monotonicity(products=n).measure(subject(linear(W), dtype=dtype)).value for n in (1, 4, 8, 24, 40)
    ]
    assert values == sorted(values, reverse=True) or max(values[-2:]) - min(values[-2:]) < 1e-9
    assert min(values) >= truth - 1e-9
    assert values[-1] == pytest.approx(truth, abs=1e-8)
    assert Monotonicity().measure(subject(linear(W), dtype=dtype)).side == "upper bound"


def test_lanczos_stops_where_the_space_is_exhausted():
    start = torch.ones(2, 5, dtype=torch.float64)
    scales = torch.tensor([[3.0], [7.0]], dtype=torch.float64)
    assert smallest_ritz_value(lambda v: scales * v, start, steps=6) == pytest.approx(3)
    assert smallest_ritz_value(lambda v: scales * v, start, steps=1) == pytest.approx(3)


def test_bregman_of_an_affine_map_is_its_quadratic_form():
    W, s = matrix(), subject(linear(matrix()))
    d = (s.z - s.other).flatten()
    estimate = Bregman().measure(s)
    assert estimate.value == pytest.approx(float(d @ (torch.eye(12).double() - W) @ d))
    assert estimate.side == "exact"
    x, z = torch.randn(2, 3, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        symmetric_bregman(lambda u: 2 * u, x, z), 2 * (x - z).flatten(1).square().sum(1)
    )


def test_asymmetry():
    W = matrix(40)
    shape = (1, 1, 5, 8)
    truth = float((W - W.T).norm() / W.norm())
    values = [Asymmetry(probes=60, seed=s).measure(subject(linear(W), shape)).value for s in range(20)]
    assert max(values) <= truth
    assert min(values) >= 0.7 * truth
    assert Asymmetry().measure(subject(linear(W + W.T), shape)).value < 1e-12
    skew = Asymmetry().measure(subject(linear(W - W.T), shape))
    assert skew.value == pytest.approx(2)
    assert skew.side == "lower bound"
    assert Asymmetry().measure(subject(torch.ones_like)).value == 0


def test_convergence_of_a_geometric_run():
    gaps = [3 * 0.8**k for k in range(60)]
    ratio = convergence.largest_ratio(gaps)
    assert ratio is not None
    assert ratio.value == pytest.approx(0.8)
    assert ratio.side == "lower bound"
    assert convergence.tail_rate(gaps) == pytest.approx(0.8)
    floored = [max(g, 1e-3) for g in gaps]
    assert convergence.tail_rate(floored, floor=2e-3) == pytest.approx(0.8)
    above = convergence.largest_ratio(floored, floor=2e-3)
    assert above is not None
    assert above.value == pytest.approx(0.8)
    assert convergence.tail_rate([1.0, 0.5]) is None
    assert convergence.tail_rate([1.0, 0.5, 0.25, math.inf, math.nan]) == pytest.approx(0.5)
    assert convergence.largest_ratio([1.0]) is None
    assert convergence.largest_ratio([0.0, 0.0]) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_plane_round_trip(dtype):
    rng = torch.Generator().manual_seed(0)
    limit, *points = torch.randn(9, 1, 2, 6, 5, dtype=dtype, generator=rng)
    points = [limit + 0.3**k * (p - limit) for k, p in enumerate(points)]
    plane = trajectory.plane(points, limit)
    for a, b in ((0.0, 0.0), (1.0, -2.0), (-4.0, 0.5), (0.01, 3.0)):
        picture = plane.to_picture(a, b)
        assert picture.shape == limit.shape
        assert picture.dtype == dtype
        distance = torch.linalg.vector_norm((picture - limit).flatten())
        assert float(distance) == pytest.approx(plane.unit * math.expm1(math.hypot(a, b)), rel=1e-3, abs=1e-9)
        torch.testing.assert_close(
            plane.place([picture]), torch.tensor([[a, b]]).double(), rtol=1e-3, atol=2e-3
        )
    torch.testing.assert_close(plane.place(points), plane.coordinates, rtol=1e-3, atol=1e-3)
    assert plane.to_pictures(torch.zeros(7, 2)).shape == (7, 2, 6, 5)


def test_plane_keeps_distances_and_finds_the_directions():
    u, v = torch.linalg.qr(torch.randn(30, 2, generator=torch.Generator().manual_seed(0)).double())[0].T
    limit = torch.ones(1, 1, 5, 6, dtype=torch.float64)
    spiral = [0.7**k * (math.cos(k / 2) * u + math.sin(k / 2) * v).view(1, 1, 5, 6) for k in range(25)]
    plane = trajectory.plane([limit + d for d in spiral], limit, unit=1e-3)
    radius = plane.coordinates.norm(dim=1)
    torch.testing.assert_close(radius, torch.tensor([math.log1p(0.7**k / 1e-3) for k in range(25)]).double())
    # Planar points come back exactly, and the angle advances by half a radian per step.
    back = plane.to_pictures(plane.coordinates)
    torch.testing.assert_close(back, torch.cat([limit + d for d in spiral]))
    angle = torch.atan2(plane.coordinates[:, 1], plane.coordinates[:, 0])
    advance = torch.remainder(angle.diff().abs(), 2 * math.pi)
    advance = torch.minimum(advance, 2 * math.pi - advance)
    torch.testing.assert_close(advance, torch.full((24,), 0.5).double())
    gram = torch.stack([plane.u.flatten(), plane.v.flatten()])
    torch.testing.assert_close(gram @ gram.T, torch.eye(2).double())


def test_plane_of_degenerate_runs():
    limit = torch.zeros(1, 1, 4, 4)
    for points in ([limit], [limit, limit], [limit + 1], [limit + 1, limit + 0.5, limit]):
        plane = trajectory.plane(points, limit)
        assert bool(plane.coordinates.isfinite().all())
        torch.testing.assert_close(
            plane.place([plane.to_picture(0.5, 0.5)]), torch.full((1, 2), 0.5).double()
        )
    with pytest.raises(ValueError, match="batch"):
        trajectory.plane([limit.expand(2, -1, -1, -1)], limit.expand(2, -1, -1, -1))
