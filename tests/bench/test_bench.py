"""The table of the theory: its rows are measured, and a missed target is said."""

import json
from pathlib import Path

import pytest
import torch

from deqviz import bench
from deqviz.bench import theory


@pytest.fixture(autouse=True)
def _threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_the_rates_of_the_model_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "theory.json"
    assert bench.main(["theory", "--only", "model", "--json", str(file)]) == 0
    result = json.loads(file.read_text())
    rows = result["rows"]
    assert result.keys() == {"date", "commit", "machine", "rows"}
    assert all(result[name] for name in ("date", "commit", "machine"))
    assert [row["holds"] for row in rows] == [True] * 5
    printed = capsys.readouterr().out
    assert all(row["name"] in printed for row in rows)


def test_a_missed_target_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(theory, "inverse_truth", lambda eq, w: theory.picture_truth(w))
    assert bench.main(["theory", "--only", "model"]) == 1
    assert capsys.readouterr().out.count("MISSED") >= 2
