"""A file that is replaced in one act."""

import contextlib
import errno
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacement(path: Path) -> Generator[BinaryIO]:
    """A file to write, which takes the place of `path` at the end; at no time is there half a file.

    Power may fail, and an exception leaves `path` as it was. The file has a name of its own beside it, so
    that nothing is written over and no link followed. Raises OSError, also for a folder, a pipe or a device.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file", str(path))
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
