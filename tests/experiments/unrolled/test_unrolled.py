"""Unrolled networks on unseen signals: rows, inequalities, patches, and what the weights reach."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from deqviz import images
from deqviz.core.metrics import psnr
from deqviz.experiments._rows import Experiment, only_rows, read, recorded
from deqviz.experiments.unrolled.baselines import ISTA, Baseline, disturbed, exam
from deqviz.experiments.unrolled.layer_descent import LayerDescent, LayerRow
from deqviz.experiments.unrolled.layer_noise import LayerNoise
from deqviz.experiments.unrolled.layer_shift import LayerShift
from deqviz.experiments.unrolled.patch_strip import NOISY, SOLVED, PatchStrip
from deqviz.experiments.unrolled.planar_unrolling import PlanarUnrolling
from deqviz.experiments.unrolled.training_run import Taught, TeachingRun
from deqviz.learning.descent import Descent
from deqviz.learning.patches import NOISE, SIDE, cut, denoised
from deqviz.learning.primal_dual import Teaching
from deqviz.learning.problems import TEACHINGS, patch_problem, random_problem
from deqviz.learning.sparse_coding import SparseCoding, SparseSignals, random_dictionary
from deqviz.networks import _weights
from deqviz.networks.lista import Lista, UnrolledSparseCoder


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small() -> SparseCoding:
    return SparseCoding(random_dictionary(16, 24, rng()), 0.1)


def untrained(title: str = "net", seed: int = 0, layers: int = 4) -> Baseline:
    return Baseline(title, net=Lista(16, 24, layers, seed=seed), digest=str(seed))


def shipped(prefix: str, *keys: str) -> tuple[Baseline, ...]:
    found: list[Baseline] = []
    for key in keys:
        net = _weights.load(prefix + key)
        assert isinstance(net, UnrolledSparseCoder)
        found.append(Baseline(TEACHINGS[key].name, net=net))
    return tuple(found)


def rows_of(experiment: Experiment[Any]) -> list[Any]:
    return list(only_rows(experiment.run()))


# ---------------------------------------------------------------- the rows

EXPERIMENTS: Sequence[Experiment[Any]] = (
    LayerDescent(small(), (untrained("a"), untrained("b", 1)), 4, signals=30),
    LayerNoise(small(), (untrained(),), (0.0, 0.1), layers=4, signals=30),
    LayerShift(small(), (untrained(),), (0.0, 0.2), layers=4, signals=30),
    TeachingRun(
        small(),
        (Teaching("C", Descent(), True, steps=30, batch=16), Teaching("U", steps=30, batch=16)),
        4,
        trained=200,
        signals=30,
        every=10,
    ),
    PlanarUnrolling(layers=3, steps=20),
)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: type(e).__name__)
def test_rows_come_in_their_order_repeat_and_are_gone_on_with(experiment: Experiment[Any], tmp_path: Path):
    found = rows_of(experiment)
    assert [row.key for row in found] == list(experiment.cells)
    assert rows_of(experiment) == found
    assert all(row.holds for row in found)
    file = tmp_path / "rows.csv"
    with closing(recorded(experiment, file)) as stream:  # pyright: ignore[reportArgumentType]
        for progress in stream:
            if progress.row is not None and progress.row.key == found[len(found) // 2].key:
                break
    assert len(read(experiment, file)) == len(found) // 2 + 1
    assert list(only_rows(recorded(experiment, file))) == found


def test_other_weights_are_other_settings():
    one = LayerDescent(small(), (untrained("net", 0),))
    assert one.settings != replace(one, rivals=(untrained("net", 1),)).settings


def test_the_envelope_and_the_rates_of_the_iterations_hold_for_every_network():
    for seed in range(6):
        rows = rows_of(LayerDescent(small(), (untrained("net", seed),), 4, rate=0.3, signals=50, seed=seed))
        certified = [g for row in rows for g in row.guarantees if g.claim == "certified"]
        # A rate for each layer of the two iterations.
        assert len(certified) == 2 * 4
        assert all(g.status == "certified" for g in certified)
        # What follows by summation with the measured slack is no certificate, and true all the same.
        envelopes = [g for row in rows for g in row.guarantees if g.key == "envelope"]
        assert len(envelopes) == 3 * 4
        assert all(g.status == "remark" and g.holds for g in envelopes)


def test_a_row_says_what_its_layer_did():
    problem, rival = small(), untrained()
    given = exam(problem, 30, 0)
    states = rival.states(problem, given.start, given.x, 4)
    d = given.distances(states).double().detach()
    rows: list[LayerRow] = rows_of(LayerDescent(problem, (rival,), 4, signals=30, is_classical=False))
    for layer in range(1, 5):
        row = rows[layer]
        assert row.distance == pytest.approx(float(d[layer].mean()))
        assert row.ratio == pytest.approx(float(d[layer].mean() / d[layer - 1].mean()))
        assert row.each == pytest.approx(float((d[layer] / d[layer - 1]).mean()))
        assert row.falls == pytest.approx(float((d[layer] < d[layer - 1]).double().mean()))
    worst = max(float(d[k].mean() - 0.8 * d[k - 1].mean()) for k in range(1, 5))
    assert rows[4].excess == pytest.approx(worst)


def test_noise_falls_on_every_layer_but_the_first_or_on_one():
    problem = small()
    given = exam(problem, 20, 0)
    for rival in (untrained(), ISTA):
        clean, _ = disturbed(rival, problem, given, 0.0, None, 4, 0)
        noisy, outputs = disturbed(rival, problem, given, 0.2, None, 4, 0)
        assert len(clean) == len(noisy) == len(outputs) == 4
        assert torch.equal(clean[0], noisy[0])
        spread = (noisy[1] - outputs[0]).std()
        # 480 numbers: their deviation is within a tenth of 0.2.
        assert 0.18 < spread < 0.22
        third, returned = disturbed(rival, problem, given, 0.2, 3, 4, 0)
        assert torch.equal(third[1], clean[1])
        assert not torch.equal(third[2], clean[2])
        assert torch.equal(third[3], returned[2])


def test_a_shift_of_zero_is_none_and_codes_are_solved_anew():
    problem = small()
    home, moved = exam(problem, 20, 3), exam(problem, 20, 3, 0.5)
    assert torch.equal(home.start, moved.start)
    assert not torch.equal(home.solution, moved.solution)
    # FISTA after 600 steps in single precision: the proximal gradient is 0 up to rounding and little more.
    assert problem.prox_gradient(moved.solution, moved.x).abs().max() < 1e-3
    rows = rows_of(LayerShift(problem, (untrained(),), (0.0,), layers=4, signals=20))
    assert all(row.drift == 0 and row.excess == row.unshifted for row in rows)


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(ValueError, match="not before 1"):
        LayerNoise(small(), (), before=1)
    with pytest.raises(ValueError, match="is not negative"):
        LayerNoise(small(), (), (-0.1,))
    with pytest.raises(ValueError, match="at least one signal"):
        TeachingRun(small(), (), trained=0)
    with pytest.raises(ValueError, match="At least one signal"):
        exam(small(), 0, 0)


def test_a_training_tells_its_slacks_and_duals():
    experiment = EXPERIMENTS[3]
    lessons = [p for p in experiment.run() if isinstance(p, Taught)]
    assert [(t.training, t.step) for t in lessons] == [(n, k) for n in ("C", "U") for k in (10, 20, 30)]
    assert all(len(t.slacks) == len(t.duals) == 4 for t in lessons[:3])
    assert not lessons[-1].slacks
    assert not lessons[-1].duals


# ---------------------------------------------------------------- patches


@pytest.mark.parametrize(("height", "width", "stride"), [(8, 8, 1), (21, 17, 2), (13, 30, 5), (16, 16, 8)])
def test_patches_make_the_picture_that_they_were_cut_from(height: int, width: int, stride: int):
    picture = torch.rand(1, 1, height, width, generator=rng(), dtype=torch.float64)
    pieces = cut(picture, 0.1, stride)
    # Sums of at most 64 numbers in double precision.
    torch.testing.assert_close(pieces.joined(pieces.signals, height, width), picture, rtol=0, atol=1e-13)
    assert pieces.signals.mean(1).abs().max() < 1e-12


def test_the_noise_of_a_signal_does_not_depend_on_that_of_the_picture():
    for sigma in (0.05, 0.3):
        noise = sigma * torch.randn(1, 1, 64, 64, generator=rng())
        signals = cut(noise, sigma, SIDE).signals
        # 64 patches of 64 pixels, each without its mean: 1 part in 128 is lost with it.
        assert float(signals.std()) == pytest.approx(NOISE, rel=0.05)


@pytest.mark.parametrize(
    ("shape", "sigma", "stride", "said"),
    [
        ((1, 1, 7, 20), 0.1, 2, "at least 8 × 8"),
        ((1, 3, 20, 20), 0.1, 2, "One grey image"),
        ((1, 1, 20, 20), 0.0, 2, "which is positive"),
        ((1, 1, 20, 20), 0.1, 9, "there would be gaps"),
    ],
)
def test_what_is_no_picture_of_patches_is_refused(shape: Any, sigma: float, stride: int, said: str):
    with pytest.raises(ValueError, match=said):
        cut(torch.zeros(shape), sigma, stride)


# ---------------------------------------------------------------- what is shipped


@pytest.fixture(scope="module")
def layers() -> dict[str, list[LayerRow]]:
    experiment = LayerDescent(random_problem(), shipped("lista_", *TEACHINGS), signals=2000)
    found: dict[str, list[LayerRow]] = {}
    for row in only_rows(experiment.run()):
        found.setdefault(row.rival, []).append(row)
    return found


def test_constrained_networks_descend_at_every_layer_of_unseen_signals(layers: dict[str, list[LayerRow]]):
    for title in ("C", "C0"):
        assert all(row.ratio is not None and row.ratio <= 0.81 for row in layers[title][1:])
        assert layers[title][-1].distance <= 0.10


def test_the_plain_network_does_not_and_is_no_better_in_the_end(layers: dict[str, list[LayerRow]]):
    d = [row.distance for row in layers["U"]]
    assert sum(b > a for a, b in pairwise(d)) >= 4
    assert max(d[1:10]) / d[1] > 1.2
    assert layers["C"][-1].distance <= d[-1]


def test_robustness_under_noise_and_shift():
    rivals = shipped("lista_", "plain", "descent_noise")
    noise = rows_of(LayerNoise(random_problem(), rivals, (0.1,), signals=1000))
    end = {row.rival: row.distance for row in noise if row.layer == 10}
    assert end["C"] <= 0.35
    assert end["U"] >= 3 * end["C"]
    moved = {row.rival: row.distance for row in rows_of(LayerShift(random_problem(), rivals, (0.1,)))}
    assert moved["U"] >= 1.4 * moved["C"]


def test_a_picture_of_patches_gets_better_with_every_constrained_layer():
    truth = images.scaled(images.load("camera"), 64)
    strip = PatchStrip(truth, patch_problem(), shipped("lista_patch_", "descent_noise"))
    found = {row.key: row.psnr for row in rows_of(strip)}
    assert found[SOLVED, 0] > found[NOISY, 0] + 4
    ours = [found["C", layer] for layer in range(1, 11)]
    assert ours[-1] > found[NOISY, 0] + 4
    assert ours[-1] > ours[4] > ours[1]
    code = patch_problem().solution
    assert psnr(denoised(strip.noisy, strip.sigma, patch_problem(), code), truth) == pytest.approx(
        found[SOLVED, 0], abs=0.02
    )


def test_signals_are_those_of_the_dictionary():
    """Another generator would give another D, and the shipped networks would be lost on it."""
    assert float(random_problem().dictionary.norm(dim=0).sub(1).abs().max()) < 1e-6
    x = SparseSignals().draw(random_problem(), 4, rng())
    assert x.shape == (4, 64)
