"""The README and what was measured: it fits on a screen, and the tables are the results.

Its Python is run by `test_wheel`, what other Python the documentation has is run here.
"""

import re
import subprocess
import sys

import pytest

from tests.places import ROOT


def python(file: str) -> list[str]:
    """The blocks of Python in a text."""
    return re.findall(r"```python\n(.*?)```", (ROOT / file).read_text(encoding="utf-8"), re.DOTALL)


BLOCKS = [block for block in python("docs/python.md") if block not in python("README.md")]


def test_the_readme_is_one_screen() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert "make app" in text
    assert "make test" in text


def test_tables_are_the_committed_results() -> None:
    command = [sys.executable, "benchmarks/tables.py", "--check"]
    assert subprocess.run(command, cwd=ROOT).returncode == 0, "run `python benchmarks/tables.py`"


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_python_examples_run(block: str) -> None:
    done = subprocess.run([sys.executable, "-c", block], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "dB" in done.stdout
