"""The solvers against closed forms, and the safeguard's promise over a family of maps."""

import contextlib
import itertools
import math

import pytest
import torch
from torch.nn import functional as F

from deqviz.methods._guarantees import solver_bound
from deqviz.solvers._solve import Diverged, solve
from deqviz.solvers.anderson import Anderson
from deqviz.solvers.broyden import Broyden
from deqviz.solvers.conjugate_gradients import ConjugateGradients
from deqviz.solvers.picard import Picard

QUICK = {
    "anderson": Anderson(),
    "broyden": Broyden(),
    "good broyden": Broyden(update="good"),
    "conjugate gradients": ConjugateGradients(),
}
FASTER = pytest.mark.parametrize("solver", list(QUICK.values()), ids=list(QUICK))
ACCELERATED = pytest.mark.parametrize("solver", list(QUICK.values())[:3], ids=list(QUICK)[:3])


def evaluations(solver, f, z0, tol, cap=3000):
    for step in solver.steps(f, z0):
        if step.residual <= tol or step.evaluations >= cap:
            return step.evaluations
    raise AssertionError


def spread(kappa=0.95, dtype=torch.float32):
    """A symmetric linear map on 64² pictures whose spectrum fills [0, κ]."""
    rng = torch.Generator().manual_seed(3)
    values = torch.linspace(0, kappa, 4096, dtype=dtype)[torch.randperm(4096, generator=rng)].view(
        1, 1, 64, 64
    )
    b = torch.randn(1, 1, 64, 64, generator=rng).to(dtype)

    def hartley(z):
        z = torch.fft.fft2(z, norm="ortho")
        return z.real - z.imag

    return lambda z: hartley(values * hartley(z)) + b


def tikhonov(n=256, width=1.6, weight=1e-2):
    """A gradient step for ½‖Ax − y‖² + ½λ‖x‖², A a Gaussian blur; returns the map and y."""
    w = torch.fft.fftfreq(n)
    otf = torch.exp(-2 * (math.pi * width) ** 2 * (w[:, None] ** 2 + w[None, : n // 2 + 1].abs() ** 2))
    rng = torch.Generator().manual_seed(0)
    x = 0.1 * torch.randn(1, 1, n, n, generator=rng)
    x[..., n // 4 : n // 2, n // 3 : 2 * n // 3] += 1
    y = torch.fft.irfft2(otf * torch.fft.rfft2(x), s=(n, n)) + 0.01 * torch.randn(x.shape, generator=rng)
    c = 0.9 * torch.fft.irfft2(otf * torch.fft.rfft2(y), s=(n, n))
    return (lambda z: torch.fft.irfft2((1 - 0.9 * (otf**2 + weight)) * torch.fft.rfft2(z), s=(n, n)) + c), y


def small_network(n=256, kappa=0.9):
    """Two convolutions with a ReLU between, their product scaled to about κ, plus a picture."""
    rng = torch.Generator().manual_seed(1)
    first, second = torch.randn(16, 1, 3, 3, generator=rng), torch.randn(1, 16, 3, 3, generator=rng)
    first, second = first / 9, second / 9
    v, size = torch.randn(1, 1, 32, 32, generator=rng), torch.ones(())
    for _ in range(20):
        v = v / v.norm()
        u = F.conv2d(F.conv2d(v, first, padding=1), second, padding=1)
        size, v = u.norm(), u
    x = torch.randn(1, 1, n, n, generator=rng)
    second = second * 1.3 * kappa / size
    return lambda z: F.conv2d(F.relu(F.conv2d(z, first, padding=1)), second, padding=1) + x


def family():
    """Named maps: linear (symmetric, indefinite, orthogonal, non-normal, nilpotent) and bent ones."""
    for seed, (kappa, n, dtype) in enumerate(
        itertools.product((0.4, 0.8, 0.95), (6, 40), (torch.float32, torch.float64))
    ):
        rng = torch.Generator().manual_seed(seed)
        G = torch.randn(3, n, n, generator=rng, dtype=torch.float64)
        P, Q = torch.linalg.qr(G[0])[0], torch.linalg.qr(G[1])[0]
        d = kappa * torch.rand(n, generator=rng, dtype=torch.float64)
        d[0] = kappa
        matrices = {
            "symmetric": P @ torch.diag(d) @ P.T,
            "indefinite": P @ torch.diag(d * (-1) ** torch.arange(n)) @ P.T,
            "orthogonal": kappa * P,
            "two bases": P @ torch.diag(d) @ Q.T,
            "nilpotent": G[2].triu(1) * kappa / torch.linalg.matrix_norm(G[2].triu(1), 2),
            "shift": kappa * torch.eye(n, dtype=torch.float64).roll(1, 0),
        }
        b = torch.randn(1, n, generator=rng, dtype=torch.float64).to(dtype)
        for name, W in matrices.items():
            W = W.T.to(dtype)
            label = f"{name} {kappa} {n} {dtype}"
            yield label, lambda z, W=W, b=b: z @ W + b, b
            if name in ("symmetric", "two bases"):
                yield f"tanh {label}", lambda z, W=W, b=b: torch.tanh(z @ W + b), b
                yield f"soft {label}", lambda z, W=W, b=b: F.softshrink(z @ W + b, 0.3), b
                yield f"clip {label}", lambda z, W=W, b=b: (z @ W + b).clamp(-0.5, 1.0), b


def test_picard_on_an_affine_map_is_the_geometric_series():
    b = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    for d in (1.0, 0.4):
        rho = 1 - d + 0.5 * d
        for step in itertools.islice(Picard(damping=d).steps(lambda z: 0.5 * z + b, 0 * b), 30):
            torch.testing.assert_close(step.z, 2 * b * (1 - rho**step.k))
            torch.testing.assert_close(step.gap, (0.5 * step.z - b).norm())


def test_damping_tames_a_rotation():
    def quarter_turn(z):
        return torch.stack([-z[:, 1], z[:, 0]], 1)

    z0 = torch.ones(1, 2, dtype=torch.float64)
    *_, plain = itertools.islice(Picard().steps(quarter_turn, z0), 100)
    *_, damped = itertools.islice(Picard(damping=0.5).steps(quarter_turn, z0), 100)
    assert plain.gap == 2
    assert damped.gap < 1e-14


@FASTER
def test_third_of_the_evaluations_at_095(solver):
    for dtype in (torch.float32, torch.float64):
        f, z0 = spread(dtype=dtype), torch.zeros(1, 1, 64, 64, dtype=dtype)
        assert 3 * evaluations(solver, f, z0, 1e-6) <= evaluations(Picard(), f, z0, 1e-6)


def test_imaging_maps():
    f, y = tikhonov()
    assert evaluations(Anderson(), f, y, 1e-6) <= 60
    g = small_network()
    assert evaluations(Anderson(), g, torch.zeros(1, 1, 256, 256), 1e-6) <= 30
    assert evaluations(Broyden(), f, y, 1e-6) <= 80
    assert evaluations(Broyden(), g, torch.zeros(1, 1, 256, 256), 1e-6) <= 30
    assert evaluations(ConjugateGradients(), f, y, 1e-6) <= 60
    assert evaluations(ConjugateGradients(), g, torch.zeros(1, 1, 256, 256), 1e-6) <= 30


@pytest.fixture(scope="module")
def plain_runs():
    """Per map: the tolerance, plain iteration's evaluations, and whether it ended by itself there."""
    runs = {}
    for name, f, b in family():
        tol = 1e-4 if b.dtype == torch.float32 else 1e-8
        number = evaluations(Picard(), f, 0 * b, tol)
        *_, last = itertools.islice(Picard().steps(f, 0 * b), number)
        runs[name] = tol, number, bool(last.residual < 1e-3 * tol)
    return runs


@pytest.mark.parametrize(
    ("solver", "mean"),
    # Conjugate gradients shine on the symmetric maps only, the lesser part of the family.
    [(Anderson(), 0.75), (Broyden(), 0.75), (ConjugateGradients(), 0.8)],
    ids=["anderson", "broyden", "conjugate gradients"],
)
def test_never_a_tenth_worse_than_plain(solver, mean, plain_runs):
    assert len(plain_runs) >= 140
    worse, ratios = [], []
    for name, f, b in family():
        tol, plain, ended = plain_runs[name]
        fast = evaluations(solver, f, 0 * b, tol)
        ratios.append(fast / plain)
        # Nothing certified covers a plain run that ends in finitely many steps; see `_accelerated`.
        if fast > (plain + 5 if ended else 1.1 * plain + 2):
            worse.append((name, plain, fast))
    assert worse == []
    assert sum(ratios) / len(ratios) < mean


@ACCELERATED
def test_certified_line_of_the_safeguard(solver):
    # gap_k ≤ max(κ, 0.9)^(k − w) gap_0 with w ≤ 1 + 0.09 k, the module's theorem.
    for name, f, b in itertools.islice(family(), 0, None, 5):
        rho = max(float(next(word for word in name.split() if word.startswith("0."))), 0.9)
        gaps = [float(s.gap) for s in itertools.islice(solver.steps(f, 0 * b), 40)]
        # In float32 the map itself contracts by κ only up to rounding.
        floor = 1e-5 if b.dtype == torch.float32 else 1e-12
        for k, gap in enumerate(gaps):
            assert gap <= rho ** max(k - 1 - 0.09 * k, 0) * gaps[0] * (1 + 1e-6) + floor, (name, k)


@ACCELERATED
def test_maps_without_a_fixed_point_never_seem_to_have_one(solver):
    b, steps = torch.randn(1, 7, generator=torch.Generator().manual_seed(0)), []
    for f in (lambda z: 2 * z.abs() + b.abs(), lambda z: z**2 + 1, lambda z: torch.exp(z) + 1):
        # The safeguard may hold the gap where plain iteration lets it grow; it cannot close it.
        try:
            assert solve(solver, f, b, tol=1e-4, max_steps=300).residual > 1e-4
        except Diverged as error:
            steps.append(error.k)
    assert steps
    assert all(1 < k < 300 for k in steps)


@pytest.mark.parametrize("solver", [Anderson(), Broyden()], ids=lambda s: f"{s}")
def test_finds_the_fixed_point_of_an_expansive_affine_map(solver):
    W = 1.05 * torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0)).double())[0]
    step = solve(solver, lambda z: z @ W + 1, torch.zeros(1, 4).double(), tol=1e-10, max_steps=60)
    assert step.residual <= 1e-10


@FASTER
@pytest.mark.parametrize("kappa", [0.5, 0.95, 1.0])
def test_rounding_floor_holds(solver, kappa):
    f = spread(kappa)
    z0 = f(torch.zeros(1, 1, 64, 64))
    if kappa == 1.0:
        f = lambda z, f=f, c=z0: f(z) - c  # noqa: E731  # nonexpansive, and zero is fixed
    residuals = [float(s.residual) for s in itertools.islice(solver.steps(f, z0), 400)]
    best = min(residuals[:300])
    assert best < (1e-3 if kappa == 1.0 else 1e-6)
    assert max(residuals[300:]) <= 10 * best


@FASTER
def test_batch_of_very_different_scales(solver):
    f = spread()
    z0 = torch.cat(
        [1e-6 * torch.ones(1, 1, 64, 64), torch.ones(1, 1, 64, 64), 1e6 * torch.ones(1, 1, 64, 64)]
    )
    scales = torch.tensor([1e-6, 1.0, 1e6]).view(3, 1, 1, 1)
    step = solve(solver, lambda z: scales * f(z / scales), z0, tol=1e-6, max_steps=80)
    assert step.residual <= 1e-6


def test_a_failed_correction_costs_one_evaluation_and_shows_the_old_state():
    # After a while the map turns over: every remembered move misleads.
    def f(z):
        return torch.where(z > 2, 0.9 * z, 5 - 1.9 * (z - 2).abs().sqrt())

    gaps = [float(s.gap) for s in itertools.islice(Anderson().steps(f, torch.full((1, 3), 9.0)), 60)]
    assert all(map(math.isfinite, gaps))


def definite(values, n=60, dtype=torch.float64):
    """f(x) = x − Ax + c with A symmetric (Hermitian) and the eigenvalues `values`; returns f, A and c."""
    rng = torch.Generator().manual_seed(7)
    Q = torch.linalg.qr(torch.randn(n, n, generator=rng, dtype=dtype))[0]
    spectrum = torch.as_tensor(values, dtype=dtype)[torch.arange(n) % len(values)]
    A = (Q * spectrum) @ Q.mH
    c = torch.randn(1, n, generator=rng, dtype=dtype)
    return (lambda z: z - z @ A.T + c), A, c


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("m", [1, 2, 3, 5, 8, 12])
def test_conjugate_gradients_end_after_as_many_steps_as_eigenvalues(m, dtype):
    f, _, c = definite(torch.logspace(math.log10(0.05), 0, m), dtype=dtype)
    # One evaluation at the start, one for each eigenvalue, and the one that shows it.
    assert evaluations(ConjugateGradients(), f, 0 * c, 1e-10) <= m + 2
    # Also where plain iteration goes away, for I − A has the eigenvalue −1.5.
    f, _, c = definite(torch.linspace(0.3, 2.5, m), dtype=dtype)
    assert evaluations(ConjugateGradients(), f, 0 * c, 1e-10) <= m + 2


def test_conjugate_gradients_are_those_of_hestenes_and_stiefel():
    f, A, c = definite(torch.linspace(0.02, 1.3, 60))
    x, r, p, least = 0 * c, c, c, math.inf
    steps = ConjugateGradients().steps(f, x)
    assert next(steps).gap == c.norm()
    for step in itertools.islice(steps, 25):
        successor = x + r
        gap = float((r - r @ A.T).norm())
        # A step shows the successor of least residual; rounding is not yet amplified by 10⁴ here.
        least = min(gap, least)
        assert step.gap == pytest.approx(least, rel=1e-8)
        if gap == least:
            torch.testing.assert_close(step.z, successor, rtol=1e-9, atol=1e-9)
        q = p @ A.T
        alpha = (r * r).sum() / (p * q).sum()
        x, fresh = x + alpha * p, r - alpha * q
        r, p = fresh, fresh + (fresh * fresh).sum() / (r * r).sum() * p


@pytest.mark.parametrize("kappa", [0.9, 0.97, 0.99])
def test_conjugate_gradients_need_the_root_of_the_condition_number(kappa):
    f, z0 = spread(kappa, torch.float64), torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    # Chebyshev's bound of the energy norm, which costs the residual another √c; two evaluations to begin.
    root = math.sqrt(1 / (1 - kappa))
    bound = 2 + math.log(2 * root / 1e-6) / math.log((root + 1) / (root - 1))
    number = evaluations(ConjugateGradients(), f, z0, 1e-6)
    assert number <= bound
    assert number < 2 * evaluations(Picard(), f, z0, 1e-6) / root


def contractions():
    """Three maps that contract by 0.95: symmetric, a rotation among others, and bent."""
    n, rng = 40, torch.Generator().manual_seed(2)
    G = torch.randn(2, n, n, generator=rng, dtype=torch.float64)
    b = torch.randn(1, n, generator=rng, dtype=torch.float64)
    S, Q = G[0] + G[0].T, torch.linalg.qr(G[1])[0]
    S = 0.95 * S / torch.linalg.matrix_norm(S, 2)
    N = 0.6 * S + 0.38 * Q
    yield "symmetric", lambda z: z @ S + b, b
    yield "rotation", lambda z: z @ (0.95 * Q) + b, b
    yield "nonsymmetric", lambda z: z @ N + b, b
    yield "tanh", lambda z: torch.tanh(z @ S + 0.1 * b), b
    yield "nonsymmetric tanh", lambda z: torch.tanh(z @ N + 0.1 * b), b


@pytest.mark.parametrize(
    ("name", "f", "b"), list(contractions()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_conjugate_gradients_are_safe_on_every_contraction(name, f, b):
    plain = evaluations(Picard(), f, 0 * b, 1e-8)
    assert evaluations(ConjugateGradients(), f, 0 * b, 1e-8) <= (0.3 if name == "symmetric" else 1.1) * plain
    gaps = [float(s.gap) for s in itertools.islice(ConjugateGradients().steps(f, 0 * b), 300)]
    assert all(b <= a * (1 + 1e-9) + 1e-14 for a, b in itertools.pairwise(gaps))


def test_conjugate_gradients_come_back_from_where_the_map_has_no_value():
    def f(z):
        return torch.where(z < 1.5, z + (1 - z**2) / 4, torch.nan)

    visited = []
    z0 = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    step = solve(ConjugateGradients(), lambda z: visited.append(z) or f(z), z0, tol=1e-12, max_steps=100)
    assert any(bool((z > 1.5).any()) for z in visited), "the secant overshoots"
    torch.testing.assert_close(step.fz, torch.ones_like(z0), rtol=1e-11, atol=0)


def test_conjugate_gradients_find_nothing_where_there_is_nothing():
    b = torch.randn(1, 7, generator=torch.Generator().manual_seed(0))
    for f in (lambda z: z**2 + 1, lambda z: torch.exp(z) + 1, lambda z: z + b):
        with contextlib.suppress(Diverged):
            assert solve(ConjugateGradients(), f, b, tol=1e-4, max_steps=300).residual > 1e-4


def test_no_rate_is_claimed_for_conjugate_gradients():
    # The residual of conjugate gradients may stand still for long, symmetric as the map may be.
    assert ConjugateGradients().contraction(0.5) is None
    assert solver_bound(ConjugateGradients(), 0.5) is None


def test_solve_stops_where_it_says():
    f, z0 = (lambda z: 0.5 * z + 1), torch.zeros(1, 3)
    step = solve(Picard(), f, z0, tol=1e-3, max_steps=100)
    assert step.residual <= 1e-3
    assert step.k == 9
    assert solve(Picard(), f, z0, tol=1e-3, max_steps=100, check_every=8).k == 16
    assert solve(Picard(), f, z0, tol=0.0, max_steps=5, check_every=8).k == 4
    with pytest.raises(ValueError, match="at least 1"):
        solve(Picard(), f, z0, tol=1e-3, max_steps=0)


def test_solve_names_the_step_of_a_nan():
    def f(z):
        calls.append(0)
        return z / 2 + 1 if len(calls) < 5 else z * torch.nan

    calls: list[int] = []
    with pytest.raises(Diverged, match="step 4") as caught:
        solve(Picard(), f, torch.zeros(2, 3), tol=1e-9, max_steps=100)
    assert caught.value.k == 4
    assert isinstance(caught.value, ArithmeticError)
