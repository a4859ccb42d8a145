"""Sparse coding, its unrolled networks, and training under descending constraints."""

from itertools import islice

import pytest
import torch
from torch import Tensor

from deqviz.learning.descent import Descent, envelope, merits, ratios, stationarity, steepest
from deqviz.learning.primal_dual import Step, Teaching, fit, noise_size, noisy_states
from deqviz.learning.sparse_coding import SparseCoding, SparseSignals, random_dictionary
from deqviz.networks.lista import Alista, Lista, ListaCP, UnrolledSparseCoder, least_coherent


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(dtype: torch.dtype = torch.float32) -> SparseCoding:
    return SparseCoding(random_dictionary(12, 20, rng()).to(dtype), 0.1)


def drawn(problem: SparseCoding, count: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    x = SparseSignals(nonzeros=3).draw(problem, count, rng(seed))
    return x, problem.solution(x, 3000)


# ---------------------------------------------------------------- the problem


def test_the_proximal_gradient_is_zero_at_the_solution_and_the_gradient_is_not() -> None:
    problem = small(torch.float64)
    x, y = drawn(problem, 6)
    assert problem.prox_gradient(y, x).abs().max() < 1e-9
    assert torch.linalg.vector_norm(problem.gradient(y, x), dim=1).min() > 0.05


def test_ista_never_raises_the_objective_and_fista_is_ahead_after_thirty() -> None:
    problem = small(torch.float64)
    x, y = drawn(problem, 6)
    start = torch.randn(y.shape, generator=rng(2), dtype=y.dtype)
    plain = list(islice(problem.iterates(x, start), 31))
    quick = list(islice(problem.iterates(x, start, is_accelerated=True), 31))
    values = torch.stack([problem.objective(z, x) for z in plain])
    assert (values[1:] <= values[:-1] + 1e-12).all()
    # Beck and Teboulle, 2009: f(y_k) − f* ≤ 2ℓ‖y₀ − y*‖²/(k + 1)² for FISTA and ℓ‖y₀ − y*‖²/(2k) for ISTA.
    far, best = (start - y).square().sum(1), problem.objective(y, x)
    for k in range(1, 31):
        slow = problem.lipschitz * far / (2 * k)
        assert (problem.objective(plain[k], x) - best <= slow).all()
        assert (problem.objective(quick[k], x) - best <= 4 * slow * k / (k + 1) ** 2).all()
    assert (problem.objective(quick[-1], x) <= values[-1]).all()


def test_what_is_no_problem_is_refused() -> None:
    with pytest.raises(ValueError, match="is a matrix"):
        SparseCoding(torch.zeros(3))
    with pytest.raises(ValueError, match="is positive"):
        SparseCoding(torch.eye(3), 0.0)
    with pytest.raises(ValueError, match="Of 20 entries 21"):
        SparseSignals(nonzeros=21).draw(small(), 1, rng())
    with pytest.raises(ValueError, match="No network has"):
        Lista(4, 0)


# ---------------------------------------------------------------- the networks


@pytest.mark.parametrize("kind", [Lista, ListaCP, Alista])
def test_what_begins_at_ista_is_ista(kind: type[Lista | ListaCP | Alista]) -> None:
    problem = small(torch.float64)
    x, y = drawn(problem, 4)
    net = kind(12, 20, 5).double()
    net.begin_at(problem.dictionary, problem.weight, problem.lipschitz)
    if isinstance(net, Alista):
        net.analysis = problem.dictionary
    start = torch.randn(y.shape, generator=rng(3), dtype=y.dtype)
    states = list(net.states(start, x))
    for ours, theirs in zip(states, islice(problem.iterates(x, start), 6), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    assert torch.equal(net(start, x), states[-1])


def test_no_feasible_matrix_is_less_coherent() -> None:
    D = random_dictionary(12, 20, rng()).double()
    W = least_coherent(D)
    torch.testing.assert_close((W * D).sum(0), torch.ones(20).double())
    least = torch.linalg.matrix_norm(W.mT @ D)
    for seed in range(20):
        change = torch.randn(W.shape, generator=rng(seed), dtype=W.dtype)
        change = change - D * (change * D).sum(0)  # keeps the inner products: the atoms have length 1
        assert torch.linalg.matrix_norm((W + 0.1 * change).mT @ D) > least
    with pytest.raises(ValueError, match="do not span"):
        least_coherent(torch.eye(4)[:, :2])


# ---------------------------------------------------------------- the constraints


@pytest.mark.parametrize("merit", ["distance", "gradient", "prox-gradient", "objective"])
def test_the_two_forms_of_means_ask_for_the_same(merit) -> None:
    problem = small()
    x, y = drawn(problem, 50)
    for seed in range(8):
        net = Lista(12, 20, 4, seed=seed)
        states = list(net.states(torch.randn(y.shape, generator=rng(seed)), x))
        found = merits(problem, merit, states, x, y).detach()
        one = Descent(merit, "difference of means", 0.2).slacks(found)
        other = Descent(merit, "ratio of means", 0.2).slacks(found)
        assert torch.equal(one > 0, other > 0)
        torch.testing.assert_close(other + 0.8, ratios(found, "ratio of means"))


def test_neither_form_follows_from_the_other() -> None:
    """Merits of two items, two layers: each form can be kept where the other one is broken."""
    means, each = Descent(form="difference of means", rate=0.2), Descent(form="mean of ratios", rate=0.2)
    falls = torch.tensor([[10.0, 1.0], [1.0, 1.7]])
    assert means.slacks(falls) < 0 < each.slacks(falls)
    falls = torch.tensor([[10.0, 1.0], [9.5, 0.1]])
    assert each.slacks(falls) < 0 < means.slacks(falls)


def test_constraints_may_begin_at_a_later_layer() -> None:
    merit = torch.tensor([[1.0], [3.0], [1.0], [0.5]])
    assert Descent(first=2).slacks(merit).tolist() == pytest.approx([-1.4, -0.3])
    with pytest.raises(ValueError, match="counted from 1"):
        Descent(first=0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        Descent(rate=1.0)


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_no_mean_merit_is_above_the_envelope(rate: float, seed: int) -> None:
    problem = small()
    x, y = drawn(problem, 40)
    states = list(Lista(12, 20, 6, seed=seed).states(torch.randn(y.shape, generator=rng(seed)), x))
    found = merits(problem, "distance", states, x, y).detach().double()
    excess = float(Descent(rate=rate).slacks(found).max())
    line = envelope(float(found[0].mean()), rate, excess, 6)
    assert (found.mean(1) <= line * (1 + 1e-9)).all()


def test_the_rate_of_the_notes_tends_to_its_radius() -> None:
    rate, excess, risk, bound = 0.2, 0.1, 0.05, 3.0
    line = stationarity(10.0, rate, excess, risk, bound, 400)
    # One step of the recursion from which it is summed up.
    step = (1 - risk) * (1 - rate) * line[:-1] + (1 - risk) * excess + risk * bound
    torch.testing.assert_close(line[1:], step)
    assert line[-1] <= (excess + risk * bound / (1 - risk)) / rate
    with pytest.raises(ValueError, match="probability below 1"):
        stationarity(1.0, rate, excess, 1.0, bound, 2)


def test_no_faster_descent_can_be_asked_for() -> None:
    assert steepest(15.85, 0.4625, 10) == pytest.approx(0.298, abs=1e-3)
    assert (1 - steepest(8.0, 1.0, 3)) ** 3 * 8.0 == pytest.approx(1.0)
    with pytest.raises(ValueError, match="falls from a positive"):
        steepest(1.0, 2.0, 3)


# ---------------------------------------------------------------- training


def lessons(teaching: Teaching, seed: int = 0) -> tuple[UnrolledSparseCoder, list[Step]]:
    problem = small()
    x, y = drawn(problem, 400)
    net = Lista(12, 20, 4, seed=seed)
    return net, list(fit(net, problem, x, y, teaching, seed))


def test_duals_rise_exactly_while_their_slack_is_positive() -> None:
    _, steps = lessons(Teaching("C", Descent(), True, steps=60, batch=64))
    before = (0.0,) * 4
    for step in steps:
        assert len(step.slacks) == len(step.duals) == 4
        for dual, slack, old in zip(step.duals, step.slacks, before, strict=True):
            assert dual == pytest.approx(max(old + 1e-2 * slack, 0.0), abs=1e-7)
        before = step.duals
    assert max(steps[0].duals) >= 0
    assert any(dual > 0 for step in steps for dual in step.duals)


@pytest.mark.parametrize(
    "teaching",
    [
        Teaching("U", steps=60, batch=64),
        Teaching("UN", is_noisy=True, steps=60, batch=64),
        Teaching("C0", Descent(form="mean of ratios"), steps=60, batch=64),
        Teaching("C", Descent("prox-gradient"), True, steps=60, batch=64),
        Teaching("DSN", is_noisy=True, is_deep=True, steps=60, batch=64),
    ],
    ids=lambda teaching: teaching.name,
)
def test_training_repeats_exactly_and_learns(teaching: Teaching) -> None:
    before = torch.get_rng_state()
    net, steps = lessons(teaching)
    again, repeated = lessons(teaching)
    assert steps == repeated
    for one, other in zip(net.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(before, torch.get_rng_state())
    early, late = (sum(s.loss for s in part) / 10 for part in (steps[:10], steps[-10:]))
    assert late < early


def test_noise_follows_its_rule_and_spares_the_last_layer() -> None:
    problem = small()
    x, y = drawn(problem, 300)
    net, start = Lista(12, 20, 4), torch.randn(y.shape, generator=rng(5))
    with torch.no_grad():
        clean = list(net.states(start, x))
        silent = noisy_states(net, problem, start, x, rng(), scale=0.0)
        assert all(torch.equal(a, b) for a, b in zip(clean, silent, strict=True))
        hit = noisy_states(net, problem, start, x, rng(), deviation=0.3, before=3)
        assert torch.equal(hit[1], clean[1])
        assert float((hit[2] - clean[2]).std()) == pytest.approx(0.3, rel=0.05)
        torch.testing.assert_close(hit[4], net.layer(4, hit[3], x))
        ruled = noisy_states(net, problem, start, x, rng(), scale=1.0)
        size = noise_size(problem, clean[1], x)
        assert float(((ruled[1] - clean[1]) / size).std()) == pytest.approx(1, rel=0.05)
        torch.testing.assert_close(ruled[4], net.layer(4, ruled[3], x))
    assert (noise_size(problem, y, x) >= 0).all()
