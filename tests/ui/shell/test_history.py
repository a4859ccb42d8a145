"""What a session remembers of its runs: enough, and no more."""

import gc
import io
import math
import weakref

import numpy as np
import pytest
from PIL import Image as Picture

from deqviz.core.registry import Choice
from deqviz.operators.tomography import Tomography
from deqviz.runtime.job import Job
from deqviz.scenario import Scenario
from deqviz.ui.shell import history
from deqviz.ui.shell.descriptions import particulars
from deqviz.ui.shell.history import History


def scenario(seed: int = 0, **more: object) -> Scenario:
    values = {"size": 48, "iterations": 3, "method": Choice("iterated_tikhonov"), **more}
    return Scenario(seed=seed, **values).validated()  # type: ignore[arg-type]


def ended(job: Job) -> Job:
    while not job.is_over():
        job.advance(math.inf)
    return job


def ran(book: History, seed: int = 0, **more: object) -> Job:
    job = Job(scenario(seed, **more), is_checked=False)
    book.add(job)
    ended(job)
    book.refresh(job)
    return job


def test_a_run_leaves_its_picture_and_its_numbers():
    book = History()
    job = ran(book)
    entry, snapshot = book.entries[0], job.snapshot()
    assert snapshot.latest is not None
    assert (entry.look.state, entry.look.k, entry.is_final) == ("done", 3, True)
    assert entry.look.psnr == snapshot.latest.psnr
    assert entry.look.residual == snapshot.marks[-1].residual
    pixels = np.asarray(Picture.open(io.BytesIO(entry.look.picture)))
    assert (pixels == snapshot.latest.pixels[0]).all(), "without loss"
    assert entry.look.size == (48, 48)


@pytest.mark.parametrize("shape", [(1, 512, 320), (3, 200, 400), (1, 32, 32)])
def test_a_thumbnail_is_small_and_keeps_its_shape(shape: tuple[int, int, int]):
    small = Picture.open(io.BytesIO(history.png(np.zeros(shape, np.uint8), side=history.SIDE)))
    assert max(small.size) <= history.SIDE
    # Half a pixel of rounding on the shorter side of at least 32.
    assert small.size[0] / small.size[1] == pytest.approx(shape[2] / shape[1], rel=0.5 / 32)
    assert small.mode == ("L" if shape[0] == 1 else "RGB")


def test_only_so_many_results_are_kept_and_the_pictures_stay():
    book = History()
    jobs = [weakref.ref(ran(book, seed)) for seed in range(history.MOST_RESULTS + 3)]
    assert [e.job is not None for e in book.entries] == [False] * 3 + [True] * history.MOST_RESULTS
    assert all(e.look.picture for e in book.entries)
    gc.collect()
    assert [job() is None for job in jobs] == [True] * 3 + [False] * history.MOST_RESULTS


def test_only_so_many_bytes_are_kept(monkeypatch):
    book = History()
    one = ran(book)
    # Room for the two before the current one, and half of the third.
    size = history.weight(one.snapshot()) + history.burden(one.operator)
    monkeypatch.setattr(history, "allowance", lambda: int(2.5 * size))
    for seed in range(1, 5):
        ran(book, seed)
    assert [e.job is not None for e in book.entries] == [False, False, True, True, True]


def test_many_sessions_share_what_there_is(monkeypatch):
    monkeypatch.setattr(history, "_histories", weakref.WeakSet())
    books = [History() for _ in range(4)]
    assert history.allowance() == history.TOTAL // 4
    books += [History() for _ in range(60)]
    assert history.allowance() == history.FLOOR
    del books
    gc.collect()
    assert history.allowance() == history.TOTAL


def test_the_oldest_go_and_the_pinned_stay():
    book = History()
    ran(book, 0)
    book.pin(book.entries[0])
    for seed in range(1, history.MOST + 5):
        ran(book, seed)
    assert len(book.entries) == history.MOST
    assert book.entries[0].number == 1
    assert book.entries[-1].number == history.MOST + 5


def test_a_third_pin_takes_the_place_of_the_first():
    book = History()
    for seed in range(3):
        ran(book, seed)
    for entry in book.entries:
        book.pin(entry)
    assert [e.number for e in book.pinned] == [2, 3]
    book.pin(book.entries[2])
    assert [e.number for e in book.pinned] == [2]


def test_what_never_came_to_a_picture_is_forgotten():
    book = History()
    ran(book)
    dragged = Job(scenario(1))
    book.add(dragged)
    dragged.stop()
    current = Job(scenario(2))
    book.add(current)
    book.refresh(current)
    assert [e.number for e in book.entries] == [1, 3]


def test_a_kept_run_comes_back_and_a_dropped_one_takes_its_old_place():
    book = History()
    first = ran(book)
    ran(book, 1)
    entry = book.entries[0]
    book.want(entry)
    assert book.wanted(scenario(7)) is None, "an address of something else"
    book.want(entry)
    assert book.wanted(scenario()) is first
    assert book.wanted(scenario()) is None, "asked for once"
    entry.job = None
    book.want(entry)
    assert book.wanted(scenario()) is None
    again = Job(scenario(), is_checked=False)
    book.add(again)
    assert [e.number for e in book.entries] == [1, 2]
    ended(again)
    book.refresh(again)
    assert entry.job is again
    assert entry.look.k == 3


def test_a_diverged_run_and_one_without_truth_have_no_number_that_is_none():
    book = History()
    ran(book)
    snapshot = book.entries[0].job.snapshot()  # type: ignore[union-attr]
    without = history.look(
        type(snapshot)(snapshot.state, "", (), (), {}, None, (), 0.0, (), None), history.Look("done", 0)
    )
    assert math.isnan(without.psnr)
    assert without.picture == b""
    assert history.weight(type(snapshot)(snapshot.state, "", (), (), {}, None, (), 0.0, (), None)) == 0


def test_the_weight_counts_what_is_kept():
    book = History()
    job = ran(book, iterations=5)
    snapshot = job.snapshot()
    kept = sum(f.pixels.nbytes for f in snapshot.frames) + len(snapshot.frames) * 48 * 48 * 4
    # Beyond the kept iterates: eight pictures for the problem and 500 bytes for each of six lines of numbers.
    counted = kept + 8 * 48 * 48 * 4 + 500 * len(snapshot.marks)
    assert history.weight(snapshot) == round(history.OVERHEAD * counted)


def test_the_matrix_of_an_operator_counts_too():
    job = ended(Job(scenario(operator=Choice("tomography")), is_checked=False))
    assert isinstance(job.operator, Tomography)
    matrix = job.operator._system.matrix
    parts = [t for m in (matrix.forward, matrix.backward) for t in (m.values(), m.col_indices())]
    assert history.burden(job.operator) > sum(t.nbytes for t in parts) > 10**5
    book = History()
    book.add(job)
    book.refresh(job)
    assert book.entries[0].weight > history.burden(job.operator)


def test_particulars_are_what_differs_from_the_defaults():
    assert particulars(Scenario().validated()) == ""
    said = particulars(
        Scenario(
            seed=3,
            operator=Choice("gaussian_blur", {"width": 2.5}),
            method=Choice("equilibrium", {"splitting": "explicit", "solver": Choice("picard")}),
        ).validated()
    )
    assert "Seed 3" in said
    assert "Blur width w 2.5 px" in said
    assert "explicit" in said
    assert "Picard" in said
