"""The playground's mathematics: what is drawn is what the theorems and the package's own map say."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from deqviz.core.registry import Entry
from deqviz.core.space import inner, norm
from deqviz.experiments.plane.axes import SPACE, Axes, turned
from deqviz.experiments.plane.fixed_points import branches, fixed_points, followed, map_derivative
from deqviz.experiments.plane.guarantee_table import guarantees
from deqviz.experiments.plane.planar import (
    PLANAR,
    Absolute,
    Bistable,
    Planar,
    Quadratic,
    Residual,
    Rotating,
    Skew,
)
from deqviz.experiments.plane.planar_run import (
    Plane,
    asymmetry,
    circulation,
    energy,
    field,
    grid,
    index,
    points,
    trajectories,
)

AXES = [Axes(), Axes(second=1.0), Axes(first=0.7, second=0.2, angle=35.0), Axes(second=0.0, angle=-60.0)]
RULES: list[Planar] = [
    Quadratic(0.7),
    Absolute(0.4),
    Residual(0.8),
    Residual(1.7, 50.0),
    Rotating(0.9),
    Rotating(1.6, -70.0),
    Skew(2.0),
    Bistable(1.5),
]
CONTRACTIVE = [Quadratic(1.0), Residual(0.9, 30.0), Rotating(0.95), Skew(0.8), Bistable(0.7)]
STARTS = ((-2.0, 2.2), (2.6, -0.7), (0.3, 0.1), (-1.0, -2.9))


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("axes", AXES)
def test_the_axes_are_an_operator(axes: Axes, rng: torch.Generator) -> None:
    x, y = SPACE.random(rng, 5), axes.codomain.random(rng, 5)
    torch.testing.assert_close(inner(axes(x), y), inner(x, axes.adjoint(y)), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(axes.gram(x), axes.adjoint(axes(x)), rtol=1e-12, atol=1e-14)
    b = axes.resolvent(x, 0.3)
    torch.testing.assert_close(axes.gram(b) + 0.3 * b, x, rtol=1e-12, atol=1e-14)
    gain = norm(axes(x)) / norm(x)
    assert (gain <= axes.norm_bound().value * (1 + 1e-12)).all()
    assert (gain >= axes.smallest_singular_value().value * (1 - 1e-12)).all()


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_derivatives_and_constants_are_those_of_r(rule: Planar, rng: torch.Generator) -> None:
    x, z = 2 * SPACE.random(rng, 400), 2 * SPACE.random(rng, 400)
    x.requires_grad_()
    rows = [torch.autograd.grad(rule(x)[..., i].sum(), x)[0].reshape(-1, 2) for i in (0, 1)]
    x = x.detach()
    torch.testing.assert_close(rule.derivative(x), torch.stack(rows, 1), rtol=1e-12, atol=1e-13)
    known, h, change = rule.constants(), x - z, rule(x) - rule(z)
    size = inner(h, h)
    assert (inner(change, h) >= (known.monotonicity.value - 1e-12) * size).all()
    assert (norm(change) <= (known.lipschitz.value + 1e-12) * norm(h)).all()
    assert (norm(known.center * h - change) <= (known.contraction.value + 1e-12) * norm(h)).all()


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_gradient_is_known_by_its_loop(rule: Planar) -> None:
    plane = Plane(rule)
    if rule.is_gradient:
        x = grid(7).requires_grad_()
        potential = rule.potential(x)
        assert potential is not None
        torch.testing.assert_close(
            torch.autograd.grad(potential.sum(), x)[0], rule(x), rtol=1e-12, atol=1e-13
        )
        assert abs(circulation(plane)) < 1e-12
        assert asymmetry(plane) < 1e-12
    else:
        assert rule.potential(grid(3)) is None
        assert energy(plane, 5) is None
        assert abs(circulation(plane)) > 0.1
        assert asymmetry(plane) > 0.1


def test_the_loop_measures_the_rotation() -> None:
    # ∮⟨−kJx, dx⟩ = −2πk on the unit circle: Stokes.
    assert circulation(Plane(Skew(1.5))) == pytest.approx(-2 * math.pi * 1.5)
    assert asymmetry(Plane(Skew(2.0))) == pytest.approx(4 / math.sqrt(5))


def test_the_field_is_minus_the_equation_and_descends_the_energy() -> None:
    plane = Plane(Residual(0.8), AXES[2])
    A, x = plane.operator, grid(9).requires_grad_()
    expected = A.adjoint(A(x) - plane.problem.data) + plane.weight * plane.regularizer(x)
    torch.testing.assert_close(field(plane, 9).reshape(-1, 1, 1, 2), -expected.detach())
    value = plane.method.objective(plane.problem, x)
    assert value is not None
    torch.testing.assert_close(torch.autograd.grad(value.sum(), x)[0], expected.detach())
    # Where the data move, the field moves by A*A(p − p′): the browser relies on it.
    moved = replace(plane, point=(-1.0, 2.0))
    by = points([moved.point]) - points([plane.point])
    torch.testing.assert_close(field(moved, 9) - field(plane, 9), A.gram(by).reshape(1, 1, 2).expand(9, 9, 2))


@pytest.mark.parametrize("point", [(1.5, 0.5), (-2.0, 2.0), (0.0, 0.0)])
@pytest.mark.parametrize("weight", [0.05, 0.5, 4.0])
def test_there_are_three_equilibria_past_the_contraction(point: tuple[float, float], weight: float) -> None:
    found = fixed_points(Plane(Bistable(1.5), Axes(), weight, point))
    outer = 1.287839454960165  # of x = 1.5 tanh x
    assert [f.x[1] for f in found] == pytest.approx([-outer, 0.0, outer], abs=1e-9)
    assert [f.x[0] for f in found] == pytest.approx([point[0] / (1 + weight)] * 3, abs=1e-9)
    assert [f.flow for f in found] == ["stable node", "saddle", "stable node"]
    assert [f.is_attracting for f in found] == [True, False, True]


@pytest.mark.parametrize("rule", CONTRACTIVE, ids=str)
@pytest.mark.parametrize("axes", AXES[1:3])
def test_a_contraction_has_one_equilibrium_and_reaches_it(rule: Planar, axes: Axes) -> None:
    for splitting in ("implicit", "explicit"):
        plane = Plane(rule, axes, 0.4, (0.9, -0.6), splitting)
        (only,) = fixed_points(plane)
        assert only.is_attracting
        assert index(plane) == 1
        theory = plane.method.theory(plane.problem)
        assert theory.is_contraction
        assert theory.kappa is not None
        assert only.expansion <= theory.kappa * (1 + 1e-9) + 1e-14
        runs = trajectories(plane, STARTS[:2], steps=3000)
        assert all(run.end == "arrived" for run in runs)
        for run in runs:
            assert run.points[-1] == pytest.approx(only.x, abs=1e-9)
            bound = [theory.kappa**k * run.gaps[0] + 1e-14 for k in range(len(run.gaps))]
            assert all(gap <= limit * (1 + 1e-9) for gap, limit in zip(run.gaps, bound, strict=True))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_no_equilibrium_is_missed(rule: Planar) -> None:
    for axes in AXES:
        for weight in (0.1, 1.0):
            plane = Plane(rule, axes, weight, (0.6, -0.2))
            found = fixed_points(plane)
            assert index(plane) == sum(f.index for f in found)
            x = points([f.x for f in found])
            assert float(plane.pull(x).abs().max()) < 1e-10
            assert float((plane.map(x) - x).abs().max()) < 1e-9


@pytest.mark.parametrize("splitting", ["implicit", "explicit"])
def test_the_map_is_that_of_the_method(splitting: str) -> None:
    for rule in RULES:
        plane = Plane(rule, AXES[2], 0.6, (1.0, 0.4), "explicit" if splitting == "explicit" else "implicit")
        x = grid(6)
        assert torch.equal(plane.map(x), plane.method.map(plane.problem)(x))
        (run,) = trajectories(plane, ((1.2, -0.8),), steps=20)
        for a, b in pairwise(run.points):
            assert plane.map(points([a])).reshape(2).tolist() == pytest.approx(b, abs=1e-14)
        assert run.gaps[0] == pytest.approx(math.dist(*run.points[:2]))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_eigenvalues_are_those_of_the_derivatives(rule: Planar) -> None:
    plane = Plane(rule, AXES[2], 0.8)
    found = fixed_points(plane)
    x = points([f.x for f in found])
    z = x.clone().requires_grad_()
    J = torch.stack(
        [torch.autograd.grad(plane.pull(z)[..., i].sum(), z)[0].reshape(-1, 2) for i in (0, 1)], 1
    )
    for f, one, T in zip(found, J, map_derivative(plane, x), strict=True):
        want = sorted((-torch.linalg.eigvals(one)).tolist(), key=lambda v: (v.real, v.imag))
        assert sorted(f.eigenvalues, key=lambda v: (v.real, v.imag)) == pytest.approx(want, abs=1e-9)
        assert f.radius == pytest.approx(float(torch.linalg.eigvals(T).abs().max()), abs=1e-9)
        assert f.expansion == pytest.approx(float(torch.linalg.matrix_norm(T, 2)), abs=1e-9)


def test_the_response_is_the_derivative_by_the_data() -> None:
    plane, h = Plane(Rotating(0.8), AXES[2], 0.5, (0.4, 0.2)), 1e-6
    (now,) = fixed_points(plane)
    for i in (0, 1):
        (up,) = fixed_points(replace(plane, point=(0.4 + h * (i == 0), 0.2 + h * (i == 1))))
        slope = [(b - a) / h for a, b in zip(now.x, up.x, strict=True)]
        assert slope == pytest.approx([now.response[0][i], now.response[1][i]], abs=1e-4)


def test_a_turning_r_makes_spirals_and_a_skew_one_needs_no_contraction() -> None:
    spiral = Plane(Rotating(0.95), Axes(first=0.3, second=0.3), 1.0, (1.0, 0.5))
    (only,) = fixed_points(spiral)
    assert only.flow == "stable spiral"
    # Strongly monotone: one equilibrium. Explicit steps find it; the implicit map expands there.
    for splitting, attracts, end in (("explicit", True, "arrived"), ("implicit", False, "left")):
        plane = Plane(Skew(2.0), splitting="explicit" if splitting == "explicit" else "implicit")
        (only,) = fixed_points(plane)
        assert only.flow == "stable spiral"
        assert only.is_attracting is attracts
        assert [run.end for run in trajectories(plane, STARTS)] == [end] * len(STARTS)
        rows = {g.key: g for g in guarantees(plane, (only,), trajectories(plane, STARTS))}
        assert rows["uniqueness"].claim == "certified"
        # A step against A*A and one against R contract; Id − R does not.
        assert rows["contraction"].status == ("certified" if attracts else "hypothesis violated")
        assert "violated" not in {row.status for row in rows.values()}


def test_a_row_about_an_iteration_names_its_start() -> None:
    plane = Plane(Quadratic(1.0), Axes(second=0.4))
    found = fixed_points(plane)
    for starts in (STARTS[:1], STARTS):
        rows = guarantees(plane, found, trajectories(plane, starts))
        named = {g.key for g in rows if g.reason.startswith(f"for start {len(starts)}; ")}
        assert named == (set() if len(starts) == 1 else {"rate", "error"})


@pytest.mark.parametrize("strength", [0.5, 2.0, 3.0])
@pytest.mark.parametrize("step", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("axes", [Axes(), Axes(second=0.4)], ids=["a row", "two rows"])
def test_the_factor_of_a_skew_r_is_above_that_of_its_map(strength, step, axes) -> None:
    """T is linear: ‖T(x) − T(0)‖ for the two unit vectors has all there is to know."""
    plane = Plane(Skew(strength), axes, splitting="explicit", step=step)
    T, origin = plane.map, torch.zeros(1, 1, 1, 2, dtype=torch.float64)
    columns = (T(torch.eye(2, dtype=torch.float64).view(2, 1, 1, 2)) - T(origin)).view(2, 2)
    margin = plane.method.theory(plane.problem).margin
    assert margin is not None
    assert float(torch.linalg.matrix_norm(columns, 2)) <= 1 - margin + 1e-12
    # Small steps contract, as R is strongly monotone; at L < 1 all do.
    assert margin > 0 or (step == 0.9 or strength == 3.0)


def test_a_step_too_long_leaves_and_is_void() -> None:
    plane = Plane(Quadratic(1.0), Axes(second=0.4), splitting="explicit", step=1.08)
    (only,) = fixed_points(plane)
    runs = trajectories(plane, STARTS)
    assert only.flow == "stable node"
    assert not only.is_attracting
    assert {run.end for run in runs} == {"left"}
    rows = {g.key: g.status for g in guarantees(plane, (only,), runs)}
    assert rows["contraction"] == "hypothesis violated"
    assert "violated" not in rows.values()


@pytest.mark.parametrize("entry", PLANAR.values(), ids=lambda e: e.key)
def test_no_guarantee_is_violated(entry: Entry[Planar], rng: torch.Generator) -> None:
    seen: set[str] = set()
    for axes in AXES[1:]:
        for splitting, step in (("implicit", 0.5), ("explicit", 0.5), ("explicit", 1.4)):
            p, q = (1.5 * torch.randn(2, 2, generator=rng)).clamp(-3, 3).tolist()
            way = "explicit" if splitting == "explicit" else "implicit"
            plane = Plane(entry.cls(), axes, 0.5, (p[0], p[1]), way, step)
            before = replace(plane, point=(q[0], q[1]))
            found = fixed_points(plane)
            rows = guarantees(plane, found, trajectories(plane, STARTS, 40), before, fixed_points(before))
            assert not [g for g in rows if g.status == "violated"], (axes, splitting, step)
            seen |= {g.key for g in rows if g.status == "certified"}
    assert {"distance", "kernel"} <= seen


def test_two_equilibria_keep_their_distance_in_r_whatever_r_is() -> None:
    # αD + ‖Ah‖² = ⟨e, Ah⟩ needs no hypothesis: three equilibria before, three after.
    plane = Plane(Bistable(1.8), Axes(second=0.3), 0.7, (0.5, 0.1))
    before = replace(plane, point=(-0.4, -0.2))
    found, were = fixed_points(plane), fixed_points(before)
    assert len(found) == len(were) == 3
    A, R, e = plane.operator, plane.regularizer, (plane.problem.data - before.problem.data)
    for one in found:
        for other in were:
            x, z = points([one.x]), points([other.x])
            left = plane.weight * inner(R(x) - R(z), x - z) + norm(A(x - z)) ** 2
            torch.testing.assert_close(left, inner(e, A(x - z)), rtol=1e-9, atol=1e-11)


def test_equilibria_merge_at_folds_and_the_iteration_remembers() -> None:
    plane = Plane(Bistable(1.6), Axes(second=0.3), 0.5, (1.5, 0.0))
    values = [-2 + 0.25 * i for i in range(17)]
    counts = [len(b.found) for b in branches(plane, "second", values)]
    assert set(counts) == {1, 3}
    assert sum(a != b for a, b in pairwise(counts)) == 2
    up = dict(followed(plane, "second", values))
    down = dict(followed(plane, "second", values[::-1]))
    apart = [v for v in values if (a := up[v]) and (b := down[v]) and abs(a[1] - b[1]) > 0.5]
    assert [v for v, n in zip(values, counts, strict=True) if n == 3][1:-1] == pytest.approx(apart[1:-1])
    # With L < 1 there is nothing to remember.
    calm = replace(plane, regularizer=Bistable(0.9))
    for (_, a), (_, b) in zip(
        followed(calm, "second", values), [*followed(calm, "second", values[::-1])][::-1], strict=True
    ):
        assert a is not None
        assert b is not None
        assert math.dist(a, b) < 1e-3


def test_what_a_does_not_see_of_the_data_has_no_effect() -> None:
    plane = Plane(Rotating(0.9), Axes(angle=30.0))
    a, b = turned(points([(0.0, 1.3)]), 30.0).reshape(2).tolist()
    moved = replace(plane, point=(plane.point[0] + a, plane.point[1] + b))
    torch.testing.assert_close(moved.problem.data, plane.problem.data)
    assert fixed_points(moved)[0].x == pytest.approx(fixed_points(plane)[0].x, abs=1e-10)
