"""Tables that were opened, kept in memory under the digest of their bytes. No Streamlit in here."""

import hashlib
from dataclasses import dataclass

from deqviz.core.uploads import Uploads
from deqviz.sweep import table
from deqviz.sweep.row import Measured

MOST_ROWS = 30_000
"""Kept at once, of all tables together: about 60 MB; of one visitor half of them."""
_LOST = "The table of this link is not kept here: open its file again."


@dataclass(frozen=True)
class Kept:
    """A table and the name of its file."""

    name: str
    rows: tuple[Measured, ...]


_tables: Uploads[Kept] = Uploads(MOST_ROWS, MOST_ROWS / 2, lambda table: len(table.rows))


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
