"""Image files of a sweep: eight bits as they are, and a sentence for everything else."""

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from deqviz.io.pixels import eight_bit

GREY = np.random.default_rng(0).integers(0, 255, (40, 48), np.uint8)


def written(path: Path, values: np.ndarray, **options: Any) -> Path:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    path.write_bytes(file.getvalue())
    return path


def test_eight_bits_are_as_they_are(tmp_path: Path) -> None:
    for options in ({}, {"compression": "zlib", "tile": (16, 16)}, {"byteorder": ">"}):
        file = written(tmp_path / "a.tif", GREY, **options)
        np.testing.assert_array_equal(eight_bit(file, ("TIFF",), 10**6), GREY)


@pytest.mark.parametrize("kind", ["i1", "<u2", ">u2", "u4", "f4", "f8"])
def test_other_numbers_are_refused(kind: str, tmp_path: Path) -> None:
    file = written(tmp_path / "a.tif", GREY.astype(kind), byteorder=kind[0] if kind[0] in "<>" else "<")
    with pytest.raises(ValueError, match="more than 8 bits"):
        eight_bit(file, ("TIFF",), 10**6)


def test_a_tile_much_larger_than_its_image_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "a.tif", GREY, compression="zlib", tile=(4096, 4096))
    with pytest.raises(ValueError, match="too large"):
        eight_bit(file, ("TIFF",), 10**6)
    assert eight_bit(file, ("TIFF",), 4 * 10**6).shape == GREY.shape


@pytest.mark.parametrize(
    "data",
    [
        b"II*\0" + b"\xff" * 40,
        # Of which Pillow raises ValueError: Truncated IHDR chunk.
        b"\x89PNG\r\n\x1a\n\0\0\0\5IHDR" + bytes(5) + zlib.crc32(b"IHDR" + bytes(5)).to_bytes(4, "big"),
        b"",
    ],
)
def test_a_damaged_file_is_no_image(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    file.write_bytes(data)
    with pytest.raises(ValueError, match=r"^is no image that can be read\.$"):
        eight_bit(file, ("TIFF", "PNG"), 10**6)
