"""Stopping criteria of a stream of iterates."""

import math
from collections.abc import Iterator

from deqviz.core.records import Iterate

NOTHING = 1e-6
"""Units: single precision cannot tell less from 0 beside images of that size."""


class Arrival:
    """Whether ‖T(x) − x‖ is at most `tolerance`, relative to ‖T(x)‖ and as a length.

    A run that goes away in steps of one length arrives relative to itself, so ‖T(x)‖ counts as one unit at
    most: √n, the size of an image of n `entries` up to 1, or ‖T(x₀)‖ where that is larger. Where the limit is
    0 nothing is small relative to it: there ‖T(x)‖ counts as `NOTHING` units at least.
    """

    def __init__(self, tolerance: float, entries: float) -> None:
        """Nothing was seen yet."""
        self._tolerance, self._unit, self._has_begun = tolerance, math.sqrt(entries), False

    def is_at(self, residual: float, gap: float) -> bool:
        """Look at the numbers of one iterate more; the first ones are those of x₀."""
        if not self._has_begun:
            self._has_begun = True
            if residual > 0 and gap / residual < math.inf:
                self._unit = max(self._unit, gap / residual)
        length = self._tolerance * self._unit
        return gap <= length and (residual <= self._tolerance or gap <= NOTHING * length)


class Stop:
    """The end of a stream: arrived, no longer finite, or `max_steps` have come.

    The numbers are looked at every `look_every` iterates, because on a GPU each look waits for the device.
    """

    def __init__(self, tolerance: float, max_steps: int, look_every: int = 1) -> None:
        """For one stream."""
        self._tolerance, self._max_steps, self._look_every = tolerance, max_steps, look_every
        self._arrival: Arrival | None = None

    def is_last(self, iterate: Iterate) -> bool:
        """Whether `iterate` is the last."""
        if iterate.k >= self._max_steps:
            return True
        if iterate.k % self._look_every:
            return False
        self._arrival = self._arrival or Arrival(self._tolerance, iterate.x[0].numel())
        residual, gap = float(iterate.residual), float(iterate.gap)
        return self._arrival.is_at(residual, gap) or not math.isfinite(residual)


def settle(stream: Iterator[Iterate], *, tolerance: float, max_steps: int, look_every: int = 1) -> Iterate:
    """Pull `stream` to its end in the sense of `Stop`.

    Raises ArithmeticError naming the iteration when the residual is no finite number, and ValueError for an
    empty stream.
    """
    last, stop = None, Stop(tolerance, max_steps, look_every)
    for last in stream:
        if stop.is_last(last):
            break
    if last is None:
        raise ValueError("the stream of iterates is empty")
    if not math.isfinite(float(last.residual)):
        raise ArithmeticError(f"the iterate is no longer finite at iteration {last.k}")
    return last
