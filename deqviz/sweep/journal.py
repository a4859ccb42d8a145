"""The rows of a sweep: the Parquet table, and a journal of those since it was written.

A Parquet file cannot be added to, so every row is first a line of FILE.parquet.journal, on the disk before
the next is waited for. At the start and at the end the journal is folded into the table. Whatever is killed,
whenever, at most one line is torn, and its cell is computed again.
"""

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from deqviz.sweep import table
from deqviz.sweep.apart import apart
from deqviz.sweep.row import Measured

try:
    import fcntl
except ImportError:  # Windows: two sweeps into one file are not noticed there
    fcntl = None


class Journal:
    """The rows of one output file, for one writer at a time: a context."""

    def __init__(self, path: Path) -> None:
        """Of the table at `path`; nothing is read yet."""
        self.path = path
        self.file = path.with_name(f"{path.name}.journal")
        self.torn = 0
        self.rows: dict[str, Measured] = {}

    def __enter__(self) -> "Journal":
        """Read what is there and fold it into the table.

        Raises ValueError where another sweep is writing, or where the table is none of a sweep.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._out = self.file.open("a+b", buffering=0)
        except OSError as error:
            raise ValueError(f"{self.path} cannot be written: {error.strerror}.") from None
        try:
            self._lock()
            old_rows = table.read(self.path) if self.path.exists() else ()
            self.rows = table.merged(old_rows, self._left_over())
            if len(self.rows) > len(old_rows):
                table.write(self.rows.values(), self.path)
            self._out.truncate(0)
        except BaseException:
            self._out.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go; a journal with rows in it stays until it is folded."""
        if self._out.seek(0, os.SEEK_END) == 0:
            with contextlib.suppress(OSError):
                self.file.unlink()
        self._out.close()

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(
                f"Another sweep is writing {self.path}: wait for it, or choose another --out."
            ) from None

    def _left_over(self) -> list[Measured]:
        """The rows of a sweep that was killed; lines that are none are counted in `torn`."""
        self._out.seek(0)
        rows: list[Measured] = []
        for line in self._out.read().split(b"\n"):
            if not line:
                continue
            try:
                rows.append(Measured(**_fields(json.loads(line))).retitled())
            except (ValueError, TypeError):
                self.torn += 1
        return rows

    def add(self, row: Measured) -> bool:
        """Write a row down unless its cell has one; whether it was new."""
        if row.cell in self.rows:
            return False
        line = json.dumps(row.plain(), ensure_ascii=False).encode() + b"\n"
        self._out.write(line)
        os.fsync(self._out.fileno())
        self.rows[row.cell] = row
        return True

    def forget(self, cells: Sequence[str]) -> None:
        """Leave the rows of these cells out, so that they are computed again."""
        for cell in cells:
            self.rows.pop(cell, None)

    def fold(self, names: Mapping[str, tuple[str, str]], order: Sequence[str]) -> None:
        """Write the table and empty the journal.

        The cells of `order` come first; `names` has their images and methods, as they are called today. Rows
        of other settings under these names are called by what differs.
        """
        first = [cell for cell in order if cell in self.rows]
        ids = set(first)
        cells = [*first, *(cell for cell in self.rows if cell not in ids)]
        rows = apart(_renamed(self.rows[cell], names.get(cell)) for cell in cells)
        table.write(rows, self.path)
        self.rows = {row.cell: row for row in rows}
        self._out.truncate(0)


def _fields(plain: Any) -> dict[str, Any]:
    """The columns of one line; raises ValueError unless they are those of a row."""
    if not isinstance(plain, dict) or plain.keys() != set(table.SCHEMA.names):
        raise ValueError("this line is no row")
    return plain


def _renamed(row: Measured, names: tuple[str, str] | None) -> Measured:
    """Under the names that the file gives today: a new title is no reason to compute anything again."""
    return row if names is None else replace(row, picture=names[0], method=names[1])
