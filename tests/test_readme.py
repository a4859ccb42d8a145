"""The README and what was measured: it fits on a screen, its Python runs, and the tables are the results."""

import re
import subprocess
import sys

import pytest

from tests.places import ROOT

BLOCKS = [
    pytest.param(block, id=f"{path.stem}-{number}")
    for path in (ROOT / "README.md", ROOT / "docs" / "python.md")
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL), 1)
]


def test_the_readme_is_one_screen() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert "make app" in text
    assert "make test" in text


def test_tables_are_the_committed_results() -> None:
    command = [sys.executable, "benchmarks/tables.py", "--check"]
    assert subprocess.run(command, cwd=ROOT).returncode == 0, "run `python benchmarks/tables.py`"


@pytest.mark.parametrize("block", BLOCKS)
def test_the_python_examples_run(block: str) -> None:
    done = subprocess.run([sys.executable, "-c", block], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "dB" in done.stdout
