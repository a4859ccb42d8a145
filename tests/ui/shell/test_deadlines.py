"""What is done in a while: in its order, by one thread for all, and not at all once it is dropped."""

import logging
import threading

import pytest

from deqviz.ui.shell.deadlines import Deadlines
from tests.places import PATIENCE, until


def test_what_is_due_is_called_in_its_order_by_one_thread_that_ends() -> None:
    deadlines, done = Deadlines(), list[tuple[str, threading.Thread]]()

    def act(name: str) -> None:
        done.append((name, threading.current_thread()))

    deadlines.note("late", 0.2, lambda: act("late"))
    deadlines.note("early", 0.1, lambda: act("early"))
    deadlines.note("dropped", PATIENCE, lambda: act("dropped"))
    deadlines.drop("dropped")
    deadlines.drop("unknown")
    until(lambda: not deadlines._is_waiting, "the end of the thread")
    assert [name for name, _ in done] == ["early", "late"]
    assert len({thread for _, thread in done}) == 1
    deadlines.note("again", 0.0, lambda: act("again"))
    until(lambda: len(done) == 3, "what was noted after the end")


def test_what_is_noted_again_has_one_moment_the_last() -> None:
    deadlines, done = Deadlines(), list[str]()
    deadlines.note("a", PATIENCE, lambda: done.append("first"))
    deadlines.note("a", 0.05, lambda: done.append("second"))
    until(lambda: not deadlines._is_waiting, "the end of the thread")
    assert done == ["second"]


def test_noting_waits_for_nothing_and_dropping_for_what_is_being_called() -> None:
    deadlines, begun, go_on, done = Deadlines(), threading.Event(), threading.Event(), list[str]()

    def act() -> None:
        begun.set()
        go_on.wait(PATIENCE)
        done.append("act")

    def drop() -> None:
        deadlines.drop("a")
        done.append("dropped")

    deadlines.note("a", 0.0, act)
    assert begun.wait(PATIENCE)
    deadlines.note("b", PATIENCE, act)  # the thread that calls is busy
    dropping = threading.Thread(target=drop)
    dropping.start()
    go_on.set()
    dropping.join(PATIENCE)
    assert done == ["act", "dropped"]
    deadlines.drop("b")


def test_one_that_fails_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    deadlines, done = Deadlines(), list[str]()
    with caplog.at_level(logging.ERROR, "deqviz"):
        deadlines.note("bad", 0.0, lambda: 1 / 0)
        deadlines.note("good", 0.05, lambda: done.append("good"))
        until(lambda: done == ["good"], "the other")
    assert "has failed" in caplog.text
