"""Tables that nobody should open: Parquet files that cost much, lie or are none of ours, and damaged ones."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deqviz.io import table_formats

_VALUES: dict[pa.DataType, Any] = {pa.string(): "a", pa.float64(): 1.0, pa.int64(): 1}


def columns(count: int, **texts: list[str]) -> pa.Table:
    """That many rows of a sweep."""
    plain = {f.name: [_VALUES[f.type]] * count for f in table_formats.SCHEMA}
    plain |= {"cell": [f"{n:016}" for n in range(count)], "state": ["arrived"] * count}
    return pa.Table.from_pydict(plain | texts, schema=table_formats.SCHEMA)


def written(table: pa.Table, **options: Any) -> bytes:
    """As a file."""
    file = pa.BufferOutputStream()
    pq.write_table(table, file, **{"compression": "none", **options})
    return file.getvalue().to_pybytes()


def _nested() -> bytes:
    plain, depth = columns(3), pa.array(["a"] * 3)
    for _ in range(40):
        depth = pa.StructArray.from_arrays([depth], ["a"])
    at = plain.schema.get_field_index("picture")
    return written(plain.set_column(at, pa.field("picture", depth.type, nullable=False), depth))


def _listed() -> bytes:
    plain = columns(3)
    lists = pa.array([["a"] * 10**6] * 3)
    at = plain.schema.get_field_index("picture")
    return written(plain.set_column(at, pa.field("picture", lists.type, nullable=False), lists))


def _repeated() -> bytes:
    """A long text, stored once, in every cell: 350 MB of them."""
    long = [f"{'x' * 3999}"] * 5000
    texts = [
        f.name for f in table_formats.SCHEMA if f.type == pa.string() and f.name not in ("cell", "state")
    ]
    return written(columns(5000, **{name: long for name in texts}))


def _prefixed() -> bytes:
    """Texts that each repeat the one before: a thousand of them, 256 MB, take as much as one."""
    plain = columns(1000, scenario=[f"{'x' * 2**18}{n}" for n in range(1000)])
    return written(plain, use_dictionary=False, column_encoding={"scenario": "DELTA_BYTE_ARRAY"})


def _runs() -> bytes:
    """A million rows in some bytes, and a foot that says three."""
    return _said_to_have(written(columns(10**6, cell=["a"] * 10**6)), 10**6, 3)


def _said_to_have(data: bytes, before: int, after: int) -> bytes:
    """The counts of the foot, as Thrift writes them, in no more bytes than they had."""
    size = len(_varint(before))
    padded = bytearray(_varint(after))
    while len(padded) < size:
        padded[-1] |= 0x80
        padded.append(0)
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    return data[:start] + data[start:].replace(_varint(before), bytes(padded))


def _varint(count: int) -> bytes:
    count, out = count << 1, bytearray()
    while count >= 0x80:
        out.append(count & 0x7F | 0x80)
        count >>= 7
    return bytes([*out, count])


def _foot(foot: bytes) -> bytes:
    return b"PAR1" + bytes(100) + foot + len(foot).to_bytes(4, "little") + b"PAR1"


BOMBS: dict[str, Callable[[], bytes]] = {
    "nested": _nested,
    "lists": _listed,
    "one text in every cell": _repeated,
    "texts that repeat the one before": _prefixed,
    "more rows than the foot says": _runs,
    "fewer rows than the foot says": lambda: _said_to_have(written(columns(300)), 300, 4000),
    "gzip": lambda: written(columns(3, scenario=["x" * 10**8] * 3), compression="gzip"),
    "zstd": lambda: written(columns(3, scenario=["x" * 10**8] * 3), compression="zstd"),
    "a foot of nothing": lambda: _foot(b""),
    "a foot of structures in structures": lambda: _foot(b"\x1c" * 10**7),
    "a list of a billion": lambda: _foot(b"\x15\x02\x19\xfc\xff\xff\xff\xff\x07" + bytes(100)),
}


def mutations(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """The file with some bytes changed, most of them in its foot, which says where everything is."""
    rng = np.random.default_rng(seed)
    foot = int.from_bytes(data[-8:-4], "little") + 8
    for n in range(count):
        changed, start = bytearray(data), len(data) - foot if n % 4 else 4
        for at in rng.integers(start, len(data) - 4, rng.integers(1, 6)):
            changed[at] = int(rng.integers(0, 256))
        yield bytes(changed)
