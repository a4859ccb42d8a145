"""Pixels out of image files that are our own or trusted, and into image files."""

import base64
import io
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from deqviz.io import tiff
from deqviz.io.budget import UploadError

Pixels = NDArray[np.uint8]
"""c × h × w with one or three channels."""
_DEEP = "has more than 8 bits: save it with 8."


class _Refusal(ValueError):
    """Ours: libraries raise a ValueError, too, and whatever else they like, on damaged bytes."""


def decoded(path: Path, mode: Literal["L", "RGB"] | None = None) -> NDArray[np.uint8]:
    """h × w or h × w × c as stored, or turned to grey or colour; of a file that is ours or trusted."""
    with Pillow.open(path) as file:
        return np.array(file if mode is None else file.convert(mode))


def eight_bit(path: Path, formats: tuple[str, ...], most: int) -> NDArray[np.uint8]:
    """h × w or h × w × 3 of a file with 8 bits; raises ValueError with the end of a sentence about it.

    More than `most` pixels are refused before anything is decoded.
    """
    try:
        _check_tiff(path, most)
        with Pillow.open(path, formats=formats) as file:
            if file.width * file.height > most:
                raise _Refusal(f"has more than {most // 10**6} million pixels.")
            if file.mode in ("I", "F", "I;16", "I;16B"):
                raise _Refusal(_DEEP)
            return np.asarray(file.convert("L" if file.mode in ("1", "L", "LA") else "RGB"))
    except _Refusal:
        raise
    except Exception:
        raise ValueError("is no image that can be read.") from None


def _check_tiff(path: Path, most: int) -> None:
    """Refuse greys that Pillow would take for others, and tiles much larger than the image."""
    with path.open("rb") as file:
        if not tiff.is_tiff(file.read(4)):
            return
        try:
            header = tiff.header(file, most)
        except UploadError:
            raise _Refusal(
                "is too large, or packed in a way that is not read here: save it as PNG."
            ) from None
    if header.is_deep and header.samples == 1:
        raise _Refusal(_DEEP)


def png(pixels: Pixels, *, software: str = "", comment: str = "", side: int | None = None) -> bytes:
    """An 8-bit PNG, every pixel exact; with the longer side brought down to `side` where one is given."""
    picture, info = to_picture(pixels), PngInfo()
    if side is not None:
        picture.thumbnail((side, side))
    if software:
        info.add_text("Software", software)
    if comment:
        info.add_itxt("Comment", comment)
    file = io.BytesIO()
    # Smallest where somebody keeps the file, quickest where a page shows it.
    picture.save(file, "PNG", pnginfo=info, optimize=bool(software))
    return file.getvalue()


def webp(pixels: Pixels, quality: int = 85) -> bytes:
    """A lossy WebP, for thumbnails."""
    file = io.BytesIO()
    to_picture(pixels).save(file, "WEBP", quality=quality)
    return file.getvalue()


def data_url(data: bytes, kind: Literal["png", "webp"]) -> str:
    """The file as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def to_picture(pixels: Pixels) -> Pillow.Image:
    """The pixels as Pillow has them, grey or RGB."""
    plane = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, 2)
    return Pillow.fromarray(np.ascontiguousarray(plane))
