"""Sweeps and what is foreign, damaged or too large: one sentence, nothing lost, nothing of others touched."""

import asyncio
import codecs
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pillow

from deqviz import cli
from deqviz.io import table_formats
from deqviz.scenario import Scenario
from deqviz.sweep import command, measure, pictures, sweepfile, table
from deqviz.sweep.journal import Journal
from deqviz.sweep.row import Measured
from deqviz.sweep.sweepfile import parse, read
from tests.places import ROOT

SMALL = """
size = 32
iterations = 20
seeds = [0, 1, 2]
backend = "threading"
workers = 1
operators = ["denoising"]
methods = ["baseline"]
"""
DEEP = 5000
"""Brackets inside one another."""


@pytest.fixture(scope="module")
def rows() -> tuple[Measured, ...]:
    return tuple(measure.measure(cell) for cell in parse(SMALL).cells())


def swept(folder: Path, text: str = SMALL, *options: str) -> int:
    (folder / "s.toml").write_text(text, encoding="utf-8")
    return command.main([str(folder / "s.toml"), *options])


def is_sentence(text: str) -> bool:
    """Whether it is one line, not longer than a person reads, without controls and words of Python."""
    words = ("Traceback", "Exceeds", "codec", "embedded", "recursion", "Errno", "invalid literal")
    return len(text) < 500 and text.isprintable() and not any(word in text for word in words)


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"seeds = {'[' * DEEP}", "too deep"),
        (f"seeds = {'[' * DEEP}{']' * DEEP}", "too deep"),
        (f"operators = {'[{a=' * DEEP}1{'}]' * DEEP}", "too deep"),
        (f"operators = [{{ key = 'tv', {'a.' * DEEP}a = 1 }}]", "too deep"),
        (f"size.{'a.' * 20_000}a = 1", "too many dots"),
        (f"size = 1{'0' * 400}", "Image size"),
        (f"size = {'9' * 9000}", "thousands of digits"),
        (f"size = 0x{'f' * 9000}", "Image size (longer side) is a number of thousands of digits"),
        (f"iterations = -1{'0' * 400}", "Max. iterations"),
        (f"tolerance = 1{'0' * 400}", "Tolerance is inf"),
        (f"seeds = [0x{'f' * 9000}]", "seeds: Seed is a number of thousands of digits"),
        (f"streams = 1{'0' * 400}", "of the random streams is unknown"),
        (f"workers = 1{'0' * 400}", "workers is 1000"),
        (f"methods = [{{ key = 'tv', weight = 0x{'f' * 9000} }}]", "methods, entry 1: Regularisation"),
        (f"methods = [{{ key = 'tv', weight = [0x{'f' * 9000}] }}]", "methods, entry 1: Regularisation"),
        ("methods = [{ key = 'tv', weight = nan }]", "methods, entry 1: Regularisation"),
        ("methods = [{ key = 'tv', weight = 1979-05-27 }]", "methods, entry 1: Regularisation"),
        (f"methods = [{{ key = 'tv', title = '{'x' * 300}' }}]", "a title has at most 200 letters"),
        ('methods = [{ key = "tv", "\\u001b[2J" = 1 }]', r"has no parameter \x1b[2J"),
        ('"\\u001b[2J" = 1', r"There is no key '\x1b[2J'"),
        ("pictures = ['**.png']", "** stands for folders, alone between two /"),
        ("pictures = ['a/**b/*.png']", "** stands for folders, alone between two /"),
        ('pictures = ["a\\u0000.png"]', r"no file is called 'a\x00.png'"),
        ('pictures = ["\\u0000*.png"]', r"no file is called '\x00*.png'"),
        (f"pictures = ['{'a/' * DEEP}*.png']", "pictures: "),
        (f"pictures = ['{'a' * 4000}.png']", "no file is called"),
        ("pictures = ['.*']", "no file is called"),
        ("pictures = ['/no/x.png']", "no file is called"),
        ('out = "a\\u0000.parquet"', "out must be a text that ends in .parquet"),
        ('out = "a\\n.parquet"', "out must be a text that ends in .parquet"),
        ("\x00", "This is not TOML"),
        ("\x1b[2J", "This is not TOML"),
    ],
    ids=lambda text: repr(text[:40]),
)
def test_whatever_is_in_a_file_is_told_in_one_sentence(tmp_path: Path, text: str, message: str):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        parse(text if "methods" in text else f"{text}\nmethods = ['tv']", tmp_path).cells()
    assert is_sentence(str(caught.value)), caught.value


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path):
    (tmp_path / "s.toml").write_bytes(codecs.BOM_UTF8 + SMALL.encode())
    assert read(tmp_path / "s.toml") == replace(parse(SMALL), out=tmp_path / "s.parquet")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file: file.write_bytes(SMALL.encode("utf-16")), "is not written in UTF-8: save it so."),
        (lambda file: file.write_bytes(b"\xff" * 100), "is not written in UTF-8: save it so."),
        (lambda file: file.write_bytes(b"#" * (sweepfile.BYTES + 1)), "is too large for a sweep"),
        (lambda file: file.mkdir(), "cannot be read: Is a directory."),
        (lambda file: file.symlink_to(file), "cannot be read: "),
        (lambda file: None, "There is no file"),
    ],
)
def test_a_file_that_is_none_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None], message: str
):
    make(tmp_path / "s.toml")
    assert command.main([str(tmp_path / "s.toml")]) == 1
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == 1
    assert message in printed[0]
    assert is_sentence(printed[0].replace(str(tmp_path), ""))
    assert command.main(["\0.toml"]) == 1


def test_cells_are_counted_before_they_are_multiplied_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for n in range(3):
        (tmp_path / f"{n}.png").touch()
    monkeypatch.setattr(sweepfile, "_apart", lambda *_: pytest.fail("this would take all memory"))
    monkeypatch.setattr(pictures, "read", lambda *_: pytest.fail("no image is needed to count"))
    many = str([1e-3 * n for n in range(1, 1001)])
    nested = f"{{ key = 'contractive', sigma = {many}, contraction = {many} }}"
    text = f"[[methods]]\nkey = 'equilibrium'\nweight = {many}\nregularizer = {nested}"
    for pattern, count in (("camera", "1000000000"), ("*.png", "3000000000")):
        with pytest.raises(ValueError, match=f"These are {count} cells, and 100000 is the most"):
            parse(f"pictures = ['{pattern}']\n{text}", tmp_path)
    entries = "\n".join(f"{name} = {many}" for name in map(chr, range(97, 123)))
    with pytest.raises(ValueError, match=r"These are 10+\.\.\.0+ cells, and 100000 is the most"):
        parse(f"[[methods]]\nkey = 'tv'\n{entries}")
    with pytest.raises(ValueError, match=r"These are 200000 cells"):
        parse(f"seeds = {[0] * 200_000}\nmethods = ['tv']")


# ---------------------------------------------------------------- the terminal


def test_no_name_of_a_file_or_of_a_method_commands_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)
    for name in (b"a\x1b[31m\x07.png", b"b\xff.png", "c\u202eg.png".encode()):
        Pillow.fromarray(pixels).save(os.path.join(os.fsencode(tmp_path), name), "PNG")
        pixels = np.roll(pixels, 1)
    text = SMALL.replace("methods", 'pictures = ["*.png"]\nmethods').replace(
        '["baseline"]', '[{ key = "baseline", title = "M\\u001b]0;x\\u0007\\n\\u0000|" }]'
    )
    assert swept(tmp_path, text, "--csv") == 0
    printed = capsys.readouterr()
    assert all(line.isprintable() for line in (printed.out + printed.err).split("\n"))
    assert r"M\x1b]0;x\x07\n\x00/" in printed.out
    found = table.read(tmp_path / "s.parquet")
    assert {row.picture for row in found} == {r"a\x1b[31m\x07", r"b\udcff", r"c\u202eg"}
    # And where the message is of the file itself.
    (tmp_path / "d\x1b[2J.png").write_text("none")
    assert swept(tmp_path, text) == 1
    assert r"pictures: d\x1b[2J.png: The file is not an image" in capsys.readouterr().err
    assert command.main([str(tmp_path / "\x1b[2J.toml")]) == 1
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["x.toml", "--workers", "9" * 9000],
        ["x.toml", "--workers", "\x1b[2J"],
        ["x.toml", "--backend", "\x1b[2J" * 1000],
        ["x.toml", "\x1b[2J" * 1000],
        ["x.toml", "--out", "\x1b[2J" * 1000],
        ["x.toml", "--out", "x.parquet/"],
        [],
    ],
    ids=lambda words: " ".join(words)[:20],
)
def test_words_that_are_not_understood_are_answered(capsys: pytest.CaptureFixture[str], words: list[str]):
    assert cli.main(["sweep", *words]) in (1, 2)
    printed = capsys.readouterr().err
    assert "\x1b" not in printed
    assert "Traceback" not in printed
    assert len(printed.splitlines()[-1]) < 700


# ---------------------------------------------------------------- what is measured


def exits(*_: object) -> None:
    sys.exit(3)


@pytest.mark.parametrize(
    "changes",
    [{"evaluations": math.nan}, {"iterations": 2**70}, {"psnr": math.nan}, {"guarantee": "\ud800"}],
    ids=str,
)
def test_what_no_table_can_hold_costs_its_cell_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: tuple[Measured, ...],
    changes: dict[str, Any],
):
    """As a method of another package might count."""
    real = measure._judged
    strange = rows[1].cell
    monkeypatch.setattr(
        measure,
        "_judged",
        lambda cell, *rest: replace(real(cell, *rest), **(changes if cell.id == strange else {})),
    )
    assert swept(tmp_path) == 0
    found = table.read(tmp_path / "s.parquet")
    assert [row.cell for row in found] == [row.cell for row in rows]
    assert [row.state for row in found] == [rows[0].state, "refused", rows[2].state]
    assert next(iter(changes)) in found[1].reason


@pytest.mark.parametrize(("name", "stand_in"), [("_main", exits), ("psnr", lambda *_: 1 / 0)])
def test_a_method_that_fails_where_it_is_judged_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, stand_in: Callable[..., object]
):
    monkeypatch.setattr(measure, name, stand_in)
    assert swept(tmp_path) == 0
    assert {row.state for row in table.read(tmp_path / "s.parquet")} == {"failed"}


# ---------------------------------------------------------------- what is read again


def changed(row: Measured, **changes: object) -> str:
    return json.dumps({**row.plain(), **changes})


DAMAGE: dict[str, Callable[[Measured], str]] = {
    "NaN": lambda row: changed(row, psnr=math.nan),
    "Infinity": lambda row: changed(row, seconds=math.inf),
    "1e999": lambda row: changed(row, psnr=0.5).replace("0.5", "1e999", 1),
    "state": lambda row: changed(row, state="happy"),
    "state of a strange type": lambda row: changed(row, state=["arrived"]),
    "64 bits": lambda row: changed(row, iterations=2**63),
    "400 digits": lambda row: changed(row, evaluations=10**400),
    "400 digits in a fraction": lambda row: changed(row, psnr=10**400),
    "9000 digits": lambda row: changed(row, seed=0).replace('"seed": 0', f'"seed": {"9" * 9000}'),
    "negative": lambda row: changed(row, evaluations=-1),
    "fraction": lambda row: changed(row, iterations=1.5),
    "bool": lambda row: changed(row, iterations=True),
    "text": lambda row: changed(row, psnr="30"),
    "no text": lambda row: changed(row, method=3),
    "half of a pair": lambda row: changed(row, method="\ud800"),
    "null": lambda row: changed(row, method=None),
    "more": lambda row: changed(row, more=1),
    "less": lambda row: changed(row).replace('"psnr"', '"snr"'),
    "nested": lambda _: "[" * DEEP,
    "nested objects": lambda _: '{"cell":' * DEEP,
    "nested text": lambda row: changed(row, psnr=1.0).replace("1.0", "[" * DEEP + "]" * DEEP, 1),
    "no row": lambda _: "[1]",
    "bytes": lambda _: "\x00\x01\x1b[2J",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_line_of_a_journal_costs_its_cell_alone(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    calls: list[str],
    rows: tuple[Measured, ...],
    name: str,
):
    first, second, third = rows
    lines = [changed(first), DAMAGE[name](second), changed(third)]
    (tmp_path / "s.parquet.journal").write_text("\n".join(lines) + "\n")
    assert swept(tmp_path) == 0
    assert calls == [second.cell]
    assert "1 torn line left out, its cell is run again" in capsys.readouterr().err
    assert [row.cell for row in table.read(tmp_path / "s.parquet")] == [row.cell for row in rows]
    assert not (tmp_path / "s.parquet.journal").exists()


def poisoned(rows: tuple[Measured, ...], **changes: object) -> pa.Table:
    """A table whose second row is damaged, as a journal with such a line became one in 0.2.0."""
    plain = [row.plain() for row in rows]
    plain[1] |= changes  # pyright: ignore[reportCallIssue, reportArgumentType]
    return pa.Table.from_pylist(plain, schema=table_formats.SCHEMA)


@pytest.mark.parametrize(
    "changes", [{"psnr": math.nan}, {"seconds": math.inf}, {"state": "happy"}, {"iterations": -1}], ids=str
)
def test_a_damaged_row_does_not_close_its_table_for_ever(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    calls: list[str],
    rows: tuple[Measured, ...],
    changes: dict[str, object],
):
    file = tmp_path / "s.parquet"
    pq.write_table(poisoned(rows, **changes), file, compression="none")
    before = file.read_bytes()
    with pytest.raises(ValueError, match="write the table again"):
        table.opened(before, "s.parquet")
    assert swept(tmp_path) == 0
    assert calls == [rows[1].cell]
    told = capsys.readouterr().err
    assert f"; 1 damaged row left out, its cell is run again. The table as it was is {file}.damaged." in told
    assert (tmp_path / "s.parquet.damaged").read_bytes() == before
    assert [row.cell for row in table.read(file)] == [row.cell for row in rows]
    calls.clear()
    assert swept(tmp_path) == 0
    assert calls == []


def test_a_journal_of_before_is_taken_up_and_one_of_today_says_what_it_is(
    tmp_path: Path, calls: list[str], rows: tuple[Measured, ...]
):
    file = tmp_path / "s.parquet.journal"
    with Journal(tmp_path / "s.parquet") as journal:
        journal.add(rows[0])
    written = file.read_bytes()
    assert written.startswith(b"deqviz.sweep journal 1\n")
    line = written.split(b"\n")[1] + b"\n"
    # Of 0.2.0; after an editor; torn in its first line; torn in today's first line.
    for data, count in ((line, 1), (codecs.BOM_UTF8 + line, 1), (line[:200], 0), (written[:9], 0)):
        file.write_bytes(data)
        (tmp_path / "s.parquet").unlink(missing_ok=True)
        with Journal(tmp_path / "s.parquet") as journal:
            assert len(journal.rows) == count, data
        assert not file.exists()
    assert calls == []


FOREIGN = b"dear diary\n"


@pytest.mark.parametrize(
    "data", [FOREIGN, b"{}", b"\n", b"\x00" * 9, b'{"cell": "x"}\n', b"deqviz.sweep journal 2\n"]
)
def test_a_file_of_the_user_under_the_name_of_the_journal_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], calls: list[str], data: bytes
):
    file = tmp_path / "s.parquet.journal"
    file.write_bytes(data)
    assert swept(tmp_path) == 1
    assert "is no journal of a sweep: move it away, or choose another --out." in capsys.readouterr().err
    assert file.read_bytes() == data
    assert calls == []
    assert swept(tmp_path, SMALL, "--out", str(tmp_path / "other.parquet")) == 0


def test_no_link_is_followed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    calls: list[str],
    rows: tuple[Measured, ...],
):
    file, own = tmp_path / "s.parquet.journal", tmp_path / "own"
    for data in (FOREIGN, b"", changed(rows[0]).encode(), b"deqviz.sweep journal 1\n"):
        own.write_bytes(data)
        file.symlink_to(own)
        assert swept(tmp_path) == 1
        assert "is no file of a sweep: move it away" in capsys.readouterr().err
        assert own.read_bytes() == data
        assert file.is_symlink()
        file.unlink()
    file.symlink_to(tmp_path / "nobody")
    assert swept(tmp_path) == 1
    assert not (tmp_path / "nobody").exists()
    file.unlink()
    # Made between the look and the opening: the system itself follows none.
    own.write_bytes(FOREIGN)
    file.symlink_to(own)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "is_symlink", lambda _: False)
        assert swept(tmp_path) == 1
    assert "s.parquet cannot be written: " in capsys.readouterr().err
    assert own.read_bytes() == FOREIGN
    file.unlink()
    os.mkfifo(file)
    assert swept(tmp_path) == 1
    assert "is no file of a sweep: move it away" in capsys.readouterr().err
    file.unlink()
    file.mkdir()
    assert swept(tmp_path) == 1
    assert "cannot be written: Is a directory." in capsys.readouterr().err
    assert calls == []


def test_who_comes_second_leaves_the_journal_of_the_first(tmp_path: Path, rows: tuple[Measured, ...]):
    with Journal(tmp_path / "s.parquet") as journal:
        with pytest.raises(ValueError, match="Another sweep is writing"), Journal(tmp_path / "s.parquet"):
            pass
        journal.add(rows[0])
        assert (tmp_path / "s.parquet.journal").stat().st_size > 0


def test_what_lies_beside_the_table_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    own = {name: tmp_path / name for name in ("s.parquet.part", "s.csv", "s.parquet.damaged")}
    for file in own.values():
        file.write_bytes(FOREIGN)
    assert swept(tmp_path, SMALL, "--csv") == 1
    assert "s.csv is no table of a sweep: move it away" in capsys.readouterr().err
    assert len(table.read(tmp_path / "s.parquet")) == 3, "the table is there all the same"
    assert {file.read_bytes() for file in own.values()} == {FOREIGN}
    own["s.csv"].unlink()
    for _ in range(2):
        assert swept(tmp_path, SMALL, "--csv") == 0
    assert own["s.csv"].read_text().startswith("cell,")
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([*own, "s.parquet", "s.toml"])


# ---------------------------------------------------------------- the disk


FULL = """
import resource, sys
from deqviz.sweep import command
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(command.main(sys.argv[2:]))
"""


def test_a_full_disk_is_told_and_costs_no_row(tmp_path: Path, calls: list[str]):
    text = SMALL.replace("[0, 1, 2]", str(list(range(12))))
    (tmp_path / "s.toml").write_text(text)
    told = [sys.executable, "-c", FULL, "6000", str(tmp_path / "s.toml")]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(told, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"deqviz sweep: {tmp_path / 's.parquet'} cannot be written: File too large.")
    assert last.endswith("What was measured is kept: mend this, then give the same command again.")
    assert "Traceback" not in done.stderr
    kept = (tmp_path / "s.parquet.journal").read_bytes().splitlines()
    assert 2 <= len(kept) - 1 < 12
    assert all(json.loads(line) for line in kept[1:]), "no line is torn"
    assert not list(tmp_path.glob(".*.part"))
    assert swept(tmp_path, text) == 0
    assert len(calls) == 12 - (len(kept) - 1), "what was measured is not measured again"
    assert len(table.read(tmp_path / "s.parquet")) == 12


def test_a_table_that_cannot_be_replaced_keeps_its_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], calls: list[str]
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert swept(tmp_path) == 1
    assert "cannot be written: No space left on device." in capsys.readouterr().err
    assert len(calls) == 3
    assert not (tmp_path / "s.parquet").exists()
    assert swept(tmp_path) == 0
    assert len(calls) == 3
    assert len(table.read(tmp_path / "s.parquet")) == 3


# ---------------------------------------------------------------- a table of others


def strange(rows: tuple[Measured, ...]) -> Iterator[bytes]:
    whole = table.to_bytes(rows)
    for place in (0, len(whole) // 3, len(whole) - 60):
        yield whole[:place] + bytes(40) + whole[place + 40 :]
    yield whole.replace(b"baseline", b"\xff" * 8)
    yield whole.replace(rows[0].method.encode(), b"\xff" * len(rows[0].method.encode()))
    yield whole[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1"
    yield whole[:-8] + (2**32 - 1).to_bytes(4, "little") + b"PAR1"


def said(reading: Callable[[], object]) -> str:
    """What is said of a table; nothing where it could be read."""
    try:
        reading()
    except ValueError as error:
        return str(error)
    return ""


def test_a_strange_table_is_refused_in_one_sentence(tmp_path: Path, rows: tuple[Measured, ...]):
    for data in strange(rows):
        (tmp_path / "s.parquet").write_bytes(data)
        assert is_sentence(said(lambda d=data: table.opened(d, "a\x1b[2J\n.parquet")))
        assert is_sentence(said(lambda: table.read(tmp_path / "s.parquet")).replace(str(tmp_path), ""))


# ---------------------------------------------------------------- what a tester found


def test_a_row_of_a_retry_outlives_a_kill(tmp_path: Path, rows: tuple[Measured, ...]):
    path = tmp_path / "s.parquet"
    failed = replace(rows[0], state="failed", psnr=None, ssim=None, reason="Broken off.")
    table.write([failed, rows[1]], path)
    with Journal(path) as journal:
        journal.forget([failed.cell])
        journal.add(rows[0])  # and killed before it is folded
    with Journal(path) as journal:
        assert journal.rows[failed.cell].state == rows[0].state
    assert [row.state for row in table.read(path)] == [row.state for row in rows[:2]]


@pytest.mark.parametrize("name", ["s.parquet", "s.parquet.journal", "s.csv"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]):
    os.mkfifo(tmp_path / name)
    assert swept(tmp_path, SMALL, "--csv") == 1
    assert "is no file" in capsys.readouterr().err


class _Broken(Exception):
    def __str__(self) -> str:
        raise RuntimeError("broken as well")


@pytest.mark.parametrize("error", [BaseException("so"), GeneratorExit(), asyncio.CancelledError(), _Broken()])
def test_whatever_a_method_raises_is_a_row(monkeypatch: pytest.MonkeyPatch, error: BaseException):
    def fail(self: Scenario) -> None:
        raise error

    monkeypatch.setattr(Scenario, "build_method", fail)
    row = measure.measure(parse(SMALL).cells()[0])
    assert row.state == "failed"
    assert row.reason.startswith(type(error).__name__)


def test_a_csv_of_somebody_else_stays(tmp_path: Path):
    (tmp_path / "s.csv").write_text("cell,count\nneuron,42\n")
    assert swept(tmp_path, SMALL, "--csv") == 1
    assert (tmp_path / "s.csv").read_text() == "cell,count\nneuron,42\n"
    (tmp_path / "s.csv").unlink()
    for _ in range(2):  # and its own is renewed
        assert swept(tmp_path, SMALL, "--csv") == 0


def test_a_table_behind_a_link_is_written_there(tmp_path: Path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "s.parquet").symlink_to(tmp_path / "disk" / "real.parquet")
    assert swept(tmp_path) == 0
    assert (tmp_path / "s.parquet").is_symlink()
    assert len(table.read(tmp_path / "disk" / "real.parquet")) == 3


def test_a_name_with_brackets_is_a_name(tmp_path: Path):
    for name in ("img[1].png", "img1.png"):
        Pillow.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / name)
    assert [file.name for file in pictures.files_of(tmp_path, "img[1].png")] == ["img[1].png"]
    assert [file.name for file in pictures.files_of(tmp_path, "img[0-9].png")] == ["img1.png"]


def test_two_damaged_tables_are_both_kept(tmp_path: Path, rows: tuple[Measured, ...]):
    path = tmp_path / "s.parquet"
    for name in ("s.parquet.damaged", "s.parquet.damaged2"):
        lines = [{**rows[0].plain(), "state": "unknown"}, rows[1].plain()]
        with path.open("wb") as file:
            table_formats.write(lines, file)
        with Journal(path) as journal:
            assert journal.kept == tmp_path / name
