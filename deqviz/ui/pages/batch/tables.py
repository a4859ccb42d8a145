"""Tables that were opened, kept in memory under the digest of their bytes. No Streamlit in here."""

import hashlib
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass

from deqviz.sweep import table
from deqviz.sweep.row import Measured

MOST_ROWS = 30_000
"""Kept at once, of all tables together: about 60 MB. The least used go first."""

_tables: "OrderedDict[str, Kept]" = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class Kept:
    """A table and the name of its file."""

    name: str
    rows: tuple[Measured, ...]


def keep(data: bytes, name: str) -> str:
    """Read and keep a table; its key, which an address can hold. Raises ValueError with one sentence."""
    rows = table.opened(data, name)
    if not rows:
        raise ValueError(f"{name} has no row: run `deqviz sweep` to the end of its first cell.")
    key = hashlib.sha256(data).hexdigest()[:16]
    with _lock:
        _tables[key] = Kept(name, rows)
        _tables.move_to_end(key)
        while len(_tables) > 1 and sum(len(t.rows) for t in _tables.values()) > MOST_ROWS:
            _tables.popitem(last=False)
    return key


def kept(key: str) -> Kept:
    """The table of a key; raises ValueError where it is not here."""
    with _lock:
        if not re.fullmatch("[0-9a-f]{16}", key) or key not in _tables:
            raise ValueError("The table of this link is not kept here: open its file again.")
        _tables.move_to_end(key)
        return _tables[key]
