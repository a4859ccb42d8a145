"""Tables that were opened, kept in memory under the digest of their bytes. No Streamlit in here."""

import hashlib
from dataclasses import dataclass

from deqviz.core.uploads import Uploads
from deqviz.sweep import table
from deqviz.sweep.row import Measured

MOST = 64 * 2**20
"""Letters kept at once, of all tables together, some 30,000 rows of a sweep; of one visitor half of them."""
_NUMBERS = 500
"""Of a row, as much as its numbers take."""
_LOST = "The table of this link is not kept here: open its file again."


@dataclass(frozen=True)
class Kept:
    """A table and the name of its file."""

    name: str
    rows: tuple[Measured, ...]


def _weight(table: Kept) -> int:
    texts = (value for row in table.rows for value in row.plain().values() if isinstance(value, str))
    return sum(map(len, texts)) + _NUMBERS * len(table.rows)


_tables: Uploads[Kept] = Uploads(MOST, MOST / 2, _weight)


def keep(data: bytes, name: str, holder: str = "") -> str:
    """Read and keep a table as long as the visitor stays; its key, which an address can hold.

    Raises ValueError with one sentence.
    """
    rows = table.opened(data, name)
    if not rows:
        raise ValueError(f"{name} has no row: run `deqviz sweep` to the end of its first cell.")
    key = hashlib.sha256(data).hexdigest()[:16]
    _tables.keep(key, Kept(name, rows), holder)
    return key


def kept(key: str) -> Kept:
    """The table of a key; raises ValueError where it is not here."""
    try:
        return _tables[key]
    except KeyError:
        raise ValueError(_LOST) from None
