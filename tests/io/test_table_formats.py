"""Tables of sweeps from anybody: what a process of its own makes of them, and what the server takes of it."""

import contextlib
import resource
import subprocess
import sys

import numpy as np
import pytest

from deqviz.io import reader, table_formats
from deqviz.io.budget import MAX_LINES, FileError
from tests.io.bad_tables import BOMBS, columns, mutations, written


@pytest.fixture(autouse=True)
def none_waits_afterwards():
    yield
    reader._end_waiting()


def lines(data: bytes) -> list[object]:
    told, _ = reader.apart("table", data, name="t.parquet")
    return list(table_formats.lines(told))


def test_the_lines_come_back_as_they_were() -> None:
    plain = columns(130, reason=['"ä\\\n\u2028 日本'] * 130)
    assert lines(written(plain)) == plain.to_pylist()
    assert lines(written(columns(0))) == []


def test_the_largest_that_is_allowed_fits() -> None:
    rows = table_formats.ROWS
    data = written(columns(rows, scenario=[f"{n:03900}" for n in range(rows)]))
    assert table_formats.MAX_BYTES * 0.95 < len(data) < table_formats.MAX_BYTES
    assert len(lines(data)) == rows


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_or_holds_little(make) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = make()
    made = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(FileError):
        assert len(lines(data)) <= table_formats.ROWS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - max(before, made)) / 1024 < 20


def test_one_text_in_every_cell_is_too_much() -> None:
    with pytest.raises(FileError, match="more than 64 MB of text"):
        lines(BOMBS["one text in every cell"]())


def test_no_byte_of_the_foot_can_do_more_than_be_refused() -> None:
    for data in mutations(written(columns(5)), 4):
        with contextlib.suppress(FileError):
            assert all(isinstance(line, dict) for line in lines(data))


TOLD = {
    "brackets without end": b"[" * 10**5,
    "a line longer than any row": b'"' + b"x" * 2**20 + b'"',
    "more lines than rows": b"{}\n" * (table_formats.ROWS + 2),
    "a number without end": b"9" * 9999,
    "no JSON": b"\n{'a'}",
    "no text": b"\xff\xfe\n",
}


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
def test_a_reader_that_was_taken_over_is_not_believed(told: bytes) -> None:
    with pytest.raises(FileError, match="cannot be read"):
        list(table_formats.lines(np.frombuffer(told, np.uint8)))


def test_an_answer_longer_than_a_table_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    reader._end_waiting()
    code = f"""print('{{"shape": [{MAX_LINES + 1}]}}')"""
    monkeypatch.setattr(reader, "COMMAND", (sys.executable, "-P", "-c", code))
    with pytest.raises(FileError, match="too much for this server"):
        lines(written(columns(1)))


def test_a_reader_of_tables_has_no_torch() -> None:
    code = (
        "import sys; from deqviz.io import reader; from tests.io.bad_tables import columns, written;"
        "reader.READERS['table'](written(columns(3)), name='t');"
        "print(sorted({'torch', 'streamlit'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
