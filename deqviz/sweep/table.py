"""Rows as a Parquet file of one schema; what is read is checked, for it may come from anybody."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from deqviz.core.quoted import clipped, printable
from deqviz.core.replacement import replacement
from deqviz.sweep.apart import apart
from deqviz.sweep.row import Measured

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
    with replacement(path) as file:
        _write(rows, file)


def _write(rows: Iterable[Measured], target: Any) -> None:
    table = pa.Table.from_pylist([row.plain() for row in rows], schema=SCHEMA)
    pq.write_table(table, target, compression="none")


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
    try:
        file = pq.ParquetFile(path)
        _known(file, path.name)
        return _rows(file.read())
    except (pa.ArrowException, OSError) as error:  # some of Arrow's are a ValueError too
        reason = _short(error)
    except UnicodeDecodeError:
        reason = "it is damaged"
    except ValueError:
        raise
    except Exception:  # whatever the library makes of foreign bytes, as below
        reason = "it is damaged"
    raise ValueError(f"{path} cannot be read as a table: {reason}.")


def opened(data: bytes, name: str = "The file") -> tuple[Measured, ...]:
    """The rows of a file that somebody gave; raises ValueError with one sentence for whatever is wrong.

    Size, rows, columns and compression are read from the file's foot before anything is unpacked.
    """
    name = clipped(printable(name))
    if len(data) > BYTES:
        raise ValueError(f"{name} has {len(data) / 1e6:.0f} MB, and {BYTES // 10**6} MB is the most.")
    if data[:4] != b"PAR1" or data[-4:] != b"PAR1":
        raise ValueError(f"{name} is no Parquet file, or its end is missing: save it again.")
    try:
        # Texts stay codes of a dictionary: a long one a thousand times over takes no more room than once.
        texts = [f.name for f in SCHEMA if f.type == _TEXT]
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts)
        _known(file, name)
        _bounded(file.metadata, name)
        columns = file.read()
        _short_texts(columns, name)
        rows, damage = _rows(columns)
    except (pa.ArrowException, UnicodeDecodeError):
        raise ValueError(_damaged(name)) from None
    except ValueError:
        raise
    except Exception:  # e.g. KeyError for a name that was changed in one place
        raise ValueError(_damaged(name)) from None
    if damage:
        raise ValueError(f"{name}: {damage[0]}: write the table again.")
    return rows


def _damaged(name: str) -> str:
    return f"{name} is damaged: write it again with `deqviz sweep`."


def _known(file: pq.ParquetFile, name: str) -> None:
    """Raise ValueError unless it is marked as ours and has our columns."""
    marked = (file.metadata.metadata or {}).get(_MARK)
    if marked is None:
        raise ValueError(f"{name} was not written by `deqviz sweep`: open a table that was.")
    if marked != FORMAT.encode():
        raise ValueError(f"{name} has another version of the table than {FORMAT}: write it again.")
    _same_columns(file, name)


def _rows(columns: pa.Table) -> tuple[tuple[Measured, ...], tuple[str, ...]]:
    """The rows that are in order, each cell once, and what is wrong with each of the others."""
    rows: dict[str, Measured] = {}
    damage: list[str] = []
    for line in columns.to_pylist():
        try:
            row = Measured.of(line)
        except ValueError as error:
            damage.append(str(error))
        else:
            if row.cell in rows:
                damage.append("it holds a cell twice")
            rows.setdefault(row.cell, row)
    return apart(rows.values()), tuple(damage)


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


def _bounded(about: pq.FileMetaData, name: str) -> None:
    if about.num_rows > ROWS:
        raise ValueError(f"{name} has {about.num_rows} rows, and {ROWS} is the most: open a part of it.")
    for g in range(about.num_row_groups):
        group = about.row_group(g)
        for c in range(group.num_columns):
            # Unpacked, a file could be a thousand times as large as it is.
            if group.column(c).compression != "UNCOMPRESSED":
                raise ValueError(f"{name} is compressed, as `deqviz sweep` writes no table: write it again.")


def _short_texts(columns: pa.Table, name: str) -> None:
    for title, column in zip(columns.column_names, columns.columns, strict=True):
        longest = SCENARIO if title == "scenario" else LETTERS
        for chunk in column.chunks:
            texts = chunk.dictionary if isinstance(chunk, pa.DictionaryArray) else None
            if texts is not None and any(len(t) > longest for t in texts.to_pylist() if t is not None):
                raise ValueError(
                    f"{name} holds a text of more than {longest} letters: that is no table of ours."
                )


def merged(old_rows: Sequence[Measured], fresh: Iterable[Measured]) -> dict[str, Measured]:
    """By their cells, each once: the first that came."""
    rows = {row.cell: row for row in old_rows}
    for row in fresh:
        rows.setdefault(row.cell, row)
    return rows


def _short(error: BaseException) -> str:
    return clipped(" ".join(str(error).split()), 200).rstrip(".") or type(error).__name__
