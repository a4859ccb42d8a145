"""Time taken: medians of interleaved repeats, and the pieces of work that are timed."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

import torch

from deqviz.core.records import Method, Problem

REPEATS = 15


def wait(device: str) -> None:
    """Until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(work: Callable[[], object], device: str) -> float:
    """What one call takes."""
    wait(device)
    begun = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - begun


def ratio(a: Callable[[], object], b: Callable[[], object], device: str) -> tuple[float, float, float]:
    """Median seconds of a, of b, and the median of the ratios a/b of neighbours in time."""
    a()
    b()
    pairs: list[tuple[float, float]] = []
    for i in range(REPEATS):
        # Alternating who goes first takes out a drift of the machine.
        if i % 2:
            right = seconds(b, device)
            pairs.append((seconds(a, device), right))
        else:
            left = seconds(a, device)
            pairs.append((left, seconds(b, device)))
    return (
        statistics.median(x for x, _ in pairs),
        statistics.median(y for _, y in pairs),
        statistics.median(x / y for x, y in pairs),
    )


def pull(method: Method, problem: Problem, count: int) -> Callable[[], None]:
    """The next `count` iterations of a run whose first has set everything up before the clock runs."""
    stream = method.iterates(problem)
    next(stream)

    def work() -> None:
        for _ in islice(stream, count):
            pass

    return work


def whole(method: Method, problem: Problem, count: int) -> Callable[[], None]:
    """A run of `count` iterations from its start, for methods that end."""

    def work() -> None:
        for _ in islice(method.iterates(problem), count):
            pass

    return work


@contextmanager
def one_thread() -> Iterator[None]:
    """With a single torch thread inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
