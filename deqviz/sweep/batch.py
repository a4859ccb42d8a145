"""A batch as experiments: cells that are run here one after the other, and a table that was opened."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deqviz.experiments._rows import Experiment, Key, Progress
from deqviz.sweep.measure import measuring
from deqviz.sweep.row import Cell, Measured


@dataclass(frozen=True)
class Batch(Experiment[Measured]):
    """The cells in their order, those of `old_rows` not run again."""

    asked: tuple[Cell, ...]

    @property
    def row_type(self) -> type[Measured]:
        """`Measured`."""
        return Measured

    @property
    def cells(self) -> tuple[Key, ...]:
        """The ids."""
        return tuple((cell.id,) for cell in self.asked)

    def run(self, old_rows: Sequence[Measured] = ()) -> Iterator[Progress[Measured]]:
        """One row for each cell."""
        by_cell, total = {row.cell: row for row in old_rows}, len(self.asked)
        for done, cell in enumerate(self.asked):
            row = by_cell.get(cell.id)
            work = None if row is not None else measuring(cell)
            while work is not None:
                try:
                    next(work)
                except StopIteration as end:
                    row, work = end.value, None
                else:
                    yield Progress(done, total)
            yield Progress(done + 1, total, row)


@dataclass(frozen=True)
class Opened(Experiment[Measured]):
    """The rows of a table: nothing is run."""

    rows: tuple[Measured, ...]

    @property
    def row_type(self) -> type[Measured]:
        """`Measured`."""
        return Measured

    @property
    def cells(self) -> tuple[Key, ...]:
        """The ids."""
        return tuple(row.key for row in self.rows)

    def run(self, old_rows: Sequence[Measured] = ()) -> Iterator[Progress[Measured]]:
        """All rows, at once."""
        for done, row in enumerate(self.rows, 1):
            yield Progress(done, len(self.rows), row)
