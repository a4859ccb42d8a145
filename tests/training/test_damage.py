"""`deqviz train` and what makes no sense or is damaged: one sentence, and what was trained is kept."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from deqviz import cli
from deqviz.networks import _weights
from deqviz.training import head
from deqviz.training.command import main
from deqviz.training.recipes import RECIPES
from tests.training.test_training import _small


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images, and the one recipe that is there, a small one."""
    monkeypatch.setattr("deqviz.training.recipes.RECIPES", {"contractive": _small("contractive")})
    (tmp_path / "data").mkdir()
    for place in range(3):
        pixels = np.random.default_rng(place).integers(0, 255, (24, 26), np.uint8)
        Picture.fromarray(pixels).save(tmp_path / "data" / f"{place}.png")
    return tmp_path


def trained(folder: Path, *options: str) -> int:
    words = ["contractive", "--data", str(folder / "data"), "--out", str(folder / "out")]
    return main([*words, "--steps", "2", "--every", "1", *options])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--steps", "0"], "argument --steps: 0 is not in 1 … 1000000000"),
        (["--steps", "-5"], "argument --steps: -5 is not in 1"),
        (["--steps", "9" * 9000], "is no whole number"),
        (["--steps", "1" + "0" * 400], "is not in 1 … 1000000000"),
        (["--every", "0"], "argument --every: 0 is not in 1"),
        (["--minutes", "nan"], "argument --minutes: 'nan' is no length of time"),
        (["--minutes", "-1"], "argument --minutes: '-1' is no length of time"),
        (["--seed", "-1"], "argument --seed: -1 is not in 0"),
        (["--seed", "1" + "0" * 400], "argument --seed: 1000"),
        (["--threads", "-1"], "argument --threads: -1 is not in 0"),
        (["--threads", "many"], "argument --threads: 'many' is no whole number"),
        (["--device", "banana"], "there is no device 'banana' here"),
        (["--device", "meta"], "there is no device 'meta' here"),
        (["--device", "cuda:99"], "there is no device 'cuda:99' here"),
        (["--device", "\x1b[2J" * 1000], r"there is no device '\x1b[2J"),
        (["\x1b[2J" * 1000], r"unrecognized arguments: \x1b[2J"),
    ],
    ids=lambda words: " ".join(words)[:30],
)
def test_words_that_make_no_sense_are_answered(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
):
    assert cli.main(["train", "contractive", "--data", str(folder / "data"), *words]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert message in last
    assert len(last) < 700
    assert last.isprintable()
    assert not (folder / "out").exists()


def test_an_image_that_is_none_is_named(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "data" / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    assert trained(folder) == 2
    assert "b.png is no image that can be read: take it out of the folder." in capsys.readouterr().err


def test_a_checkpoint_that_is_damaged_is_named_and_left(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert trained(folder) == 0
    file = folder / "out" / "contractive.checkpoint.pt"
    whole = file.read_bytes()
    for data in (b"", b"none", whole[: len(whole) // 2], b"\x80\x04K\x01."):
        file.write_bytes(data)
        capsys.readouterr()
        assert trained(folder, "--steps", "3") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "contractive.checkpoint.pt is damaged or of another recipe: move it away" in line
        assert file.read_bytes() == data
    file.write_bytes(whole)
    assert trained(folder) == 0


def test_where_nothing_can_be_written_nothing_is_trained(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "out").write_text("a file")
    assert trained(folder) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"deqviz train: {folder / 'out'}: File exists.")
    assert (folder / "out").read_text() == "a file"


def test_a_full_disk_keeps_the_last_checkpoint_and_the_last_weights(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert trained(folder) == 0
    before = {file: file.read_bytes() for file in (folder / "out").iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert trained(folder, "--steps", "3") == 2
    told = capsys.readouterr().err
    assert "No space left on device. The last checkpoint is whole: give the same command again." in told
    assert {file: file.read_bytes() for file in (folder / "out").iterdir()} == before


def test_weights_to_begin_with_that_are_damaged_are_told(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("deqviz.training.recipes.RECIPES", {"contractive": RECIPES["convex_ridge_inverse"]})
    monkeypatch.setattr(_weights, "PRETRAINED", tmp_path)
    _weights._load.cache_clear()
    for place in range(45):
        Picture.new("L", (130, 130)).save(folder / "data" / f"more{place}.png")
    assert trained(folder) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("deqviz train: there is no card ")
    _weights._load.cache_clear()


@pytest.mark.parametrize("data", [b"", b"none", b"\x1f\x8b" + bytes(40)])
def test_a_volume_that_is_none_is_named(tmp_path: Path, data: bytes):
    (tmp_path / "ch2.nii.gz").write_bytes(data)
    with pytest.raises(ValueError, match=r"ch2\.nii\.gz is no NIfTI volume that can be read: restore it\."):
        head.read(tmp_path / "ch2.nii.gz")


def test_the_help_does_not_fail_of_a_damaged_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for name, data in {
        "a": b"{",
        "b": b"[" * 5000,
        "c": b"\xff",
        "d": b'{"key": 3}',
        "e": b'\xef\xbb\xbf{"key": "e\\u001b[2J", "title": "E"}',
    }.items():
        (tmp_path / f"{name}.json").write_bytes(data)
    (tmp_path / "f.json").mkdir()
    monkeypatch.setattr("deqviz.training.command.PRETRAINED", tmp_path)
    assert cli.main(["train", "--help"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == [r"e\x1b[2J", "E"]
