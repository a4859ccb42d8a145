"""The deep image prior on pictures: networks, rules, the method, and the two experiments about it."""

import dataclasses
import math
from collections.abc import Generator
from itertools import islice, pairwise

import pytest
import torch
import torch.nn.functional as F

from deqviz import images
from deqviz.bench import picture_prior
from deqviz.core.catalog import METHODS, OPERATORS, discover
from deqviz.core.records import Evidence, Problem, Scalars
from deqviz.core.registry import Choice
from deqviz.core.space import Space, norm
from deqviz.experiments._rows import only_rows, read, recorded
from deqviz.experiments.deep_prior.image_prior import TARGETS, Hump, Impedance
from deqviz.methods._early_stopping import Average, Discrepancy, LeastVariance, Never, Window
from deqviz.methods.deep_image_prior import APART, KEPT, MISFIT, VARIANCE, DeepImagePrior, Shown
from deqviz.networks._layers import Normalise
from deqviz.networks.decoder import Decoder
from deqviz.networks.skip import Skip
from deqviz.noises.gaussian import Gaussian
from deqviz.operators.denoising import Denoising
from deqviz.operators.inpainting import Inpainting
from deqviz.scenario import Scenario

for package in ("operators", "noises", "methods"):
    discover(f"deqviz.{package}")

SMALL = DeepImagePrior(width=4)
SHOWN: tuple[Shown, ...] = ("current", "average", "kept")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(kind: str, shape: tuple[int, int, int], *, is_bounded: bool = True, seed: int = 0):
    if kind == "skip":
        return Skip(shape, 6, 3, is_bounded=is_bounded, rng=rng(seed))
    size = 1 if kind == "deep decoder" else 3
    return Decoder(shape, 6, 4, size=size, is_bounded=is_bounded, rng=rng(seed))


KINDS = pytest.mark.parametrize("kind", ["skip", "decoder", "deep decoder"])


# ---------------------------------------------------------------- networks


@KINDS
@pytest.mark.parametrize("shape", [(1, 64, 64), (1, 33, 20), (3, 7, 50), (2, 17, 31), (1, 3, 3), (3, 4, 9)])
def test_a_network_makes_pictures_of_every_size(kind, shape):
    net = network(kind, shape)
    x = net(net.draw(rng(1))).detach()
    assert x.shape == (1, *shape)
    assert 0 < float(x.min()) < float(x.max()) < 1
    free = network(kind, shape, is_bounded=False)
    # The sigmoid is all that differs.
    torch.testing.assert_close(free(free.draw(rng(1))).detach().sigmoid(), x)


@KINDS
def test_a_seed_is_a_network(kind):
    before = torch.get_rng_state()
    one, same, other = (network(kind, (1, 12, 12), seed=s) for s in (3, 3, 4))
    u = one.draw(rng(1))
    assert torch.equal(one(u), same(u))
    assert not torch.equal(one(u), other(u))
    assert torch.equal(u, one.draw(rng(1)))
    assert torch.equal(torch.get_rng_state(), before)


@KINDS
def test_pictures_of_a_batch_do_not_meet(kind):
    net = network(kind, (1, 12, 10)).double()
    u = torch.cat([net.draw(rng(s)) for s in (1, 2)]).double()
    # Sums of another order: a few roundings.
    torch.testing.assert_close(net(u)[1:], net(u[1:]), rtol=1e-10, atol=1e-12)


def test_normalisation_is_that_of_a_batch_of_one():
    layer = Normalise(3).double()
    torch.nn.init.uniform_(layer.scale, generator=rng())
    torch.nn.init.uniform_(layer.shift, generator=rng(1))
    x = torch.randn(1, 3, 5, 4, dtype=torch.float64, generator=rng())
    expected = F.batch_norm(x, None, None, layer.scale, layer.shift, training=True)
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Skip((1, 2, 9), rng=rng()), "take a larger one"),
        (lambda: Decoder((1, 9, 2), rng=rng()), "take a larger one"),
        (lambda: Skip((1, 9, 9), 0, rng=rng()), "at least one channel"),
        (lambda: Decoder((1, 9, 9), 4, 0, rng=rng()), "at least one scale"),
        (lambda: Decoder((1, 9, 9), size=2, rng=rng()), "1 or 3 pixels"),
        (lambda: Window(1), "two at least"),
        (lambda: Average(1.0), "below 1"),
        (lambda: METHODS["deep_image_prior"].build({"width": 0}), "allowed is"),
        (lambda: METHODS["deep_image_prior"].build({"rule": "by the truth"}), "allowed is"),
    ],
)
def test_bad_input_is_told_in_a_sentence(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_a_picture_too_small_fails_at_the_first_pull():
    p = Problem(Denoising(Space((1, 2, 2))), torch.zeros(1, 1, 2, 2), 0.1)
    with pytest.raises(ValueError, match="2 × 2"):
        next(SMALL.iterates(p))


# ---------------------------------------------------------------- rules


@pytest.mark.parametrize("length", [2, 5, 20])
def test_the_window_is_the_variance_of_its_pictures(length):
    window = Window(length)
    # Far from 0 and close together, as pictures of a late fit are.
    pictures = [0.7 + 1e-3 * torch.randn(1, 2, 6, 5, generator=rng(k)) for k in range(60)]
    for k, x in enumerate(pictures):
        found = window.push(x)
        if k + 1 < length:
            assert found is None
            continue
        assert found is not None
        last = torch.cat(pictures[k + 1 - length : k + 1]).double()
        direct = (last - last.mean(0)).square().sum() / (length * x.numel())
        torch.testing.assert_close(window.mean(), last.mean(0, keepdim=True), rtol=1e-12, atol=0)
        # Double precision, and at most 10³ between the pictures and their spread, squared.
        assert float(found) == pytest.approx(float(direct), rel=1e-9)


@pytest.mark.parametrize("weight", [0.0, 0.5, 0.95])
def test_the_average_is_the_weighted_mean(weight):
    average, pictures = Average(weight), [torch.rand(1, 1, 3, 3, generator=rng(k)).double() for k in range(9)]
    for k, x in enumerate(pictures):
        weights = [weight ** (k - j) for j in range(k + 1)]
        direct = sum(w * p for w, p in zip(weights, pictures, strict=False)) / sum(weights)
        torch.testing.assert_close(average.push(x), direct, rtol=1e-12, atol=1e-12)


def judged(rule, variances):
    """Iterations kept, and the one of the stop."""
    kept = []
    for k, v in enumerate(variances):
        keeps, stops = rule.judge(k, v, 0.0)
        if keeps:
            kept.append(k)
        if stops:
            return kept, k
    return kept, None


def test_the_variance_rule_keeps_the_least_and_waits():
    curve = [None, None, 5.0, 3.0, 4.0, 3.5, 2.0, 2.5, 2.5, 2.5, 1.0]
    assert judged(LeastVariance(3), curve) == ([0, 1, 2, 3, 6], 9)
    assert judged(LeastVariance(9), curve) == ([0, 1, 2, 3, 6, 10], None)
    # Within the burn-in the newest is kept, and nothing is remembered.
    assert judged(LeastVariance(2, burn_in=7), curve) == ([0, 1, 2, 3, 4, 5, 6, 7], 9)
    assert judged(LeastVariance(2), [math.nan] * 9) == ([], None)


def test_the_discrepancy_rule_stops_at_the_noise():
    rule = Discrepancy(0.1)
    assert [rule.judge(k, None, m).stops for k, m in enumerate((0.3, 0.11, 0.1, 0.2))] == [0, 0, 1, 0]
    # Without noise every misfit is worth another step.
    assert not Discrepancy(0.0).judge(0, None, 0.0).stops
    assert Never().judge(5, 0.0, 0.0) == (True, False)


# ---------------------------------------------------------------- the method


def noisy(side: int = 32, std: float = 0.1, dtype=torch.float32) -> Problem:
    x = images.scaled(images.load("camera", dtype), side)
    A = Denoising(Space(tuple(x.shape[1:]), dtype))
    return Problem(A, Gaussian(std).add(A(x), A, rng(0)), std)


@pytest.mark.parametrize("operator", ["gaussian_blur", "parallel_mri", "tomography"])
def test_its_steps_are_those_of_torch_through_the_operator(operator):
    """Adam of torch on the loss through A makes the same pictures as the adjoint and Adam on one vector."""
    channels = 2 if operator == "parallel_mri" else 1
    A = OPERATORS[operator].build({}, image=Space((channels, 14, 12), torch.float64))
    y = A(torch.rand(1, channels, 14, 12, dtype=torch.float64, generator=rng(1)))
    draw = rng(5 + APART)
    net = Skip((channels, 14, 12), 4, 3, is_bounded=channels == 1, rng=draw)
    u = net.draw(draw).double()
    net = net.double()
    adam = torch.optim.Adam(net.parameters(), lr=0.01)
    method = DeepImagePrior(width=4, rule="none", seed=5)
    for it in islice(method.iterates(Problem(A, y, 0.0)), 6):
        x = net(u)
        # Two orders of the same sums, divided by √v where v is small.
        torch.testing.assert_close(it.x, x.detach(), rtol=1e-6, atol=1e-8)
        loss = 0.5 * norm(A(x) - y).square().sum()
        assert float(it.objective or 0.0) == pytest.approx(loss.item(), rel=1e-6)
        adam.zero_grad()
        loss.backward()
        adam.step()


@pytest.mark.parametrize(
    "params", [{}, {"jitter": 0.03}, {"network": "decoder"}, {"network": "deep decoder"}]
)
def test_a_seed_is_a_run(params):
    p, before = noisy(16), torch.get_rng_state()
    one, same, other = (
        [it.x for it in islice(DeepImagePrior(width=4, seed=s, **params).iterates(p), 4)] for s in (1, 1, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one[0], other[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_the_residual_is_how_far_the_picture_moves():
    records = list(islice(dataclasses.replace(SMALL, rule="none").iterates(noisy(16)), 6))
    for now, after in pairwise(records):
        assert float(now.gap) == pytest.approx(float(norm(after.x - now.x)), rel=1e-5)
        assert float(now.residual) == pytest.approx(float(now.gap) / float(norm(after.x)), rel=1e-5)


def test_closing_in_the_middle_leaves_the_callers_mode():
    for mode in (True, False):
        with torch.set_grad_enabled(mode):
            run = SMALL.iterates(noisy(16))
            assert isinstance(run, Generator)
            assert not next(run).x.requires_grad
            assert torch.is_grad_enabled() == mode
            run.close()
            assert torch.is_grad_enabled() == mode
            assert next(run, None) is None


def test_the_variance_rule_ends_the_stream_with_what_it_kept():
    method = DeepImagePrior(width=4, rule="windowed variance", window=5, patience=3, burn_in=4)
    records = list(method.iterates(noisy(16)))
    *run, last = records
    best = min((it for it in run if VARIANCE in it.scalars), key=lambda it: float(it.scalars[VARIANCE]))
    assert run[-1].k - best.k == 3
    assert last.k == run[-1].k + 1
    window = torch.cat([it.x for it in run[best.k - 4 : best.k + 1]])
    torch.testing.assert_close(last.x, window.mean(0, keepdim=True))
    assert float(last.residual) == float(best.residual) > 0
    assert float(last.scalars[KEPT]) == best.k
    # Shown all along, nothing is left to say in the end.
    kept = list(dataclasses.replace(method, shown="kept").iterates(noisy(16)))
    assert len(kept) == len(run)
    assert torch.equal(kept[-1].x, last.x)


def test_what_is_shown_is_what_was_asked_for():
    p = noisy(16)
    runs = {s: list(islice(DeepImagePrior(width=4, rule="none", shown=s).iterates(p), 9)) for s in SHOWN}
    average = Average(DeepImagePrior.weight)
    for now, mean, kept in zip(*(runs[s] for s in SHOWN), strict=True):
        torch.testing.assert_close(mean.x, average.push(now.x))
        # Without a rule the newest is kept.
        assert torch.equal(kept.x, now.x)
        assert float(mean.residual) == float(now.residual)


def test_the_discrepancy_rule_ends_where_the_misfit_crosses_the_noise():
    p = noisy(32, 0.2)
    stopped = list(DeepImagePrior(rule="discrepancy").iterates(p))
    free = list(islice(DeepImagePrior(rule="none").iterates(p), len(stopped)))
    misfits = [float(it.scalars[MISFIT]) for it in free]
    assert min(misfits[:-1]) > 0.2 >= misfits[-1]
    assert torch.equal(stopped[-1].x, free[-1].x)
    direct = math.sqrt(float((free[-1].x - p.data).square().mean()))
    assert misfits[-1] == pytest.approx(direct, rel=1e-5)


def test_pictures_of_a_batch_stop_by_themselves():
    p = noisy(16)
    data = torch.cat([p.data, p.data.flip(-1) ** 2])
    method = DeepImagePrior(width=4, rule="windowed variance", window=4, patience=2, burn_in=0)
    alone = [list(method.iterates(Problem(p.operator, data[i : i + 1], 0.1))) for i in range(2)]
    together = list(method.iterates(Problem(p.operator, data, 0.1)))
    assert len(together) == max(map(len, alone))
    for n, it in enumerate(together):
        assert it.k == n
        for i in range(2):
            assert torch.equal(it.x[i : i + 1], alone[i][min(n, len(alone[i]) - 1)].x)


def test_no_theorem_is_claimed():
    p = noisy(16)
    marks = [Scalars.of(it) for it in islice(SMALL.iterates(p), 4)]
    rows = SMALL.guarantees(p, Evidence(marks, {"gain": 0.5}))
    assert {g.status for g in rows} == {"not applicable"}
    assert "Adam" in rows[0].reason
    assert "convolutions" in rows[0].reason
    assert rows[0].measured is not None
    assert rows[-1].measured == 0.5


@pytest.mark.parametrize("operator", ["parallel_mri", "super_resolution"])
def test_it_is_picked_as_any_other(operator):
    picked = Choice("deep_image_prior", {"rule": "none", "width": 8})
    scenario = Scenario(size=32, operator=Choice(operator), method=picked)
    *_, last = islice(scenario.validated().run(), 40)
    first = next(scenario.validated().run())
    assert last.x.shape == scenario.truth().shape
    assert float(last.scalars[MISFIT]) < 0.5 * float(first.scalars[MISFIT])


# ---------------------------------------------------------------- experiments


def hump(**changes) -> Hump:
    x = images.scaled(images.load("cat"), 32).mean(1, keepdim=True)
    method = DeepImagePrior(rule="windowed variance", window=10, patience=30, burn_in=20)
    return Hump(Denoising(Space((1, 32, 32))), x, Gaussian(0.15), method, **changes)


@pytest.fixture(scope="module")
def stream():
    return list(hump(iterations=200).run())


@pytest.fixture(scope="module")
def rows(stream):
    return list(only_rows(stream))


def test_the_error_falls_and_rises_while_the_data_is_fitted(rows):
    assert [row.key for row in rows] == list(hump(iterations=200).cells)
    best = rows[rows[-1].oracle]
    assert best.psnr == max(row.psnr for row in rows)
    assert rows[0].psnr < best.psnr - 3
    # By a tenth of the noise's own power at least: no wiggle of Adam.
    assert rows[-1].psnr < best.psnr - 1
    assert rows[-1].misfit < best.misfit
    assert rows[-1].data_psnr == pytest.approx(-20 * math.log10(rows[-1].misfit), rel=1e-9)


def test_the_marks_are_where_the_method_itself_would_stop(stream, rows):
    question, last = hump(iterations=200), rows[-1]
    stopped = list(question.method.iterates(question.problem))
    assert last.stopped == stopped[-2].k
    assert last.kept == float(stopped[-1].scalars[KEPT])
    torch.testing.assert_close(stream[-1].views["kept"], stopped[-1].x, rtol=0, atol=0)
    morozov = dataclasses.replace(question.method, rule="discrepancy")
    *_, end = morozov.iterates(question.problem)
    assert last.discrepancy == end.k
    assert torch.equal(stream[-1].views["discrepancy"], end.x)
    assert rows[last.stopped - 1].stopped is None


def test_only_the_oracle_sees_the_truth():
    """Two truths that differ where nothing is measured: the same data, runs and marks; other errors."""
    A = Inpainting(Space((1, 16, 16)))
    x = images.scaled(images.load("camera"), 16)
    mask = A(torch.ones_like(x))
    assert 0 < float(mask.mean()) < 1
    other = torch.where(mask > 0, x, 1 - x)
    method = DeepImagePrior(width=4, rule="windowed variance", window=5, patience=4, burn_in=0)
    one, two = (list(only_rows(Hump(A, truth, Gaussian(0.05), method, 24).run())) for truth in (x, other))
    for a, b in zip(one, two, strict=True):
        assert a.psnr != b.psnr
        same = dataclasses.replace(
            b, psnr=a.psnr, average_psnr=a.average_psnr, kept_psnr=a.kept_psnr, oracle=a.oracle
        )
        assert same == a


def test_views_come_with_some_rows(stream):
    seen = {p.row.k: set(p.views) for p in stream if p.views}
    assert set(seen) == {*(k for k in hump().shown if k < 200), 200}
    assert seen[0] == {"current", "average", "kept"}
    assert seen[200] == {"current", "average", "kept", "oracle", "discrepancy"}
    # A study keeps 64 views.
    assert sum(len(p.views) for p in stream) <= 64


def test_a_hump_is_written_and_never_computed_twice(tmp_path, monkeypatch):
    short, file = hump(iterations=12), tmp_path / "hump.csv"
    found = list(only_rows(recorded(short, file)))
    assert list(read(short, file)) == found
    monkeypatch.setattr(DeepImagePrior, "iterates", lambda *_: pytest.fail("computed again"))
    assert list(only_rows(recorded(short, file))) == found


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: hump(iterations=0), "At least one iteration"),
        (lambda: dataclasses.replace(hump(), picture=torch.rand(1, 3, 32, 32)), "1 × 32 × 32"),
        (lambda: Impedance(torch.rand(1, 1, 8, 8), every=0), "a row every one"),
        (lambda: Impedance(torch.ones(1, 1, 8, 8)), "one grey"),
    ],
)
def test_an_experiment_refuses_what_has_no_answer(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_pictures_are_learned_before_noise():
    x = images.scaled(images.load("camera"), 32)
    question = Impedance(x, iterations=30, every=10)
    found = list(only_rows(question.run()))
    assert [row.key for row in found] == list(question.cells)
    last = {row.target: row.loss for row in found[-len(TARGETS) :]}
    # All begin near the best constant, and after 30 steps they are far apart; 1.3 leaves room for seeds.
    assert all(0.8 < row.loss < 1.5 for row in found[: len(TARGETS)])
    assert 1.3 * last["picture"] < last["picture + noise"] < last["shuffled"] / 1.3
    assert 1.3 * last["picture + noise"] < last["noise"]
    targets = question.targets()
    assert torch.equal(targets["shuffled"].flatten().sort().values, x.flatten().sort().values)


def test_the_table_is_printed(monkeypatch):
    monkeypatch.setattr(picture_prior, "SIDE", 16)
    monkeypatch.setattr(picture_prior, "STEPS", 6)
    before = torch.get_num_threads()
    found = [row for part in ("peak", "stopping", "seeds") for row in picture_prior.rows(part)]
    assert torch.get_num_threads() == before
    assert all(math.isfinite(row.value) for row in found)
    assert sum("windowed variance, stops" in row.name for row in found) == 4
    # Six steps are no fit: the row can miss its target.
    assert next(row for row in found if row.name.startswith("peak")).holds is False
