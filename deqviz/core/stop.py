"""The one place that says when a stream of iterates has arrived."""

import math
from collections.abc import Iterator

from deqviz.core.records import Iterate


def settle(stream: Iterator[Iterate], *, tolerance: float, max_steps: int, look_every: int = 1) -> Iterate:
    """Pull `stream` until its residual is at most `tolerance` or iterate number `max_steps` has come.

    The residual is looked at every `look_every` iterates, because on a GPU each look waits for the
    device. Raises ArithmeticError naming the iteration when the residual is no finite number, and
    ValueError for an empty stream.
    """
    last: Iterate | None = None
    for last in stream:
        is_end = last.k >= max_steps
        if not is_end and last.k % look_every:
            continue
        residual = float(last.residual)
        if not math.isfinite(residual):
            raise ArithmeticError(f"the iterate is no longer finite at iteration {last.k}")
        if is_end or residual <= tolerance:
            return last
    if last is None:
        raise ValueError("the stream of iterates is empty")
    return last
