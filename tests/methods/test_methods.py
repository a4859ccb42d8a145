"""Methods against closed forms, against each other and against brute force; the laws are in laws/."""

from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deqviz import images
from deqviz.core.catalog import METHODS, OPERATORS, SOLVERS, discover
from deqviz.core.linalg import shifted_inverse
from deqviz.core.records import Evidence, Problem, Scalars
from deqviz.core.registry import Choice
from deqviz.core.space import Space, norm, wide
from deqviz.core.stop import settle
from deqviz.methods._base import largest_gap
from deqviz.methods._theory import bounds
from deqviz.methods.tikhonov import Tikhonov
from deqviz.methods.tv import GAP, Tv

for package in ("operators", "solvers", "regularizers", "methods"):
    discover(f"deqviz.{package}")

H, W = 10, 13


def problem(operator="gaussian_blur", shape=(1, H, W), dtype=torch.float64, seed=0, **params) -> Problem:
    A = OPERATORS[operator].build(params, image=Space(shape, dtype))
    rng = torch.Generator().manual_seed(seed)
    x = torch.zeros(1, *shape, dtype=dtype)
    x[..., shape[-2] // 3 :, shape[-1] // 2 :] = 0.8
    x += 0.2 * torch.rand(x.shape, dtype=dtype, generator=rng)
    y = A(x)
    return Problem(A, y + 0.01 * torch.randn(y.shape, dtype=y.dtype, generator=rng), 0.01)


def number(value) -> float:
    assert value is not None
    return float(value)


def limit(method, p, tolerance=1e-12, max_steps=3000):
    return settle(method.iterates(p), tolerance=tolerance, max_steps=max_steps).x


def dense(p: Problem) -> tuple[torch.Tensor, torch.Tensor]:
    """A as a matrix and A*y, for real data."""
    n = p.operator.image.size
    eye = torch.eye(n, dtype=torch.float64).view(n, *p.operator.image.shape)
    A = torch.cat([p.operator(e[None]).flatten(1) for e in eye]).T
    return A, p.operator.adjoint(p.data).flatten()


# ---------------------------------------------------------------- Tikhonov


@pytest.mark.parametrize("mode", ["direct", "conjugate gradients"])
@pytest.mark.parametrize("operator", ["gaussian_blur", "inpainting", "super_resolution"])
def test_tikhonov_solves_the_normal_equation(mode, operator):
    shape = (1, 12, 12) if operator == "super_resolution" else (1, H, W)
    p = problem(operator, shape)
    A, back = dense(p)
    expected = torch.linalg.solve(A.T @ A + 0.05 * torch.eye(A.shape[1], dtype=torch.float64), back)
    *_, last = Tikhonov(weight=0.05, mode=mode).iterates(p)
    torch.testing.assert_close(last.x.flatten(), expected, rtol=1e-8, atol=1e-9)
    assert float(last.residual) < 1e-9


def test_conjugate_gradients_end_and_count_products():
    records = list(Tikhonov(weight=0.05, mode="conjugate gradients").iterates(problem()))
    assert 3 < len(records) < 120
    assert [r.k for r in records] == list(range(len(records)))
    # One product a step; where the recursion parts from the true residual, that takes one more.
    assert len(records) <= records[-1].evaluations <= len(records) + 5


@pytest.mark.parametrize(
    ("operator", "params", "weight"),
    [
        ("kernel_blur", {"kernel": "100", "scaling": "as given"}, 0.02),
        ("super_resolution", {"factor": 4}, 10.0),
        ("gaussian_blur", {}, 10.0),
        ("gaussian_blur", {}, 1e-3),
        ("tomography", {"views": 10}, 10.0),
        ("parallel_mri", {}, 0.1),
        ("denoising", {}, 10.0),
    ],
)
def test_every_iterate_of_conjugate_gradients_in_float32_keeps_its_certified_distance(
    operator, params, weight
):
    """Against float64: the recursion's residual alone says up to 89 times too little."""
    space = Space((1, 24, 24), torch.float32)
    A = OPERATORS[operator].build(params, image=space)
    picture = images.scaled(images.load("camera", torch.float32), 24)
    p = Problem(A, A(picture), 0.0)
    # In double precision the same operator: that of MRI with its maps rounded to single.
    back = A.adjoint(wide(p.data))
    solution = shifted_inverse(A.gram, back, weight, tolerance=1e-13, max_steps=500)
    method = Tikhonov(weight=weight, mode="conjugate gradients")
    iterates, count = list(islice(method.iterates(p), 60)), 0
    for iterate in iterates:
        mark = Scalars.of(iterate)
        if mark.residual > 0:
            row: Any = {g.key: g for g in method.guarantees(p, Evidence((mark,)))}["error"]
            bound = row.predicted.values[0] * mark.gap / mark.residual
            assert float(norm(iterate.x.double() - solution)) <= bound
            count += 1
    assert count > 1
    # What is said of the end is true: the gap is that of the last image.
    x = iterates[-1].x.double()
    true = back - A.gram(x) - weight * x
    top = bounds(A).top + weight
    assert float(norm(true)) / top <= largest_gap(iterates[-1])


@pytest.mark.parametrize("operator", ["compressed_sensing", "super_resolution", "fourier", "inpainting"])
def test_little_regularisation_keeps_all_digits_of_single_precision(operator):
    """A*y in float32 loses what A does not see, and 1/α = 10⁵ shows it: up to 2·10⁻² of the image."""
    A, exact = (
        OPERATORS[operator].build({}, image=Space((1, 24, 24), t)) for t in (torch.float32, torch.float64)
    )
    y = A(images.scaled(images.load("camera", torch.float32), 24))
    *_, last = Tikhonov(weight=1e-5).iterates(Problem(A, y, 0.0))
    solution = exact.solve(wide(y), 1e-5)
    assert float(norm(last.x.double() - solution)) <= 2 * torch.finfo(torch.float32).eps * float(
        norm(solution)
    )


@pytest.mark.parametrize("operator", ["parallel_mri", "tomography"])
def test_a_constant_map_is_constant_at_the_price_of_one_product(operator):
    """R = Id at β = 1: the right-hand side of every step is 0, and conjugate gradients have nothing to do."""
    A = OPERATORS[operator].build({}, image=Space((2 if operator == "parallel_mri" else 1, 16, 16)))
    x = A.domain.random(torch.Generator().manual_seed(0))
    T = equilibrium(Choice("quadratic"), 0.02).map(Problem(A, A(x), 0.0))
    assert torch.equal(T(x), T(T(x)))


def test_iterated_tikhonov_is_its_spectral_filter():
    p = problem()
    A, _ = dense(p)
    U, S, V = torch.linalg.svd(A)
    y = p.data.flatten()
    for r in islice(METHODS["iterated_tikhonov"].build({"weight": 0.1}).iterates(p), 8):
        # 1 − (α/(σ² + α))ʲ, over σ.
        factor = (1 - (0.1 / (S**2 + 0.1)) ** r.k) / S
        torch.testing.assert_close(r.x.flatten(), V.T @ (factor * (U.T @ y)), rtol=1e-7, atol=1e-8)


def test_iterated_tikhonov_lowers_the_misfit():
    p = problem()
    method: Any = METHODS["iterated_tikhonov"].build({})
    misfit = [float(method.objective(p, r.x)) for r in islice(method.iterates(p), 20)]
    assert all(b <= a for a, b in pairwise(misfit))


# ---------------------------------------------------------------- the equilibrium


def equilibrium(regularizer, weight, solver="picard", **params) -> Any:
    return METHODS["equilibrium"].build(
        {"regularizer": regularizer, "weight": weight, "solver": Choice(solver), **params}
    )


WAYS = [
    (splitting, solver)
    for splitting in ("implicit", "explicit")
    for solver in (entry.key for entry in SOLVERS)
]
RS = [
    pytest.param(Choice("quadratic"), 0.05, id="quadratic"),
    pytest.param(Choice("contractive", {"contraction": 0.8, "sigma": 0.05}), 0.2, id="contractive"),
    pytest.param(Choice("smoothed_tv", {"smoothing": 0.1}), 0.02, id="smoothed_tv"),
    pytest.param(Choice("convex_ridge", {"sigma": 0.05}), 0.2, id="convex_ridge"),
]


@pytest.mark.parametrize(("R", "weight"), RS)
@pytest.mark.parametrize("operator", ["denoising", "gaussian_blur"])
def test_every_way_leads_to_the_same_equilibrium(R, weight, operator):
    """To 10⁻⁵ of the picture, in float64, from every splitting and solver."""
    p = problem(operator, width=0.5) if operator == "gaussian_blur" else problem(operator)
    ends = [
        limit(equilibrium(R, weight, solver, splitting=splitting), p, 1e-10, 4000)
        for splitting, solver in WAYS
    ]
    for end in ends[1:]:
        assert float(norm(end - ends[0]) / norm(ends[0])) < 1e-5
    # And it solves the equation itself.
    A, r = p.operator, equilibrium(R, weight).regularizer
    pull = A.gram(ends[0]) - A.adjoint(p.data) + weight * r(ends[0])
    assert float(norm(pull)) < 1e-6 * float(norm(A.adjoint(p.data)))


def test_quadratic_equilibrium_is_tikhonov():
    p = problem()
    *_, expected = Tikhonov(weight=0.03).iterates(p)
    torch.testing.assert_close(
        limit(equilibrium(Choice("quadratic"), 0.03), p), expected.x, rtol=1e-8, atol=1e-9
    )


@pytest.mark.parametrize("R", ["smoothed_tv", "convex_ridge", "quadratic"])
def test_a_gradient_equilibrium_minimises_its_objective(R):
    p, method = problem("inpainting"), equilibrium(Choice(R), 0.05, "anderson")
    x = limit(method, p, 1e-10, 2000)
    least, rng = float(method.objective(p, x)), torch.Generator().manual_seed(1)
    for scale in (1e-3, 1e-2, 1e-1):
        other = x + scale * torch.randn(x.shape, dtype=x.dtype, generator=rng)
        assert float(method.objective(p, other)) > least


def test_a_network_without_potential_has_no_objective():
    p = problem()
    assert equilibrium(Choice("contractive"), 0.02).objective(p, p.data) is None


def test_float32_arrives_at_the_float64_equilibrium():
    """The residual of float32 falls to 10⁻⁶ and below at a small α, and the limit is right to 10⁻⁴."""
    R = Choice("contractive", {"contraction": 0.9})
    fine = limit(equilibrium(R, 0.003, "anderson"), problem())
    p = problem()
    coarse = Problem(OPERATORS["gaussian_blur"].build({}, image=Space((1, H, W))), p.data.float(), 0.01)
    end = settle(equilibrium(R, 0.003, "anderson").iterates(coarse), tolerance=1e-6, max_steps=300)
    assert float(end.residual) <= 1e-6
    assert float(norm(end.x.double() - fine) / norm(fine)) < 1e-4


# ---------------------------------------------------------------- total variation


def chambolle(y: np.ndarray, alpha: float, steps: int) -> np.ndarray:
    """min ½‖x − y‖² + α TV by projected gradient on the dual: another algorithm, written down apart."""
    p = np.zeros((2, *y.shape))

    def divergence(p):
        d = np.zeros_like(y)
        d[:, :-1] += p[0][:, :-1]
        d[:, 1:] -= p[0][:, :-1]
        d[:-1] += p[1][:-1]
        d[1:] -= p[1][:-1]
        return d

    for _ in range(steps):
        x = y + alpha * divergence(p)
        g = np.zeros_like(p)
        g[0][:, :-1] = x[:, 1:] - x[:, :-1]
        g[1][:-1] = x[1:] - x[:-1]
        p = p + g / (8 * alpha)
        p /= np.maximum(1, np.hypot(p[0], p[1]))
    return y + alpha * divergence(p)


def test_tv_denoising_against_another_algorithm():
    p = problem("denoising")
    # Data inside [0.1, 0.9] keeps the minimiser there (maximum principle), so the box is not active.
    p = Problem(p.operator, p.data.clamp(0.1, 0.9), 0.01)
    end = settle(Tv(weight=0.1).iterates(p), tolerance=1e-11, max_steps=6000)
    expected = chambolle(p.data[0, 0].numpy(), 0.1, 20000)
    np.testing.assert_allclose(end.x[0, 0].numpy(), expected, atol=2e-5)
    assert float(end.scalars[GAP]) < 1e-7


@pytest.mark.parametrize("operator", ["gaussian_blur", "inpainting", "fourier", "tomography"])
def test_tv_gap_bounds_the_objective_from_the_start(operator):
    p, method = problem(operator, (1, 12, 12)), Tv(weight=0.02)
    best = settle(method.iterates(p), tolerance=1e-9, max_steps=3000)
    least = number(best.objective)
    assert float(best.scalars[GAP]) < 1e-4 * least
    for r in islice(method.iterates(p), 60):
        distance = number(r.objective) - least
        assert -1e-9 <= distance <= float(r.scalars[GAP]) + 1e-9
        assert number(r.objective) == pytest.approx(float(method.objective(p, r.x)), rel=1e-9)
        assert float(r.x.min()) >= 0
        assert float(r.x.max()) <= 1


@given(weight=st.floats(1e-5, 1.0), balance=st.floats(1.0, 1e3), seed=st.integers(0, 5), inside=st.booleans())
@settings(max_examples=25)
def test_tv_residual_never_grows_in_its_metric(weight, balance, seed, inside):
    p = problem("gaussian_blur" if inside else "inpainting", seed=seed)
    marks = [Scalars.of(r) for r in islice(Tv(weight=weight, balance=balance).iterates(p), 30)]
    assert all(b.gap <= a.gap * (1 + 1e-9) + 1e-12 for a, b in pairwise(marks))


def test_tv_gives_a_flat_picture_when_jumps_are_dear():
    p = problem("denoising")
    p = Problem(p.operator, 0.45 + 0.1 * p.data, 0.01)
    end = settle(Tv(weight=1.0).iterates(p), tolerance=1e-10, max_steps=4000)
    assert float(end.x.std()) < 1e-4
    assert float(end.x.mean()) == pytest.approx(float(p.data.mean()), rel=1e-6)


# ---------------------------------------------------------------- plug and play, baseline


@pytest.mark.parametrize("key", ["pnp_fbs", "pnp_hqs"])
def test_plug_and_play_with_the_contractive_denoiser_settles(key):
    p = problem()
    end = settle(METHODS[key].build({}).iterates(p), tolerance=1e-4, max_steps=500)
    assert float(end.residual) <= 1e-4


def test_plug_and_play_without_a_denoiser_is_least_squares():
    """λ → 0.1 and σ at its least: the map is nearly the data's alone, and fits it better than a large σ."""
    p = problem("denoising")
    misfit = [
        float(norm(limit(METHODS["pnp_fbs"].build({"sigma": s}), p, 1e-4) - p.data))
        for s in (0.2 / 255, 40 / 255)
    ]
    assert misfit[0] < misfit[1]


def test_baseline_is_one_record():
    p = problem("fourier")
    (only,) = METHODS["baseline"].build({}).iterates(p)
    assert torch.equal(only.x, p.operator.baseline(p.data))
    assert only.residual == only.gap == 0.0
