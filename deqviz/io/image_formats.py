"""Formats of images, from bytes to numbers: every check is made on the header, before anything is unpacked.

Imports no torch: a reader (deqviz/io/reader.py) must start quickly.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float32
from PIL import ExifTags, ImageOps, UnidentifiedImageError
from PIL import Image as Pillow

from deqviz.core.size import fitted
from deqviz.io import numpy_formats, tiff
from deqviz.io.budget import MAX_PIXELS, MIN_SIDE, FileError, too_many, written

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
NAMES = f"{', '.join(FORMATS)}, NPY or NPZ"
SUFFIXES = ("png", "jpg", "jpeg", "tif", "tiff", "webp", "bmp", "gif", "npy", "npz")
"""What a file picker should offer; `unpack` trusts the content alone."""

_DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
_LYING = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_WHITES = {1023: 10, 4095: 12, 16383: 14, 65535: 16}
"""What cameras and scanners keep in 16 bits, and how many of them they use."""
_ROWS = 256
_MAX_EXIF = 2**20
_SCAN, _MAX_SCANS = b"\xff\xda", 64
"""Each scan of a progressive JPEG goes over the whole image once more; cameras make ten."""
_FIRST = "only the first frame is used"
_ON_WHITE = "transparent parts laid on white"
_EIGHT_BITS = "of 16 bits for each colour 8 are used"
Facts: TypeAlias = dict[str, Any]
_Read: TypeAlias = tuple[np.ndarray, tuple[int, int], list[str]]
"""h × w × c float32 in [0, 1], c being 1 or 3; the width and height that the file had; the notes."""


@dataclass(frozen=True)
class Asked:
    """Sides of at most `side` in the end, at most `pixels` before, and what is black and white."""

    side: int
    pixels: int = MAX_PIXELS
    window: tuple[float, float] | None = None


def unpack(
    data: bytes, side: int, pixels: int = MAX_PIXELS, window: tuple[float, float] | None = None
) -> tuple[Float32[np.ndarray, "c h w"], Facts]:
    """The image of a file in [0, 1], with neither side above `side`, and its facts: size and notes.

    The kind is told by the content; c is 3 where the image has colour, else 1. `window` are the numbers of
    an array or a deep image that become 0 and 1; without one the file's type and its numbers say which.
    Raises FileError, and nothing else, whatever the bytes are.
    """
    try:
        picture, size, notes = _pixels(data, Asked(side, pixels, window))
    except FileError:
        raise
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning):
        raise FileError(
            "The image claims far more pixels than the limit of 4096 × 4096: make it smaller and try again."
        ) from None
    except MemoryError:
        raise FileError("The image is too large to unpack here: make it smaller and try again.") from None
    except Exception as error:  # decoders of six formats raise whatever they like on damaged bytes
        raise FileError(
            "The file is damaged or cut off: save or download it again, best as PNG, and try once more."
        ) from error
    if picture.min() == picture.max():
        notes.append("the image is constant, so there is nothing to reconstruct")
    return np.ascontiguousarray(picture.transpose(2, 0, 1)), {"size": size, "notes": notes}


def _pixels(data: bytes, asked: Asked) -> _Read:
    """What the content says it is, read in its own way."""
    if numpy_formats.is_npy(data):
        return _from_array(numpy_formats.npy(io.BytesIO(data)), asked)
    if numpy_formats.is_npz(data):
        return _from_array(numpy_formats.npz(data, ("image", "x")), asked)
    if tiff.is_tiff(data):
        return _from_tiff(data, asked)
    try:
        picture = Pillow.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise FileError(f"The file is not an image that can be read here: choose {NAMES}.") from None
    with picture:
        depth = 8
        if picture.format == "JPEG" and data.count(_SCAN) > _MAX_SCANS:
            raise FileError("The JPEG is sent in too many scans to be read here: save it again.")
        if len(picture.info.get("exif", b"")) > _MAX_EXIF:
            del picture.info["exif"]  # a list of millions of orientations
        if picture.format == "PNG":
            depth = data[24]
            _count_in_eight_bits(picture, depth)
        pixels, size, notes = _from_picture(picture, asked)
    if depth == 16 and picture.mode not in _DEEP:
        notes.append(_EIGHT_BITS)
    return pixels, size, notes


def _count_in_eight_bits(picture: Pillow.Image, depth: int) -> None:
    """The transparent grey or colour of a PNG is written in the depth of the file; Pillow has 8 bits."""
    key = picture.info.get("transparency")
    if picture.mode not in ("1", "L", "RGB") or key is None:
        return

    def scaled(value: int) -> int:
        most = 2**depth - 1
        return value >> 8 if depth == 16 else (value & most) * 255 // most

    picture.info["transparency"] = tuple(map(scaled, key)) if isinstance(key, tuple) else scaled(key)


def _from_tiff(data: bytes, asked: Asked) -> _Read:
    """Through Pillow, which knows colours and packings, wherever it keeps the numbers as they are."""
    header = tiff.header(io.BytesIO(data), asked.pixels)
    notes = [_FIRST] if header.is_one_of_many else []
    try:
        picture = (
            None if header.is_deep and header.is_plain else Pillow.open(io.BytesIO(data), formats=("TIFF",))
        )
    except UnidentifiedImageError:
        picture = None
    if picture is None:
        values = tiff.numbers(data)
        pixels, size, more = _from_array(tiff.dark_first(values) if header.is_inverted else values, asked)
        return pixels, size, notes + more
    with picture:
        if picture.mode not in _DEEP and header.kind == np.uint16:
            notes.append(_EIGHT_BITS)
        pixels, size, more = _from_picture(picture, asked, header)
    return pixels, size, notes + [note for note in more if note != _FIRST]


def _from_picture(picture: Pillow.Image, asked: Asked, header: tiff.Header | None = None) -> _Read:
    size, target = picture.size, _fit(picture.width, picture.height, asked)
    # Asked after the check of the size, because a PNG decodes itself to answer; a TIFF has turned already.
    if header is None and picture.getexif().get(ExifTags.Base.Orientation, 1) in _LYING:
        size, target = (size[1], size[0]), (target[1], target[0])
    notes = [_FIRST] if getattr(picture, "is_animated", False) else []
    picture.draft(
        None, (2 * asked.side, 2 * asked.side)
    )  # JPEG only: decoded at a half, a quarter or an eighth
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in _DEEP or (header is not None and header.kind == np.int8):
        values = np.asarray(upright)
        if header is not None:
            values = _as_in(header, values)
        key = upright.info.get("transparency")
        if key is not None and (values == key).any():
            notes.append(_ON_WHITE)
            values = np.where(values == key, _white_of(values), values)
        pixels, size, more = _from_array(values, asked)
        return pixels, size, notes + more
    if upright.mode in ("LAB", "HSV"):
        raise FileError(f"The image has its colours in {upright.mode}: save it as RGB.")

    is_grey = upright.mode in ("1", "L", "LA")
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        if layer.getchannel("A").getextrema() != (255, 255):
            notes.append(_ON_WHITE)
        upright = Pillow.alpha_composite(Pillow.new("RGBA", layer.size, "white"), layer)
    flat = upright.convert("L" if is_grey else "RGB")
    if flat.size != target:
        flat = flat.resize(target, Pillow.Resampling.LANCZOS, reducing_gap=3.0)
    return _grey_if_grey(np.atleast_3d(np.asarray(flat)).astype(np.float32) / 255), size, notes


def _as_in(header: tiff.Header, values: np.ndarray) -> np.ndarray:
    """The numbers of a packed TIFF, which Pillow takes for others, swaps, or leaves inverted."""
    kind = None if header.kind is None else header.kind.newbyteorder("=")
    if header.is_big_endian and kind in (np.int16, np.int32, np.float32):
        values = values.astype(kind).byteswap()
    if kind in (np.int8, np.uint32):
        values = values.view(kind)
    return tiff.dark_first(values) if header.is_inverted else values


def _white_of(values: np.ndarray) -> int:
    """White as `_to_unit_range` will take it."""
    return next(top for top in (1, *_WHITES) if values.max() <= top)


def _from_array(values: np.ndarray, asked: Asked) -> _Read:
    """Numbers of any kind and layout; the range is kept when it is [0, 1] or that of the integer type."""
    planes = _channels_last(values)
    height, width, _ = planes.shape
    target = _fit(width, height, asked)
    to_unit, notes = _to_unit_range(planes, asked.window)
    layers = [_shrunk(_converted(plane, to_unit), target) for plane in np.moveaxis(planes, 2, 0)]
    return _grey_if_grey(np.stack(layers, axis=2)), (width, height), notes


def _converted(plane: np.ndarray, to_unit: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """One channel as float32, some rows at a time: at the limits a copy in double precision takes 128 MB."""
    unit = np.empty(plane.shape, np.float32)
    for at in range(0, len(plane), _ROWS):
        unit[at : at + _ROWS] = to_unit(plane[at : at + _ROWS])
    return unit


def _shrunk(plane: np.ndarray, target: tuple[int, int]) -> np.ndarray:
    if plane.shape[::-1] == target:
        return plane
    return np.asarray(Pillow.fromarray(plane).resize(target, Pillow.Resampling.LANCZOS)).clip(0, 1)


def _channels_last(values: np.ndarray) -> np.ndarray:
    if values.size == 0:
        raise FileError("The array holds no numbers: save an image of h × w or h × w × 3.")
    if np.iscomplexobj(values):
        raise FileError("The array is complex: save its magnitude, numpy.abs(x), instead.")
    if values.dtype.kind not in "buif":
        raise FileError("The array holds something other than numbers: save it as float32 or uint8.")
    shape = values.shape
    planes = values.squeeze()
    if planes.ndim == 2:
        return planes[:, :, None]
    if planes.ndim == 3 and planes.shape[2] == 3:
        return planes
    if planes.ndim == 3 and planes.shape[0] == 3:
        return np.moveaxis(planes, 0, 2)
    raise FileError(f"The array has the shape {written(shape)}: save one image of h × w or h × w × 3.")


def _to_unit_range(
    planes: np.ndarray, window: tuple[float, float] | None
) -> tuple[Callable[[np.ndarray], np.ndarray], list[str]]:
    """How numbers become those from 0 to 1, and what to say about it."""
    low, high = float(planes.min()), float(planes.max())
    # Not a number or infinite wherever one value is.
    if not math.isfinite(low) or not math.isfinite(high):
        raise FileError("The image has NaN or infinite values: replace them, then save it again.")
    if window is not None:
        return partial(_windowed, low=window[0], high=window[1]), []
    bits = 8 * planes.dtype.itemsize if planes.dtype.kind == "u" else 0
    if bits == 8:
        return lambda part: part.astype(np.float32) / 255, []
    if bits == 16 and high > 1:
        white = next(top for top in _WHITES if high <= top)
        note = [] if white == 65535 else [f"{_WHITES[white]}-bit values divided by {white}"]
        return lambda part: part.astype(np.float32) / white, note
    # What is darker than the first grey of 8 bits is no picture in [0, 1]: the range is another.
    if low >= 0 and high <= 1 and not 0 < high < 1 / 255:
        return lambda part: part.astype(np.float32), []
    note = [f"values from {low:.4g} to {high:.4g} were scaled to [0, 1]"]
    if low == high:
        return lambda part: np.full(part.shape, 0.5, np.float32), note

    return partial(_windowed, low=low, high=high), note


def _windowed(part: np.ndarray, low: float, high: float) -> np.ndarray:
    """`low` as 0 and `high` as 1, and nothing beyond."""
    # The range of huge float64 values may overflow, and half of the smallest is zero. Float32 comes last.
    half = 1 if math.isfinite(high - low) else 2
    unit = (part.astype(np.float64) / half - low / half) / (high / half - low / half)
    return unit.astype(np.float32).clip(0, 1)


def _fit(width: int, height: int, asked: Asked) -> tuple[int, int]:
    """Width and height after shrinking, from the header alone; refuses what is too large, small or thin."""
    size = f"{width} × {height}"
    if width * height > asked.pixels:
        raise too_many(width, height, asked.pixels)
    if min(width, height) < MIN_SIDE:
        raise FileError(f"The image has {size} pixels: choose one of at least {MIN_SIDE} × {MIN_SIDE}.")
    high, wide = fitted(height, width, asked.side)
    target = wide, high
    if min(target) < MIN_SIDE:
        raise FileError(f"The image is too thin with {size} pixels: crop it nearer to a square.")
    return target


def _grey_if_grey(pixels: np.ndarray) -> np.ndarray:
    """One channel where three say the same: a grey image saved as colour is still grey."""
    is_grey = pixels.shape[2] == 3 and (pixels == pixels[:, :, :1]).all()
    return pixels[:, :, :1] if is_grey else pixels
