"""The theorems as tests: constants against random pairs, T3 and T7 as properties, and every lamp reached."""

import gc
import math
import weakref
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deqviz.core.catalog import METHODS, OPERATORS, discover
from deqviz.core.linalg import power_iteration
from deqviz.core.records import Evidence, Problem, Scalars
from deqviz.core.registry import Choice
from deqviz.core.space import Space, inner, norm, wide
from deqviz.core.stop import settle
from deqviz.diagnostics._jacobian import Jacobian
from deqviz.experiments.probe import probes
from deqviz.methods._base import SIZE, FixedPointMethod, largest_gap
from deqviz.methods._guarantees import proved_rate
from deqviz.methods._theory import Bounds, Theory, bounds, equilibrium_gain, inverse, nearest
from deqviz.scenario import Scenario
from deqviz.solvers.anderson import Anderson
from deqviz.solvers.broyden import Broyden
from deqviz.solvers.picard import Picard

for package in ("operators", "solvers", "regularizers", "methods"):
    discover(f"deqviz.{package}")

FEW = settings(max_examples=5)
MORE = settings(max_examples=25)
# Tomography inverts by conjugate gradients: exact limits of slow iterations would take minutes.
OPS = st.sampled_from(
    ["denoising", "gaussian_blur", "inpainting", "fourier", "super_resolution", "compressed_sensing"]
)
RS = st.sampled_from(["quadratic", "contractive", "smoothed_tv", "convex_ridge"])


def problem(operator="gaussian_blur", seed=0, dtype=torch.float64, size=(9, 8), **params) -> Problem:
    A = OPERATORS[operator].build(params, image=Space((1, *size), dtype))
    rng = torch.Generator().manual_seed(seed)
    y = A(torch.rand(1, 1, *size, dtype=dtype, generator=rng))
    return Problem(A, y + 0.01 * torch.randn(y.shape, dtype=y.dtype, generator=rng), 0.01)


def build(R="contractive", solver="picard", r=None, **params) -> Any:
    return METHODS["equilibrium"].build(
        {"regularizer": Choice(R, r or {}), "solver": Choice(solver), **params}
    )


def run(method, p, count=40, probes=None, start=None) -> dict[str, Any]:
    """The guarantees by key after `count` iterates."""
    marks = [Scalars.of(r) for r in islice(method.iterates(p, start), count)]
    return {g.key: g for g in method.guarantees(p, Evidence(marks, probes or {}))}


def limit(method, p, tolerance=1e-12):
    return settle(method.iterates(p), tolerance=tolerance, max_steps=3000).x


# ---------------------------------------------------------------- T3, stability


@given(operator=OPS, L=st.floats(0.0, 0.9), alpha=st.floats(0.02, 2.0), seed=st.integers(0, 99))
@FEW
def test_t3_identity_and_bounds(operator, L, alpha, seed):
    """αD + ‖q‖² = ⟨Δy, AΔx⟩, so D ≤ ‖Δy‖²/(4α), ‖q‖ ≤ ‖Δy‖ and ‖Δx‖ ≤ C‖Δy‖."""
    method = build(r={"contraction": L, "sigma": 0.05}, solver="anderson", weight=alpha)
    p = problem(operator, seed)
    y = p.data
    change = 0.3 * p.operator(torch.randn(1, 1, 9, 8, dtype=torch.float64))
    change = change + 0.1 * problem(operator, seed + 1).data
    x1, x2 = limit(method, p), limit(method, Problem(p.operator, y + change, 0.01))
    R, h = method.regularizer, x1 - x2
    D, q, e = inner(R(x1) - R(x2), h), p.operator(h), -change
    size = float(norm(e).square())
    assert float(alpha * D + norm(q).square() - inner(e, q)) == pytest.approx(0, abs=1e-6 * size)
    assert float(D) <= size / (4 * alpha) * (1 + 1e-6)
    assert float(norm(q)) <= float(norm(e)) * (1 + 1e-6)
    gain = equilibrium_gain(bounds(p.operator), alpha, R.constants().monotonicity.value)
    assert gain is not None
    assert float(norm(h)) <= gain * float(norm(e)) * (1 + 1e-6)
    (row,) = (
        g
        for g in method.guarantees(p, Evidence(probes={"gain": float(norm(h) / norm(e))}))
        if g.key == "stability"
    )
    assert row.status == "certified"


@pytest.mark.parametrize("sigma", [0.05, 0.3, 1.0, 2.0])
def test_gain_is_sharp_for_the_quadratic(sigma):
    """For R = c·Id and one singular value σ the gain is σ/(σ² + αc); its maximum over σ ≥ σ_min is C."""
    alpha, c = 0.5, 0.7
    values = torch.linspace(sigma, 50, 200001, dtype=torch.float64)
    best = float((values / (values**2 + alpha * c)).max())
    assert equilibrium_gain(Bounds(9.0, sigma**2, 0.0, 0.0), alpha, c) == pytest.approx(best, rel=1e-6)


def test_gain_of_the_worst_direction_respects_the_bound():
    method, p = build("quadratic", weight=0.1), problem("gaussian_blur", width=1.0)
    S = lambda e: p.operator.resolvent(p.operator.adjoint(e), 0.1)  # noqa: E731
    square = power_iteration(
        lambda e: p.operator(p.operator.resolvent(S(e), 0.1)), torch.rand_like(p.data), steps=60
    )
    row = run(method, p, 3, {"gain": square**0.5})["stability"]
    assert row.status == "certified"
    # At α = 0.1 some σ² comes close to α: the constant 1/(2√α) is nearly reached.
    assert row.measured > 0.9 * row.predicted


# ---------------------------------------------------------------- T7, contraction


@given(
    operator=OPS,
    R=RS,
    splitting=st.sampled_from(["implicit", "explicit"]),
    step=st.floats(0.05, 1.0),
    alpha=st.floats(1e-4, 3.0),
    L=st.floats(0.0, 1.5),
    scale=st.sampled_from([1e-3, 0.1, 3.0]),
    seed=st.integers(0, 99),
)
@MORE
def test_t7_measured_contraction_is_below_the_certified(operator, R, splitting, step, alpha, L, scale, seed):
    method = build(
        R, weight=alpha, splitting=splitting, step=step, r={"contraction": L} if R == "contractive" else {}
    )
    p = problem(operator, seed)
    kappa = method.theory(p).kappa
    rng = torch.Generator().manual_seed(seed)
    x = torch.rand(6, 1, 9, 8, dtype=torch.float64, generator=rng)
    h = torch.randn(6, 1, 9, 8, dtype=torch.float64, generator=rng)
    # Rough, smooth, and constant differences, where A annihilates most and nothing.
    h[:2] = h[:2].cumsum(-1).cumsum(-2)
    h[2] = 1.0
    f = method.map(p)
    change = norm(f(x + scale * h) - f(x))
    assert (change <= kappa * scale * norm(h) * (1 + 1e-7) + 1e-12).all()


@pytest.mark.parametrize("key", ["pnp_fbs", "pnp_hqs", "iterated_tikhonov"])
@pytest.mark.parametrize("operator", ["denoising", "gaussian_blur", "inpainting"])
def test_other_maps_contract_as_certified(key, operator):
    p = problem(operator)
    method: Any = METHODS[key].build({})
    if key == "iterated_tikhonov":
        kappa = next(g for g in method.guarantees(p, Evidence()) if g.key == "contraction").predicted
    else:
        kappa = method.theory(p).kappa
    rng = torch.Generator().manual_seed(2)
    x, h = (torch.randn(6, 1, 9, 8, dtype=torch.float64, generator=rng) for _ in range(2))
    f = method.map(p)
    assert (norm(f(x + h) - f(x)) <= kappa * norm(h) * (1 + 1e-9)).all()


@pytest.mark.parametrize("splitting", ["implicit", "explicit"])
@pytest.mark.parametrize("operator", ["denoising", "gaussian_blur", "inpainting"])
def test_local_expansion_is_below_the_certified(splitting, operator):
    method, p = build(weight=0.3, splitting=splitting), problem(operator)
    J = Jacobian(method.map(p), limit(build(weight=0.3, solver="anderson"), p, 1e-6))
    start = torch.rand(1, 1, 9, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = power_iteration(lambda v: J.adjoint(J.apply(v)), start, steps=12) ** 0.5
    rows = run(method, p, 3, {"expansion": found})
    assert rows["expansion"].status == "certified"
    assert 0 < rows["expansion"].measured <= rows["contraction"].predicted


def test_explicit_limit_is_where_the_quadratic_starts_to_diverge():
    """R = Id, A = Id: T is affine with factor |1 − s(1 + α)|; the certificate must end exactly at 1."""
    p = problem("denoising")
    for step, ends in ((0.98, True), (1.02, False)):
        method = build("quadratic", weight=0.4, splitting="explicit", step=step)
        # With L = 0 and β = 1 the limit 2/(‖A‖² + αβ) is sharp.
        assert method.theory(p).is_contraction == ends
        gaps = [float(r.gap) for r in islice(method.iterates(p), 30)]
        assert (gaps[-1] < gaps[0]) == ends


# ---------------------------------------------------------------- a posteriori, uniqueness


@given(
    operator=OPS,
    alpha=st.floats(0.02, 1.0),
    step=st.floats(0.1, 1.5),
    seed=st.integers(0, 50),
    L=st.floats(0, 0.9),
)
@FEW
def test_distance_to_the_limit_is_bounded_for_any_picture(operator, alpha, step, seed, L):
    """Whichever way it was found: here at random pictures, for both splittings, step too long or not."""
    p = problem(operator, seed)
    solve = build(r={"contraction": L}, solver="anderson", weight=alpha)
    star = limit(solve, p)
    # The limit is known as far as its own residual, relative to ‖T(x)‖, tells.
    known = 2e-12 * solve.theory(p).error * float(norm(star))
    x = torch.rand(1, 1, 9, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    for splitting in ("implicit", "explicit"):
        method = build(r={"contraction": L}, weight=alpha, splitting=splitting, step=step)
        for r in islice(method.iterates(p, x), 3):
            theory = method.theory(p)
            assert theory.error is not None
            assert float(norm(r.x - star)) <= theory.error * float(r.gap) * (1 + 1e-9) + known
        row = run(method, p, 10, start=x)["error"]
        assert row.status == "certified"
        # What is measured is a lower bound of the true distance, relative to ‖T(x₀)‖.
        with torch.no_grad():
            size = float(norm(method.map(p)(x)))
        assert row.measured.values[0] <= float(norm(x - star)) / size * (1 + 1e-9)


def test_uniqueness_compares_the_limits_of_several_starts():
    method, p = build(weight=0.1, solver="anderson"), problem()
    ends = [
        settle(method.iterates(p, start), tolerance=1e-5, max_steps=200)
        for start in (torch.zeros(1, 1, 9, 8).double(), torch.ones(1, 1, 9, 8).double())
    ]
    size = float(norm(ends[0].x))
    found = {
        "spread": float(norm(ends[0].x - ends[1].x)) / size,
        "spread_gap": sum(float(e.gap) for e in ends) / size,
        "spread_size": sum(float(norm(e.x)) for e in ends) / size,
    }
    assert run(method, p, 3, found)["uniqueness"].status == "certified"
    # Without the gaps at which the runs stopped there is nothing to compare with.
    assert run(method, p, 3, {"spread": found["spread"]})["uniqueness"].status == "waiting"


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_unfinished_runs_from_other_starts_raise_no_alarm_about_uniqueness(steps):
    """Both sides in one unit: the gaps and the distance over the size of the limit, not each over its own."""
    method, p = METHODS["iterated_tikhonov"].build({"weight": 10.0}), problem("denoising")
    log = [Scalars.of(r) for r in islice(method.iterates(p), steps + 1)]
    end = settle(method.iterates(p), tolerance=1e-10, max_steps=steps)
    asked = probes(method, p, limit=end.x, tolerance=1e-10, max_steps=steps, seed=0, gap=float(end.gap))
    found = {probe.key: probe.value for probe in asked if probe.value is not None}
    row: Any = {g.key: g for g in method.guarantees(p, Evidence(log, found))}["uniqueness"]
    assert row.status == "certified"
    assert found["spread"] > 1
    # The bound is no wall far away: the runs come near it.
    assert row.measured > 0.1 * row.predicted


def test_a_convex_potential_may_have_many_minimisers():
    rows = run(build("convex_ridge", weight=0.1), problem("inpainting"))
    assert (
        rows["uniqueness"].status == rows["error"].status == rows["stability"].status == "hypothesis violated"
    )
    assert "convex set" in rows["uniqueness"].reason
    assert rows["contraction"].predicted == 1.0
    assert rows["monotone"].status == "certified"
    assert "averaged" in rows["monotone"].reason
    assert "rate" not in rows


# ---------------------------------------------------------------- lamps, each on purpose


SEEN = {"gain": 0.1, "expansion": 0.2, "spread": 0.0, "spread_gap": 1e-6, "spread_size": 2.0}


@pytest.mark.parametrize("solver", ["picard", "anderson", "broyden"])
@pytest.mark.parametrize("splitting", ["implicit", "explicit"])
def test_lamps_hold(solver, splitting):
    method = build(solver=solver, splitting=splitting, weight=0.5)
    rows = run(method, problem(), 40, SEEN)
    wanted = {"uniqueness", "expansion", "rate", "error", "stability"}
    assert {k for k, g in rows.items() if g.status == "certified"} >= wanted
    assert rows["source"].status == "not verifiable"


def test_lamps_go_void_at_a_lipschitz_constant_of_1_2():
    rows = run(build(r={"contraction": 1.2}, weight=0.5), problem())
    for key in ("uniqueness", "contraction", "expansion", "monotone", "error", "stability"):
        assert rows[key].status == "hypothesis violated", key
        assert rows[key].reason
    assert "1.2" in rows["uniqueness"].reason


def test_a_lipschitz_constant_of_1_2_is_made_up_for_by_the_data():
    """On the identity σ_min = 1: A*A + αR stays strongly monotone for α(L − 1) < 1."""
    rows = run(build(r={"contraction": 1.2}, weight=0.5), problem("denoising"))
    assert rows["uniqueness"].claim == rows["stability"].claim == "certified"
    assert rows["contraction"].status == rows["rate"].status == "certified"


@pytest.mark.parametrize("steps", [3, 30, 3000])
def test_an_unfinished_run_raises_no_alarm_about_stability(steps):
    """What is left to iterate is no reaction to the data."""
    method, p = build("quadratic", splitting="explicit", step=0.05, weight=2.0), problem()
    log = [Scalars.of(r) for r in islice(method.iterates(p), steps)]
    end = settle(method.iterates(p), tolerance=1e-10, max_steps=steps)
    asked = probes(
        method,
        p,
        limit=end.x,
        tolerance=1e-10,
        max_steps=steps,
        seed=0,
        gap=float(end.gap),
    )
    found = {probe.key: probe.value for probe in asked if probe.value is not None}
    row = {g.key: g for g in method.guarantees(p, Evidence(log, found))}["stability"]
    assert row.status == "certified"
    if steps == 3:
        assert found["gain"] > method.theory(p).gain
    if steps == 3000:
        assert row.predicted < 1.001 * method.theory(p).gain


@pytest.mark.parametrize("operator", ["gaussian_blur", "tomography"])
def test_the_contraction_is_seen_on_the_plane_whatever_the_solver(operator):
    method, p = build(solver="anderson", weight=0.5), problem(operator)
    end = settle(method.iterates(p), tolerance=1e-8, max_steps=200)
    path = ((0, p.operator.baseline(p.data)), (end.k, end.x))
    asked = probes(method, p, limit=end.x, tolerance=1e-8, max_steps=200, seed=0, main=path)
    found = {probe.key: probe.value for probe in asked if probe.value is not None}
    row = {g.key: g for g in method.guarantees(p, Evidence((), found))}["contraction"]
    assert row.status == "certified"
    assert 0.1 < row.measured <= row.predicted == method.theory(p).kappa


def test_starts_that_end_in_no_number_are_not_together():
    method, p = build("quadratic", splitting="explicit", step=1.5, weight=1.0), problem(dtype=torch.float32)
    asked = probes(method, p, limit=p.data, tolerance=1e-6, max_steps=3000, seed=0)
    found = {probe.key: probe.value for probe in asked if probe.value is not None}
    assert found["spread"] > 1e9
    assert found["spread_gap"] == math.inf
    broken = METHODS["pnp_fbs"].build({"denoiser": "unconstrained"})
    data = Problem(p.operator, torch.full_like(p.data, math.nan), 0.0)
    asked = probes(broken, data, limit=p.data, tolerance=1e-6, max_steps=5, seed=0)
    assert {probe.key: probe.value for probe in asked}["spread_gap"] == math.inf


@pytest.mark.parametrize(
    ("key", "params"),
    [
        ("equilibrium", {"weight": 0.5, "solver": Choice("picard")}),
        ("tikhonov", {"weight": 0.05, "mode": "conjugate gradients"}),
    ],
)
def test_a_batch_of_unequal_items_is_bounded_as_one(key, params):
    """A small item has the largest residual and a large one the largest gap: their quotient is no size."""
    p = problem()
    y = torch.cat([p.data, 1e-4 * p.data.flip(-1), 50 * p.data.flip(-2)])
    p, method = replace(p, data=y), METHODS[key].build(params)
    marks = [Scalars.of(r) for r in islice(method.iterates(p), 30)]
    rows: dict[str, Any] = {g.key: g for g in method.guarantees(p, Evidence(marks))}
    assert {rows[k].status for k in ("rate", "error")} == {"certified"}
    shown, first = rows["rate"].measured.values[0], marks[0]
    assert shown == pytest.approx(first.gap / first.scalars[SIZE], rel=1e-9)


def test_bounds_are_computed_once_and_die_with_their_operator():
    A = problem("tomography").operator
    assert bounds(A) is bounds(A)
    gone = weakref.ref(A)
    del A
    gc.collect()
    assert gone() is None


def test_lamps_go_void_at_a_step_too_long_and_the_run_diverges():
    method, p = build("quadratic", splitting="explicit", step=1.3, weight=0.1), problem()
    rows = run(method, p, 60)
    assert rows["contraction"].status == rows["monotone"].status == "hypothesis violated"
    assert "step" in rows["contraction"].reason
    # The equation has one solution all the same, and the distance to it is still known.
    assert rows["uniqueness"].claim == rows["stability"].claim == "certified"
    assert rows["error"].status == "certified"
    gaps = [float(r.gap) for r in islice(method.iterates(p), 60)]
    assert gaps[-1] > 1e3 * gaps[0]


def test_a_run_that_overflows_raises_no_alarm_and_no_error():
    method, p = build("quadratic", splitting="explicit", step=1.5, weight=1.0), problem(dtype=torch.float32)
    rows = run(method, p, 400)
    assert not [g for g in rows.values() if g.status == "violated"]


def marks(gaps, residuals=None):
    return [Scalars(k, r, g, k + 1) for k, (g, r) in enumerate(zip(gaps, residuals or gaps, strict=True))]


def test_lamps_are_violated_by_numbers_that_break_the_theorem():
    method, p = build(weight=0.5), problem()
    kappa = method.theory(p).kappa
    slow = marks([0.1 * ((1 + kappa) / 2) ** k for k in range(40)])
    rows = {g.key: g for g in method.guarantees(p, Evidence(slow, {"gain": 99.0, "expansion": 0.99}))}
    for key in ("contraction", "rate", "stability", "expansion"):
        assert rows[key].status == "violated", key
    growing = marks([0.1 * 1.1**k for k in range(5)])
    ridge = build("convex_ridge", weight=0.5)
    rows = {g.key: g for g in ridge.guarantees(problem("inpainting"), Evidence(growing))}
    assert rows["monotone"].status == "violated"


def test_not_a_number_is_seen():
    method, p = build(weight=0.5), problem()
    rows = {g.key: g for g in method.guarantees(p, Evidence(marks([0.1, math.nan], [0.1, math.nan])))}
    assert rows["rate"].status == "violated"


@pytest.mark.parametrize("key", ["pnp_fbs", "pnp_hqs"])
def test_the_unconstrained_denoiser_is_promised_nothing(key):
    rows = run(METHODS[key].build({"denoiser": "unconstrained"}), problem())
    assert {g.status for g in rows.values()} == {"not verifiable"}
    assert all(g.reason for g in rows.values())


@pytest.mark.parametrize(
    ("choice", "is_open"),
    [
        (Choice("equilibrium"), True),
        (Choice("pnp_hqs"), True),
        (Choice("pnp_fbs"), True),
        (Choice("mol"), True),
        (Choice("equilibrium", {"regularizer": Choice("quadratic")}), False),
        (Choice("iterated_tikhonov"), False),
    ],
    ids=str,
)
def test_an_allowance_for_a_network_is_said_to_be_measured(choice: Choice, is_open: bool):
    scenario = Scenario(size=32, operator=Choice("denoising"), method=choice).validated()
    problem, method = scenario.problem(scenario.truth()), scenario.build_method()
    marks = [Scalars.of(iterate) for iterate in islice(method.iterates(problem), 4)]
    rows = method.guarantees(problem, Evidence(marks))
    allowed = [g for g in rows if g.claim == "certified" and g.allowance != 0]
    assert allowed
    assert {"measured, not proved" in g.reason for g in allowed} == {is_open}


def test_plug_and_play_is_only_nonexpansive_with_a_null_space_and_contracts_without():
    p = problem("inpainting")
    rows = run(METHODS["pnp_fbs"].build({}), p)
    assert rows["contraction"].name == "Nonexpansive map"
    assert rows["monotone"].status == "certified"
    assert "averaged" in rows["monotone"].reason
    plain = run(METHODS["pnp_fbs"].build({"relaxation": 1.0}), p)
    assert "not averaged" in plain["monotone"].reason
    rows = run(METHODS["pnp_hqs"].build({}), problem("denoising"))
    assert rows["rate"].status == rows["error"].status == "certified"


def test_step_condition_of_total_variation_is_certified_and_tight():
    for operator in ("gaussian_blur", "tomography"):
        row = run(METHODS["tv"].build({}), problem(operator, size=(12, 12)))["steps"]
        assert row.status == "certified"
        assert row.predicted < 1.01 * row.measured


def test_chebyshev_holds_for_conjugate_gradients():
    rows = run(METHODS["tikhonov"].build({"mode": "conjugate gradients", "weight": 0.01}), problem())
    assert rows["rate"].status == rows["error"].status == "certified"


@pytest.mark.parametrize("mode", ["direct", "conjugate gradients"])
def test_stability_is_decided_where_the_tolerance_cannot_be_reached(mode):
    """A run that ends as exactly as rounding allows has a gap, and that is its allowance."""
    p = problem("tomography", dtype=torch.float32, views=10)
    method = METHODS["tikhonov"].build({"weight": 0.1, "mode": mode})
    *_, end = method.iterates(p)
    found = probes(method, p, limit=end.x, tolerance=1e-12, max_steps=500, seed=0, gap=largest_gap(end))
    seen = {probe.key: probe.value for probe in found if probe.value is not None}
    assert float(end.residual) > 1e-12
    assert 0 < seen["gain_gap"] < 1e-2
    assert 0 < seen["spread_gap"] < 1e-4
    rows: dict[str, Any] = {g.key: g for g in method.guarantees(p, Evidence((), seen))}
    assert rows["stability"].status == rows["uniqueness"].status == "certified"
    # ‖(A*A + α)⁻¹A*‖ ≤ 1/(2√α) = 1.58, and little is added.
    assert rows["stability"].predicted == pytest.approx(1.58, abs=0.05)


# ---------------------------------------------------------------- total variation


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("operator", "params"),
    [("denoising", {}), ("gaussian_blur", {"width": 0.5}), ("inpainting", {}), ("fourier", {})],
)
def test_the_duality_gap_bounds_the_distance_from_the_minimiser(operator, params, dtype):
    """‖A(x_k − x*)‖ ≤ √(2 gap) for every A, which σ_min > 0 turns into a distance of images."""
    p = problem(operator, dtype=dtype, size=(10, 9), **params)
    method: Any = METHODS["tv"].build({"weight": 0.02})
    # 4000 steps in double precision: ‖A(x − x*)‖ is then known to its own bound.
    A = OPERATORS[operator].build(params, image=replace(p.operator.image, dtype=torch.float64))
    end = next(islice(method.iterates(Problem(A, wide(p.data), 0.0)), 4000, None))
    near = largest_gap(end)
    for iterate in islice(method.iterates(p), 0, 400, 20):
        assert float(norm(A(iterate.x.double() - end.x))) <= largest_gap(iterate) + near
    assert near < 0.02 * largest_gap(next(method.iterates(p)))


@pytest.mark.parametrize("steps", [3, 300])
@pytest.mark.parametrize("operator", ["denoising", "inpainting"])
def test_total_variation_states_what_holds(operator, steps):
    p, method = problem(operator, dtype=torch.float32), METHODS["tv"].build({"weight": 0.02})
    *_, end = islice(method.iterates(p), steps)
    found = probes(method, p, limit=end.x, tolerance=1e-6, max_steps=steps, seed=0, gap=largest_gap(end))
    seen = {probe.key: probe.value for probe in found if probe.value is not None}
    rows: dict[str, Any] = {g.key: g for g in method.guarantees(p, Evidence((), seen))}
    assert rows["fit"].status == "certified"
    assert {rows[k].status for k in ("uniqueness", "stability")} == {
        "certified" if operator == "denoising" else "hypothesis violated"
    }
    assert rows["fit"].predicted > 1
    # Of runs that are unfinished the ends are farther apart than their minimisers.
    assert rows["fit"].measured <= 1.001 or steps == 3


# ---------------------------------------------------------------- statement and line


@pytest.mark.parametrize(
    ("solver", "statement", "factor", "errors"),
    [
        (Picard(), "κᵏ ‖T(x₀) − x₀‖ + 2ε_T/(1 − κ)", lambda q, k: q**k, lambda q: 2 / (1 - q)),
        (
            Picard(0.3),
            "(0.7 + 0.3κ)ᵏ ‖T(x₀) − x₀‖ + 2ε_T/(1 − κ)",
            lambda q, k: (0.7 + 0.3 * q) ** k,
            lambda q: 2 / (1 - q),
        ),
        (
            Broyden(),
            "max(κ, 0.9)^{0.91k − 1} ‖T(x₀) − x₀‖ + 4ε_T/(1 − max(κ, 0.9))",
            lambda q, k: max(q, 0.9) ** (0.91 * k - 1),
            lambda q: 4 / (1 - max(q, 0.9)),
        ),
        (
            Anderson(1, 0.1),
            "(0.9 + 0.1 max(κ, 0.9))^{0.91k − 1} ‖T(x₀) − x₀‖ + 4ε_T/(0.1(1 − max(κ, 0.9)))",
            lambda q, k: (0.9 + 0.1 * max(q, 0.9)) ** (0.91 * k - 1),
            lambda q: 4 / (0.1 * (1 - max(q, 0.9))),
        ),
    ],
    ids=["plain", "damped", "Broyden", "mixed"],
)
@pytest.mark.parametrize("kappa", [0.5, 0.95])
def test_the_rate_that_is_printed_is_the_line_that_is_drawn(solver, statement, factor, errors, kappa):
    rate = proved_rate(solver, kappa)
    assert rate is not None
    assert rate.statement == f"‖T(x_k) − x_k‖ ≤ {statement}"
    assert [rate.at(k) for k in (2, 40)] == pytest.approx([factor(kappa, k) for k in (2, 40)])
    assert rate.errors == pytest.approx(errors(kappa))


def test_the_error_bound_that_is_printed_is_the_least():
    first, second = (2.0, "‖r‖/(1 − κ)"), (1.0, "‖r‖/τ")
    assert nearest(first, second) == (1.0, "‖x_k − x*‖ ≤ ‖r‖/τ")
    assert nearest(first, (1.9999, "‖r‖/τ")) == (2.0, "‖x_k − x*‖ ≤ ‖r‖/(1 − κ)")
    assert nearest((inverse(0.0), "no"), first) == (2.0, "‖x_k − x*‖ ≤ ‖r‖/(1 − κ)")
    assert nearest((inverse(-1.0), "no"))[0] is None


@pytest.mark.parametrize("kappa", [0.0, 0.5, 0.85])
def test_a_mixed_run_keeps_its_line(kappa):
    """Memory 1 and mixing 0.1 exceeded max(κ, 0.9)^{0.9k − 2}, which was printed, 559 times."""
    rng = torch.Generator().manual_seed(0)
    Q = torch.linalg.qr(torch.randn(100, 100, dtype=torch.float64, generator=rng)).Q
    b, z0 = torch.randn(2, 1, 100, dtype=torch.float64, generator=rng)
    solver = Anderson(1, 0.1)
    rate = proved_rate(solver, kappa)
    assert rate is not None
    gaps = [float(s.gap) for s in islice(solver.steps(lambda z: kappa * z @ Q.T + b, z0), 150)]
    assert all(gap <= rate.at(k) * gaps[0] + 1e-13 for k, gap in enumerate(gaps))


# ---------------------------------------------------------------- rounding


@pytest.mark.parametrize("alpha", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("operator", ["gaussian_blur", "denoising", "tomography"])
@pytest.mark.parametrize("splitting", ["implicit", "explicit"])
def test_rounding_raises_no_alarm(alpha, operator, splitting):
    """Long float32 runs, far into where the residual stalls."""
    p = problem(operator, dtype=torch.float32, size=(12, 12))
    for R in ("quadratic", "smoothed_tv", "contractive"):
        count = 8 if operator == "tomography" else 25 if R == "contractive" else 150
        rows = run(build(R, weight=alpha, splitting=splitting), p, count)
        assert not [(k, g) for k, g in rows.items() if g.status == "violated"], R


def test_theory_of_a_map_without_constants():
    theory = Theory(None, None, None, False, 1e-7, "", obstacle="nothing is known")
    assert not theory.is_contraction
    assert not theory.is_nonexpansive
    assert theory.kappa is None
    assert issubclass(METHODS["equilibrium"].cls, FixedPointMethod)


def test_a_constant_map_does_not_expand_by_rounding():
    """A orthogonal and R = Id: one step of this length ends anywhere at x*, and κ = 0."""
    p = problem("compressed_sensing", dtype=torch.float32, size=(32, 32), fraction=1.0)
    method = build("quadratic", weight=0.02, splitting="explicit", step=0.5)
    assert method.theory(p).kappa == pytest.approx(0.0, abs=1e-12)
    rows: dict[str, Any] = {g.key: g for g in method.guarantees(p, Evidence((), {"expansion": 3.3e-9}))}
    assert rows["expansion"].status == "certified"
    rows = {g.key: g for g in method.guarantees(p, Evidence((), {"expansion": 1e-4}))}
    assert rows["expansion"].status == "violated"


# ---------------------------------------------------------------- rounding and zeros


@pytest.mark.parametrize("level", [0.7, 1 / 3])
@pytest.mark.parametrize(
    ("key", "params"),
    [
        ("iterated_tikhonov", {"weight": 1.0}),
        ("iterated_tikhonov", {"weight": 10.0}),
        ("equilibrium", {"weight": 1.0, "solver": Choice("picard")}),
        (
            "equilibrium",
            {
                "regularizer": Choice("quadratic"),
                "weight": 0.1,
                "splitting": "explicit",
                "step": 0.05,
                "solver": Choice("picard"),
            },
        ),
    ],
    ids=["iterated 1", "iterated 10", "implicit", "explicit"],
)
def test_a_flat_image_comes_to_rest_within_its_a_priori_line(key, params, level):
    """κᵏ d₀ alone is not proved of a run with rounding; with 2ε_T/(1 − κ) it is."""
    A = OPERATORS["denoising"].build({}, image=Space((1, 16, 16)))
    p = Problem(A, A(torch.full((1, 1, 16, 16), level)), 0.0)
    row = run(METHODS[key].build(params), p, 250)["rate"]
    assert row.status == "certified"
    assert len(row.measured.values) == len(row.predicted.values) == 250


def test_a_constant_image_without_noise_has_objective_zero_and_a_gap_that_holds():
    A = OPERATORS["denoising"].build({}, image=Space((1, 8, 8)))
    p = Problem(A, torch.full((1, 1, 8, 8), 0.5), 0.0)
    rows = run(METHODS["tv"].build({}), p, 5)
    assert rows["gap"].measured.values == [0.0] * 5
    assert rows["gap"].status == "certified"


@pytest.mark.parametrize("size", ["1e-6", "1e-10", "1"])
def test_the_step_condition_of_a_small_kernel_is_a_sum_that_cancels_nothing(size):
    A = OPERATORS["kernel_blur"].build({"kernel": size, "scaling": "as given"}, image=Space((1, 8, 8)))
    p = Problem(A, A(torch.full((1, 1, 8, 8), 0.5)), 0.0)
    row = run(METHODS["tv"].build({"weight": 1.0}), p, 3)["steps"]
    assert row.status == "certified"
    assert row.measured == pytest.approx(row.predicted, rel=2e-3)
