"""A file that is replaced in one act."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacement(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of `path` at the end; at no time is there half a file.

    Power may fail, and an exception leaves `path` as it was. The file has a name of its own beside it, so
    that nothing is written over and no link followed. Raises OSError.
    """
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
