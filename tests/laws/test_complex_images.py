"""What holds on complex pictures, real ones of two channels: operators made for them, and every method."""

import pytest
import torch
from torch import Tensor

from deqviz.core.catalog import METHODS, OPERATORS, REGULARIZERS, discover
from deqviz.core.linalg import conjugate_gradients
from deqviz.core.records import Problem
from deqviz.core.space import Space, inner, norm, random_picture
from deqviz.methods.tv import GAP, Tv
from deqviz.operators._multicoil import MultiCoil
from deqviz.operators.parallel_mri import ParallelMri

for package in ("operators", "regularizers", "solvers", "methods"):
    discover(f"deqviz.{package}")

SHAPES = [(2, 16, 16), (2, 15, 18)]
VARIANTS = [{}, {"coils": 1}, {"pattern": "lines"}, {"pattern": "radial", "coils": 3}, {"acceleration": 1.0}]


@pytest.fixture(params=VARIANTS, ids=str)
def variant(request: pytest.FixtureRequest) -> dict:
    return request.param


@pytest.fixture(params=SHAPES, ids=str)
def A(request: pytest.FixtureRequest, variant: dict) -> MultiCoil:
    built = OPERATORS["parallel_mri"].build(variant, image=Space(request.param, torch.float64))
    assert isinstance(built, MultiCoil)
    return built


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_it_says_that_its_pictures_are_complex():
    said = {entry.key for entry in OPERATORS if entry.cls.complex_pictures}
    assert "parallel_mri" in said
    assert "fourier" not in said


def test_adjoint(A: MultiCoil):
    x, y = A.domain.random(rng(), 2), A.codomain.random(rng(2), 2)
    ax = A(x)
    assert ax.shape[1:] == A.codomain.shape == (1, len(A.maps), *A.image.shape[1:])
    assert ((inner(ax, y) - inner(x, A.adjoint(y))).abs() <= 1e-12 * norm(x) * norm(y)).all()


def test_it_is_complex_linear(A: MultiCoil):
    x = A.domain.random(rng())
    turned = torch.stack((-x[:, 1], x[:, 0]), 1)  # i x
    torch.testing.assert_close(A(turned), 1j * A(x), rtol=0, atol=1e-12)


def test_gram(A: MultiCoil):
    x = A.domain.random(rng(), 2)
    torch.testing.assert_close(A.gram(x), A.adjoint(A(x)), rtol=0, atol=1e-12)


def test_nothing_outside_the_mask(A: MultiCoil):
    assert not A(A.domain.random(rng()))[0][A.measured == 0].any()


def test_bounds(A: MultiCoil):
    top, low = A.norm_bound().value, A.smallest_singular_value().value
    assert top <= 1 + 1e-12
    for seed in range(3):
        x = A.domain.random(rng(seed))
        size = float(norm(A(x)) / norm(x))
        assert low - 1e-12 <= size <= top + 1e-12


@pytest.mark.parametrize("weight", [1e-2, 1.0])
def test_resolvent(A: MultiCoil, weight: float):
    b = A.domain.random(rng(), 2)
    x = A.resolvent(b, weight)
    assert (norm(A.gram(x) + weight * x - b) <= 1e-11 * norm(b)).all()
    other = conjugate_gradients(lambda v: A.gram(v) + weight * v, b, tolerance=1e-13, max_steps=2000)
    torch.testing.assert_close(x, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("coils", [1, 3], ids=["closed form", "conjugate gradients"])
def test_gradient_of_the_resolvent(coils: int):
    A = ParallelMri(Space((2, 4, 3), torch.float64), coils=coils, acceleration=2.0)
    b = A.domain.random(rng()).requires_grad_()
    weight = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

    def f(b: Tensor, weight: Tensor) -> Tensor:
        return A.resolvent(b, weight)

    assert torch.autograd.gradcheck(f, (b, weight), eps=1e-6, atol=1e-7, rtol=1e-6)


# ---------------------------------------------------------------- methods and regularisers


def problem(dtype: torch.dtype = torch.float64, shape: tuple[int, ...] = (2, 16, 14)) -> Problem:
    A = ParallelMri(Space(shape, dtype))
    # Smooth parts of both signs.
    turn = (
        torch.linspace(0, 6, shape[-1], dtype=dtype) + torch.linspace(0, 2, shape[-2], dtype=dtype)[:, None]
    )
    x = 0.8 * torch.stack((turn.cos(), turn.sin()))[None]
    noise = torch.randn(A.codomain.shape, dtype=A.codomain.dtype, generator=rng()) * A.measured
    return Problem(A, A(x) + 0.01 * noise, 0.01)


# Those with weights of their own for complex pictures are tested where those are.
PLAIN = ["equilibrium", "tikhonov", "iterated_tikhonov", "tv", "pnp_fbs", "pnp_hqs", "baseline"]


@pytest.mark.parametrize("key", PLAIN)
def test_every_method_runs_and_turns_with_the_sign(key: str):
    p = problem()
    method = METHODS[key].build({})
    mirrored = Problem(p.operator, -p.data, p.noise)
    for iterate, other in zip(method.iterates(p), method.iterates(mirrored), strict=False):
        assert iterate.x.shape == (1, 2, 16, 14)
        # No sign is better than the other: 0 is the middle of what the parts can be.
        torch.testing.assert_close(other.x, -iterate.x, rtol=0, atol=1e-6)
        if iterate.k >= 12:
            break


@pytest.mark.parametrize("key", ["contractive", "quadratic", "smoothed_tv", "convex_ridge"])
def test_regularizers_treat_both_parts_alike(key: str):
    R = REGULARIZERS[key].build({})
    x = problem().operator.baseline(problem().data)
    torch.testing.assert_close(R(x.flip(1)), R(x).flip(1), rtol=0, atol=1e-10)
    torch.testing.assert_close(R(-x), -R(x), rtol=0, atol=1e-6)


def test_a_random_picture_fills_what_pictures_can_be():
    real, both = (random_picture(Space((c, 64, 64)), rng()) for c in (1, 2))
    assert 0 <= float(real.min()) < 0.1 < 0.9 < float(real.max()) <= 1
    assert -1 <= float(both.min()) < -0.9 < 0.9 < float(both.max()) <= 1
    assert abs(float(both.mean())) < 0.02


def dual(p: Problem, method: Tv, x: Tensor, q: Tensor) -> float:
    """min over the box of the Lagrangian at the dual point q = (p of ∇x) and v of the data's half at x.

    For f convex, f(z) ≥ f(x) + ⟨∇f(x), z − x⟩; so P(z) ≥ f(x) − ⟨g, x⟩ + Σ min over [−1, 1] of (g + ∇ᵀq)z.
    """
    A = p.operator
    g = A.gram(x) - A.adjoint(p.data)
    fit = 0.5 * norm(A(x) - p.data).square().sum()
    back = torch.zeros_like(x)
    back[..., :, 1:] += q[0][..., :, :-1]
    back[..., :, :-1] -= q[0][..., :, :-1]
    back[..., 1:, :] += q[1][..., :-1, :]
    back[..., :-1, :] -= q[1][..., :-1, :]
    return float(fit - (g * x).sum() - (g + back).abs().sum())


@pytest.mark.parametrize("weight", [1e-3, 0.05, 0.5])
def test_the_gap_of_total_variation_bounds_the_objective(weight: float):
    p, method = problem(), Tv(weight=weight)
    seen = []
    for iterate in method.iterates(p):
        assert iterate.objective is not None
        assert float(iterate.x.abs().max()) <= 1
        seen.append((float(iterate.objective), float(iterate.scalars[GAP]), iterate.x))
        if iterate.k >= 1500:
            break
    best = min(value for value, _, _ in seen)
    assert all(gap >= value - best - 1e-9 for value, gap, _ in seen)
    assert seen[-1][1] < 1e-3 * seen[0][1], "the gap goes to 0: it is no loose bound"
    assert float(method.objective(p, seen[-1][2])) == pytest.approx(seen[-1][0], rel=1e-9)
    # Negative parts are there, so that the box of real pictures would have cut them off.
    assert float(seen[-1][2].min()) < -0.1


def test_the_first_gap_is_weak_duality_itself():
    p, method = problem(), Tv(weight=0.05)
    first = next(iter(method.iterates(p)))
    zero = torch.zeros((2, *first.x.shape), dtype=first.x.dtype)
    assert first.objective is not None
    # Before the first step the dual variable is 0.
    bound = float(first.objective) - dual(p, method, first.x, zero)
    assert float(first.scalars[GAP]) == pytest.approx(bound, rel=1e-10)


def test_the_box_of_total_variation_holds_where_the_data_leave_it():
    p = problem()
    loud = Problem(p.operator, 4 * p.data, p.noise)
    *_, last = (i for i, _ in zip(Tv(weight=0.05).iterates(loud), range(400), strict=False))
    assert float(last.x.max()) == 1
    assert float(last.x.min()) == -1
    assert float(last.scalars[GAP]) >= -1e-9
