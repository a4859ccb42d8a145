"""Pixels out of image files that are our own or trusted, and into image files."""

import base64
import io
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

Pixels = NDArray[np.uint8]
"""c × h × w with one or three channels."""


def decoded(path: Path, mode: Literal["L", "RGB"] | None = None) -> NDArray[np.uint8]:
    """h × w or h × w × c as stored, or turned to grey or colour; of a file that is ours or trusted."""
    with Pillow.open(path) as file:
        return np.array(file if mode is None else file.convert(mode))


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
