"""What commands read and write: ranges of arguments, one line at a time, nothing that a terminal obeys."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deqviz.core.quoted import printable, quoted
from deqviz.core.terminal import Parser, duration, say, whole
from tests.places import ROOT

NASTY = "a\x1b[2J\x07\r\n\t\x00\x7f\x9b31m\u202e\u2066\u2028\ud800é 日本 ± ‖x‖₂ 1\u202f000"
WRITTEN = r"a\x1b[2J\x07\r\n\t\x00\x7f\x9b31m\u202e\u2066\u2028\ud800" + "é 日本 ± ‖x‖₂ 1\u202f000"


def test_what_a_terminal_obeys_is_written_out_and_nothing_else():
    assert printable(NASTY) == WRITTEN
    assert printable("plain text") == "plain text"


def test_a_line_is_one_line_whatever_the_terminal_can_write(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    say(NASTY)
    say("a result", is_result=True)
    printed = capsys.readouterr()
    assert printed.err == f"{WRITTEN}\n"
    assert printed.out == "a result\n"
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", ascii_only)
    say("κ ≤ 0.9")
    ascii_only.seek(0)
    assert ascii_only.read() == "\\u03ba \\u2264 0.9\n"


def test_a_number_of_thousands_of_digits_is_quoted():
    assert quoted(10**5000) == quoted(-(10**5000)) == "a number of thousands of digits"
    assert quoted([1, 10**5000]) == "[1, a number of thousands of digits]"
    assert len(quoted(10**400)) <= 30


@pytest.mark.parametrize(
    ("words", "value"),
    [(["--n", "1"], 1), (["--n", "7"], 7), (["--t", "0"], 0.0), (["--t", "inf"], float("inf"))],
)
def test_arguments_in_their_ranges(words: list[str], value: float):
    parser = Parser()
    parser.add_argument("--n", type=whole(1, 7))
    parser.add_argument("--t", type=duration)
    assert value in vars(parser.parse_args(words)).values()


@pytest.mark.parametrize(
    "words",
    [["--n", "0"], ["--n", "8"], ["--n", "1.5"], ["--n", "9" * 9000], ["--t", "-1"], ["--t", "nan"], [NASTY]],
)
def test_arguments_that_make_no_sense(words: list[str], capsys: pytest.CaptureFixture[str]):
    parser = Parser()
    parser.add_argument("--n", type=whole(1, 7))
    parser.add_argument("--t", type=duration)
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(words)
    assert stop.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert len(last) < 700
    assert printable(last) == last


@pytest.mark.parametrize(
    "code",
    [
        "from deqviz.bench.rows import Row, report; code = report(iter([Row('a', 1.0, 's')] * 9999), None)",
        "from deqviz.sweep import command; code = command.main(['s.toml'])",
    ],
)
def test_results_that_nobody_hears_are_told(tmp_path: Path, code: str):
    (tmp_path / "s.toml").write_text(
        "size = 32\noperators = ['denoising']\nmethods = ['baseline']\nbackend = 'threading'"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", f"import sys; {code}; sys.exit(code)"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode in (1, 2)
    assert "The results cannot be printed: No space left on device." in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
