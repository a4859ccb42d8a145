"""Reading in the process of the tests, for those that read hundreds of files."""

from typing import Any

import pytest

from deqviz.io import reader


def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a process of its own."""

    def read(kind: str, data: bytes, **options: Any) -> tuple[Any, reader.Facts]:
        return reader.READERS[kind](data, **options)

    monkeypatch.setattr(reader, "apart", read)
