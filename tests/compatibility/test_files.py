"""Files of version 0.1.0: settings, a sweep with its table, and scripts, opened and run as they are."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.compatibility import readers

HERE = Path(__file__).parent
FILES = HERE / "files"
STORED: dict[str, Any] = json.loads((HERE / "files.json").read_text(encoding="utf-8"))
"""By the names of the files: settings as plain data, the rows of the table, the numbers of the runs."""
SCRIPTS = sorted(file.name for file in FILES.glob("*.py"))
CLOSE = 2e-6
"""Of the last bits of single precision, in which operators and processors differ."""


def test_every_file_is_among_them():
    beside = {"dots.png", "upload-e005ba8a7e3c5cc7.npy"}
    assert {file.name for file in FILES.iterdir() if file.is_file()} == {*STORED, *beside}


@pytest.mark.parametrize("name", [name for name in STORED if name.startswith("settings")])
def test_settings_open_as_they_were(name: str):
    found = readers.settings((FILES / name).read_bytes())
    assert readers.stored_part(found, STORED[name]) == STORED[name]


def test_a_sweep_file_asks_for_the_same_cells():
    found = readers.sweep(FILES / "sweep.toml")
    assert readers.stored_part(found, STORED["sweep.toml"]) == STORED["sweep.toml"]


@pytest.mark.parametrize("reader", [readers.rows, readers.rows_of_page])
def test_a_table_has_the_same_rows(reader: Any):
    rows, stored = reader(FILES / "sweep.parquet"), STORED["sweep.parquet"]
    parts = [readers.stored_part(*pair) for pair in zip(rows, stored, strict=True)]
    assert _measured(parts) == _measured(stored)


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    """The sweep in a folder of its own, with its table and its image."""
    for name in ("sweep.toml", "sweep.parquet", "dots.png"):
        shutil.copy(FILES / name, tmp_path)
    return tmp_path / "sweep.toml"


def test_new_cells_stand_in_the_groups_of_the_old_ones(sweep_file: Path):
    with sweep_file.open("a", encoding="utf-8") as file:
        file.write('\n[[methods]]\nkey = "tikhonov"\n')
    assert readers.run_sweep(sweep_file) == 0
    rows = readers.rows(sweep_file.with_suffix(".parquet"))
    assert len(rows) > len(STORED["sweep.parquet"])
    for part in ("operator", "noise"):
        parts = {json.dumps(json.loads(row["scenario"])[part]) for row in rows}
        assert len({row[part] for row in rows}) == len(parts)


def test_a_sweep_that_is_done_runs_nothing_again(sweep_file: Path):
    before = readers.rows(sweep_file.with_suffix(".parquet"))
    assert readers.run_sweep(sweep_file) == 0
    # A cell that was not found again would be one more row, and one that was run again took other seconds.
    assert _measured(readers.rows(sweep_file.with_suffix(".parquet"))) == _measured(before)


def _measured(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without the titles, which are those of today."""
    titles = ("picture", "operator", "noise", "method")
    return [{name: value for name, value in row.items() if name not in titles} for row in rows]


@pytest.fixture(scope="module")
def printed() -> dict[str, str]:
    """What each script prints; one process for all, which takes one import of torch."""
    code = f"import runpy\nfor name in {SCRIPTS}: runpy.run_path(name)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=FILES,
        env={"PYTHONPATH": str(HERE.parents[1]), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(zip(SCRIPTS, done.stdout.splitlines(), strict=True))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_prints_the_same_numbers(printed: dict[str, str], name: str):
    found = re.fullmatch(r"k = (\d+), residual (\S+), PSNR (\S+) dB", printed[name])
    assert found is not None, printed[name]
    assert int(found[1]) == STORED[name]["k"]
    assert float(found[2]) == pytest.approx(STORED[name]["residual"], rel=CLOSE)
    assert float(found[3]) == pytest.approx(STORED[name]["psnr"], abs=CLOSE)
