"""A batch in a few lines: mean and spread per degradation, noise and method."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from deqviz.core.quoted import printable
from deqviz.sweep.row import MEASURED, Measured


@dataclass(frozen=True, slots=True)
class Mean:
    """Over the cells of one group, images and seeds together.

    `spread` is the sample standard deviation; None below two cells.
    """

    value: float
    spread: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one degradation, noise and method."""

    operator: str
    noise: str
    method: str
    rows: tuple[Measured, ...]

    @property
    def counted(self) -> tuple[Measured, ...]:
        """Those with an image."""
        return tuple(row for row in self.rows if row.state in MEASURED)

    @property
    def level(self) -> float | None:
        """The mean standard deviation of the noise; what the images make of a Poisson noise differs."""
        average = self.mean(lambda row: row.level)
        return average.value if average else None

    def mean(self, number: Callable[[Measured], float | None]) -> Mean | None:
        """Of one number, over the rows that have it; None where none has."""
        return mean(number(row) for row in self.counted)


def mean(numbers: Iterable[float | None]) -> Mean | None:
    """Mean and sample standard deviation of the numbers that are there."""
    values = [v for v in numbers if v is not None]
    if not values:
        return None
    return Mean(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


def groups(rows: Iterable[Measured]) -> tuple[Group, ...]:
    """In the order in which they first came."""
    by_key: dict[tuple[str, str, str], list[Measured]] = {}
    for row in rows:
        by_key.setdefault((row.operator, row.noise, row.method), []).append(row)
    return tuple(Group(*key, tuple(group_rows)) for key, group_rows in by_key.items())


def markdown(rows: Sequence[Measured]) -> str:
    """The means as a Markdown table, one line for each group."""
    head = (
        "degradation",
        "noise",
        "method",
        "PSNR in dB",
        "gain in dB",
        "SSIM",
        "iterations",
        "seconds",
        "cells",
    )
    lines = [head, ("---", "---", "---", "---:", "---:", "---:", "---:", "---:", "---:")]
    for g in groups(rows):
        lost = len(g.rows) - len(g.counted)
        lines.append(
            (
                g.operator,
                g.noise,
                g.method,
                mean_text(g.mean(lambda row: row.psnr), 2),
                mean_text(g.mean(lambda row: row.gain), 2),
                mean_text(g.mean(lambda row: row.ssim), 3),
                mean_text(g.mean(lambda row: row.iterations), 0),
                mean_text(g.mean(lambda row: row.seconds), 2),
                f"{len(g.rows)}, {lost} without an image" if lost else str(len(g.rows)),
            )
        )
    return "".join(
        f"| {' | '.join(printable(cell).replace('|', '/') for cell in line)} |\n" for line in lines
    )


def mean_text(average: Mean | None, digits: int) -> str:
    """ "27.31 ± 0.82"; a dash where nothing was measured."""
    if average is None:
        return "–"
    text = f"{average.value:.{digits}f}"
    return text if average.spread is None else f"{text} ± {average.spread:.{digits}f}"
