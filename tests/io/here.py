"""Reading in the process of the tests, for those that read hundreds of files."""

from typing import Any

import pytest

from deqviz import io as files
from deqviz.io import reader


def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a process of its own."""

    def read(kind: str, data: bytes, **options: Any) -> tuple[Any, reader.Facts]:
        return reader.READERS[kind](data, **options)

    monkeypatch.setattr(reader, "apart", read)


def image(name: str, data: bytes, side: int = 256) -> files.Image:
    """The image in a file that somebody sent."""
    found = files.open(data, name, side=side)
    assert isinstance(found, files.Image)
    return found


def scan(data: bytes, number: int | None = None) -> files.KSpace:
    """The slice of k-space in a file that somebody sent."""
    found = files.open(data, number=number)
    assert isinstance(found, files.KSpace)
    return found
