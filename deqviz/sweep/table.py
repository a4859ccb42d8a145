"""Rows as a Parquet file of one schema; what is read is checked, for it may come from anybody."""

import io
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from deqviz.core.quoted import clipped, quoted
from deqviz.sweep.apart import apart
from deqviz.sweep.row import Measured, State

FORMAT: Final = "1"
"""Written into every file; raised when a column changes its meaning."""
BYTES: Final = 20_000_000
"""The largest file that the page opens."""
ROWS: Final = 5000
"""And the most rows."""
LETTERS: Final = 4000
"""The longest text in a cell."""
SCENARIO: Final = 25_000
"""And the longest scenario: one with a kernel of 31 × 31."""

_MARK = b"deqviz.sweep"
_TEXT, _NUMBER, _COUNT = pa.string(), pa.float64(), pa.int64()
SCHEMA: Final = pa.schema(
    [
        pa.field("cell", _TEXT, nullable=False),
        pa.field("picture", _TEXT, nullable=False),
        pa.field("operator", _TEXT, nullable=False),
        pa.field("noise", _TEXT, nullable=False),
        pa.field("level", _NUMBER),
        pa.field("method", _TEXT, nullable=False),
        pa.field("seed", _COUNT, nullable=False),
        pa.field("state", _TEXT, nullable=False),
        pa.field("reason", _TEXT, nullable=False),
        pa.field("psnr", _NUMBER),
        pa.field("ssim", _NUMBER),
        pa.field("data_psnr", _NUMBER),
        pa.field("residual", _NUMBER),
        pa.field("iterations", _COUNT, nullable=False),
        pa.field("evaluations", _COUNT, nullable=False),
        pa.field("seconds", _NUMBER, nullable=False),
        pa.field("guarantee", _TEXT, nullable=False),
        pa.field("status", _TEXT, nullable=False),
        pa.field("version", _TEXT, nullable=False),
        pa.field("scenario", _TEXT, nullable=False),
    ],
    metadata={_MARK: FORMAT.encode()},
)


def to_bytes(rows: Iterable[Measured]) -> bytes:
    """The rows as a Parquet file, not compressed: its strings are stored once each anyway."""
    target = io.BytesIO()
    _write(rows, target)
    return target.getvalue()


def write(rows: Iterable[Measured], path: Path) -> None:
    """Put the rows into `path` in one act: at no time is there half a file, and power may fail."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        _write(rows, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _write(rows: Iterable[Measured], target: Any) -> None:
    table = pa.Table.from_pylist([row.plain() for row in rows], schema=SCHEMA)
    pq.write_table(table, target, compression="none")


def read(path: Path) -> tuple[Measured, ...]:
    """The rows of a file of one's own, however large; raises ValueError where it is no such table."""
    try:
        return _rows(pq.ParquetFile(path), path.name, most=None)
    except (pa.ArrowException, OSError, OverflowError) as error:
        raise ValueError(f"{path} cannot be read as a table: {_short(error)}.") from None


def opened(data: bytes, name: str = "The file") -> tuple[Measured, ...]:
    """The rows of a file that somebody gave; raises ValueError with one sentence for whatever is wrong.

    Size, rows, columns and compression are read from the file's foot before anything is unpacked.
    """
    if len(data) > BYTES:
        raise ValueError(f"{name} has {len(data) / 1e6:.0f} MB, and {BYTES // 10**6} MB is the most.")
    if data[:4] != b"PAR1" or data[-4:] != b"PAR1":
        raise ValueError(f"{name} is no Parquet file, or its end is missing: save it again.")
    try:
        # Texts stay codes of a dictionary: a long one a thousand times over takes no more room than once.
        texts = [f.name for f in SCHEMA if f.type == _TEXT]
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts)
        return _rows(file, name, most=ROWS)
    except ValueError:
        raise
    except (
        Exception
    ):  # whatever the library makes of foreign bytes, e.g. KeyError for a name changed in one place
        raise ValueError(f"{name} is damaged: write it again with `deqviz sweep`.") from None


def _rows(file: pq.ParquetFile, name: str, *, most: int | None) -> tuple[Measured, ...]:
    about = file.metadata
    marked = (about.metadata or {}).get(_MARK)
    if marked is None:
        raise ValueError(f"{name} was not written by `deqviz sweep`: open a table that was.")
    if marked != FORMAT.encode():
        raise ValueError(f"{name} has another version of the table than {FORMAT}: write it again.")
    _same_columns(file, name)
    if most is not None:
        _bounded(about, name, most)
    table = file.read()
    for title, column in zip(table.column_names, table.columns, strict=True) if most is not None else ():
        longest = SCENARIO if title == "scenario" else LETTERS
        for chunk in column.chunks:
            texts = chunk.dictionary if isinstance(chunk, pa.DictionaryArray) else None
            if texts is not None and any(len(t) > longest for t in texts.to_pylist() if t is not None):
                raise ValueError(
                    f"{name} holds a text of more than {longest} letters: that is no table of ours."
                )
    rows = tuple(_row(line, name) for line in table.to_pylist())
    if len({row.cell for row in rows}) < len(rows):
        raise ValueError(f"{name} has a cell twice: write it again with `deqviz sweep`.")
    return apart(rows)


def _same_columns(file: pq.ParquetFile, name: str) -> None:
    columns = {f.name: f.type for f in file.schema_arrow}
    for field in SCHEMA:
        kind = columns.get(field.name)
        if kind is None:
            raise ValueError(f"{name} has no column {field.name!r}: write it again with `deqviz sweep`.")
        plain = kind.value_type if isinstance(kind, pa.DictionaryType) else kind
        if plain != field.type:
            raise ValueError(f"{name}: the column {field.name!r} holds {plain}, not {field.type}.")
    if len(columns) > len(SCHEMA) or file.metadata.num_columns > len(SCHEMA):
        raise ValueError(f"{name} has columns that no sweep writes: write it again with `deqviz sweep`.")


def _bounded(about: pq.FileMetaData, name: str, most: int) -> None:
    if about.num_rows > most:
        raise ValueError(f"{name} has {about.num_rows} rows, and {most} is the most: open a part of it.")
    for g in range(about.num_row_groups):
        group = about.row_group(g)
        for c in range(group.num_columns):
            # Unpacked, a file could be a thousand times as large as it is.
            if group.column(c).compression != "UNCOMPRESSED":
                raise ValueError(f"{name} is compressed, as `deqviz sweep` writes no table: write it again.")


def _row(line: dict[str, Any], name: str) -> Measured:
    """One row, its values inside their ranges."""
    for field in SCHEMA:
        value = line[field.name]
        if value is None and not field.nullable:
            raise ValueError(f"{name}: a {field.name!r} is missing: write the table again.")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name}: a {field.name!r} is no finite number: write the table again.")
    if line["state"] not in get_args(State):
        raise ValueError(f"{name}: there is no state {quoted(line['state'])}: write the table again.")
    if min(line["iterations"], line["evaluations"], line["seconds"]) < 0:
        raise ValueError(f"{name}: a count is negative: write the table again.")
    return Measured(**{field.name: line[field.name] for field in SCHEMA}).retitled()


def merged(old_rows: Sequence[Measured], fresh: Iterable[Measured]) -> dict[str, Measured]:
    """By their cells, each once: the first that came."""
    rows = {row.cell: row for row in old_rows}
    for row in fresh:
        rows.setdefault(row.cell, row)
    return rows


def _short(error: BaseException) -> str:
    return clipped(" ".join(str(error).split()), 200).rstrip(".") or type(error).__name__
