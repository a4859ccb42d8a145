"""A study: an experiment pulled by the worker, with commands from other threads."""

import csv
import io
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
import torch

from deqviz.core.guarantee import Guarantee, Quantity
from deqviz.experiments._rows import Experiment, Key, Progress, Row, to_text
from deqviz.runtime.study import VIEWS, Part, Study
from deqviz.runtime.worker import Worker
from deqviz.ui.shell.departure import Tether
from tests.places import Clock, until


@dataclass(frozen=True, slots=True)
class Square(Row):
    """n and n², the theorem being n² ≤ n²."""

    n: int
    square: float

    @property
    def key(self) -> Key:
        return (self.n,)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        return (
            Guarantee(
                "square", "Square", "n² ≤ n²", "certified", "", Quantity(self.square), Quantity(self.square)
            ),
        )


COMPUTED: list[int] = []


@dataclass(frozen=True)
class Squares(Experiment[Square]):
    """Squares up to `count`, at a pace; fails at `fault`."""

    count: int = 20
    pace: float = 0.0
    fault: int = -1
    sleep: Callable[[float], None] = field(default=time.sleep, compare=False, repr=False)

    @property
    def row_type(self) -> type[Square]:
        return Square

    @property
    def cells(self) -> tuple[Key, ...]:
        return tuple((n,) for n in range(self.count))

    def run(self, old_rows: Sequence[Square] = ()) -> Iterator[Progress[Square]]:
        have = {row.n: row for row in old_rows}
        for n in range(self.count):
            yield Progress(n, self.count)
            if n not in have:
                self.sleep(self.pace)
                COMPUTED.append(n)
                if n == self.fault:
                    raise ArithmeticError(f"no square at {n}")
            row = have.get(n) or Square(n, float(n**2))
            yield Progress(n + 1, self.count, row, {"dot": torch.full((1, 1, 1, 1), float(n))})


@pytest.fixture
def worker():
    """One for each test, ended before the next: a study left behind would go on counting."""
    found = Worker()
    yield found
    found.close()


@pytest.fixture(autouse=True)
def forget():
    COMPUTED.clear()


def start(worker, source, **kwargs) -> Study:
    study = Study(source, **kwargs)
    worker.submit(study)
    return study


def test_it_runs_to_its_end_and_keeps_rows_and_views(worker):
    study = start(worker, Squares(70))
    until(study.is_over)
    snapshot = study.snapshot()
    assert (snapshot.state, snapshot.done, snapshot.total, snapshot.left) == ("done", 70, 70, None)
    assert [row.square for row in snapshot.of("rows")] == [n**2 for n in range(70)]
    assert len(snapshot.views) == VIEWS
    newest = snapshot.view("dot")
    assert newest is not None
    assert float(newest) == 69
    assert snapshot.view("dot", "elsewhere") is None
    assert snapshot.experiment("rows") == Squares(70)
    assert study.text("csv") == to_text(Squares(70), snapshot.of("rows"), "csv")
    assert study.text("json") == to_text(Squares(70), snapshot.of("rows"), "json")


def turn(study: Study) -> int:
    """Five slices as the worker gives them, and how many rows there are then."""
    for _ in range(5):
        if study.is_runnable():
            study.advance(-math.inf)
    return study.snapshot().done


def test_pause_holds_and_play_goes_on():
    study = Study(Squares(1000))
    turn(study)
    done = turn(study)
    assert done > 3
    assert study.text("csv") is None
    study.pause()
    seconds = study.snapshot().seconds
    assert turn(study) == done
    assert study.snapshot().seconds == seconds
    assert study.is_settled
    assert study.text("csv")
    study.play()
    assert turn(study) > done
    study.stop()
    assert study.is_over()


def test_a_stop_keeps_what_came_and_play_computes_only_the_rest(worker):
    study = Study(Squares(60))
    turn(study)
    study.stop()
    kept = study.snapshot()
    assert kept.state == "stopped"
    assert 1 < kept.done < 60
    study.play()
    worker.submit(study)
    until(lambda: study.state == "done")
    assert [row.n for row in study.snapshot().of("rows")] == list(range(60))
    assert sorted(COMPUTED) == list(range(60)), "a row was computed twice"


def test_a_failure_says_why_and_keeps_the_rows(worker):
    study = start(worker, Squares(20, fault=7))
    until(study.is_over)
    snapshot = study.snapshot()
    assert (snapshot.state, snapshot.message, snapshot.done) == ("failed", "No square at 7.", 7)
    assert study.text("csv")


def test_a_plan_comes_before_the_first_row_and_can_be_paused():
    steps: list[int] = []

    def plan():
        for n in range(100):
            steps.append(n)
            yield
        return (Part("small", Squares(3)), Part("large", Squares(5)))

    study = Study(plan)
    turn(study)
    assert study.state == "preparing"
    assert study.snapshot().total == 0
    study.pause()
    before = len(steps)
    turn(study)
    assert len(steps) == before > 3
    assert study.text("csv") is None
    study.play()
    study.advance(math.inf)
    assert study.is_over()
    snapshot = study.snapshot()
    assert steps == list(range(100))
    assert [len(rows) for rows in snapshot.rows] == [3, 5]
    assert (snapshot.done, snapshot.total) == (8, 8)
    table = list(csv.DictReader(io.StringIO(study.text("csv") or "")))
    assert [line["part"] for line in table] == ["small"] * 3 + ["large"] * 5
    assert {line["settings"] for line in table} == {Squares(3).settings, Squares(5).settings}
    bodies = json.loads(study.text("json") or "")
    assert [(body["part"], len(body["rows"])) for body in bodies] == [("small", 3), ("large", 5)]


def test_a_plan_that_fails_is_told_in_its_own_words(worker):
    def plan():
        yield
        raise ValueError("R may have no inverse here.")

    study = start(worker, plan)
    until(study.is_over)
    assert (study.state, study.snapshot().message) == ("failed", "R may have no inverse here.")


@pytest.mark.parametrize("fault", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), RecursionError()])
def test_whatever_an_experiment_raises_the_study_ends_with_a_sentence(worker, fault):
    def plan():
        yield
        raise fault

    study, other = start(worker, plan), start(worker, Squares(30))
    until(lambda: study.is_over() and other.is_over())
    assert (study.state, other.state) == ("failed", "done")
    assert study.snapshot().message.startswith(f"It failed after 0 rows ({type(fault).__name__}")


def test_a_study_that_is_stopped_in_a_pause_lets_go_of_its_generator(worker):
    held: list[int] = []

    def plan():
        try:
            while True:
                held[:] = [1]
                yield
        finally:
            held.clear()

    study = start(worker, plan)
    until(lambda: held)
    study.pause()
    until(lambda: study.is_settled)
    study.stop()
    worker.wake()
    until(lambda: not held)


def test_a_generator_that_does_not_let_itself_be_closed_harms_nobody(worker):
    begun: list[int] = []

    def plan():
        try:
            while True:
                begun.append(1)
                yield
        except GeneratorExit:
            yield

    study = start(worker, plan)
    until(lambda: len(begun) > 3)
    study.stop()
    other = start(worker, Squares(30))
    until(other.is_over)
    assert (study.state, other.state) == ("stopped", "done")


def test_time_left_is_the_pace_so_far(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("deqviz.runtime.study.time", clock)
    study = Study(Squares(50, pace=0.1, sleep=clock.sleep))
    assert study.snapshot().left is None
    study.advance(1.6)
    snapshot = study.snapshot()
    assert snapshot.left == pytest.approx(0.1 * (50 - snapshot.done))


def test_two_studies_share_the_worker(worker):
    first, second = (start(worker, Squares(100_000, pace=0.001)) for _ in range(2))
    until(lambda: first.snapshot().done and second.snapshot().done)
    for study in (first, second):
        study.stop()


def test_a_study_gone_on_with_stands_in_the_round_once(worker):
    study = start(worker, Squares(10_000, pace=0.001))
    for _ in range(3):
        worker.submit(study)
    assert sum(e.task is study for e in worker._entries) == 1
    study.stop()


def test_a_closed_tab_ends_it(monkeypatch):
    monkeypatch.setattr("deqviz.ui.shell.departure.GRACE", 0.05)
    study = Study(Squares())
    tether = Tether()
    tether.hold(study)
    tether.release()
    until(lambda: study.state == "stopped")
