"""Attacks: below what is proved, above random noise, always; exact derivatives; the inequalities of MOL."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deqviz.core.catalog import METHODS, OPERATORS, discover
from deqviz.core.estimate import Estimate
from deqviz.core.records import Iterate, Map, Method, Problem
from deqviz.core.registry import Choice
from deqviz.core.regularizer import Constants, Regularizer
from deqviz.core.space import Image, Space, inner, norm, scale
from deqviz.experiments._rows import only_rows, panel, recorded
from deqviz.experiments.equilibrium.source import finish
from deqviz.experiments.robustness._ascent import ascend, draws, local_gain, on_sphere
from deqviz.experiments.robustness._solution_map import SolutionMap
from deqviz.experiments.robustness._solutions import solution_map
from deqviz.experiments.robustness._total_variation import TvPairs
from deqviz.experiments.robustness.attack import Budget, NamedMethod, Robustness, RobustnessRow
from deqviz.methods._base import FixedPointMethod
from deqviz.methods.mol import Mol
from deqviz.methods.tv import Tv
from deqviz.networks.monotone import Convolution, MonotoneCNN
from deqviz.regularizers.monotone import Version, apply
from deqviz.scenario import Scenario
from deqviz.solvers._differentiate import Implicit
from deqviz.solvers.anderson import Anderson

for package in ("operators", "noises", "solvers", "regularizers", "methods"):
    discover(f"deqviz.{package}")

SMALL = Budget(restarts=2, steps=3, draws=2, products=3)


@dataclass(frozen=True)
class Given(Regularizer):
    """F = Id − H of a network in hand."""

    net: MonotoneCNN
    key: str = "mol_sn"

    def __call__(self, x: Image) -> Image:
        return x - apply(self.net, x)

    def constants(self) -> Constants:
        limit = self.net.norms().lipschitz
        return Constants(
            Estimate("c", 1 - limit, "lower bound"),
            Estimate("ℓ", 1 + limit, "upper bound"),
            1.0,
            Estimate("L", limit, "upper bound"),
            "the layers were divided by their norms",
        )


@dataclass(frozen=True)
class RandomMol(Mol):
    """MOL with a network in hand and a λ."""

    net: MonotoneCNN | None = None
    trust: float = 20.0

    def regularizer(self, problem: Problem) -> Any:
        assert self.net is not None
        return Given(self.net)

    def weight(self, problem: Problem) -> float:
        return self.trust


def certified_net(channels: int, seed: int = 0, margin: float = 0.1) -> MonotoneCNN:
    """Random filters, each layer divided by its certified norm."""
    net = MonotoneCNN(channels, width=6, layers=3, margin=margin, seed=seed).double()
    net.mixing.data.fill_(3.0)
    for layer, size in zip(net.layers, net.norms().layers, strict=True):
        assert isinstance(layer, Convolution)
        layer.filters.data /= size * (1 + 1e-9)
        layer.offset.data.copy_(torch.linspace(-0.1, 0.1, len(layer.offset)))
    return net.requires_grad_(False)


def problem(operator: str, side: tuple[int, int] = (10, 8), seed: int = 0, **params: Any) -> Problem:
    rng = torch.Generator().manual_seed(seed)
    channels = 2 if OPERATORS[operator].cls.complex_pictures else 1
    A = OPERATORS[operator].build(params, image=Space((channels, *side), torch.float64))
    y = A(torch.rand(1, channels, *side, dtype=torch.float64, generator=rng))
    mask = 1 if A.measured is None else A.measured
    return Problem(A, y + 0.01 * mask * torch.randn(y.shape, dtype=y.dtype, generator=rng), 0.01)


def mol(p: Problem, seed: int = 0, margin: float = 0.1, trust: float = 20.0) -> RandomMol:
    return RandomMol(net=certified_net(p.operator.image.shape[0], seed, margin), trust=trust)


def build(name: str, p: Problem) -> Method:
    quick = Choice("quadratic")
    match name:
        case "mol":
            return mol(p)
        case "contractive":
            return METHODS["equilibrium"].build({"weight": 0.1})
        case "quadratic":
            return METHODS["equilibrium"].build(
                {"regularizer": quick, "weight": 0.05, "splitting": "explicit"}
            )
        case _:
            return METHODS[name].build({})


def attacked(p: Problem, method: Method, levels: tuple[float, ...] = (0.05,), **more: Any) -> Robustness:
    return Robustness(
        p, (NamedMethod("it", "The method", method),), levels, budget=SMALL, tolerance=1e-10, **more
    )


def rows(experiment: Robustness) -> list[RobustnessRow]:
    return list(only_rows(experiment.run()))


# ---------------------------------------------------------------- always


@pytest.mark.parametrize(
    ("operator", "name"),
    [
        ("parallel_mri", "mol"),
        ("gaussian_blur", "mol"),
        ("inpainting", "mol"),
        ("parallel_mri", "tikhonov"),
        ("tomography", "tikhonov"),
        ("gaussian_blur", "contractive"),
        ("fourier", "quadratic"),
    ],
)
def test_what_is_found_lies_between_random_noise_and_the_certificate(operator: str, name: str):
    p = problem(operator)
    (row,) = rows(attacked(p, build(name, p)))
    assert row.status == "certified"
    assert row.bound is not None
    assert row.local is not None
    assert row.room < 1e-4
    assert row.random <= row.attack <= row.bound * (1 + row.room)
    assert row.local <= row.bound * (1 + 1e-6)
    lamps = {g.key: g.status for g in row.guarantees}
    assert lamps.pop("order") == "remark"
    assert lamps == dict.fromkeys(("bound", "local", "back", "seen"), "certified")
    # An attack is worth its name where A does not treat all that it measures alike.
    if operator in ("parallel_mri", "gaussian_blur"):
        assert row.attack > 1.3 * row.random


@pytest.mark.parametrize(
    ("operator", "name"),
    [
        ("inpainting", "modl"),
        ("parallel_mri", "unet"),
        ("tomography", "baseline"),
        ("inpainting", "tv"),
        ("inpainting", "iterated_tikhonov"),
    ],
)
def test_methods_without_a_bound_are_attacked_and_say_that_they_have_none(operator: str, name: str):
    p = problem(operator)
    brief = replace(attacked(p, build(name, p)), budget=Budget(2, 1, 2, 1))
    (row,) = rows(brief)
    assert row.bound is None
    assert row.paper is None
    assert row.attack >= row.random > 0
    lamps = {g.key: g.status for g in row.guarantees}
    assert lamps.pop("order") == "remark"
    assert set(lamps.values()) == {"not verifiable"}
    assert row.reason


def test_the_quadratic_equilibrium_attains_its_bound():
    """R = Id: the worst gain is max σ/(σ² + α), and power iteration must get there."""
    p = problem("gaussian_blur", (8, 8))
    method = METHODS["tikhonov"].build({"weight": 0.02})
    budget = Budget(3, 40, 3, 60)
    experiment = Robustness(
        p, (NamedMethod("it", "It", method),), (0.01, 0.3), budget=budget, tolerance=1e-12
    )
    for row in rows(experiment):
        spectrum = torch.linalg.svdvals(_matrix(p))
        best = float((spectrum / (spectrum.square() + 0.02)).max())
        assert row.attack == pytest.approx(best, rel=5e-3)
        assert row.local == pytest.approx(best, rel=5e-3)


# ---------------------------------------------------------------- the local gain


def _matrix(p: Problem) -> torch.Tensor:
    """A as a real matrix."""
    eye = torch.eye(p.operator.image.size, dtype=torch.float64)
    columns = p.operator(eye.view(-1, *p.operator.image.shape)).flatten(1)
    return (torch.view_as_real(columns).flatten(1) if columns.is_complex() else columns).mT


@pytest.mark.parametrize("operator", ["parallel_mri", "inpainting"])
def test_the_local_gain_of_tikhonov_is_the_top_singular_value(operator: str):
    p = problem(operator, (4, 4))
    sigma = torch.linalg.svdvals(_matrix(p))
    method = METHODS["tikhonov"].build({"weight": 0.1})
    _check_top(_local(method, p), float((sigma / (sigma.square() + 0.1)).max()))


@pytest.mark.parametrize("operator", ["parallel_mri", "gaussian_blur"])
def test_the_local_gain_of_mol_is_the_top_singular_value(operator: str):
    """J = (F'(x) + λA*A)⁻¹λA*, dense."""
    # One coil has a closed form, so that no tolerance of a solve stands between.
    p = problem(operator, (4, 4), **({"coils": 1} if operator == "parallel_mri" else {}))
    method = mol(p, trust=5.0)
    solution = solution_map(method, p)
    clean = finish(solution.reach(p.data, None, 1e-13))
    F = method.regularizer(p)
    n, shape = p.operator.image.size, p.operator.image.shape

    def flat(x: torch.Tensor) -> torch.Tensor:
        return F(x.view(1, *shape)).flatten()

    slope: Any = torch.autograd.functional.jacobian(flat, clean.x.flatten())
    A = _matrix(p)
    J = torch.linalg.solve(slope.view(n, n) + 5 * A.mT @ A, 5 * A.mT)
    _check_top(_local(method, p), float(torch.linalg.svdvals(J)[0]))


def _check_top(found: float, top: float) -> None:
    """A power iteration comes from below, and near."""
    assert 0.99 * top <= found <= top * (1 + 1e-6)


def _local(method: Method, p: Problem) -> float:
    solution = solution_map(method, p)
    clean = finish(solution.reach(p.data, None, 1e-13))
    start = draws(p.operator, p.data, 1.0, 1, 0)
    value, v = finish(local_gain(solution, clean, start, 40, 1e-7))
    assert float(norm(v)) == pytest.approx(1)
    return value


# ---------------------------------------------------------------- derivatives


def _pulled(solution: SolutionMap, p: Problem, u: Image) -> torch.Tensor:
    at = finish(solution.reach(p.data, None, 1e-14))
    return finish(solution.derived(p.data, at, 1e-12).pull(u, 1e-13))[0]


@pytest.mark.parametrize(
    ("operator", "name"),
    [
        ("parallel_mri", "mol"),
        ("gaussian_blur", "mol"),
        ("parallel_mri", "quadratic"),
        ("tomography", "quadratic"),
        ("inpainting", "modl"),
        ("fourier", "admm_net"),
        ("parallel_mri", "tikhonov"),
    ],
)
def test_the_gradient_of_the_attack_is_that_of_finite_differences(operator: str, name: str):
    """∂/∂t ½‖x(y + te) − x₀‖² = ⟨J*(x(y) − x₀), e⟩, for an x₀ that is elsewhere."""
    p = problem(operator, (8, 8))
    solution = solution_map(build(name, p), p)
    rng = torch.Generator().manual_seed(1)
    other = p.operator.domain.random(rng)
    at = finish(solution.reach(p.data, None, 1e-14))
    e = draws(p.operator, p.data, 1.0, 1, 5)

    def height(t: float) -> float:
        x = finish(solution.reach(p.data + t * e, at, 1e-14)).x
        return float(inner(x - other, x - other)) / 2

    # Networks have kinks, and one of this network's lies within 10⁻⁵.
    h = 3e-6 if name == "modl" else 1e-5
    slope = float(inner(_pulled(solution, p, at.x - other), e))
    assert slope == pytest.approx((height(h) - height(-h)) / (2 * h), rel=1e-6)
    # J v against J*u: one derivative, from both sides.
    derived = solution.derived(p.data, at, 1e-12)
    image, _ = finish(derived.push(e, 1e-13))
    assert float(inner(image, at.x - other)) == pytest.approx(slope, rel=1e-8)


def test_the_gradient_is_that_of_the_implicit_solver():
    p = problem("parallel_mri")
    method = mol(p)
    u = p.operator.domain.random(torch.Generator().manual_seed(2))
    y = p.data.clone().requires_grad_()
    implicit = Implicit(Anderson(), Anderson(), tol=1e-13, max_steps=500)
    posed = replace(p, data=y)
    x = implicit(method.map(posed), method.start(posed).detach())
    (wanted,) = torch.autograd.grad(x, y, u)
    assert torch.allclose(_pulled(solution_map(method, p), p, u), wanted, rtol=1e-8, atol=1e-10)


def test_the_map_of_total_variation_makes_the_steps_of_the_method():
    p, method = problem("parallel_mri"), Tv()
    pairs = TvPairs(method, 2)
    f, z = pairs.map(p), pairs.start(p)
    for iterate in islice(method.iterates(p), 40):
        assert torch.allclose(pairs.readout(z), iterate.x, rtol=0, atol=1e-12)
        z = f(z)


def test_a_loosened_solve_is_the_same_operator_and_a_closed_form_stays():
    p = problem("parallel_mri")
    A, b = p.operator, p.operator.adjoint(p.data)
    loose = A.loosened(1e-2)
    assert type(loose) is type(A)
    assert torch.equal(loose.apply(b), A.apply(b))
    exact = A.resolvent(b, 0.01)
    assert 1e-6 < float(norm(loose.resolvent(b, 0.01) - exact) / norm(exact)) < 0.2
    blur = problem("gaussian_blur").operator
    assert blur.loosened(1e-2) is blur


# ---------------------------------------------------------------- (i), (ii), (iii)


@given(
    operator=st.sampled_from(["parallel_mri", "gaussian_blur", "inpainting"]),
    seed=st.integers(0, 99),
    margin=st.sampled_from([0.02, 0.1, 0.3]),
    trust=st.sampled_from([1.0, 20.0, 200.0]),
    size=st.sampled_from([1e-2, 1.0]),
)
@settings(max_examples=12)
def test_the_three_inequalities_of_certified_networks(operator, seed, margin, trust, size):
    p = problem(operator, seed=seed)
    method = mol(p, seed, margin, trust)
    m = method.regularizer(p).constants().monotonicity.value
    assert m >= margin - 1e-6
    solution = solution_map(method, p)
    clean = finish(solution.reach(p.data, None, 1e-13))
    change = draws(p.operator, p.data, size, 3, seed)
    # Random directions, and those of the range of A, along which a picture moves most.
    change = torch.cat([change, on_sphere(p.operator, p.operator(clean.x), torch.full((1,), size).double())])
    far = finish(solution.reach(p.data + change, clean, 1e-13)).x - clean.x
    room = 1 + 1e-7
    assert (norm(far) <= trust / m * norm(p.operator.adjoint(change)) * room).all()
    assert (norm(p.operator(far)) <= norm(change) * room).all()
    assert (norm(far) <= 0.5 * (trust / m) ** 0.5 * norm(change) * room).all()


# ---------------------------------------------------------------- the ascent


def test_an_ascent_never_ends_below_its_start_and_stays_on_its_sphere_and_mask():
    p = problem("parallel_mri")
    solution = solution_map(mol(p), p)
    clean = finish(solution.reach(p.data, None, 1e-12))
    starts = draws(p.operator, p.data, 0.1, 3, 0)
    before = norm(finish(solution.reach(p.data + starts, clean, 1e-10)).x - clean.x)
    for steps in (1, 4):
        found = finish(ascend(solution, clean, starts, steps, 1e-10))
        assert (found.moved >= before * (1 - 1e-8)).all()
        assert torch.allclose(norm(found.change), norm(starts))
        assert p.operator.measured is not None
        assert torch.equal(found.change * p.operator.measured, found.change)
        before = found.moved


@pytest.mark.parametrize("version", ["strict m = 0.1", "approximate"])
def test_five_restarts_of_the_shipped_networks_gain_over_their_starts(version: Version) -> None:
    """As the page searches, on a smaller slice; what it costs at 128² is a row of `deqviz bench speed`."""
    scenario = Scenario(
        image="brain", size=32, operator=Choice("parallel_mri"), noise=Choice("gaussian", {"std": 0.005})
    )
    p, _ = scenario.posed()
    solution, budget = solution_map(Mol(version=version), p), Budget()
    clean = finish(solution.reach(p.data, None, 1e-6))
    starts = draws(p.operator, p.data, 0.02 * float(norm(p.data)), budget.restarts, 0)
    assert len(starts) == budget.restarts == 5
    found = finish(ascend(solution, clean, starts, budget.steps, 0.02 / 40))
    assert (found.moved > norm(finish(solution.reach(p.data + starts, clean, 1e-6)).x - clean.x)).all()


class Run(Method):
    """A method of somebody else's, of which only the run is known."""

    equation = "x = (A*A + 0.1)⁻¹A*y"

    def iterates(self, problem: Problem, start: Image | None = None) -> Iterator[Iterate]:
        A = problem.operator
        yield Iterate(0, A.resolvent(A.adjoint(problem.data), 0.1), 0.0, 0.0, 1)


def test_without_a_derivative_the_search_is_random_and_says_so():
    p = problem("gaussian_blur")
    (row,) = rows(attacked(p, Run()))
    assert row.derivative == "none"
    assert row.local is None
    assert row.attack >= row.random
    by_ascent = rows(attacked(p, METHODS["tikhonov"].build({"weight": 0.1})))[0]
    assert by_ascent.random == pytest.approx(row.random, rel=1e-6)
    assert by_ascent.attack > row.attack
    assert row.reason == "this method states no bound"


# ---------------------------------------------------------------- the experiment


def test_rows_go_on_where_they_stopped(tmp_path: Path):
    p = problem("gaussian_blur")
    contestants = tuple(NamedMethod(k, k, build(k, p)) for k in ("tikhonov", "mol"))
    x = p.operator.adjoint(p.data)
    experiment = Robustness(p, contestants, (0.01, 0.1), x, SMALL, 1e-10)
    assert [r.key for r in rows(experiment)] == list(experiment.cells)
    for suffix in ("csv", "json"):
        path = tmp_path / f"rows.{suffix}"
        stream = recorded(experiment, path)
        seen = [next(stream) for _ in range(4)]
        assert all(progress.total == 4 for progress in seen)
        assert isinstance(stream, Generator)
        stream.close()
        whole = tuple(only_rows(recorded(experiment, path)))
        assert whole == tuple(rows(experiment))
    assert all(row.psnr_clean is not None for row in whole)
    assert {g.key: g.status for g in panel(whole)}["order"] == "remark"


def test_a_row_brings_its_pictures():
    p = problem("parallel_mri")
    (last,) = [q for q in attacked(p, mol(p)).run() if q.row is not None]
    assert set(last.views) == {"clean", "damaged", "perturbation", "random"}
    assert last.row is not None
    apart = norm(last.views["damaged"] - last.views["clean"])
    assert float(apart) == pytest.approx(last.row.moved)
    assert float(norm(last.views["perturbation"])) == pytest.approx(last.row.back)


def test_unfinished_solves_are_an_allowance_rather_than_a_violation():
    p = problem("gaussian_blur")
    (row,) = rows(attacked(p, mol(p)))
    rough = replace(row, distance=row.size * (row.bound or 0.0))
    by_key = {g.key: g for g in rough.guarantees}
    assert by_key["bound"].status == by_key["back"].status == by_key["seen"].status == "certified"
    # As large as the bound itself, and said so.
    assert by_key["bound"].allowance == pytest.approx(row.bound)
    unknown = {g.key: g.status for g in replace(row, distance=None).guarantees}
    assert {unknown[key] for key in ("bound", "local", "back", "seen")} == {"not verifiable"}
    beyond = replace(row, attack=1.01 * (row.bound or 0.0))
    assert {g.key: g.status for g in beyond.guarantees}["bound"] == "violated"
    assert not beyond.holds
    assert {g.key: g.status for g in replace(row, random=2 * row.attack).guarantees}["order"] == "remark"


def test_where_nothing_is_certified_a_local_estimate_is_called_one():
    """A network with layers too long to certify, which contracts at this picture nevertheless."""
    p = problem("gaussian_blur")
    net = certified_net(1)
    for layer in net.layers:
        assert isinstance(layer, Convolution)
        layer.filters.data *= 1.3
    method = RandomMol(net=net)
    assert net.norms().lipschitz > 1
    (row,) = rows(attacked(p, method))
    assert row.status == "estimated"
    assert row.bound is not None
    assert "at this image by power iteration" in row.reason
    assert {g.key: g.status for g in row.guarantees} == {
        "bound": "estimated",
        "local": "estimated",
        "order": "remark",
        "back": "not verifiable",
        "seen": "not verifiable",
    }  # fmt: skip


@dataclass(frozen=True)
class Exploding(FixedPointMethod):
    """x ← 10³⁰ x, away from everything."""

    equation = "x = 10³⁰ x"

    def map(self, problem: Problem) -> Map:
        return lambda x: 1e30 * x


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"contestants": ()}, "At least one method"),
        ({"levels": ()}, "positive numbers"),
        ({"levels": (0.1, -1.0)}, "positive numbers"),
        ({"levels": (float("inf"),)}, "positive numbers"),
    ],
)
def test_bad_questions_are_refused_in_a_sentence(what: dict[str, Any], said: str):
    p = problem("gaussian_blur")
    plain: dict[str, Any] = {"contestants": (NamedMethod("a", "A", Run()),)}
    with pytest.raises(ValueError, match=said):
        Robustness(p, **{**plain, **what})


def test_bad_data_and_budgets_are_refused_in_a_sentence():
    p = problem("gaussian_blur")
    one = NamedMethod("a", "A", Run())
    with pytest.raises(ValueError, match="a key of its own"):
        Robustness(p, (one, one))
    with pytest.raises(ValueError, match="data that are not zero"):
        Robustness(replace(p, data=0 * p.data), (one,))
    with pytest.raises(ValueError, match="one image's data"):
        Robustness(replace(p, data=torch.cat([p.data, p.data])), (one,))
    for bad in ({"restarts": 0}, {"steps": 0}, {"draws": 0}, {"products": 0}, {"restarts": 7, "draws": 5}):
        with pytest.raises(ValueError, match="An attack needs"):
            Budget(**bad)
    with pytest.raises(ArithmeticError, match=r"The method: the iteration .* Leave this method out\."):
        rows(attacked(p, Exploding()))


def test_white_starts_have_the_size_asked_for_and_the_same_directions():
    p = problem("parallel_mri")
    small, large = (draws(p.operator, p.data, r, 2, 3) for r in (0.1, 10.0))
    assert torch.allclose(scale(100 / torch.ones(2).double(), small), large)
    assert torch.allclose(norm(large), torch.full((2,), 10.0).double())
