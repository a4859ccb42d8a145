"""What a health check is told of the worker."""

import threading

import pytest

from deqviz.runtime import watchdog
from deqviz.runtime.limits import Limits
from deqviz.runtime.worker import Worker
from tests.places import until
from tests.runtime.test_worker import Clock


class Long(Clock):
    """A task whose step ends when it is let go."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()

    def advance(self, deadline):
        self.go.wait()
        super().advance(deadline)


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.setattr(watchdog, "_watched", None)
    one = Worker(Limits())
    watchdog.watch(one)
    yield one
    one.close()


def test_a_server_whose_worker_nobody_has_needed_yet_answers(monkeypatch):
    monkeypatch.setattr(watchdog, "_watched", None)
    assert watchdog.is_answering()


def test_a_worker_that_idles_or_works_answers_and_one_whose_thread_has_ended_does_not(worker):
    assert watchdog.is_answering()
    task = Clock()
    worker.submit(task)
    until(lambda: task.turns > 3)
    assert watchdog.is_answering()
    worker.close()
    assert not watchdog.is_answering()
    assert "has ended" in watchdog.complaint()


def test_a_step_may_be_long_but_not_without_end(worker, monkeypatch):
    task = Long()
    worker.submit(task)
    try:
        until(lambda: worker.busy() > 0)
        assert watchdog.is_answering()
        monkeypatch.setattr(watchdog, "STUCK", 0.0)
        assert not watchdog.is_answering()
        assert "holds all others up" in watchdog.complaint()
    finally:
        task.go.set()
    task.end("enough")
    until(lambda: not worker.busy())
    assert watchdog.is_answering()
