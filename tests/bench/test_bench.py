"""The table of the theory: its rows are measured, and a missed target is said."""

import json
from pathlib import Path

import pytest
import torch

from deqviz import bench
from deqviz.bench import cases, theory, tune
from deqviz.bench.rows import Row, report


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["theory", "--only", "nobody\x1b[2J"], "no row has this text in its name"),
        (["speed", "--only", "nobody"], "no row has this text in its name"),
        (["mri", "--data", ".", "--only", "R = 4"], "no volume mri/ch2.nii.gz: give the folder"),
        (["quality", "--data", "."], "test/bsd68 cannot be read: No such file or directory."),
    ],
)
def test_what_gives_no_row_is_answered(capsys: pytest.CaptureFixture[str], words: list[str], message: str):
    assert bench.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("deqviz bench: ")
    assert message in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["speed", "--device", "banana"], "there is no device 'banana' here"),
        (["\x1b[2J" * 1000], "invalid choice: "),
        (["mri", "--data", "\x1b[2J"], "--data FOLDER must name a folder"),
        (["mri"], "--data FOLDER must name a folder"),
    ],
)
def test_words_that_make_no_sense_are_answered(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
):
    with pytest.raises(SystemExit) as stop:
        bench.main(words)
    assert stop.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert message in last
    assert last.isprintable()
    assert len(last) < 700


def test_rows_are_printed_where_they_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rows = [Row("a", 1.0, "s"), Row("b", 2.0, "s")]
    for file in (tmp_path, tmp_path / "x" / "y.json"):
        (tmp_path / "x").write_text("a file")
        assert report(iter(rows), file) == 2
        printed = capsys.readouterr()
        assert [line.split()[0] for line in printed.out.splitlines()] == ["a", "b"]
        (line,) = printed.err.splitlines()
        assert "cannot be written: " in line
        assert line.endswith("The rows are printed only.")
    assert [file.name for file in tmp_path.iterdir()] == ["x"]


def test_an_image_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for name in ("bsd68", "set12"):
        (tmp_path / "test" / name).mkdir(parents=True)
        (tmp_path / "test" / name / "a.png").write_text("none")
    assert bench.main(["quality", "--data", str(tmp_path)]) == 2
    assert "a.png is no image that can be read" in capsys.readouterr().err


@pytest.mark.parametrize("data", [b"", b"[]", b'{"a": 1}', b'{"a": {"weight": 1}}', b"[" * 5000, b"\xff"])
def test_strengths_that_are_damaged_are_told_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: bytes
):
    file = tmp_path / "tuned.json"
    file.write_bytes(data)
    for module in (cases, tune):
        monkeypatch.setattr(module, "TUNED", file)
    monkeypatch.setattr(tune, "pictures", lambda _: [torch.zeros(1, 1, 8, 8)] * 400)
    for suite in ("quality", "tune"):
        assert bench.main([suite, "--data", str(tmp_path)]) == 2
        assert "tuned.json is damaged: restore it, or remove it and tune anew." in capsys.readouterr().err
    assert file.read_bytes() == data


def test_too_few_images_tune_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(tune, "pictures", lambda _: [torch.zeros(1, 1, 8, 8)] * 370)
    monkeypatch.setattr(tune, "TUNED", tmp_path / "tuned.json")
    assert bench.main(["tune", "--data", str(tmp_path)]) == 2
    assert "bsds400 lacks the images 360 to 400." in capsys.readouterr().err
    assert not (tmp_path / "tuned.json").exists()
