"""TIFF: what its first header promises, checked before anything is unpacked, and what Pillow cannot read.

What is unpacked is a tile or a strip, which may be much larger than the image; and in tifffile's hands it is
as long as its packed bytes make it.
"""

import contextlib
import io
import math
from dataclasses import dataclass

import numpy as np
import tifffile

from deqviz.io.budget import MAX_PIXELS, FileError, too_many, unpacks_within

MAX_SEGMENTS = 65536
"""Tiles or strips of one image."""
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NONE, _DEFLATE = (1,), (8, 32946)
_KNOWN = (*_NONE, *_DEFLATE, 2, 3, 4, 5, 6, 7, 32773, 50000)
"""Fax, LZW, JPEG, PackBits and Zstandard, which Pillow reads into a buffer of known length."""
_INVERTED, _GREY, _RGB = 0, 1, 2
_SEGMENTS = (273, 279, 324, 325)
"""Tags with a number for each piece."""
_TEXTS = (1, 2, 6, 7)
"""Types of tags that Pillow leaves as bytes: profiles and descriptions may be long."""


@dataclass(frozen=True)
class Header:
    """What decides how the first image of a file is read; `kind` is None where samples are no whole bytes."""

    kind: np.dtype | None
    samples: int
    photometric: int
    compression: int
    is_big_endian: bool
    is_one_of_many: bool

    @property
    def is_deep(self) -> bool:
        """Whether there is more to a sample than Pillow's 8 bits."""
        return self.kind is not None and self.kind not in (np.uint8, np.bool_)

    @property
    def is_plain(self) -> bool:
        """Whether `numbers` reads it: grey or RGB, not packed or deflated."""
        is_known = self.compression in (*_NONE, *_DEFLATE) and self.photometric in (_INVERTED, _GREY, _RGB)
        return is_known and self.samples in (1, 3)

    @property
    def is_inverted(self) -> bool:
        """Whether the largest value is black."""
        return self.photometric == _INVERTED


def is_tiff(start: bytes) -> bool:
    """Whether a file that starts so is TIFF or BigTIFF."""
    return start[:4] in _MAGIC


def header(file: io.BytesIO | io.BufferedReader, most: int = MAX_PIXELS) -> Header:
    """The header of the first image; raises FileError where reading it costs more than `most` pixels do."""
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages.first
        _check(page, most)
        # Only the second header is looked for: a small file may hold very many. A damaged one is none.
        is_one_of_many = False
        with contextlib.suppress(Exception):
            is_one_of_many = tiff.pages[1] is not None
        kind = (
            page.dtype if page.dtype is not None and page.bitspersample == 8 * page.dtype.itemsize else None
        )
        about = (page.samplesperpixel, int(page.photometric), int(page.compression))
        return Header(kind, *about, tiff.byteorder == ">", is_one_of_many)


def numbers(data: bytes) -> np.ndarray:
    """The pixels of the first image as stored, upright; raises FileError where they mean something else."""
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        if page.photometric not in (_INVERTED, _GREY, _RGB):
            raise FileError(
                "The TIFF stores its colours in a way that is not read here: save it as RGB or grey."
            )
        if page.compression not in (*_NONE, *_DEFLATE):
            raise FileError(
                "The TIFF is compressed in a way that is not read here: save it without compression."
            )
        if page.compression in _DEFLATE:
            one = math.prod(page.chunks) * page.bitspersample // 8
            for at, count in zip(page.dataoffsets, page.databytecounts, strict=False):
                if not unpacks_within(memoryview(data)[at : at + count], one):
                    raise FileError("The TIFF unpacks to more than its header says: save it again.")
        values = page.asarray(maxworkers=1)
        return _upright(values, page.tags.valueof(274, 1))


def dark_first(values: np.ndarray) -> np.ndarray:
    """Numbers whose largest is black, turned round without overflow."""
    return ~values if values.dtype.kind in "bui" else -values


def _check(page: tifffile.TiffPage, most: int) -> None:
    """Refuse what is large when its pieces are unpacked, and what two readers may read differently."""
    codes = [tag.code for tag in page.tags]
    if len(set(codes)) < len(codes):
        raise FileError("The TIFF says the same thing twice: save it again.")
    lengths = (
        page.imagewidth,
        page.imagelength,
        page.imagedepth,
        page.rowsperstrip or 0,
        page.samplesperpixel,
    )
    tile = (page.tilewidth, page.tilelength, page.tiledepth)
    if not all(isinstance(n, int) and n >= 0 for n in (*lengths, *tile)):  # a tag may be a list of millions
        raise FileError("The TIFF has no size: save it again.")
    if page.imagewidth * page.imagelength > most:
        raise too_many(page.imagewidth, page.imagelength, most)
    if page.compression not in _KNOWN:
        raise FileError("The TIFF is compressed in a way that is not read here: save it without compression.")
    wide, high, deep = page.imagewidth, min(page.rowsperstrip or page.imagelength, page.imagelength), 1
    if page.is_tiled:
        wide, high, deep = page.tilewidth, page.tilelength, page.tiledepth
    whole = [(page.imagewidth, wide), (page.imagelength, high), (page.imagedepth, deep)]
    count = math.prod(-(-n // max(m, 1)) for n, m in whole)
    bits = page.bitspersample
    pixel = sum(bits) if isinstance(bits, tuple) else bits * page.samplesperpixel
    # Eight bytes for each pixel, as of float64.
    if count * wide * high * deep * pixel > 64 * most:
        raise FileError("The image takes more than 128 MB when unpacked: make it smaller first.")
    longest = max(tag.count for tag in page.tags if tag.code in _SEGMENTS or tag.dtype not in _TEXTS)
    if max(count, longest) > MAX_SEGMENTS:
        raise FileError("The TIFF lies in too many pieces to be read here: save it again, without tiles.")


def _upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """As EXIF's orientation says; the colours may come first or last."""
    if values.ndim < 2 or orientation not in range(2, 9):
        return values
    rows, columns = (-2, -1) if values.ndim == 2 or values.shape[-1] > 4 else (-3, -2)
    if orientation >= 5:
        values = values.swapaxes(rows, columns)
    turned = {rows: (3, 4, 7, 8), columns: (2, 3, 6, 7)}
    return np.flip(values, tuple(axis for axis, which in turned.items() if orientation in which))
