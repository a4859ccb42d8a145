"""Monotone operator learning: every inequality on certified networks, in double precision."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from deqviz import images
from deqviz.core.estimate import Estimate
from deqviz.core.guarantee import is_void
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Evidence, Map, Problem, Scalars
from deqviz.core.regularizer import Constants, Regularizer
from deqviz.core.space import Image, Space, inner, norm, random_picture
from deqviz.diagnostics._jacobian import Jacobian
from deqviz.experiments._rows import only_rows, panel, recorded
from deqviz.experiments.monotone._rank_two import joining
from deqviz.experiments.monotone.beyond_depth import BeyondDepth, runners
from deqviz.experiments.monotone.forward_backward import (
    Target,
    Turning,
    defect,
    forward_backward,
    margin_of,
    target,
)
from deqviz.experiments.monotone.lipschitz_estimates import LipschitzEstimates, Named
from deqviz.experiments.monotone.step_limits import Example, StepLimits, StepRow
from deqviz.experiments.monotone.uniqueness_counterexample import Contender, Counterexample, Smoothing
from deqviz.methods._monotone import DataStep
from deqviz.methods._monotone import forward_backward as trained_map
from deqviz.methods._theory import bounds
from deqviz.methods.mol import Mol
from deqviz.networks import _weights
from deqviz.networks._spectrum import grid_norm, norm_everywhere, symbols
from deqviz.networks.monotone import MonotoneCNN
from deqviz.operators.denoising import Denoising
from deqviz.operators.gaussian_blur import GaussianBlur
from deqviz.operators.inpainting import Inpainting
from deqviz.operators.parallel_mri import ParallelMri
from deqviz.regularizers.monotone import Monotone, apply
from deqviz.scenario import for_operator
from deqviz.solvers._differentiate import Implicit
from deqviz.solvers.anderson import Anderson
from deqviz.solvers.picard import Picard
from deqviz.training.mol_recipes import MolRecipe
from deqviz.training.samples import Sample
from deqviz.training.tasks import Natural

SIDE = 12
SPACE = Space((2, SIDE, SIDE), torch.float64)
OPERATORS: dict[str, ForwardModel] = {
    "denoising": Denoising(SPACE),
    "blur": GaussianBlur(SPACE, width=1.2),
    "inpainting": Inpainting(SPACE),
    "one coil": ParallelMri(SPACE, coils=1, acceleration=3.0),
    "coils": ParallelMri(SPACE, coils=3, acceleration=3.0),
}
STRICT = [
    c for c in _weights.cards() if c.network == "MonotoneCNN" and c.constants.get("lipschitz") is not None
]
QUICK = settings(max_examples=9)


@dataclass(frozen=True, eq=False)
class Plain(Regularizer):
    """F = Id − H of a network in hand."""

    net: MonotoneCNN

    def __call__(self, x: Image) -> Image:
        return x - apply(self.net, x)

    def constants(self) -> Constants:
        L = self.net.norms().lipschitz
        return Constants(
            Estimate("c", 1 - L, "lower bound"),
            Estimate("ℓ", 1 + L, "upper bound"),
            1.0,
            Estimate("L", L, "upper bound"),
            "by its layers",
        )


def strict(seed: int, margin: float, share: float = 0.5) -> Plain:
    """Random filters, each divided by the bound on its norm: Lip(H) ≤ 1 − m."""
    net = MonotoneCNN(2, 8, 3, 3, 2, margin, seed=seed).double().requires_grad_(False)
    for layer in net.layers:
        filters = layer.filters
        assert isinstance(filters, Tensor)
        filters /= norm_everywhere(filters) * (1 + 1e-9)
        offset = layer.offset
        assert isinstance(offset, Tensor)
        offset += 0.1 * torch.randn(len(filters), generator=rng(seed))
    net.mixing.fill_(math.log(share / (1 - share)))
    return Plain(net)


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(seed: int, size: float = 1.0) -> Image:
    return size * SPACE.random(rng(seed))


def posed(operator: str, seed: int = 0) -> Problem:
    A = OPERATORS[operator]
    return Problem(A, A(random_picture(SPACE, rng(seed))), 0.0)


def solved(problem: Problem, R: Regularizer, weight: float) -> Target:
    """The solution and how far it may be off."""
    work = target(problem, R, weight, problem.operator.adjoint(problem.data))
    found: list[Target] = []

    def keep():
        found.append((yield from work))

    for _ in keep():
        pass
    assert found[0].is_proved
    return found[0]


# ---------------------------------------------------------------- norms of layers


@pytest.mark.parametrize("grid", [(3, 3), (7, 9), (16, 5), (64, 33)])
def test_a_grid_norm_is_the_largest_singular_value(grid: tuple[int, int]) -> None:
    filters = torch.randn(6, 4, 3, 3, generator=rng(0), dtype=torch.float64)
    exact = float(torch.linalg.svdvals(symbols(filters, grid)).max())
    assert exact <= grid_norm(filters, grid) <= exact * (1 + 2e-9)
    assert grid_norm(filters, grid) <= norm_everywhere(filters)


def test_a_grid_norm_survives_equal_and_empty_frequencies() -> None:
    # A multiple of the identity has one norm at all frequencies, a pure shift too; zeros have none.
    one = torch.zeros(8, 8, 3, 3, dtype=torch.float64)
    assert grid_norm(one, (9, 8)) < 1e-40
    one[:, :, 1, 2] = 3 * torch.eye(8, dtype=torch.float64)
    assert grid_norm(one, (9, 8)) == pytest.approx(3, rel=2e-9)
    volume = torch.randn(4, 2, 3, 3, 3, generator=rng(1), dtype=torch.float64)
    exact = float(torch.linalg.svdvals(symbols(volume, (5, 6, 7))).max())
    assert exact <= grid_norm(volume, (5, 6, 7)) <= exact * (1 + 2e-9)
    with pytest.raises(ValueError, match="at least as large"):
        grid_norm(one, (2, 8))


@pytest.mark.parametrize("card", STRICT, ids=lambda c: c.key)
def test_a_shipped_certificate_holds_on_every_grid(card: _weights.Card) -> None:
    net = _weights.load(card.key)
    assert isinstance(net, MonotoneCNN)
    limit, everywhere = 1 - card.arguments["margin"], net.norms()
    assert everywhere.lipschitz <= card.constants["lipschitz"] * (1 + 1e-8) <= limit * (1 + 1e-8)
    assert everywhere.product <= card.constants["product"] * (1 + 1e-8) <= 1 + 1e-8
    grid = (64, 64) if net.axes == 2 else (10, 24, 24)
    found = net.norms(grid)
    assert found.product <= 1
    assert found.lipschitz <= min(limit, everywhere.lipschitz)


@pytest.mark.parametrize("grid", [(128, 128), (91, 109)])
def test_the_certificate_at_the_sizes_of_the_slices(grid: tuple[int, int]) -> None:
    net = _weights.load("mol_sn")
    assert isinstance(net, MonotoneCNN)
    found = net.norms(grid)
    assert found.product <= 1
    assert found.lipschitz <= 1 - net.margin


# ---------------------------------------------------------------- contraction, certificate, stability


@pytest.mark.parametrize("operator", OPERATORS)
@QUICK
@given(
    seed=st.integers(0, 99),
    alpha=st.sampled_from([0.05, 0.3, 0.7, 1.0, 1.03, 1.6]),
    margin=st.sampled_from([0.02, 0.1, 0.3]),
    weight=st.sampled_from([0.5, 10.0, 200.0]),
    near=st.sampled_from([1e-4, 1.0]),
)
def test_the_map_contracts_by_both_rates(
    operator: str, seed: int, alpha: float, margin: float, weight: float, near: float
) -> None:
    R, problem = strict(seed % 5, margin), posed(operator, seed)
    T, known = forward_backward(problem, R, weight, alpha), margin_of(R)
    assert known is not None
    assert known.is_certified
    assert known.monotonicity >= margin - 1e-6
    x = picture(seed)
    z = x + near * picture(seed + 100)
    bottom = weight * bounds(problem.operator).bottom
    second = known.second_rate(alpha, bottom)
    assert second is not None
    if alpha <= 1:
        assert second == pytest.approx((1 - alpha * known.monotonicity) / (1 + alpha * bottom))
    room = 1e-8 * near + 1e-12 * float(norm(x))
    moved, apart = float(norm(T(x) - T(z))), float(norm(x - z))
    assert moved <= second * apart + room
    assert moved <= known.first_rate(alpha, bottom) * apart + room


def test_the_rate_from_the_second_hypothesis_is_attained() -> None:
    # H = (1 − m)Id and an A that sees nothing of some pictures: exactly |1 − α| + α(1 − m) for α ≤ 1.
    R, problem = strict(0, 0.1, share=1e-9), posed("one coil")
    x = picture(0)
    hidden = x - problem.operator.gram(x)
    for alpha in (0.1, 1.0):
        T = forward_backward(problem, R, 50.0, alpha)
        moved = norm(T(x + hidden) - T(x)) / norm(hidden)
        assert float(moved) == pytest.approx(1 - 0.1 * alpha, rel=1e-6)


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_residual_bounds_the_distance(operator: str) -> None:
    for seed, margin in ((0, 0.02), (1, 0.3)):
        R, problem, weight = strict(seed, margin), posed(operator, seed), 30.0
        found = solved(problem, R, weight)
        m = R.constants().monotonicity.value
        for size in (1e-6, 1e-2, 1.0, 10.0):
            x = found.x + picture(seed + 7, size)
            bound = float(norm(defect(problem, R, weight, x))) / m
            assert float(norm(x - found.x)) <= bound * (1 + 1e-9) + found.error
        assert float(norm(defect(problem, R, weight, found.x))) / m <= 1e-8


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_solution_depends_on_the_data_as_proved(operator: str) -> None:
    for seed, margin, weight in ((0, 0.1, 50.0), (1, 0.3, 0.2)):
        R, problem, A = strict(seed, margin), posed(operator, seed), OPERATORS[operator]
        before, m = solved(problem, R, weight), R.constants().monotonicity.value
        for size in (1e-3, 0.3):
            delta = A(picture(seed + 20, size))
            after = solved(replace(problem, data=problem.data + delta), R, weight)
            change, error = after.x - before.x, before.error + after.error
            moved = float(norm(change)) - error
            assert moved <= weight / m * float(norm(A.adjoint(delta))) * (1 + 1e-9)
            assert float(norm(A(change))) - error <= float(norm(delta)) * (1 + 1e-9)
            assert moved <= 0.5 * math.sqrt(weight / m) * float(norm(delta)) * (1 + 1e-9)
            top = math.sqrt(bounds(A).top)
            if math.sqrt(m / weight) > top:
                assert moved <= weight * top / (m + weight * top**2) * float(norm(delta)) * (1 + 1e-9)


def test_the_third_bound_is_sharp() -> None:
    # H = (1 − m)Id: the gain is max λσ/(m + λσ²) over the singular values, here those of a blur.
    m, weight = 0.1, 100.0
    space = Space((2, 48, 48), torch.float64)
    A = GaussianBlur(space, width=2.0)
    v = space.random(rng(0))
    gain = 0.0
    for _ in range(200):
        v = weight * A.resolvent(A.adjoint(v), m / weight) / weight
        gain = float(norm(v))
        v = A(A.resolvent(v, m / weight)) / gain
    largest = float(norm(A.resolvent(A.adjoint(v / norm(v)), m / weight)))
    bound = 0.5 * math.sqrt(weight / m)
    assert 0.97 * bound < largest <= bound * (1 + 1e-9)


@pytest.mark.parametrize("operator", ["blur", "coils"])
def test_the_backward_iteration_contracts_by_the_same_factor(operator: str) -> None:
    R, problem, weight = strict(2, 0.1), posed(operator), 20.0
    known, found = margin_of(R), solved(problem, R, weight)
    assert known is not None
    for alpha in (1.0,) if operator == "coils" else (0.6, 1.0):
        q = known.second_rate(alpha, weight * bounds(problem.operator).bottom)
        assert q is not None
        v, H = picture(3), Jacobian(lambda x: x - R(x), found.x)
        back = adjoint_step(problem.operator, H, v, alpha, 1 / (alpha * weight))
        limit, before = back(v), v
        while float(norm(limit - before)) > 1e-11:
            limit, before = back(limit), limit
        u, first = v, float(norm(v - limit))
        for k in range(20):
            assert float(norm(u - limit)) <= q**k * first * (1 + 1e-9) + 1e-9
            u = back(u)


def adjoint_step(A: ForwardModel, H: Jacobian, v: Image, alpha: float, rho: float) -> Map:
    """u ↦ v + J*u with J = (A*A + ρ)⁻¹ρ(Id − αF′), written out."""

    def back(u: Image) -> Image:
        w = rho * A.resolvent(u, rho)
        return v + (1 - alpha) * w + alpha * H.adjoint(w)

    return back


# ---------------------------------------------------------------- gradients through the equilibrium


def _difference(loss, parameter: Tensor, place: tuple[int, ...], step: float = 1e-5) -> float:
    """The central difference of a loss in one entry of a parameter."""
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            parameter[place] += sign * step
            values.append(float(loss()))
            parameter[place] -= sign * step
    return (values[0] - values[1]) / (2 * step)


@pytest.mark.parametrize("operator", ["coils", "one coil"])
def test_the_implicit_gradient_is_that_of_the_solution(operator: str) -> None:
    net, A = strict(4, 0.1).net, OPERATORS[operator]
    net.requires_grad_(True)
    truth = random_picture(SPACE, rng(1))
    implicit = Implicit(Anderson(), Anderson(), 1e-12, 3000)

    def loss() -> Tensor:
        data = DataStep(A, A.adjoint(A(truth)), (-net.log_weight).exp(), tolerance=1e-9, max_steps=500)
        return (implicit(trained_map(net, data, 0.7), data.sense().detach()) - truth).square().sum()

    net.log_weight.data.fill_(math.log(5.0))
    loss().backward()
    chosen = [(net.layers[0].filters, (3, 1, 0, 2)), (net.layers[2].offset, (1,))]
    for parameter, place in [*chosen, (net.mixing, ()), (net.log_weight, ())]:
        assert isinstance(parameter, Tensor)
        assert parameter.grad is not None
        exact = float(parameter.grad[place])
        assert exact == pytest.approx(_difference(loss, parameter, place), rel=1e-6, abs=1e-7)


def test_the_recipe_trains_by_the_gradient_of_its_loss() -> None:
    recipe = MolRecipe(
        "x", "x", 1, 0.1, task=Natural("blur"), width=8, layers=3, version="unconstrained",
        tolerance=1e-13, adjoint_tolerance=1e-13, max_steps=3000, error=1.0,
    )  # fmt: skip
    net = recipe.build().double()
    space = Space((1, SIDE, SIDE), torch.float64)
    A, truth = GaussianBlur(space, width=1.2), random_picture(space, rng(1))
    sample = Sample(truth, A(truth), torch.zeros(1), A)
    recipe.loss(net, sample).backward()
    for parameter, place in ((net.layers[1].filters, (0, 2, 1, 1)), (net.log_weight, ())):
        assert isinstance(parameter, Tensor)
        assert parameter.grad is not None
        found = _difference(lambda: recipe.loss(net, sample).detach(), parameter, place)
        assert float(parameter.grad[place]) == pytest.approx(found, rel=1e-6, abs=1e-9)


# ---------------------------------------------------------------- two solutions of one problem


def gallery(key: str, side: int = 16) -> Image:
    grey = images.scaled(images.load(key, torch.float64).mean(1, keepdim=True), side)
    return for_operator("parallel_mri", grey, 0)


@settings(max_examples=20)
@given(seed=st.integers(0, 999), weight=st.sampled_from([0.3, 1.0, 100.0]), size=st.sampled_from([0.1, 1.0]))
def test_any_pair_with_a_negative_product_solves_one_problem(seed: int, weight: float, size: float) -> None:
    # A random linear F: for every pair, either some A and b make both solutions, or none does.
    F = torch.randn(288, 288, generator=rng(seed), dtype=torch.float64)
    x, z = picture(seed, size), picture(seed + 1)
    u = ((z - x).flatten(1) @ F.mT).view(x.shape)
    if float(inner(u, x - z)) <= 0:
        with pytest.raises(ValueError, match="monotone between"):
            joining(x, z, u, weight)
        F, u = -F, -u
    A = joining(x, z, u, weight)
    b = A(x) + A.inverse((x.flatten(1) @ F.mT).view(x.shape)) / weight
    for point in (x, z):
        value = weight * A.adjoint(A(point) - b) + (point.flatten(1) @ F.mT).view(x.shape)
        scale = weight * A.values[0] * float(norm(b)) + float(torch.linalg.matrix_norm(F, 2) * norm(point))
        assert float(norm(value)) <= 1e-10 * scale
    assert torch.allclose(A.inverse(A(x)), x, rtol=1e-8, atol=1e-8)
    assert torch.allclose(A.gram(A.resolvent(x, 0.5)) + 0.5 * A.resolvent(x, 0.5), x, rtol=1e-8, atol=1e-8)
    assert float(inner(A(x), z)) == pytest.approx(float(inner(x, A(z))), rel=1e-9)
    assert float(norm(A(x))) <= A.norm_bound().value * float(norm(x)) * (1 + 1e-12)
    assert float(norm(A(x))) >= A.smallest_singular_value().value * float(norm(x)) * (1 - 1e-12)


def test_two_pictures_break_a_free_network_and_no_strict_one() -> None:
    wild = strict(3, 0.0, share=0.9)
    for layer in wild.net.layers:
        layer.filters *= 3  # type: ignore[operator]
    x, z = gallery("brain"), gallery("camera")
    space = Space(tuple(x.shape[1:]), torch.float64)
    contenders = (
        Contender("example", "", Smoothing.of(space, 2.0)),
        Contender("monotone", "", Smoothing.of(space, 0.9)),
        Contender("strict", "", Monotone("strict m = 0.1", "MRI R = 4")),
        Contender("wild", "", wild, is_searched=True),
    )
    rows = list(only_rows(Counterexample(contenders, x, z).run()))
    ends = {(row.contender, row.t): row for row in rows if row.t in (0, 1)}
    for key in ("example", "wild"):
        assert ends[key, 1].is_joined == "yes"
        assert max(ends[key, 0].residual, ends[key, 1].residual) < 1e-10
        assert ends[key, 1].product < 0
        assert ends[key, 1].low > 0
    for key in ("monotone", "strict"):
        row = ends[key, 1]
        assert row.is_joined == "no"
        assert row.residual >= row.margin * row.apart > 0.05
        assert row.product >= row.margin
    # Between the two solutions the equation is not solved: they are two, and not one line of them.
    assert min(r.residual for r in rows if r.contender == "example" and r.t == 0.5) > 1e-3
    assert {g.key: g.status for g in panel(rows)} == {
        "both": "certified",
        "one": "certified",
        "apart": "certified",
    }


def test_an_example_that_is_monotone_there_says_so() -> None:
    x, z = gallery("brain"), gallery("camera")
    space = Space(tuple(x.shape[1:]), torch.float64)
    experiment = Counterexample(
        (Contender("example", "", Smoothing.of(space, 0.5)),), x, z, places=(0.0, 1.0)
    )
    first, second = only_rows(experiment.run())
    assert (first.is_joined, second.is_joined) == ("no", "no")
    assert first.residual < 1e-10 < second.residual


# ---------------------------------------------------------------- the other experiments


@pytest.fixture(scope="module")
def limit_rows() -> list[StepRow]:
    return list(only_rows(step_limits().run()))


def step_limits(side: int = 12) -> StepLimits:
    x = gallery("brain", side)
    space = Space(tuple(x.shape[1:]), torch.float64)
    A = ParallelMri(space, coils=1)
    away, m = random_picture(space, rng(0)), 0.2
    first = 2 * m / (2 - m) ** 2
    return StepLimits(
        (
            Example("network", "", A, A(x), strict(0, m), 40.0, A.adjoint(A(x)), (0.05, 1.0, 1.5), 120),
            Example(
                "turning",
                "",
                A,
                A(x),
                Turning(m),
                40.0,
                away,
                (0.9 * first, 1.1 * first),
                1500,
                is_blind=True,
            ),
        )
    )


def test_the_first_limit_is_exact_and_the_second_one_allows_more(limit_rows: list[StepRow]) -> None:
    rows = limit_rows
    ends = {row.key[:2]: row for row in rows if row.state != "going"}
    below, above = (end for key, end in ends.items() if key[0] == "turning")
    assert (below.state, above.state) == ("stopped", "diverged")
    for end in (below, above):
        assert end.second is None
        assert end.factor == pytest.approx(end.first, rel=1e-6)
    assert below.factor is not None
    assert above.factor is not None
    assert below.factor < 1 < above.factor
    whole = ends["network", 1.0]
    assert whole.state == "arrived"
    assert whole.first is not None
    assert whole.second is not None
    assert whole.first > 1 > whole.second
    # The usual rule stops a slow run where the error is a multiple of the step.
    slow = next(r for r in rows if r.key[:2] == ("network", 0.05) and r.moved is not None and r.moved < 1e-4)
    assert slow.distance is not None
    assert slow.moved is not None
    assert slow.certified is not None
    assert 5 * slow.moved < slow.distance <= slow.certified
    lamps = {g.key: g.status for g in panel(rows)}
    assert lamps == {
        "certificate": "certified",
        "first": "certified",
        "second": "certified",
        "sharp": "certified",
    }


def test_a_bound_on_the_factor_can_be_violated(limit_rows: list[StepRow]) -> None:
    # The same rows with an m that is not true: the lamps must tell.
    rows = limit_rows
    end = next(row for row in rows if row.key[:2] == ("turning", rows[-1].step) and row.state != "going")
    first = next(r for r in rows if r.example == "turning" and r.state != "going")
    lies = replace(first, first=0.5 * (first.first or 0.0))
    assert {g.key: g.status for g in lies.guarantees}["first"] == "violated"
    assert {g.key: g.status for g in replace(end, factor=0.9).guarantees}["sharp"] == "violated"


def test_runs_are_written_and_gone_on_with(tmp_path) -> None:
    whole, path = step_limits(8), tmp_path / "steps.csv"
    experiment = StepLimits((replace(whole.examples[0], max_steps=25),))
    stream = recorded(experiment, path)
    for _ in range(40):
        next(stream)
    del stream
    again = list(only_rows(recorded(experiment, path)))
    assert again == list(only_rows(experiment.run()))


def test_the_numbers_of_the_panel_come_in_their_order() -> None:
    x = gallery("brain", 16)
    networks = (
        Named("mol_sn", "strict", 0.1),
        Named("mol_lr", "approximate", 0.1),
        Named("mol_free", "free", None),
    )
    experiment = LipschitzEstimates(networks, (("brain", x),), ascent=6, products=8)
    rows = list(only_rows(experiment.run()))
    assert [row.key for row in rows] == list(experiment.cells)
    for named in networks:
        found = {row.quantity: row.value for row in rows if row.network == named.key}
        # Secants are means of derivatives: no more than the largest, which is estimated on both ends.
        assert found["secant"] <= found["derivative"] * 1.01
        assert found["derivative"] <= found["grid"] * (1 + 1e-9)
        assert found["grid"] <= found["everywhere"] * (1 + 1e-9)
        assert {row.side for row in rows if row.quantity in ("secant", "derivative")} == {"lower bound"}
    lamps = {g.key: g.status for g in panel(rows)}
    assert lamps["order"] == "certified"
    assert lamps["margin.mol_sn"] == "certified"
    assert lamps["margin.mol_lr"] == "violated", "training asked an estimate from below of it"
    assert lamps["margin.mol_free"] == "not applicable"


def test_methods_go_on_past_their_depth_from_the_same_data() -> None:
    x = gallery("brain", 24).float()
    A = ParallelMri(Space(tuple(x.shape[1:])), coils=2)
    problem = Problem(A, A(x), 0.0)
    experiment = BeyondDepth(problem, x, runners(depth=20), depth=20)
    progress = list(experiment.run())
    rows = [p.row for p in progress if p.row is not None]
    assert {row.method for row in rows} == {"modl", "admm_net", "free", "approximate", "strict"}
    views = {(p.row.method, name) for p in progress if p.row is not None for name in p.views}
    assert {("strict", "trained"), ("strict", "end"), ("modl", "end"), ("modl", "truth")} <= views
    certified = [row for row in rows if row.method == "strict"]
    assert len(certified) == 21
    assert all(row.line is not None for row in certified)
    assert all(row.holds for row in rows)
    last, settled = certified[-1].psnr, certified[8].psnr
    assert last is not None
    assert settled is not None
    assert abs(last - settled) < 0.05


# ---------------------------------------------------------------- the lamps of the method


def problem32(key: str = "parallel_mri") -> Problem:
    A = (
        ParallelMri(Space((2, 16, 16)), coils=1)
        if key == "parallel_mri"
        else GaussianBlur(Space((1, 16, 16)))
    )
    x = random_picture(A.image, rng(0))
    return Problem(A, A(x), 0.0)


def lamps(method: Mol, problem: Problem, steps: int = 30) -> dict[str, str]:
    marks = []
    for iterate in method.iterates(problem):
        marks.append(Scalars.of(iterate))
        if iterate.k == steps:
            break
    return {g.key: g.status for g in method.guarantees(problem, Evidence(marks))}


@pytest.mark.parametrize("operator", ["parallel_mri", "blur"])
def test_a_strict_network_is_certified_and_its_run_agrees(operator: str) -> None:
    found = lamps(Mol(solver=Picard()), problem32(operator))
    assert {found[key] for key in ("contraction", "rate", "error")} == {"certified"}
    assert {found[key] for key in ("uniqueness", "stability")} == {"waiting"}
    # κ₁ needs a step so short that α = 1 is far beyond it; below it, it is there.
    assert found["paper_rate"] == "hypothesis violated"
    assert lamps(Mol(solver=Picard(), step=0.01), problem32(operator))["paper_rate"] == "certified"


def test_past_the_second_limit_the_rate_is_void_and_the_solution_still_one() -> None:
    method, problem = Mol(solver=Picard(), step=1.9), problem32()
    L = method.regularizer(problem).constants().contraction.value
    assert 2 / (1 + L) < 1.9
    found = {g.key: g for g in method.guarantees(problem, Evidence())}
    assert found["contraction"].status == "hypothesis violated"
    assert "α = 1.9 is not below 2/(1 + L)" in found["contraction"].reason
    assert found["uniqueness"].claim == found["stability"].claim == "certified"


@pytest.mark.parametrize("version", ["approximate", "unconstrained"])
def test_without_a_certificate_no_lamp_is_green(version) -> None:
    method, problem = Mol(version=version), problem32()
    known = method.regularizer(problem).constants()
    found = method.guarantees(problem, Evidence())
    assert ("estimated" in {g.status for g in found if g.key == "rate"}) == (version == "approximate")
    if known.contraction.value >= 1:
        assert all(g.claim == "estimated" or is_void(g.claim) for g in found)
        assert all("from which nothing follows" in g.reason for g in found if g.key != "source")
    else:
        # Nothing was asked of these layers, and they keep the bound all the same: that is a proof too.
        assert {g.key: g.status for g in found}["contraction"] == "waiting"


def test_layers_that_are_too_long_light_no_green_lamp(monkeypatch: pytest.MonkeyPatch) -> None:
    from deqviz.regularizers import monotone

    wild = MonotoneCNN(2, 8, 3, seed=1).requires_grad_(False)
    monkeypatch.setattr(monotone, "network", lambda *_: wild)
    monkeypatch.setattr(monotone, "certified_lipschitz", lambda _: None)
    monotone.lipschitz.cache_clear()
    try:
        found = Mol(version="unconstrained").guarantees(problem32(), Evidence())
    finally:
        monotone.lipschitz.cache_clear()
    assert {g.status for g in found} == {"not verifiable"}
    assert all("from which nothing follows" in g.reason for g in found)
