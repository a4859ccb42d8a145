"""One door for all files: told by their content, from the disk or sent, and one sentence if not."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from deqviz import io as files
from deqviz.io import door, kspace_formats
from deqviz.io.budget import LOCAL_PIXELS, MAX_BYTES, MAX_PIXELS
from tests.io.here import here, image
from tests.io.malformed import GREY, KSPACE, encoded, npy

here = pytest.fixture(autouse=True)(here)
PNG = encoded(Pillow.fromarray(GREY), "PNG")


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.json", "a.h5", "", None])
def test_a_name_decides_nothing(name: str | None) -> None:
    assert isinstance(files.open(PNG, name), files.Image)
    assert isinstance(files.open(npy(KSPACE), name), files.KSpace)
    assert files.open(b'\xef\xbb\xbf {"size": 48}', name) == files.Settings({"size": 48})


def test_a_path_is_read_as_what_somebody_sends(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(PNG)
    for source in (path, str(path)):
        found = files.open(source)
        assert found == files.open(PNG)
        assert isinstance(found, files.Image)
        np.testing.assert_array_equal(found.pixels[0], np.float32(GREY) / 255)


def test_files_of_the_own_disk_may_be_larger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = (MAX_PIXELS + 4097) // 4097
    path = tmp_path / "photo.png"
    Pillow.new("1", (4097, wide), 1).save(path)
    assert MAX_PIXELS < 4097 * wide < LOCAL_PIXELS
    found = files.open(path, side=64)
    assert isinstance(found, files.Image)
    assert found.size == (4097, wide)
    with pytest.raises(files.FileError, match="limit is 4096 × 4096"):
        files.open(path.read_bytes())
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), np.uint8)
    path.write_bytes(encoded(Pillow.fromarray(noise), "BMP"))
    assert isinstance(files.open(path), files.Image)
    with pytest.raises(files.FileError, match=f"limit is {MAX_BYTES >> 20} MB"):
        files.open(path.read_bytes())
    monkeypatch.setattr(kspace_formats, "MAX_BYTES", 2**20)
    with pytest.raises(files.FileError, match="save one slice of it"):
        files.open(path)


def test_a_local_image_has_a_limit_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "LOCAL_PIXELS", 3_000_000)
    path = tmp_path / "a.png"
    Pillow.new("1", (2000, 2000)).save(path)
    with pytest.raises(files.FileError, match="limit is 3 million"):
        files.open(path)


def test_what_is_no_file_is_a_sentence(tmp_path: Path) -> None:
    refusals = {
        tmp_path: "This is no file: choose one.",
        Path("/dev/zero"): "This is no file: choose one.",
        tmp_path / "none.png": "The file cannot be read (No such file or directory): choose another one.",
        Path("a\0b"): "This is no name of a file.",
        tmp_path / ("x" * 300): "The file cannot be read (File name too long): choose another one.",
    }
    for path, sentence in refusals.items():
        with pytest.raises(files.FileError) as caught:
            files.open(path)
        assert str(caught.value) == sentence
    with pytest.raises(files.FileError, match="is empty"):
        files.open(b"")


@pytest.mark.parametrize("text", ["{", "[1]", '"a"', "{" * 5000, json.dumps([1] * 40_000)])
def test_other_json_is_no_image(text: str) -> None:
    with pytest.raises(files.FileError, match="settings"):
        files.open(text.encode(), "mine.json")


def test_a_window_says_what_is_black_and_what_is_white() -> None:
    values = np.linspace(-1000, 3000, 64 * 48).reshape(48, 64).astype(np.int16)
    found = files.open(npy(values), window=(-160.0, 240.0))
    assert isinstance(found, files.Image)
    expected = ((values.astype(float) + 160) / 400).clip(0, 1)
    np.testing.assert_allclose(found.pixels[0], expected, atol=1e-6)
    assert not found.notes, "what was asked for is not told"
    dim = np.full((48, 64), 1e-4, np.float32)
    dim[0, 0] = 0
    kept = files.open(npy(dim), window=(0.0, 1.0))
    assert isinstance(kept, files.Image)
    np.testing.assert_array_equal(kept.pixels[0], dim)
    assert image("", npy(dim)).pixels.max() == 1


def test_what_a_file_holds_is_equal_where_the_file_is() -> None:
    file = io.BytesIO()
    Pillow.fromarray(GREY).save(file, "PNG", optimize=True)
    assert files.open(PNG) == files.open(PNG, "another name")
    assert files.open(PNG) != files.open(file.getvalue())
    scans = npy(np.stack([KSPACE, KSPACE]))
    assert files.open(scans, number=1) != files.open(scans, number=2)
