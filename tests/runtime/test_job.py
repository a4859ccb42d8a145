"""A run under a viewer's hands: pause, step, stop, divergence, failure, several at once."""

import dataclasses
import math
import threading
from typing import Any

import numpy as np
import pytest
import torch

from deqviz import images
from deqviz.core import machine
from deqviz.core.catalog import METHODS
from deqviz.core.records import Iterate, Method
from deqviz.core.registry import Choice
from deqviz.networks._weights import WeightsError
from deqviz.runtime.job import Job
from deqviz.runtime.logbook import Logbook, kept
from deqviz.runtime.run_snapshot import OVER
from deqviz.runtime.worker import Worker
from deqviz.scenario import Scenario
from tests.places import Clock, until

ENDLESS = Scenario(
    size=48,
    method=Choice("iterated_tikhonov", {"weight": 1.0}),
    iterations=20000,
    tolerance=1e-9,
)


@pytest.fixture(scope="module")
def worker():
    return Worker()


def start(worker, scenario, *, is_checked=False, **kwargs):
    job = Job(scenario.validated(), is_checked=is_checked, **kwargs)
    worker.submit(job)
    return job


def test_runs_to_its_end_and_keeps_what_a_viewer_needs(worker):
    job = start(worker, dataclasses.replace(ENDLESS, iterations=40))
    until(lambda: job.state in OVER)
    snapshot = job.snapshot()
    assert snapshot.state == "done"
    assert [m.k for m in snapshot.marks] == list(range(41))
    assert len(snapshot.psnr) == 41
    assert [f.k for f in snapshot.frames] == [k for k in range(41) if kept(k) or k == 40]
    assert snapshot.setup is not None
    assert snapshot.setup.truth is not None
    assert snapshot.setup.truth.shape == (1, 48, 48)
    assert snapshot.setup.truth.dtype == np.uint8


def test_a_thin_image_is_done_without_ssim(worker):
    key = images.keep(torch.rand(1, 1, 40, 5, generator=torch.Generator().manual_seed(0)), "6b" * 32)
    job = start(worker, dataclasses.replace(ENDLESS, image=key, iterations=3), is_checked=True)
    until(lambda: job.state in OVER)
    snapshot = job.snapshot()
    assert snapshot.state == "done", snapshot.message
    assert snapshot.message.endswith("No SSIM: its window is 7 px wide, the image 5 px.")
    assert not snapshot.ssim


def test_a_viewer_s_numbers_are_those_of_the_bare_run(worker):
    scenario = dataclasses.replace(ENDLESS, iterations=10).validated()
    job = start(worker, scenario)
    until(lambda: job.state in OVER)
    stream = scenario.run()
    bare = [float(next(stream).residual) for _ in range(11)]
    assert [m.residual for m in job.snapshot().marks] == bare


def test_pause_holds_and_play_goes_on():
    job = Job(ENDLESS.validated(), is_checked=False)

    def turn():
        """Three slices of one iteration each, as the worker gives them, with somebody looking."""
        job.snapshot()
        for _ in range(3):
            if job.is_runnable():
                job.advance(-math.inf)
        return len(job.snapshot().marks)

    turn()
    count = turn()
    assert count > 3
    job.pause()
    assert turn() == count
    assert job.is_settled
    latest = job.snapshot().latest
    assert latest is not None
    assert latest.k == job.snapshot().marks[-1].k
    job.step()
    assert not job.is_settled
    assert turn() == count + 1
    job.play()
    assert turn() > count + 1
    job.stop()
    turn()
    assert job.is_settled
    assert job.state == "stopped"


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("deqviz.runtime.job.time", clock)
    return clock


def test_slow_motion_keeps_its_pace(clock):
    job = Job(ENDLESS.validated(), is_checked=False)
    job.set_speed(20)
    for _ in range(61):
        if job.is_runnable():
            job.advance(clock.now)
        clock.sleep(0.01)
    # One at once, and then one every twentieth of 0.6 s.
    assert len(job.snapshot().marks) == pytest.approx(13, abs=1)


def unwatched(**kwargs):
    """A running job whose newest iterate was not shown, as between two slices beside another run."""
    job = Job(ENDLESS.validated(), is_checked=False, **kwargs)
    job.snapshot()
    job.advance(-math.inf)
    job.advance(-math.inf)
    snapshot = job.snapshot()
    assert snapshot.latest is not None
    assert snapshot.latest.k < snapshot.marks[-1].k
    job._wanted = False  # that was this test's own look
    return job


def test_a_run_stopped_while_nobody_watches_is_forgotten():
    job = unwatched()
    assert job.is_runnable()
    job.stop()
    assert job.is_runnable() or job.is_over()
    worker = Worker()
    worker.submit(job)
    until(lambda: not worker._entries)
    assert job.is_over()
    snapshot = job.snapshot()
    assert snapshot.latest is not None
    assert snapshot.latest.k == snapshot.marks[-1].k


def test_a_last_picture_that_cannot_be_made_is_not_tried_for_ever(monkeypatch):
    job = unwatched()
    job.stop()

    def fail(self, iterate):
        raise RuntimeError("no room")

    monkeypatch.setattr(Logbook, "frame", fail)
    job.advance(-math.inf)
    assert job.is_over()
    assert not job.is_runnable()
    assert job.state == "stopped"


class Watched(Method):
    """A method whose every iteration takes a hundredth of a second and is looked at by a viewer."""

    def __init__(self, inner, clock, look):
        self.inner, self.clock, self.look = inner, clock, look

    def iterates(self, problem, start=None):
        for iterate in self.inner.iterates(problem, start):
            self.look()
            self.clock.sleep(0.01)
            yield iterate

    def guarantees(self, problem, evidence):
        return ()


def test_a_held_run_is_at_rest_only_once_the_iterate_on_its_way_has_come(clock, monkeypatch):
    """A page that took the state for all went on showing the iterate before."""
    rests = []

    def look():
        job.pause()
        rests.append(job.is_settled)

    method = ENDLESS.build_method()
    monkeypatch.setattr(Scenario, "build_method", lambda _: Watched(method, clock, look))
    job = Job(ENDLESS.validated(), is_checked=False)
    job.pause()
    assert not job.is_settled  # its data are still to come
    job.advance(-math.inf)
    assert job.is_settled
    job.play()
    job.snapshot()
    job.advance(-math.inf)
    assert (job.state, rests, job.is_settled) == ("paused", [False], True)
    latest = job.snapshot().latest
    assert latest is not None
    assert latest.k == 0


def test_a_slice_on_a_gpu_shows_several_pictures(clock, monkeypatch):
    # The device is pretended: what differs there is that a picture is not made after every iteration.
    truth, build = Scenario.truth, Scenario.build_method
    seen = set()

    def look():
        snapshot = job.snapshot()
        if snapshot.latest is not None:
            seen.add(snapshot.latest.k)
            assert snapshot.marks[-1].k >= snapshot.latest.k

    monkeypatch.setattr(Scenario, "truth", lambda self, device: truth(self, "cpu"))
    monkeypatch.setattr(Scenario, "build_method", lambda self: Watched(build(self), clock, look))
    job = Job(ENDLESS.validated(), device="cuda", is_checked=False)
    job.advance(1.0)
    look()
    job.stop()
    assert job.snapshot().marks[-1].k >= 99
    # One every tenth of the second; without, the first and the last.
    assert 9 <= len(seen) <= 12, seen


def test_checks_can_be_stopped():
    method = Choice("equilibrium", {"regularizer": Choice("quadratic"), "weight": 0.1})
    job = Job(Scenario(size=48, method=method).validated(), is_checked=True)
    while job.is_runnable() and job.state != "checking":
        job.advance(-math.inf)
    assert job.state == "checking"
    job.stop()
    job.advance(-math.inf)
    assert job.is_over()
    assert job.state == "done"
    assert job.snapshot().message.endswith("The checks were stopped.")


@pytest.mark.parametrize("key", [entry.key for entry in METHODS if not entry.cls.has_limit])
def test_layers_and_formulas_end_and_do_not_converge(worker, key: str):
    """Whatever the tolerance: the last of five layers is no limit, and nothing is drawn as one."""
    operator = Choice("parallel_mri" if key in ("admm_net", "modl", "unet") else "inpainting")
    image = "brain" if operator.key == "parallel_mri" else "camera"
    asked = Scenario(image, 48, operator, method=Choice(key), tolerance=1e-1)
    job = start(worker, asked, is_checked=True)
    until(lambda: job.is_settled)
    snapshot = job.snapshot()
    assert snapshot.state == "done", snapshot.message
    assert "onverged" not in snapshot.message
    assert snapshot.message.startswith(("All ", "Done: "))
    chart = job.chart()
    assert chart is None or not chart.is_final
    last = snapshot.marks[-1]
    assert math.isnan(METHODS[key].cls.residual(last)) == (last.residual == 0)


def test_two_runs_share_the_worker(worker):
    one, two = start(worker, ENDLESS), start(worker, dataclasses.replace(ENDLESS, seed=1))
    until(lambda: min(len(one.snapshot().marks), len(two.snapshot().marks)) > 20)
    assert {one.state, two.state} <= {"running", "done"}
    one.stop()
    two.stop()


def test_a_diverging_run_stops_says_so_and_keeps_its_history(worker):
    method = Choice(
        "equilibrium",
        {
            "regularizer": Choice("quadratic"),
            "splitting": "explicit",
            "step": 1.5,
            "solver": Choice("picard"),
            "weight": 10.0,
        },
    )
    job = start(worker, Scenario(size=48, method=method, iterations=5000))
    until(lambda: job.state in OVER)
    snapshot = job.snapshot()
    assert snapshot.state == "diverged"
    assert "iteration" in snapshot.message
    assert len(snapshot.marks) > 5
    assert all(math.isfinite(m.residual) for m in snapshot.marks[:-1])


class Broken(Method):
    """A method that turns into not-a-number, or fails, at iteration 3."""

    def __init__(self, inner, fault):
        self.inner, self.fault = inner, fault

    def iterates(self, problem, start=None):
        for iterate in self.inner.iterates(problem, start):
            if iterate.k == 3 and self.fault == "raise":
                raise RuntimeError("the sky fell")
            if iterate.k == 3 and isinstance(self.fault, BaseException):
                raise self.fault
            bad = iterate.k >= 3
            yield dataclasses.replace(iterate, residual=math.nan, gap=math.nan) if bad else iterate

    def guarantees(self, problem, evidence):
        return ()


@pytest.mark.parametrize(
    ("fault", "state", "part"),
    [
        ("nan", "diverged", "from iteration 3 on. What was computed before is kept."),
        ("raise", "failed", "the sky fell"),
    ],
)
def test_faults_become_states_with_a_sentence(worker, monkeypatch, fault, state, part):
    original = Scenario.build_method
    monkeypatch.setattr(Scenario, "build_method", lambda self: Broken(original(self), fault))
    job = start(worker, ENDLESS)
    until(lambda: job.state in OVER)
    snapshot = job.snapshot()
    assert (snapshot.state, part in snapshot.message) == (state, True), snapshot.message
    assert len(snapshot.marks) >= 3


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (SystemExit(), "The run failed after iteration 2 (SystemExit)."),
        (SystemExit("bye"), "The run failed after iteration 2 (SystemExit: bye)."),
        (KeyboardInterrupt(), "The run failed after iteration 2 (KeyboardInterrupt)."),
        (GeneratorExit(), "The run failed after iteration 2 (GeneratorExit)."),
        (RecursionError("too deep"), "The run failed after iteration 2 (RecursionError: too deep)."),
        (MemoryError(), "The device ran out of memory: choose a smaller image, or close other runs."),
        (WeightsError("the card a.json is damaged. Restore it"), "The card a.json is damaged. Restore it."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_a_method_raises_the_run_ends_with_a_sentence_and_others_go_on(
    worker, monkeypatch, fault, message
):
    other = start(worker, dataclasses.replace(ENDLESS, iterations=400))
    until(lambda: other.state != "preparing")  # its method is built and whole
    original = Scenario.build_method
    with monkeypatch.context() as patch:
        patch.setattr(Scenario, "build_method", lambda self: Broken(original(self), fault))
        job = start(worker, ENDLESS)
        until(lambda: job.state in OVER)
    snapshot = job.snapshot()
    assert (snapshot.state, snapshot.message, len(snapshot.marks)) == ("failed", message, 3)
    until(lambda: other.state in OVER)
    assert other.state == "done"


def test_an_impossible_problem_is_told_in_its_own_words(worker):
    job = start(worker, Scenario(size=48, operator=Choice("fourier"), noise=Choice("poisson")))
    until(lambda: job.state in OVER)
    assert job.state == "failed"
    assert "Poisson" in job.snapshot().message


def kernel(text: str) -> Choice:
    return Choice("kernel_blur", {"kernel": text, "scaling": "as given"})


def tikhonov(weight: float, mode: str = "conjugate gradients") -> Choice:
    return Choice("tikhonov", {"weight": weight, "mode": mode})


ITERATED = Choice("iterated_tikhonov", {"weight": 10.0})
ALARMS: dict[str, dict[str, Any]] = {
    "two iterations": {"operator": Choice("denoising"), "method": ITERATED, "iterations": 2},
    "loose tolerance": {"operator": Choice("denoising"), "method": ITERATED, "tolerance": 0.1},
    "far start": {"operator": Choice("super_resolution", {"factor": 4}), "method": tikhonov(10.0)},
    "kernel of sum 100": {"operator": kernel("100"), "method": tikhonov(0.02)},
    "direct MRI": {"operator": Choice("parallel_mri"), "method": tikhonov(10.0, "direct")},
    "direct CT": {"operator": Choice("tomography"), "method": tikhonov(10.0, "direct")},
    "tight tolerance": {"method": tikhonov(10.0), "tolerance": 1e-7},
    "no noise": {
        "operator": Choice("denoising"),
        "noise": Choice("gaussian", {"std": 0.0}),
        "method": Choice("iterated_tikhonov", {"weight": 1.0}),
    },
    "no photons": {
        "operator": kernel("1e-6"),
        "noise": Choice("poisson"),
        "method": Choice("iterated_tikhonov", {"weight": 1.0}),
    },
    # ½‖Ax − y‖² is made of ½‖y‖², of which next to nothing is left.
    "dark and exact": {
        "image": "phantom",
        "operator": kernel("5"),
        "noise": Choice("gaussian", {"std": 0.0}),
        "method": Choice("tv", {"weight": 0.1}),
    },
    "tiny kernel": {"operator": kernel("1e-10"), "method": Choice("tv"), "iterations": 5},
}


@pytest.mark.parametrize("name", ALARMS)
def test_what_rounding_and_short_runs_do_is_no_violation(worker, name: str):
    """All of these were red or failed: two norms, rounding left out, cancellation, a change of nothing."""
    job = start(worker, Scenario(size=32, **ALARMS[name]), is_checked=True)
    until(lambda: job.state in OVER)
    assert job.state == "done", job.snapshot().message
    assert not [g for g in job.guarantees() if g.status == "violated"]


def test_after_the_run_the_theorems_are_put_to_the_test(worker):
    method = Choice("equilibrium", {"regularizer": Choice("quadratic"), "weight": 0.1})
    job = start(worker, Scenario(size=48, method=method), is_checked=True)
    until(lambda: job.state in OVER)
    snapshot = job.snapshot()
    assert snapshot.state == "done", snapshot.message
    assert {"spread", "spread_gap", "spread_size", "gain", "expansion", "landscape", "contraction"} <= {
        p.key for p in snapshot.probes
    }
    lamps = {g.key: g.status for g in job.guarantees()}
    assert lamps["uniqueness"] == "certified"
    assert lamps["stability"] == "certified"
    assert "violated" not in lamps.values()
    chart = job.chart()
    assert chart is not None
    assert chart.is_final


def test_after_the_run_of_a_network_its_end_is_certified_in_double_precision(worker):
    job = start(worker, Scenario(size=32, operator=Choice("denoising")), is_checked=True)
    until(lambda: job.state in OVER)
    assert "slip" in {p.key for p in job.snapshot().probes}
    rows = {g.key: g for g in job.guarantees()}
    assert {rows[key].status for key in ("uniqueness", "error", "stability")} == {"certified"}
    assert {g.key for g in rows.values() if "measured, not proved" in g.reason} == {
        "contraction",
        "expansion",
        "rate",
        "error",
    }
    assert "except at the last iterate" in rows["error"].reason


def test_of_large_images_fewer_iterates_are_kept_the_first_and_the_newest_always():
    x = torch.zeros(1, 1, 8, 8)
    book = Logbook(x, room=20 * x.nbytes)
    ks = [k for k in range(300) if kept(k)]
    path: list[int] = []
    for k in ks:
        book.keep(Iterate(k, x, 0.0, 0.0, k))
        path = [at for at, _ in book.path]
        assert path == [frame.k for frame in book.frames]
        assert (path[0], path[-1]) == (0, k)
        assert len(path) <= 20
    assert len(path) > 10
    tiny = Logbook(None, room=0)
    for k in ks:
        tiny.keep(Iterate(k, x, 0.0, 0.0, k))
    assert 4 < len(tiny.path) <= 8


def test_a_run_that_is_over_keeps_what_is_shown_and_exported_and_nothing_else(worker):
    job = start(worker, dataclasses.replace(ENDLESS, iterations=30), is_checked=True)
    until(lambda: job.state in OVER)
    until(lambda: job._stream is None)
    assert job._checks is None
    snapshot, chart, record = job.snapshot(), job.chart(), job.record()
    assert snapshot.probes
    assert all(not probe.path and probe.landscape is None for probe in snapshot.probes)
    assert chart is not None
    assert [track.label for track in chart.tracks][1:] == ["from zero", "from noise"]
    assert record is not None
    assert len(record.path) == len(snapshot.frames)


def test_kept_iterates_stay_few():
    assert len([k for k in range(20001) if kept(k)]) < 100


def test_commands_from_many_threads_do_no_harm(worker):
    job = start(worker, ENDLESS)

    def hammer():
        for _ in range(50):
            job.pause()
            job.step()
            job.play()
            job.snapshot()
            worker.wake()

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    job.stop()
    until(lambda: job.is_settled)
    ks = [m.k for m in job.snapshot().marks]
    assert ks == list(range(len(ks)))


def test_small_pictures_get_one_thread_and_large_ones_all_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 32)
    assert machine.thread_count(machine.SMALL) == 1
    assert machine.thread_count(machine.SMALL + 1) == machine.thread_count() == machine.MOST
    monkeypatch.setattr(machine, "cores", lambda: 2)
    assert machine.thread_count(512) == 2
