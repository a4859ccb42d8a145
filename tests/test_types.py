"""The types of the package and of its tests: pyright beside the other tests, for it keeps one core busy."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT


@pytest.mark.timeout(900)
def test_pyright_finds_nothing():
    checked = subprocess.run(
        [Path(sys.executable).with_name("pyright")], cwd=ROOT, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
