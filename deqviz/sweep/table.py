"""Rows as a Parquet file of one schema; what is read is checked, for it may come from anybody."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from deqviz.core.quoted import named
from deqviz.core.replacement import replacement
from deqviz.io import reader, table_formats
from deqviz.io.table_formats import MAX_BYTES
from deqviz.sweep.apart import apart
from deqviz.sweep.row import Measured


def to_bytes(rows: Iterable[Measured]) -> bytes:
    """The rows as a Parquet file."""
    target = io.BytesIO()
    table_formats.write((row.plain() for row in rows), target)
    return target.getvalue()


def write(rows: Iterable[Measured], path: Path) -> None:
    """Put the rows into `path` in one act: at no time is there half a file, and power may fail."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacement(path) as file:
        table_formats.write((row.plain() for row in rows), file)


def read(path: Path) -> tuple[Measured, ...]:
    """The rows of a file of one's own, however large; raises ValueError where it is no such table."""
    rows, damage = salvaged(path)
    if damage:
        raise ValueError(f"{path.name}: {damage[0]}: write the table again.")
    return rows


def salvaged(path: Path) -> tuple[tuple[Measured, ...], tuple[str, ...]]:
    """The rows of a file of one's own that are in order, and what is wrong with each of the others.

    Raises ValueError where it is no such table.
    """
    return _rows(table_formats.read(path))


def opened(data: bytes, name: str = "The file") -> tuple[Measured, ...]:
    """The rows of a file that somebody gave, read by a process of its own.

    Raises ValueError, and nothing else, with one sentence for whatever is wrong.
    """
    name = named(name)
    if len(data) > MAX_BYTES:
        raise ValueError(f"{name} has {len(data) / 1e6:.1f} MB, and {MAX_BYTES // 10**6} MB is the most.")
    told, _ = reader.apart("table", data, name=name)
    rows, damage = _rows(table_formats.lines(told))
    if damage:
        raise ValueError(f"{name}: {damage[0]}: write the table again.")
    return rows


def _rows(lines: Iterable[Any]) -> tuple[tuple[Measured, ...], tuple[str, ...]]:
    """The rows that are in order, each cell once, and what is wrong with each of the others."""
    rows: dict[str, Measured] = {}
    damage: list[str] = []
    for line in lines:
        try:
            row = Measured.of(line)
        except ValueError as error:
            damage.append(str(error))
        else:
            if row.cell in rows:
                damage.append("it holds a cell twice")
            rows.setdefault(row.cell, row)
    return apart(rows.values()), tuple(damage)


def merged(old_rows: Sequence[Measured], fresh: Iterable[Measured]) -> dict[str, Measured]:
    """By their cells, each once: of two the fresh one, for what was run again was to be."""
    return {row.cell: row for row in (*old_rows, *fresh)}
