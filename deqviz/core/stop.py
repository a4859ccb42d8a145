"""Stopping criteria of a stream of iterates."""

import math
from collections.abc import Iterator

from deqviz.core.records import Iterate


def is_last(iterate: Iterate, tolerance: float, max_steps: int, look_every: int = 1) -> bool:
    """Whether the residual is at most `tolerance`, or not finite, or `max_steps` has come.

    The residual is looked at every `look_every` iterates, because on a GPU each look waits for the device.
    """
    if iterate.k >= max_steps:
        return True
    return iterate.k % look_every == 0 and not tolerance < float(iterate.residual) < math.inf


def settle(stream: Iterator[Iterate], *, tolerance: float, max_steps: int, look_every: int = 1) -> Iterate:
    """Pull `stream` until its residual is at most `tolerance` or iterate number `max_steps` has come.

    The residual is looked at as in `is_last`. Raises ArithmeticError naming the iteration when it is no
    finite number, and ValueError for an empty stream.
    """
    last: Iterate | None = None
    for last in stream:
        if is_last(last, tolerance, max_steps, look_every):
            break
    if last is None:
        raise ValueError("the stream of iterates is empty")
    if not math.isfinite(float(last.residual)):
        raise ArithmeticError(f"the iterate is no longer finite at iteration {last.k}")
    return last
