"""Many visitors: slots, the line, leases, what a server refuses, and what a task may do to the thread."""

import threading
import time

import pytest

from deqviz.runtime.limits import Demand, Limits
from deqviz.runtime.worker import Line, Worker
from tests.places import until


class Clock:
    """A task that counts its turns and never ends by itself."""

    side = 32
    demands: tuple[Demand, ...] = ()

    def __init__(self, log=None, name=""):
        self.turns, self.said, self.is_paused, self.is_released = 0, "", False, False
        self.log, self.name = log if log is not None else [], name

    def is_runnable(self):
        return not self.said and not self.is_paused

    def is_live(self):
        return self.is_runnable()

    def is_over(self):
        return bool(self.said)

    def advance(self, deadline):
        time.sleep(0.002)
        self.turns += 1
        self.log.append(self.name)

    def end(self, message):
        self.said = self.said or message

    def release(self):
        self.is_released = True


@pytest.fixture
def worker():
    made = []

    def make(**limits):
        made.append(Worker(Limits(**limits)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_first_in_line_have_the_slots_and_the_others_know_their_place():
    line = Line(2, 10.0)
    line.update(["a", "b", "c", "d"], 0.0)
    assert [line.ahead(p) for p in "abcd"] == [0, 0, 1, 2]
    line.update(["a", "c", "d"], 1.0)
    assert [line.ahead(p) for p in "acd"] == [0, 0, 1]


def test_a_lease_ends_only_where_somebody_waits():
    line = Line(1, 10.0)
    line.update(["a"], 0.0)
    line.update(["a"], 99.0)
    assert line.ahead("a") == 0
    line.update(["a", "b"], 99.5)  # the lease counts from when a sat down: b need not wait for another one
    assert (line.ahead("a"), line.ahead("b")) == (1, 0)
    line.update(["a", "b"], 109.0)
    assert line.ahead("b") == 0
    line.update(["a", "b"], 109.5)
    assert (line.ahead("a"), line.ahead("b")) == (0, 1)


def test_whoever_pauses_and_comes_back_stands_at_the_end():
    line = Line(1, 10.0)
    line.update(["a", "b"], 0.0)
    line.update(["b"], 1.0)
    line.update(["a", "b"], 2.0)
    assert (line.ahead("a"), line.ahead("b")) == (1, 0)


def test_a_newcomer_has_one_turn_at_once_and_then_waits_for_a_slot(worker):
    one = worker(slots=1, lease=1000.0)
    first, second = Clock(), Clock()
    one.submit(first)
    until(lambda: first.turns > 5)
    one.submit(second)
    until(lambda: second.turns == 1)
    seen = first.turns
    until(lambda: first.turns > seen + 20)
    assert second.turns == 1
    assert (one.ahead(first), one.ahead(second)) == (0, 1)
    first.end("gone")
    until(lambda: second.turns > 5)
    assert one.ahead(second) == 0


def test_leases_let_everybody_come_on(worker):
    one = worker(slots=1, lease=0.05)
    tasks = [Clock() for _ in range(4)]
    for task in tasks:
        one.submit(task)
    until(lambda: all(task.turns > 10 for task in tasks))


def test_a_visitor_with_six_runs_has_no_more_turns_than_one_with_one(worker):
    one, log = worker(slots=2), []
    many, single = [Clock(log, "many") for _ in range(6)], Clock(log, "single")
    for task in many:
        one.submit(task, "a")
    one.submit(single, "b")
    until(lambda: single.turns > 60)
    turns = log[log.index("single") :]
    # In turns; the first look of each of the six comes on top.
    assert abs(turns.count("many") - turns.count("single")) <= 7
    assert all(task.turns > 3 for task in many)


def test_a_paused_task_takes_no_slot(worker):
    one = worker(slots=1, lease=1000.0)
    first, second = Clock(), Clock()
    one.submit(first)
    until(lambda: first.turns > 2)
    first.is_paused = True
    one.submit(second)
    until(lambda: second.turns > 5)
    assert one.ahead(second) == 0


def test_a_full_line_refuses_with_a_sentence_and_lets_its_own_go_on(worker):
    one = worker(queue=2)
    first, second, third, more = Clock(), Clock(), Clock(), Clock()
    one.submit(first, "a")
    one.submit(second, "b")
    one.submit(third, "c")
    assert third.said == "2 visitors are computing or waiting here: try again in a minute."
    one.submit(more, "a")
    assert not more.said
    until(lambda: more.turns > 3)


def test_a_visitor_with_too_many_runs_is_told_and_others_are_not(worker):
    one = worker(runs=2)
    mine, other = [Clock() for _ in range(3)], Clock()
    for task in mine:
        one.submit(task, "a")
    one.submit(other, "b")
    assert mine[2].said == "You have 2 active runs, and this server allows no more: stop one first."
    assert [task.said for task in (mine[0], mine[1], other)] == ["", "", ""]
    one.submit(mine[0], "a")
    assert not mine[0].said
    until(lambda: mine[0].turns > 3 and mine[1].turns > 3 and other.turns > 3)


def test_a_run_that_has_had_its_seconds_is_ended_and_says_so(worker):
    one = worker(seconds=0.1)
    task, other = Clock(), Clock()
    one.submit(task)
    until(lambda: task.said)
    assert task.said == "A run may compute for 0.1 s on this server; this one did."
    one.submit(other)
    until(lambda: other.turns > 3)


def test_commands_from_many_threads_do_no_harm(worker):
    one = worker(slots=2, lease=0.02)
    tasks = [Clock() for _ in range(8)]

    def visit(task):
        for _ in range(50):
            one.submit(task)
            one.ahead(task)
            task.is_paused = not task.is_paused
            one.wake()
        task.is_paused = False
        one.wake()

    threads = [threading.Thread(target=visit, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: all(task.turns > 3 for task in tasks))
    for task in tasks:
        task.end("done")
    until(lambda: not one.visitors())


class Plugin(BaseException):
    """An error of a foreign kind, which cannot even be written."""

    def __str__(self) -> str:
        raise SystemExit("and goes down with everything")


class Faulty(Clock):
    """A task that lets something out of its slice, against the rules."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def advance(self, deadline):
        raise self.fault


FAULTS = [
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    MemoryError(),
    RecursionError("too deep"),
    StopIteration(),
    Plugin(),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_whatever_comes_out_of_a_task_ends_it_alone(worker, fault):
    one, faulty, other = worker(), Faulty(fault), Clock()
    one.submit(faulty, "a")
    one.submit(other, "b")
    until(lambda: faulty.said and other.turns > 3)
    word = "memory" if isinstance(fault, MemoryError) else type(fault).__name__
    assert word in faulty.said
    assert one.is_alive()
    late = Clock()
    one.submit(late, "a")
    until(lambda: late.turns > 3)


def test_what_is_over_is_released_also_where_it_was_ended_between_two_slices(worker):
    one, ended, other, faulty = worker(), Clock(), Clock(), Faulty(SystemExit())
    for task in (ended, other, faulty):
        one.submit(task)
    until(lambda: ended.turns and other.turns)
    ended.is_paused = True
    ended.end("the tab was closed")
    one.wake()
    until(lambda: ended.is_released and faulty.is_released)
    assert not other.is_released


def test_a_turn_that_fails_outside_of_any_task_is_followed_by_the_next(worker, monkeypatch):
    one, task, failures = worker(), Clock(), iter((MemoryError(), SystemExit()))
    turn = one._turn

    def failing():
        for failure in failures:
            raise failure
        turn()

    monkeypatch.setattr(one, "_turn", failing)
    one.submit(task)
    until(lambda: task.turns > 3)


def test_a_task_that_demands_too_much_is_ended_and_never_begun(worker):
    one, large, small = worker(side=64), Clock(), Clock()
    large.demands = (Demand("side", "Image size", 128, 32),)
    one.submit(large)
    one.submit(small)
    until(lambda: small.turns > 3)
    assert large.said == "This server allows at most 64 px, and Image size is 128 px: choose 64 px or less."
    assert not large.turns
