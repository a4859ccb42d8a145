"""Whether the server's memory stays level: five visitors who come, look at places of all pages, and leave.

    python benchmarks/soak.py [--minutes 120] [--visitors 5] [--stay 10] [--json FILE]

Each goes to a dozen places of the tour in an order of its own, looks on for `stay` seconds at most, leaves,
and is followed by another. What is compared are the medians of the memory in the middle and in the last third
of the time: in the first one the pages are imported.
"""

import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.measure import met, run, serving
from benchmarks.tour import shuffled, tourist
from benchmarks.watch import FORGET, megabytes, rested
from deqviz.bench.rows import Row

PLACES = 12
"""What one visitor looks at."""
EVERY = 2.0
"""Seconds between two looks at the memory."""


async def _chair(port: int, number: int, end: float, stay: float, errors: list[str]) -> int:
    """One visitor after the other; how many there were."""
    for count in itertools.count():
        async with tourist(port) as visitor:
            for stop in shuffled(1000 * number + count)[:PLACES]:
                if time.monotonic() > end:
                    return count
                await visitor.open(stop, stay)
            errors += visitor.errors
    return 0


async def _soaked(
    port: int, pid: int, seconds: float, visitors: int, stay: float
) -> tuple[list[float], int, list[str]]:
    """The memory over time, how many visitors came, and the errors that they met."""
    end, errors, sizes = time.monotonic() + seconds, list[str](), list[float]()
    chairs = asyncio.gather(*(_chair(port, n, end, stay, errors) for n in range(visitors)))
    while not chairs.done():
        sizes.append(megabytes(pid))
        await asyncio.sleep(EVERY)
    return sizes, sum(await chairs), errors


def rows(minutes: float, visitors: float, stay: float) -> Iterator[Row]:
    """The memory in thirds of the time."""
    with serving("--server.disconnectedSessionTTL", str(FORGET)) as (port, pid):
        sizes, count, errors = asyncio.run(_soaked(port, pid, 60 * minutes, int(visitors), stay))
        third = len(sizes) // 3
        middle, last = sizes[third : 2 * third], sizes[2 * third :]
        yield Row("visitors who came and left", count, "")
        yield Row("memory in the middle third, median", statistics.median(middle), "MB")
        yield Row("memory in the last third, median", statistics.median(last), "MB")
        yield Row(
            "the last over the middle",
            statistics.median(last) / statistics.median(middle),
            "×",
            1.1,
            "at most",
        )
        yield Row("least memory of the last over the middle", min(last) / min(middle), "×", 1.1, "at most")
        yield Row("most memory at any moment", megabytes(pid, "VmHWM"), "MB")
        yield Row("memory after all have left", rested(pid), "MB")
        yield met(errors)


if __name__ == "__main__":
    sys.exit(run(rows, __doc__, minutes=120.0, visitors=5.0, stay=10.0))
