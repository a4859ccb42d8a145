"""README: its tables are the committed results, and its Python runs."""

import re
import subprocess
import sys

from tests.places import ROOT


def test_tables_are_the_committed_results():
    command = [sys.executable, "benchmarks/readme.py", "--check"]
    assert subprocess.run(command, cwd=ROOT).returncode == 0, "run `python benchmarks/readme.py`"


def test_the_python_example_runs():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        done = subprocess.run([sys.executable, "-c", block], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "dB" in done.stdout
