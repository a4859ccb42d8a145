"""The rows of a sweep: the Parquet table, and a journal of those since it was written.

A Parquet file cannot be added to, so every row is first a line of FILE.parquet.journal, on the disk before
the next is waited for. At the start and at the end the journal is folded into the table. Whatever is killed,
whenever, at most one line is torn, and its cell is computed again. Its first line says what it is: a file of
somebody else under that name is neither read nor emptied.
"""

import codecs
import contextlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from deqviz.core.terminal import because
from deqviz.sweep import table
from deqviz.sweep.apart import apart
from deqviz.sweep.row import Measured

try:
    import fcntl
except ImportError:  # Windows: two sweeps into one file are not noticed there
    fcntl = None


_FIRST = b"deqviz.sweep journal 1\n"
_BEFORE = re.compile(rb'\{"cell": "[0-9a-f]{16}", "picture": "')
"""How the journals of 0.2.0 begin, which had no first line: with a row."""


class Journal:
    """The rows of one output file, for one writer at a time: a context."""

    def __init__(self, path: Path) -> None:
        """Of the table at `path`; nothing is read yet."""
        # A link is a place of the table's, on another disk maybe: not to be replaced by a file.
        self.path = path = path.resolve() if path.is_symlink() else path
        self.file = path.with_name(f"{path.name}.journal")
        self.torn = 0
        self.damage: tuple[str, ...] = ()
        self.kept: Path | None = None
        self.rows: dict[str, Measured] = {}
        self._end = 0

    def __enter__(self) -> "Journal":
        """Read what is there and fold it into the table; what is no row is left out, and its cell run again.

        Raises ValueError where another sweep is writing, or where table or journal are none of a sweep.
        """
        with self._writing():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._out = _opened(self.file)
        try:
            self._lock()
        except BaseException:
            self._out.close()  # and leaves the file, which is another's
            raise
        try:
            left_over = self._left_over()
            old_rows, self.damage = self._table()
            self.rows = table.merged(old_rows, left_over)
            if self.damage:
                self._keep_table()
            if self.damage or left_over:
                self._fold(self.rows.values())
            self._empty()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go; a journal with rows in it stays until it is folded."""
        self._leave()

    def _leave(self) -> None:
        if self._out.seek(0, os.SEEK_END) == 0:
            with contextlib.suppress(OSError):
                self.file.unlink()
        self._out.close()

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._out, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it may have removed the file since it was opened here.
            is_own = os.path.samestat(os.fstat(self._out.fileno()), self.file.lstat())
        except OSError:
            is_own = False
        if not is_own:
            raise ValueError(f"Another sweep is writing {self.path}: wait for it, or choose another --out.")

    def _table(self) -> tuple[tuple[Measured, ...], tuple[str, ...]]:
        if not self.path.exists():
            return (), ()
        if not self.path.is_file():  # a pipe would be waited for
            raise ValueError(f"{self.path} is no file: choose another --out.")
        return table.salvaged(self.path)

    def _keep_table(self) -> None:
        """The table as it is, under another name beside the one that will be written."""
        for number in ("", *range(2, 1000)):
            aside = self.path.with_name(f"{self.path.name}.damaged{number}")
            try:
                os.link(self.path, aside)
            except FileExistsError:
                continue
            except OSError:  # the disk knows no links
                return
            self.kept = aside
            return

    def _left_over(self) -> list[Measured]:
        """The rows of a sweep that was killed; lines that are none are counted in `torn`."""
        self._out.seek(0)
        data = self._out.read().removeprefix(codecs.BOM_UTF8)
        if data.startswith(_FIRST) or _FIRST.startswith(data):
            data = data[len(_FIRST) :]
        elif not _BEFORE.match(data):
            raise ValueError(f"{self.file} is no journal of a sweep: move it away, or choose another --out.")
        rows: list[Measured] = []
        for line in data.split(b"\n"):
            if not line:
                continue
            try:
                rows.append(Measured.of(json.loads(line)))
            except (ValueError, RecursionError):
                self.torn += 1
        return rows

    def add(self, row: Measured) -> bool:
        """Write a row down unless its cell has one; whether it was new.

        Raises ValueError where the disk is full: the journal is as it was before then.
        """
        if row.cell in self.rows:
            return False
        line = json.dumps(row.plain(), ensure_ascii=False).encode() + b"\n"
        with self._writing():
            self._append(line if self._end else _FIRST + line)
        self.rows[row.cell] = row
        return True

    def _append(self, data: bytes) -> None:
        try:
            rest = memoryview(data)
            while rest:  # a disk that becomes full takes a part
                rest = rest[self._out.write(rest) :]
            os.fsync(self._out.fileno())
        except OSError:
            self._out.truncate(self._end)
            raise
        self._end += len(data)

    def _empty(self) -> None:
        self._out.truncate(0)
        self._end = 0

    def _fold(self, rows: Iterable[Measured]) -> None:
        with self._writing():
            table.write(rows, self.path)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Say in a sentence what the system does not allow."""
        try:
            yield
        except OSError as error:
            raise ValueError(
                f"{self.path} cannot be written: {because(error)}. What was measured is kept: "
                "mend this, then give the same command again."
            ) from None

    def forget(self, cells: Sequence[str]) -> None:
        """Leave the rows of these cells out, so that they are computed again."""
        for cell in cells:
            self.rows.pop(cell, None)

    def fold(self, names: Mapping[str, tuple[str, str]], order: Sequence[str]) -> None:
        """Write the table and empty the journal.

        The cells of `order` come first; `names` has their images and methods, as they are called today. Rows
        of other settings under these names are called by what differs. Raises ValueError where the table
        cannot be written: the journal keeps the rows then.
        """
        first = [cell for cell in order if cell in self.rows]
        ids = set(first)
        cells = [*first, *(cell for cell in self.rows if cell not in ids)]
        rows = apart(_renamed(self.rows[cell], names.get(cell)) for cell in cells)
        self._fold(rows)
        self.rows = {row.cell: row for row in rows}
        self._empty()


def _opened(file: Path) -> BinaryIO:
    """The file to be read and added to, made where there is none; raises ValueError for a link or a pipe."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    foreign = f"{file} is no file of a sweep: move it away, or choose another --out."
    if file.is_symlink():  # a system without O_NOFOLLOW
        raise ValueError(foreign)
    out = os.fdopen(os.open(file, flags, 0o666), "r+b", buffering=0)
    if not stat.S_ISREG(os.fstat(out.fileno()).st_mode):
        out.close()
        raise ValueError(foreign)
    return out


def _renamed(row: Measured, names: tuple[str, str] | None) -> Measured:
    """Under the names that the file gives today: a new title is no reason to compute anything again."""
    return row if names is None else replace(row, picture=names[0], method=names[1])
