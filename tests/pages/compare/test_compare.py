"""Comparisons without Streamlit: settings, runs side by side, the packets, and the search for a value."""

import csv
import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from deqviz import images, kspace
from deqviz.core.catalog import METHODS
from deqviz.core.metrics import psnr, ssim
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Problem
from deqviz.core.registry import Choice
from deqviz.core.space import Image
from deqviz.experiments._rows import read, recorded
from deqviz.experiments.tuning import COARSE, FINE, Scale, Tuning, TuningRow, best_row
from deqviz.runtime.worker import Task
from deqviz.scenario import Scenario
from deqviz.ui.components.compare.protocol import pack, parse_commands
from deqviz.ui.components.compare.records import Lane, View
from deqviz.ui.components.packets import unpack
from deqviz.ui.pages.compare.run import Comparison, thinned
from deqviz.ui.pages.compare.screen import frames, pictures, view
from deqviz.ui.pages.compare.setting import PRESETS, Setting, from_query, names
from deqviz.ui.pages.compare.tune import Search, targets

TWO = (Choice("tikhonov", {"weight": 0.02}), Choice("iterated_tikhonov"))


def small(**more) -> Setting:
    return Setting(**{"size": 48, "iterations": 12, "methods": TWO, **more}).validated()


def ended(comparison: Comparison) -> Comparison:
    """The comparison, its tasks advanced in turn until all are over."""
    while not comparison.is_over():
        for task in comparison.tasks:
            if task.is_runnable():
                task.advance(0.0)
    return comparison


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize("name", PRESETS)
def test_the_methods_of_a_preset_have_names_of_their_own(name: str):
    setting = PRESETS[name][1].validated()
    assert len(set(names(setting))) == len(setting.methods)


def test_the_default_writes_nothing_and_nothing_reads_as_the_default():
    assert Setting().validated().to_query() == {}
    assert from_query({}) == (Setting().validated(), ())


def test_every_parameter_of_every_method_is_in_the_address():
    methods = (
        Choice("equilibrium", {"regularizer": Choice("contractive", {"contraction": 0.7}), "weight": 0.3}),
        Choice("tv", {"weight": 0.1 + 0.2}),
        Choice("equilibrium"),
    )
    setting = small(methods=methods, seed=7, is_checked=True, tolerance=1e-4)
    query = setting.to_query()
    assert query["m1.regularizer.contraction"] == "0.7"
    assert query["m2.weight"] == repr(0.1 + 0.2)
    assert from_query(query) == (setting, ())


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"m1": "magic", "m2": "tv"}, "'magic'"),
        ({"m1": "tv"}, "needs two methods"),
        ({"m1": "tv", "m2": "tv", "m2.weight": "-1"}, "-1"),
        ({"m1": "tv", "m2": "tv", "m2.spice": "1"}, "unknown"),
        ({"m1": "tv", "m2": "tv", "m7": "tv"}, "'m7'"),
        ({"image": "nobody"}, "nobody"),
        ({"operator": "magic"}, "'magic'"),
        ({"size": "9999"}, "512"),
        ({"is_checked": "maybe"}, "True or False"),
        ({"image": "upload-00aa00aa00aa00aa"}, "upload it again"),
    ],
)
def test_a_damaged_address_opens_and_says_so(query: dict[str, str], said: str):
    setting, complaints = from_query(query)
    assert setting == setting.validated()
    assert len(complaints) == 1
    assert said in complaints[0]


@pytest.mark.parametrize("count", [1, 7])
def test_two_to_six_methods(count: int):
    with pytest.raises(ValueError, match="two to six methods"):
        Setting(methods=TWO[:1] * count).validated()


def test_namesakes_are_told_apart_by_what_differs():
    weights = (0.005, 0.02)
    methods = (*(Choice("tikhonov", {"weight": w}) for w in weights), Choice("tv"), Choice("tv"))
    assert names(Setting(methods=methods)) == (
        "Tikhonov, α = 0.005",
        "Tikhonov, α = 0.02",
        "Total variation (1)",
        "Total variation (2)",
    )
    rough, fine = (Choice("equilibrium", {"weight": w}) for w in weights)
    ridge = Choice("equilibrium", {"regularizer": Choice("convex_ridge")})
    assert names(Setting(methods=(rough, fine))) == ("Equilibrium, α = 0.005", "Equilibrium, α = 0.02")
    assert names(Setting(methods=(rough, fine, ridge))) == (
        "Equilibrium, contractive, α = 0.005",
        "Equilibrium, contractive, α = 0.02",
        "Equilibrium, convex ridge",
    )


# ---------------------------------------------------------------- runs


def test_all_see_the_same_data_and_give_what_a_run_alone_gives():
    setting = small(methods=(*TWO, Choice("tv")), seed=3)
    comparison = ended(Comparison(setting))
    assert comparison.state == "done"
    truth = setting.scenario(0).truth()
    for i, run in enumerate(comparison.runs):
        last = None
        for last in setting.scenario(i).run():
            if last.k >= setting.iterations or float(last.residual) <= setting.tolerance:
                break
        assert last is not None
        lane = view(comparison, "CPU").lanes[i]
        assert lane.k == last.k
        assert lane.psnr == psnr(last.x, truth)
        assert lane.ssim == ssim(last.x, truth)
        assert len(run.clock) == last.k + 1
        assert list(run.clock) == sorted(run.clock)


def test_a_thin_image_is_compared_without_ssim():
    key = images.keep(torch.rand(1, 1, 40, 5, generator=torch.Generator().manual_seed(0)), "6b" * 32)
    comparison = ended(Comparison(small(image=key)))
    assert comparison.state == "done"
    for lane in view(comparison, "CPU").lanes:
        assert lane.ssim is None
        assert lane.message.endswith("No SSIM: its window is 7 px wide, the image 5 px.")


def test_a_method_that_does_not_fit_fails_alone_and_says_why():
    # GLOW-Prox was trained on 64 × 64 and refuses much more.
    comparison = ended(Comparison(small(size=256, iterations=3, methods=(*TWO, Choice("glow_prox")))))
    seen = view(comparison, "CPU")
    assert [lane.state for lane in seen.lanes] == ["done", "done", "error"]
    assert "too large" in seen.lanes[2].message
    assert comparison.state == "done"
    assert "1 of them failed" in seen.message
    assert seen.lanes[2].psnr is None
    assert pack(seen)


def test_a_crash_ends_only_itself(monkeypatch: pytest.MonkeyPatch):
    from deqviz.methods.tv import Tv

    def crash(self, problem, start=None):
        yield next(iter(Scenario(size=48, method=TWO[0]).run()))
        raise RuntimeError("boom")

    monkeypatch.setattr(Tv, "iterates", crash)
    comparison = ended(Comparison(small(methods=(Choice("tv"), *TWO))))
    assert [run.state for run in comparison.runs] == ["failed", "done", "done"]
    assert "boom" in comparison.runs[0].snapshot().message


def test_runs_that_are_asked_for_again_are_taken_over():
    first = ended(Comparison(small()))
    other = small(methods=(Choice("tv"), TWO[1]))
    second = Comparison(other, old=first)
    assert second.runs[1] is first.runs[1]
    assert second.runs[0] is not first.runs[0]
    twins = Comparison(small(methods=(TWO[0], TWO[0])), old=first)
    assert twins.runs[0] is not twins.runs[1]
    checked = Comparison(small(is_checked=True), old=first)
    assert checked.runs[0] is not first.runs[0]
    first.replace(second)
    ended(second)
    assert second.state == "done"


def test_play_pause_and_stop_act_on_all():
    comparison = Comparison(small(iterations=20000, tolerance=1e-9, methods=(TWO[1], Choice("tv"))))
    for task in comparison.tasks:
        assert isinstance(task, Task)
    for run in comparison.runs:
        run.advance(0.0)
    comparison.pause()
    assert comparison.state == "paused"
    assert comparison.is_settled or not comparison.is_live()
    comparison.play()
    assert comparison.state == "running"
    comparison.stop()
    ended(comparison)
    assert comparison.state == "stopped"
    assert all(run.snapshot().marks for run in comparison.runs)


def test_theorems_are_checked_where_that_is_asked_for():
    comparison = ended(Comparison(small(is_checked=True, methods=(Choice("tikhonov"), Choice("tv")))))
    lane = view(comparison, "CPU").lanes[0]
    assert lane.status == "certified"
    assert {row.name for row in lane.guarantees} >= {"Unique minimiser", "Stability"}


# ---------------------------------------------------------------- what the browser gets


def test_the_packet_holds_every_lane():
    comparison = ended(Comparison(small()))
    seen = view(comparison, "CPU")
    head, blocks = unpack(pack(seen, ack=3))
    assert (head["kind"], head["state"], head["ack"]) == ("view", "done", 3)
    for i, lane in enumerate(head["lanes"]):
        assert blocks[f"column:{i}:k"].shape == blocks[f"column:{i}:seconds"].shape
        assert blocks[f"iterate:{i}"].shape == (1, 48, 48)
        assert lane["status"] in ("certified", "waiting", "not verifiable")
    assert pictures(comparison) is not None
    head, blocks = unpack(pack(frames(comparison)))
    assert [run for run, _ in head["runs"]] == [run.id for run in comparison.runs]
    assert len(blocks["frames:1"]) == len(head["runs"][1][1])
    bad = View("r", "done", (Lane("a", "A", "done", columns={"k": [1, 2], "psnr": [1.0]}),), 5)
    with pytest.raises(ValueError, match="'psnr' of 'A'"):
        pack(bad)


def test_the_table_as_csv_and_json():
    comparison = ended(Comparison(small()))
    seen = view(comparison, "CPU")
    assert seen.csv
    assert seen.json
    rows = list(csv.DictReader(io.StringIO(seen.csv)))
    assert [row["method"] for row in rows] == list(names(comparison.setting))
    assert float(rows[0]["psnr"]) == seen.lanes[0].psnr
    body = json.loads(seen.json)
    assert body["setting"]["methods"][0]["key"] == "tikhonov"
    assert body["methods"][0]["guarantees"]


def test_few_kept_iterates_of_large_pictures_are_sent():
    assert thinned(5, 4, 10**6) == [0, 1, 2, 3, 4]
    sent = thinned(60, 6, 3 * 512 * 512)
    assert (len(sent), sent[0], sent[-1]) == (8, 0, 59)


def test_commands_are_read_and_nothing_else():
    def entry(**more):
        return {"name": "tune", "run": "r", "number": 5, "value": 2, **more}

    sent = [
        entry(),
        entry(name="rm"),
        entry(value="2"),
        entry(value=-1),
        entry(number=1),
        entry(name="take"),
        7,
    ]
    found = parse_commands({"commands": sent}, heard=(1,))
    assert [(c.name, c.value) for c in found] == [("tune", 2), ("take", 0)]
    assert parse_commands("nonsense", ()) == ()


# ---------------------------------------------------------------- the search


def tuning(**more) -> Tuning:
    setting = small(methods=(Choice("tikhonov", {"weight": 0.5, "mode": "direct"}), TWO[1]), **more)
    target = next(t for t in targets(setting) if t.knob.path == ("weight",))
    problem, truth = setting.scenario(0).posed()
    assert truth is not None
    return Tuning(problem, truth, target.knob, target.scale, setting.iterations, setting.tolerance)


def rows_of(search: Tuning, known=()) -> list[TuningRow]:
    return [p.row for p in search.run(known) if p.row is not None]


def direct(problem: Problem, truth: Image, weight: float) -> float:
    A: ForwardModel = problem.operator
    b = A.adjoint(problem.data)
    return psnr(A.resolvent(b, weight), truth)


def test_the_search_finds_the_best_value_of_a_fine_grid():
    search = tuning()
    rows = rows_of(search)
    assert len(rows) == COARSE + FINE == len(search.cells)
    best = best_row(rows)
    assert best is not None
    assert best.psnr is not None
    grid = np.logspace(-5, 1, 200)
    top = max(direct(search.problem, search.truth, float(w)) for w in grid)
    # The last bracket is 0.034 of two coarse steps, 0.07 decades, and the curve is flat at its top.
    assert best.psnr > top - 0.01
    assert best.psnr >= max(row.psnr for row in rows[:COARSE] if row.psnr is not None)


def test_the_search_repeats_exactly_and_goes_on_where_it_was(tmp_path):
    search = tuning()
    rows = rows_of(search)
    assert rows_of(search) == rows
    assert rows_of(search, rows[:9]) == rows
    file = tmp_path / "rows.csv"
    for progress in recorded(search, file):
        if progress.done == 9:
            break
    assert rows_of(search, read(search, file)) == rows
    assert tuning().settings == search.settings
    assert tuning(seed=1).settings != search.settings


def test_whole_numbers_are_not_run_twice_and_failures_are_gaps():
    scale = Scale(1.0, 5.0, is_whole=True)
    assert {scale.value(t / 10) for t in range(11)} == {1.0, 2.0, 3.0, 4.0, 5.0}
    log = Scale(1e-5, 10.0, is_log=True)
    assert (log.value(0.0), log.value(1.0), log.value(0.5)) == (1e-5, 10.0, 0.01)
    search = tuning()
    # 1e9 lies outside the range of α: the method refuses it, and every trial above 0.5 fails.
    odd = Tuning(search.problem, search.truth, search.knob, Scale(1e-3, 1e9, True), 5, 1e-6)
    rows = rows_of(odd)
    assert any(row.psnr is None for row in rows)
    best = best_row(rows)
    assert best is not None
    assert best.value <= 10
    nothing = Tuning(search.problem, search.truth, search.knob, Scale(20.0, 50.0), 5, 1e-6)
    assert best_row(rows_of(nothing)) is None
    assert all(math.isfinite(row.value) for row in rows_of(nothing))


def test_taking_the_best_value_changes_that_method_alone():
    setting = small(methods=(Choice("tikhonov", {"weight": 0.5, "mode": "direct"}), TWO[1]))
    found = targets(setting)
    search = Search.begin(setting, found[0], "cpu")
    assert search.taken(setting) is None
    while not search.study.is_over():
        search.study.advance(math.inf)
    taken = search.taken(setting)
    best = best_row(search.rows)
    assert taken is not None
    assert best is not None
    assert taken.methods[0].params["weight"] == best.value
    assert taken.methods[1] == setting.methods[1]
    tune = search.view(taken)
    assert tune is not None
    assert (tune.index, tune.state, tune.done) == (0, "done", COARSE + FINE)
    assert tune.csv
    unlike = small(methods=(Choice("tv"), TWO[1]))
    for other in (unlike, replace(setting, seed=1), replace(setting, operator=Choice("denoising"))):
        assert search.view(other) is None
        assert search.taken(other) is None
    assert from_query(taken.to_query()) == (taken, ())
    final = ended(Comparison(taken))
    lane = view(final, "CPU").lanes[0]
    assert best.psnr is not None
    # The search judges the run itself: nothing lies between but the order of two float32 sums.
    assert lane.psnr == pytest.approx(best.psnr, abs=1e-4)


def test_every_registered_method_can_be_compared_and_named():
    for entry in METHODS:
        setting = Setting(methods=(Choice(entry.key), TWO[0])).validated()
        assert all(names(setting))
        assert all(target.scale.low < target.scale.high for target in targets(setting))
        assert from_query(setting.to_query()) == (setting, ())


def test_where_nobody_knows_the_truth_nothing_is_judged_and_nothing_searched():
    rng = torch.Generator().manual_seed(0)
    samples = torch.randn(2, 48, 48, dtype=torch.complex64, generator=rng)
    samples[:, :, 1:20:2] = 0  # columns that were not measured
    key = kspace.keep(samples, "5eed5eed5eed5eed")
    setting = small(image=key, operator=Choice("parallel_mri"), methods=(TWO[0], Choice("tv")))
    comparison = ended(Comparison(setting))
    assert comparison.state == "done", [run.snapshot().message for run in comparison.runs]
    seen = view(comparison, "CPU")
    head, blocks = unpack(pack(seen))
    assert head["tunables"] == []
    assert all(lane["psnr"] is None and lane["ssim"] is None for lane in head["lanes"])
    assert len(blocks["column:0:residual"]) > 0
    shown = pictures(comparison)
    assert shown is not None
    assert shown.truth is None
    search = Search.begin(setting, targets(setting)[0], "cpu")
    while not search.study.is_over():
        search.study.advance(math.inf)
    assert "has no ground truth" in search.study.snapshot().message
