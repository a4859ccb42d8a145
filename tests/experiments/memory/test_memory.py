"""Memory of training: saved bytes against their formula, the cross-check, gradients, reconstructions."""

import math
import subprocess
import sys
from collections.abc import Generator
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from deqviz import volumes
from deqviz.experiments._rows import only_rows, panel, recorded
from deqviz.experiments.memory import volume_runs
from deqviz.experiments.memory._saved import SavedBytes
from deqviz.experiments.memory.activation_memory import (
    BackwardBytes,
    Meter,
    Scan,
    per_iteration,
    unrolled_limit,
)
from deqviz.experiments.memory.fresh_process import FreshProcesses, slope
from deqviz.experiments.memory.gradient_agreement import GradientAgreement
from deqviz.experiments.memory.scan import iteration
from deqviz.experiments.memory.volume_runs import WEIGHTS, VolumeRuns
from deqviz.networks._weights import WeightsError, load
from deqviz.operators._masks import lines_per_frame, phase_encodings
from deqviz.solvers._differentiate import Implicit
from deqviz.solvers.picard import Picard

SMALL = Scan("2D", (16, 16), 4, 5, 2)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# ---------------------------------------------------------------- the counter


def test_a_storage_counts_once_a_constant_never_and_what_goes_is_given_back():
    constant = torch.ones(100)
    x = torch.ones(100, requires_grad=True)
    with SavedBytes([constant]) as saved:
        a = x * constant  # keeps the constant only
        assert saved.now == 0
        b = a.exp()  # keeps its result
        assert saved.now == 400
        c = b.square() + b[:50].sum() ** 2  # keeps b again, and the sum
        assert 400 < saved.now <= 400 + 2 * 4
    loss = c.sum()
    assert saved.peak == saved.now
    loss.backward()
    del a, b, c, loss
    assert saved.now == 0
    torch.testing.assert_close(x.grad, torch.e**2 * (2 + 100 * 2 * 50 * (torch.arange(100) < 50)))


def test_a_graph_that_nobody_goes_back_through_is_freed_all_the_same():
    """A node that saves its own result must not hold itself."""
    x, saved = torch.ones(100, requires_grad=True), SavedBytes()
    with saved:
        end = x.exp().sigmoid().exp()
    assert saved.now == 3 * 400
    del end
    assert saved.now == 0


def test_an_unrolled_run_that_is_stopped_half_way_leaves_no_graph():
    step = iteration(SMALL)
    meter, f, x = Meter(step, "cpu"), step.map(), step.start()
    for _ in range(3):
        x = meter.through(f, x)
    assert meter.saved.now > 2 * per_iteration(SMALL)
    del x
    assert meter.saved.now == 0


def test_graphs_of_others_between_two_steps_are_not_counted():
    x = torch.ones(50, requires_grad=True)
    saved = SavedBytes()
    with saved:
        first = x.exp()
    other = x.exp().exp()
    with saved:
        second = first.exp()
    assert saved.now == 2 * 200
    del other, second


# ---------------------------------------------------------------- the formula


@pytest.mark.parametrize(
    "scan",
    [
        Scan("2D", (32, 32), 8, 5, 4),
        Scan("2D", (20, 27), 16, 3, 1),
        Scan("2D", (16, 16), 4, 2, 2, is_double=True),
        Scan("3D", (6, 10, 9), 4, 5, 3),
        Scan("2D+time", (5, 12, 10), 6, 4, 2),
    ],
    ids=lambda scan: f"{scan.dimension}-{scan.width}",
)
def test_the_bytes_are_those_of_the_formula(scan: Scan):
    rows = list(only_rows(BackwardBytes(scan, 8, (1, 6)).run()))
    unrolled = [row for row in rows if row.kind == "unrolled"]
    for row in rows:
        assert row.saved == pytest.approx(row.predicted, rel=0.05)
        assert row.holds
        assert not replace(row, saved=round(1.06 * row.predicted)).holds
        assert not replace(row, saved=round(0.94 * row.predicted)).holds
    steps = [b.saved - a.saved for a, b in pairwise(unrolled)]
    # The count is exact but for two scalars.
    assert all(step == pytest.approx(per_iteration(scan), abs=16) for step in steps)
    assert unrolled[0].saved == pytest.approx(per_iteration(scan), abs=16)


def test_forty_iterations_of_a_slice_hold_more_than_ten_times_an_equilibrium():
    rows = list(only_rows(BackwardBytes(Scan("2D", (24, 24), 8, 5, 2), 40, (1, 5)).run()))
    deepest = next(row for row in rows if row.key == ("unrolled", 40))
    held = [row.saved for row in rows if row.kind == "equilibrium"]
    assert deepest.saved >= 10 * max(held)
    assert deepest.saved / max(held) == pytest.approx(40, rel=0.05)
    assert all(g.status == "certified" for g in panel(rows))


def test_an_equilibrium_holds_the_same_after_any_number_of_steps_and_by_the_shipped_solver_too():
    held = [
        row.saved for row in only_rows(BackwardBytes(SMALL, 1, (1, 4, 16)).run()) if row.kind != "unrolled"
    ]
    assert len(held) == 3
    assert max(held) - min(held) <= 16
    step = iteration(SMALL)
    meter = Meter(step, "cpu")
    # Loose enough to end before it has converged to the data step's tolerance.
    implicit, f = Implicit(Picard(), Picard(), 1e-2, 200), step.map()
    z = meter.through(lambda x: implicit(f, x), step.start())
    z.square().sum().backward()
    assert meter.saved.peak == pytest.approx(max(held), abs=16)


def test_coils_and_the_solve_keep_nothing():
    few, many = (replace(SMALL, coils=n, acceleration=r) for n, r in ((1, 1.5), (12, 6.0)))
    bytes_of = [next(only_rows(BackwardBytes(scan, 1, (1,)).run())).saved for scan in (few, many)]
    assert bytes_of[0] == bytes_of[1]


def test_rows_survive_their_file_and_are_gone_on_with(tmp_path):
    path, asked = tmp_path / "bytes.csv", BackwardBytes(SMALL, 3, (1, 2))
    first = list(only_rows(recorded(asked, path)))
    assert [row.key for row in first] == list(asked.cells)
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    assert list(only_rows(recorded(asked, path))) == first
    with pytest.raises(ValueError, match="other settings"):
        next(recorded(replace(asked, scan=replace(SMALL, seed=1)), path))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_allocates_what_the_formula_says():
    rows = list(only_rows(BackwardBytes(replace(Scan(), device="cuda"), 10, (2,)).run()))
    unrolled = [row.allocated or 0 for row in rows if row.kind == "unrolled"]
    grown = (unrolled[-1] - unrolled[4]) / (len(unrolled) - 5)
    assert grown == pytest.approx(per_iteration(Scan()), rel=0.05)


# ---------------------------------------------------------------- a process of its own


def test_a_fresh_process_grows_by_the_formula_and_an_equilibrium_does_not_grow():
    scan = Scan(shape=(64, 64))
    rows = list(only_rows(FreshProcesses(scan, (10, 40), (1, 3)).run()))
    found = slope(rows)
    assert found is not None
    assert found == pytest.approx(per_iteration(scan), rel=0.1)
    deepest = next(row for row in rows if row.key == ("unrolled", 40))
    solved = [row.grown for row in rows if row.kind == "equilibrium"]
    assert solved[1] - solved[0] < per_iteration(scan)
    assert deepest.grown > 3 * solved[1]


def test_a_process_that_fails_or_is_left_is_told_and_ended(monkeypatch):
    begun: list[subprocess.Popen[bytes]] = []

    class Watched(subprocess.Popen[bytes]):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            begun.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    stream = FreshProcesses(SMALL, (1,), (1,)).run()
    assert isinstance(stream, Generator)
    assert next(stream).row is None
    stream.close()
    assert begun[0].returncode is not None
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="ended early: exit status 1"):
        list(FreshProcesses(SMALL, (1,), (1,)).run())


# ---------------------------------------------------------------- gradients


@pytest.mark.parametrize("scan", [Scan("2D", (12, 12), 4, 4, 2), Scan("2D+time", (6, 8, 8), 4, 3, 2)])
def test_the_unrolled_gradient_tends_to_the_implicit_one(scan: Scan):
    rows = list(only_rows(GradientAgreement(scan, (1, 4, 16, 40)).run()))
    errors, angles = [row.error for row in rows], [row.angle for row in rows]
    assert errors == sorted(errors, reverse=True)
    assert angles == sorted(angles, reverse=True)
    assert errors[-1] < 1e-2 * errors[0]
    assert angles[-1] < 1e-4
    contraction, agreement = panel(rows)
    assert contraction.status == "certified"
    assert agreement.status == "estimated"
    assert not replace(rows[0], distance=1.01 * rows[0].factor).holds


# ---------------------------------------------------------------- volumes and films


def test_the_head_is_a_slab_of_slices_and_the_film_beats_periodically():
    head = volumes.head()
    assert head.shape == volumes.HEAD
    assert 0 <= float(head.min()) < float(head.max()) <= 1
    small = volumes.head((10, 54, 45))
    torch.testing.assert_close(small, head.view(10, 2, 54, 2, 45, 2).mean((1, 3, 5)))
    film = volumes.beating((12, 40, 48))
    assert film.shape == (12, 40, 48)
    assert 0 <= float(film.min()) < float(film.max()) <= 1
    # sin repeats at t and T/2 − t.
    torch.testing.assert_close(film[1], film[5], rtol=0, atol=1e-12)
    assert float((film[3] - film[9]).abs().max()) > 0.2
    torch.testing.assert_close(volumes.beating((24, 20, 20), beats=2)[:12], volumes.beating((12, 20, 20)))


def test_the_volume_is_small_and_keeps_its_notice():
    assert (volumes.FOLDER / "head.png").stat().st_size <= 400_000
    sources = (volumes.FOLDER / "SOURCES.md").read_text(encoding="utf-8")
    assert "`head.png`" in sources
    assert "Copyright (C) 1993–2009 Louis Collins, McConnell Brain Imaging Centre" in sources


def test_masks_measure_one_of_r_with_the_middle_and_the_readout_whole():
    volume = phase_encodings((12, 30, 7), 4.0, 0.06, rng())
    assert float(volume.mean()) == pytest.approx(0.25, abs=0.01)
    assert (volume == volume[:, :, :1]).all()
    assert volume[6, 15].all()
    film = lines_per_frame((9, 32, 5), 4.0, 0.06, rng())
    assert (film.sum((1, 2)) == 8 * 5).all()
    assert film[:, 16].all()
    assert len({tuple(frame[:, 0].tolist()) for frame in film}) > 1
    assert (lines_per_frame((2, 8, 4), 1.0, 0.0, rng()) == 1).all()


@pytest.mark.parametrize(("dimension", "shape"), [("3D", (8, 30, 24)), ("2D+time", (8, 32, 32))])
def test_the_methods_in_their_order(dimension, shape):
    asked = VolumeRuns(Scan(dimension, shape, coils=6), ("zero-filled", "SENSE"))
    shown = [p for p in asked.run() if p.row is not None]
    rows = [p.row for p in shown if p.row is not None]
    assert [row.method for row in rows] == ["zero-filled", "SENSE"]
    assert rows[1].psnr > rows[0].psnr + 2
    assert shown[0].views["truth"].shape == (shape[0], 1, *shape[1:])
    assert shown[0].views["mask"].shape == (1, 1, *shape[:2])
    assert set(shown[1].views) == {"SENSE"}
    assert [p.row for p in asked.run(rows)] == rows


def test_a_strict_network_runs_until_its_residual_and_a_free_one_is_void(monkeypatch):
    scan = Scan("2D+time", (6, 12, 12), 4, 3, 2)
    net = scan.network()
    monkeypatch.setattr(volume_runs, "load", lambda *_, **__: net)
    (row,) = only_rows(VolumeRuns(scan, ("MOL",)).run())
    assert row.residual <= 1e-4
    assert row.ratio <= row.factor <= 0.9 + 1e-6
    assert panel([row])[0].status == "certified"
    assert not replace(row, ratio=1.02 * row.factor).holds
    with torch.no_grad():
        for filters in (p for name, p in net.named_parameters() if name.endswith("filters")):
            filters.mul_(3)
    (row,) = only_rows(VolumeRuns(scan, ("MOL",), iterations=5).run())
    assert row.factor == math.inf
    assert panel([row])[0].status == "not verifiable"


@pytest.mark.parametrize(("dimension", "shape"), [("3D", (10, 36, 30)), ("2D+time", (8, 32, 32))])
def test_the_network_beats_sense_and_contracts(dimension, shape):
    try:
        load(WEIGHTS[dimension])
    except WeightsError as error:
        pytest.skip(str(error))
    rows = {row.method: row for row in only_rows(VolumeRuns(Scan(dimension, shape, coils=4)).run())}
    assert rows["MOL"].psnr > rows["SENSE"].psnr
    assert rows["MOL"].residual <= 1e-4
    assert rows["MOL"].holds


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Scan("3D", (8, 8)), "3 axes of 4 cells"),
        (lambda: Scan("2D", (8, 3)), "2 axes of 4 cells"),
        (lambda: replace(SMALL, coils=0), "one coil"),
        (lambda: replace(SMALL, layers=1), "two layers"),
        (lambda: replace(SMALL, margin=0.0), "between 0 and 1"),
        (lambda: replace(SMALL, acceleration=0.5), "1 or more"),
        (lambda: replace(SMALL, width=5).network(), "even width"),
        (lambda: BackwardBytes(SMALL, 0), "At least one iteration"),
        (lambda: BackwardBytes(SMALL, 5, ()), "At least one iteration"),
        (lambda: FreshProcesses(SMALL, (5, 5)), "ascend"),
        (lambda: GradientAgreement(SMALL, (4, 2)), "ascend"),
        (lambda: VolumeRuns(SMALL), "Volumes and dynamic series"),
        (lambda: VolumeRuns(methods=("magic",)), "not magic"),
        (lambda: volumes.head((21, 8, 8)), "as many at most"),
        (lambda: volumes.beating((4, 8, 8), beats=0), "one beat"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(wrong, said):
    with pytest.raises(ValueError, match=said):
        wrong()


def test_a_budget_gives_a_depth():
    for depth in (1, 7, 40):
        exact = depth * per_iteration(SMALL)
        assert unrolled_limit(SMALL, exact) == depth
        assert unrolled_limit(SMALL, exact - 1) == max(1, depth - 1)
