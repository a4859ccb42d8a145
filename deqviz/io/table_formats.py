"""Tables of sweeps as Parquet files of one schema; what is read is checked, for it may come from anybody.

Imports no torch: a reader (deqviz/io/reader.py) must start quickly, and has this only where a table comes.
"""

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deqviz.core.quoted import brief
from deqviz.io.budget import MAX_LINES, FileError

FORMAT: Final = "1"
"""Written into every file; raised when a column changes its meaning."""
MAX_BYTES: Final = 20_000_000
"""The largest file that the page opens."""
ROWS: Final = 5000
"""And the most rows."""
LETTERS: Final = 4000
"""The longest text in a cell."""
SCENARIO: Final = 25_000
"""And the longest scenario: one with a kernel of 31 × 31."""
_LINE = 2**20
"""Bytes of a row, whatever its texts are in JSON."""
_PIECE = 64
"""Rows that are unpacked at a time."""

Line: TypeAlias = dict[str, Any]
"""A row as plain data."""

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


def write(lines: Iterable[Line], target: Any) -> None:
    """Write a Parquet file, not compressed: its strings are stored once each anyway."""
    table = pa.Table.from_pylist(list(lines), schema=SCHEMA)
    pq.write_table(table, target, compression="none")


def read(path: Path) -> list[Line]:
    """The lines of a file of one's own, however large; raises ValueError where it is no such table."""
    try:
        file = pq.ParquetFile(path)
        _check_known(file, path.name)
        return file.read().to_pylist()
    except FileError:
        raise
    except (pa.ArrowException, OSError) as error:
        reason = brief(error).rstrip(".")
    except Exception:  # whatever the library makes of foreign bytes, as below
        reason = "it is damaged"
    raise ValueError(f"{path} cannot be read as a table: {reason}.")


def unpack(data: bytes, name: str) -> tuple[np.ndarray, dict[str, Any]]:
    """The lines of a file that somebody gave, as bytes for `lines`; its `name` begins the sentences.

    Rows, columns and compression are read from the file's foot before anything is unpacked.
    Raises FileError or MemoryError, and nothing else, whatever the bytes are.
    """
    if data[:4] != b"PAR1" or data[-4:] != b"PAR1":
        raise FileError(f"{name} is no Parquet file, or its end is missing: save it again.")
    try:
        # Texts stay codes of a dictionary: a long one a thousand times over takes no more room than once.
        texts = [f.name for f in SCHEMA if f.type == _TEXT]
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts)
        _check_known(file, name)
        _check_foot(file.metadata, name)
        columns = file.read(use_threads=False)
        _check_rows(len(columns), name)  # the foot may have said less
        _check_texts(columns, name)
        return np.frombuffer(_told(columns, name), np.uint8), {}
    except (FileError, MemoryError):
        raise
    except Exception:  # e.g. KeyError for a name that was changed in one place
        raise FileError(f"{name} is damaged: write it again with `deqviz sweep`.") from None


def _told(columns: pa.Table, name: str) -> bytes:
    """A line of JSON for each row, behind an empty one: no answer is of no length."""
    told = bytearray(b"\n")
    for batch in columns.to_batches(max_chunksize=_PIECE):
        for line in batch.to_pylist():
            told += json.dumps(line, ensure_ascii=False).encode() + b"\n"
        if len(told) > MAX_LINES:
            raise FileError(f"{name} holds more than {MAX_LINES >> 20} MB of text: open a part of the table.")
    return bytes(told)


def lines(told: np.ndarray) -> Iterator[Any]:
    """What `unpack` gave, line by line and not checked: the reader may have been taken over by its file.

    Raises FileError for what is no line, and for more of them than a table has rows.
    """
    for number, line in enumerate(io.BytesIO(told.tobytes())):
        try:
            if number > ROWS or len(line) > _LINE:
                raise ValueError
            if line != b"\n":
                yield json.loads(line)
        except (ValueError, RecursionError):
            raise FileError("The table cannot be read: write it again with `deqviz sweep`.") from None


def _check_known(file: pq.ParquetFile, name: str) -> None:
    """Raise FileError unless it is marked as ours and has our columns."""
    marked = (file.metadata.metadata or {}).get(_MARK)
    if marked is None:
        raise FileError(f"{name} was not written by `deqviz sweep`: open a table that was.")
    if marked != FORMAT.encode():
        raise FileError(f"{name} has another version of the table than {FORMAT}: write it again.")
    _check_columns(file, name)


def _check_columns(file: pq.ParquetFile, name: str) -> None:
    columns = {f.name: f.type for f in file.schema_arrow}
    for field in SCHEMA:
        kind = columns.get(field.name)
        if kind is None:
            raise FileError(f"{name} has no column {field.name!r}: write it again with `deqviz sweep`.")
        plain = kind.value_type if isinstance(kind, pa.DictionaryType) else kind
        if plain != field.type:
            raise FileError(f"{name}: the column {field.name!r} holds {plain}, not {field.type}.")
    if len(columns) > len(SCHEMA) or file.metadata.num_columns > len(SCHEMA):
        raise FileError(f"{name} has columns that no sweep writes: write it again with `deqviz sweep`.")


def _check_foot(about: pq.FileMetaData, name: str) -> None:
    _check_rows(about.num_rows, name)
    for g in range(about.num_row_groups):
        group = about.row_group(g)
        for c in range(group.num_columns):
            # Unpacked, a file could be a thousand times as large as it is.
            if group.column(c).compression != "UNCOMPRESSED":
                raise FileError(f"{name} is compressed, as `deqviz sweep` writes no table: write it again.")


def _check_rows(count: int, name: str) -> None:
    if count > ROWS:
        raise FileError(f"{name} has {count} rows, and {ROWS} is the most: open a part of it.")


def _check_texts(columns: pa.Table, name: str) -> None:
    for title, column in zip(columns.column_names, columns.columns, strict=True):
        longest = SCENARIO if title == "scenario" else LETTERS
        for chunk in column.chunks:
            texts = chunk.dictionary if isinstance(chunk, pa.DictionaryArray) else None
            if texts is not None and any(len(t) > longest for t in texts.to_pylist() if t is not None):
                raise FileError(
                    f"{name} holds a text of more than {longest} letters: that is no table of ours."
                )
