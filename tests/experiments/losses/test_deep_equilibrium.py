"""Deep equilibrium architectures: contraction, gradients, and what happens beyond the training depth."""

import dataclasses
import math
from itertools import pairwise

import pytest
import torch

from deqviz.core.metrics import psnr
from deqviz.core.records import Map
from deqviz.core.space import Space, norm
from deqviz.experiments._rows import fit, only_rows, recorded
from deqviz.experiments._training_progress import Lesson
from deqviz.experiments.losses._signals import taught
from deqviz.experiments.losses.architectures import ARCHITECTURES, Architecture
from deqviz.experiments.losses.contraction_map import ContractionMap, ContractionRow
from deqviz.experiments.losses.deep_equilibrium import (
    BeyondDepth,
    DeepEquilibrium,
    DepthRow,
    Gradient,
    Learner,
    Proximal,
    Signals,
    Splitting,
    UnrolledNetwork,
)
from deqviz.experiments.losses.truncated_adjoint import TruncatedAdjoint
from deqviz.networks.contractive_cnn import ContractiveCNN, convolution_norm
from deqviz.operators.fourier import Fourier
from deqviz.operators.gaussian_blur import GaussianBlur

THREE: tuple[Architecture, ...] = (Gradient(0.7, 0.4), Proximal(1.0), Splitting(3.0))
EXACT = Signals(GaussianBlur(Space((1, 1, 24), torch.float64), width=1.0))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def moved(net: ContractiveCNN, seed: int) -> ContractiveCNN:
    """Weights with every norm above 1, so that the division takes part."""
    with torch.no_grad():
        for w in net.parameters():
            w.add_(0.3 * torch.randn(w.shape, generator=rng(seed), dtype=w.dtype))
    return net


# --- the network ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "kernel"), [((1, 12), (1, 5)), ((6, 7), (3, 3))])
def test_the_norm_of_a_convolution_is_that_of_its_matrix(shape, kernel):
    w = torch.randn(3, 2, *kernel, dtype=torch.float64, generator=rng())
    units = torch.eye(2 * math.prod(shape), dtype=torch.float64).view(-1, 2, *shape)
    kh, kw = kernel
    padded = torch.nn.functional.pad(units, (kw // 2, kw // 2, kh // 2, kh // 2), mode="circular")
    matrix = torch.nn.functional.conv2d(padded, w).flatten(1)
    expected = torch.linalg.matrix_norm(matrix, 2)
    torch.testing.assert_close(convolution_norm(w, shape), expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize(("shape", "kernel"), [((1, 24), (1, 5)), ((9, 8), (3, 3))])
def test_no_pair_is_stretched_by_more_than_the_limit(shape, kernel):
    net = moved(ContractiveCNN(shape, kernel=kernel, seed=1).double(), 2)
    x = torch.rand(1, 1, *shape, dtype=torch.float64, generator=rng(3))
    jacobian = torch.autograd.functional.jacobian(net, x).view(math.prod(shape), -1)
    assert 0.3 < float(torch.linalg.matrix_norm(jacobian, 2)) <= net.lipschitz() + 1e-12
    free = moved(ContractiveCNN(shape, kernel=kernel, seed=1, is_bounded=False).double(), 2)
    jacobian = torch.autograd.functional.jacobian(free, x).view(math.prod(shape), -1)
    assert free.lipschitz() == math.inf
    assert float(torch.linalg.matrix_norm(jacobian, 2)) > 1


def test_a_network_that_bounds_nothing_is_refused():
    for wrong in (
        lambda: ContractiveCNN((1, 8), limit=0.0),
        lambda: ContractiveCNN((1, 8), residual=-0.1),
        lambda: ContractiveCNN((1, 8), layers=1),
        lambda: ContractiveCNN((1, 8), kernel=(1, 4)),
        lambda: ContractiveCNN((1, 8), kernel=(3, 3)),
    ):
        with pytest.raises(ValueError, match="needed"):
            wrong()
    with pytest.raises(ValueError, match="one channel"):
        Signals(GaussianBlur(Space((3, 8, 8))))


# --- the maps ---------------------------------------------------------------------------------------------


def matrix_of(f: Map, start: torch.Tensor) -> torch.Tensor:
    return torch.autograd.functional.jacobian(f, start).view(start.numel(), -1)


@pytest.mark.parametrize("architecture", THREE, ids=lambda a: a.name)
@pytest.mark.parametrize("limit", [0.5, 0.98])
def test_the_certified_factor_bounds_the_map(architecture: Architecture, limit):
    A = EXACT.operator
    net = moved(ContractiveCNN((1, 24), limit=limit, seed=4).double(), 5)
    x = EXACT.draw(1, rng(6))
    f = architecture.step(A, A.adjoint(EXACT.spoil(x, rng(7))), net)
    low, high = A.smallest_singular_value().value ** 2, A.norm_bound().value ** 2
    factor = architecture.factor(low, high, limit)
    assert factor < 1
    # Along the way to the fixed point, not at one point only.
    for _ in range(4):
        assert float(torch.linalg.matrix_norm(matrix_of(f, x), 2)) <= factor + 1e-10
        x = f(x).detach()


def test_the_fixed_point_of_the_gradient_map_is_an_equilibrium():
    A, net = EXACT.operator, moved(ContractiveCNN((1, 24), limit=0.8, seed=4).double(), 5)
    back = A.adjoint(EXACT.spoil(EXACT.draw(2, rng(6)), rng(7)))
    with torch.no_grad():
        banks = net.banks()
        f, x = Gradient(0.7, 0.4).step(A, back, lambda u: net.apply_banks(u, banks)), back
        for _ in range(500):
            x = f(x)
        defect = A.gram(x) - back + 0.4 * (x - net(x))
    assert float(norm(defect).max()) < 1e-12


def test_the_proximal_and_the_splitting_find_the_same_picture_for_the_same_denoiser():
    # Both solve A*(Ax − y) + (D⁻¹(x) − x)/η = 0; in the splitting D = (Id + Q)/2.
    A, net = EXACT.operator, moved(ContractiveCNN((1, 24), limit=0.8, seed=4).double(), 5)
    back = A.adjoint(EXACT.spoil(EXACT.draw(2, rng(6)), rng(7)))
    splitting, v = Splitting(1.5), back
    with torch.no_grad():
        banks = net.banks()
        plug = Proximal(1.5).step(A, back, lambda u: 0.5 * (u + net.apply_banks(u, banks)))
        reflect, x = splitting.step(A, back, lambda u: net.apply_banks(u, banks)), back
        for _ in range(300):
            v, x = reflect(v), plug(x)
        torch.testing.assert_close(splitting.picture(A, back, v), x, rtol=0, atol=1e-10)


# --- where they contract ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plane() -> list[ContractionRow]:
    grid = ContractionMap(
        sizes=(0.05, 0.2, 0.4, 0.7, 0.99, 1.2), step_sizes=(0.05, 0.2, 0.45, 0.8, 1.3, 1.9, 3.0, 8.0)
    )
    return list(only_rows(grid.run()))


def test_no_network_is_stretched_beyond_the_formula(plane):
    assert len(plane) == 3 * 6 * 8
    for row in plane:
        assert row.holds, row
        assert row.typical <= row.worst + 1e-9
    assert not dataclasses.replace(plane[0], worst=1.001 * plane[0].predicted).holds


def test_the_formula_is_sharp(plane):
    for row in plane:
        if row.architecture != "DE-ADMM":
            assert row.worst == pytest.approx(row.predicted, rel=1e-6), row
    # The splitting's formula counts μ alone, and is reached where some λ does what it fears.
    shares = [row.worst / row.predicted for row in plane if row.architecture == "DE-ADMM"]
    assert max(shares) == pytest.approx(1, rel=1e-6)


def test_the_published_windows_contract_and_close_where_they_should(plane):
    for kind in ARCHITECTURES:
        mine = [row for row in plane if row.architecture == kind.name]
        inside = [row for row in mine if row.is_in_window]
        assert inside
        assert all(row.predicted < 1 for row in inside)
        assert any(row.worst > 1 for row in mine if not row.is_in_window)
    for kind in (Proximal, Splitting):
        # μ = 0: nothing is promised at any η; DE-Grad stays open for ε < 1.
        assert not any(kind(s).is_in_window(0.0, 1.0, 0.3) for s in (0.01, 0.1, 0.5, 1.0, 10.0))
        assert all(kind(s).residual_factor(0.0, 1.0, 0.3) >= 1 for s in (0.01, 0.1, 0.5, 1.0, 10.0))
    assert Gradient(0.5).is_in_window(0.0, 1.0, 0.99)
    assert Gradient(0.5).residual_factor(0.0, 1.0, 0.99) < 1
    # DE-Prox has a step exactly where ε < 2μ/(ℓ − μ).
    for size, is_open in ((0.65, True), (0.68, False)):
        steps = [k / 200 for k in range(1, 500)]
        assert any(Proximal(s).is_in_window(0.25, 1.0, size) for s in steps) == is_open


# --- gradients ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "learner",
    [*(DeepEquilibrium(a, tolerance=1e-13) for a in THREE), UnrolledNetwork(Gradient(0.7, 0.4), depth=4)],
    ids=lambda learner: learner.name,
)
def test_gradients_are_those_of_finite_differences(learner: Learner):
    net = moved(learner.network((1, 24), 4).double(), 5)
    net.limit = 0.9
    clean = EXACT.draw(2, rng(6))
    y = EXACT.spoil(clean, rng(7))

    def loss() -> torch.Tensor:
        return (learner.estimate(EXACT, net, y) - clean).square().sum()

    weights = list(net.parameters())
    directions = [torch.randn(w.shape, dtype=w.dtype, generator=rng(8)) for w in weights]
    gradients = torch.autograd.grad(loss(), weights)
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True))

    def at(step: float) -> float:
        with torch.no_grad():
            for w, d in zip(weights, directions, strict=True):
                w.add_(d, alpha=step)
            value = float(loss())
            for w, d in zip(weights, directions, strict=True):
                w.sub_(d, alpha=step)
        return value

    assert slope == pytest.approx((at(1e-6) - at(-1e-6)) / 2e-6, rel=1e-5)


def test_each_backward_step_gains_the_certified_factor():
    rows = list(only_rows(TruncatedAdjoint(steps=30).run()))
    for architecture in THREE:
        mine = [row for row in rows if row.architecture == architecture.name]
        assert [row.steps for row in mine] == list(range(31))
        assert all(row.holds for row in mine)
        assert not dataclasses.replace(mine[5], adjoint=1.01 * mine[5].bound).holds
        # Slopes per backward step, away from rounding: fit() is a line in log–log, hence the powers of ten.
        for values in ([row.adjoint for row in mine], [row.gradient for row in mine]):
            points = [(10.0**k, v) for k, v in enumerate(values) if k >= 3 and v > 1e-11]
            line = fit(points)
            assert line is not None
            assert line.slope <= math.log10(mine[0].factor)
        assert mine[0].gradient > 1e-2
        assert mine[30].gradient < 0.05 * mine[0].gradient


# --- beyond the training depth --------------------------------------------------------------------------


LAB = BeyondDepth(steps=60, iterations=(1, 5, 10, 20, 25, 50, 100))


@pytest.fixture(scope="module")
def curves() -> dict[str, list[DepthRow]]:
    rows = list(only_rows(LAB.run()))
    assert [row.key for row in rows] == list(LAB.cells)
    return {learner.name: [r for r in rows if r.network == learner.name] for learner in LAB.learners}


def test_equilibria_keep_their_quality_at_five_times_the_training_depth(curves):
    for learner in LAB.learners[:3]:
        mine = curves[learner.name]
        late = [row for row in mine if row.k >= 5 * row.depth]
        assert late
        assert all(abs(row.psnr - row.trained) <= 0.1 for row in late)
        assert late[-1].residual < 1e-5


def test_the_unrolled_network_falls_beyond_its_depth(curves):
    mine = {row.k: row for row in curves[LAB.learners[3].name]}
    assert mine[10].depth == 10
    assert mine[10].psnr == mine[10].trained > mine[1].psnr
    assert mine[100].psnr < mine[10].psnr - 0.1
    assert mine[50].residual > 1e-4


def test_bounded_maps_contract_and_free_ones_promise_nothing(curves):
    for learner in LAB.learners[:3]:
        for row in curves[learner.name]:
            assert row.factor < 1
            assert row.holds
            assert row.guarantees[0].status == "certified"
        assert not dataclasses.replace(curves[learner.name][-1], ratio=1.01).holds
    assert curves[LAB.learners[3].name][0].guarantees[0].status == "not verifiable"


def test_every_network_gains_on_its_data(curves):
    same = rng(LAB.seed + 1)
    truth = LAB.signals.draw(LAB.judged, same)
    data = psnr(LAB.signals.spoil(truth, same), truth)
    for mine in curves.values():
        assert mine[0].trained > data + 1


def test_training_is_watched_and_not_repeated(tmp_path):
    lab = BeyondDepth(learners=(DeepEquilibrium(Proximal(1.0)),), steps=4, iterations=(1, 3), judged=4)
    path = tmp_path / "depth.json"
    first = list(recorded(lab, path))
    assert [p.step for p in first if isinstance(p, Lesson)] == [1, 2, 3, 4]
    again = list(recorded(lab, path))
    assert not any(isinstance(p, Lesson) for p in again)
    assert [p.row for p in again] == [p.row for p in first if p.row is not None]


def test_training_repeats_itself_and_leaves_the_gradient_mode_alone():
    def losses() -> list[float]:
        work = taught(LAB.signals, DeepEquilibrium(Splitting(3.0)), 3, 0, batch=4)
        return [loss for _, loss in work]

    with torch.no_grad():
        off = losses()
        assert not torch.is_grad_enabled()
    assert off == losses()


def test_hidden_frequencies_are_learnt_too():
    # μ = 0: DE-Grad contracts all the same, since Lip(N) < 1.
    signals = Signals(Fourier(Space((1, 1, 48)), pattern="points", fraction=0.4), noise=0.01)
    work = taught(signals, DeepEquilibrium(Gradient(0.7, 0.4)), 30, 0)
    losses = [loss for _, loss in work]
    assert sum(losses[-10:]) < 0.95 * sum(losses[:10])


def test_signals_are_piecewise_constant_and_in_range():
    x = Signals().draw(200, rng(9))
    assert 0.1 <= float(x.min()) < float(x.max()) <= 0.9
    jumps = (x.diff(dim=-1) != 0).sum((1, 2, 3)).double().mean()
    assert float(jumps) == pytest.approx(6 * 95 / 96, rel=0.1)
    assert all(torch.equal(a, b) for a, b in pairwise([Signals().draw(3, rng(1)) for _ in range(3)]))
