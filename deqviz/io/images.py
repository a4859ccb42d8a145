"""Uploaded images: every check is made on the header, before anything is unpacked."""

import contextlib
import hashlib
import io
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TypeAlias

import numpy as np
import tifffile
import torch
from numpy.lib import format as npy
from PIL import ExifTags, ImageOps, UnidentifiedImageError
from PIL import Image as Pillow

from deqviz.core.space import Image, fitted

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
NAMES = f"{', '.join(FORMATS)}, NPY or NPZ"
SUFFIXES = ("png", "jpg", "jpeg", "tif", "tiff", "webp", "bmp", "gif", "npy", "npz")
"""What a file picker should offer; `read` trusts the content alone."""

MAX_BYTES = 10 * 2**20
MAX_PIXELS = 4096 * 4096
MAX_UNPACKED = 128 * 2**20
MIN_SIDE = 32
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
_LYING = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_TWELVE_BIT_WHITE = 4095
_ROWS = 256
_FIRST = "only the first frame is used"
_Read: TypeAlias = tuple[np.ndarray, tuple[int, int], list[str]]
"""h × w × c float32 in [0, 1], c being 1 or 3; the width and height that the file had; the notes."""


class UploadError(ValueError):
    """Its text is one sentence for the person who uploaded: what is wrong, and what to do."""


@dataclass(frozen=True)
class Upload:
    """An image that was read; `note` tells what was changed on the way but the size, None when nothing was.

    `digest` is the SHA-256 of the file and alone decides equality; `size` is the width and height that the
    file had: a run may make the image smaller still, and the person wants to be told once.
    """

    digest: str
    image: Image = field(compare=False)
    size: tuple[int, int] = field(compare=False)
    note: str | None = field(default=None, compare=False)


def read(name: str, data: bytes, side: int = 256) -> Upload:
    """The uploaded file as 1 × c × h × w in [0, 1], with neither side above `side`.

    The kind is told by the content, not by the name; c is 3 where the image has colour, else 1.
    Raises UploadError, and nothing else, whatever the bytes are.
    """
    _check_length(data)
    try:
        pixels, size, notes = _pixels(name, data, side)
    except UploadError:
        raise
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning):
        raise UploadError(
            "The image claims far more pixels than the limit of 4096 × 4096: make it smaller and try again."
        ) from None
    except MemoryError:
        raise UploadError("The image is too large to unpack here: make it smaller and try again.") from None
    except Exception as error:  # decoders of six formats raise whatever they like on damaged bytes
        raise UploadError(
            "The file is damaged or cut off: save or download it again, best as PNG, and try once more."
        ) from error
    if pixels.min() == pixels.max():
        notes.append("the image is constant, so there is nothing to reconstruct")
    image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))[None])
    return Upload(hashlib.sha256(data).hexdigest(), image, size, "; ".join(notes) or None)


def _check_length(data: bytes) -> None:
    if not data:
        raise UploadError("The file is empty: choose another one.")
    if len(data) > MAX_BYTES:
        raise UploadError(
            f"The file has {len(data) / 2**20:.1f} MB and the limit is 10 MB: make it smaller or compress it."
        )


def _pixels(name: str, data: bytes, side: int) -> _Read:
    """What the content says it is, read in its own way."""
    suffix = PurePath(name).suffix.lower()
    if data.startswith(npy.MAGIC_PREFIX):
        return _from_array(_read_npy(data), side)
    if data.startswith(b"PK"):
        return _from_array(_read_npz(data), side)
    if suffix in (".npy", ".npz"):
        raise UploadError(
            f"The file is called {suffix} but is none: write it again with numpy.save or savez."
        )
    try:
        picture = Pillow.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            page, more = _read_tiff(data)
            pixels, size, notes = _from_array(page, side)
            return pixels, size, more + notes
        raise UploadError(f"The file is not an image that can be read here: upload {NAMES}.") from None
    with picture:
        return _from_picture(picture, side)


def _from_picture(picture: Pillow.Image, side: int) -> _Read:
    size, target = picture.size, _fit(picture.width, picture.height, side)
    # Asked after the check of the size, because a PNG decodes itself to answer; a TIFF has turned already.
    if picture.format != "TIFF" and picture.getexif().get(ExifTags.Base.Orientation, 1) in _LYING:
        size, target = (size[1], size[0]), (target[1], target[0])
    notes = [_FIRST] if getattr(picture, "is_animated", False) else []
    picture.draft(None, (2 * side, 2 * side))  # JPEG only: decoded at a half, a quarter or an eighth
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in _DEEP:
        pixels, size, more = _from_array(np.asarray(upright), side)
        return pixels, size, notes + more

    is_grey = upright.mode in ("1", "L", "LA")
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        if layer.getchannel("A").getextrema() != (255, 255):
            notes.append("transparent parts laid on white")
        upright = Pillow.alpha_composite(Pillow.new("RGBA", layer.size, "white"), layer)
    flat = upright.convert("L" if is_grey else "RGB")
    if flat.size != target:
        flat = flat.resize(target, Pillow.Resampling.LANCZOS, reducing_gap=3.0)
    return _grey_if_grey(np.atleast_3d(np.asarray(flat)).astype(np.float32) / 255), size, notes


def _from_array(values: np.ndarray, side: int) -> _Read:
    """Numbers of any kind and layout; the range is kept when it is [0, 1] or that of the integer type."""
    planes = _channels_last(values)
    height, width, _ = planes.shape
    target = _fit(width, height, side)
    to_unit, notes = _to_unit_range(planes)
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
        raise UploadError("The array holds no numbers: save an image of h × w or h × w × 3.")
    if np.iscomplexobj(values):
        raise UploadError("The array is complex: save its magnitude, numpy.abs(x), instead.")
    if values.dtype.kind not in "buif":
        raise UploadError("The array holds something other than numbers: save it as float32 or uint8.")
    shape = values.shape
    planes = values.squeeze()
    if planes.ndim == 2:
        return planes[:, :, None]
    if planes.ndim == 3 and planes.shape[2] == 3:
        return planes
    if planes.ndim == 3 and planes.shape[0] == 3:
        return np.moveaxis(planes, 0, 2)
    raise UploadError(f"The array has the shape {written(shape)}: save one image of h × w or h × w × 3.")


def written(shape: tuple[int, ...]) -> str:
    """For messages: "4 × 48 × 40", and of very many axes the first ones."""
    return " × ".join([*map(str, shape[:6]), *(["…"] if len(shape) > 6 else [])])


def _to_unit_range(planes: np.ndarray) -> tuple[Callable[[np.ndarray], np.ndarray], list[str]]:
    """How numbers become those from 0 to 1, and what to say about it."""
    low, high = float(planes.min()), float(planes.max())
    # Not a number or infinite wherever one value is.
    if not math.isfinite(low) or not math.isfinite(high):
        raise UploadError("The image has NaN or infinite values: replace them, then save it again.")
    bits = 8 * planes.dtype.itemsize if planes.dtype.kind == "u" else 0
    if bits == 8:
        return lambda part: part.astype(np.float32) / 255, []
    if bits == 16 and high > _TWELVE_BIT_WHITE:
        return lambda part: part.astype(np.float32) / 65535, []
    if bits == 16 and high > 1:
        return lambda part: part.astype(np.float32) / _TWELVE_BIT_WHITE, ["12-bit values divided by 4095"]
    if low >= 0 and high <= 1:
        return lambda part: part.astype(np.float32), []
    note = [f"values from {low:.4g} to {high:.4g} were scaled to [0, 1]"]
    if low == high:
        return lambda part: np.full(part.shape, 0.5, np.float32), note

    def stretched(part: np.ndarray) -> np.ndarray:
        # Halved first: the range of huge float64 values may overflow. Float32 comes last for the same reason.
        unit = (part.astype(np.float64) / 2 - low / 2) / (high / 2 - low / 2)
        return unit.astype(np.float32).clip(0, 1)

    return stretched, note


def _fit(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height after shrinking, from the header alone; refuses what is too large, small or thin."""
    size = f"{width} × {height}"
    if width * height > MAX_PIXELS:
        raise UploadError(f"The image has {size} pixels and the limit is 4096 × 4096: make it smaller first.")
    if min(width, height) < MIN_SIDE:
        raise UploadError(f"The image has {size} pixels: choose one of at least {MIN_SIDE} × {MIN_SIDE}.")
    high, wide = fitted(height, width, side)
    target = wide, high
    if min(target) < MIN_SIDE:
        raise UploadError(f"The image is too thin with {size} pixels: crop it nearer to a square.")
    return target


def _grey_if_grey(pixels: np.ndarray) -> np.ndarray:
    """One channel where three say the same: a grey image saved as colour is still grey."""
    is_grey = pixels.shape[2] == 3 and (pixels == pixels[:, :, :1]).all()
    return pixels[:, :, :1] if is_grey else pixels


def _read_npy(data: bytes) -> np.ndarray:
    file = io.BytesIO(data)
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise UploadError("The array holds something other than numbers: save it as float32 or uint8.")
    shape, _, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise UploadError(
            "The file holds Python objects, which are not opened: save a plain array of numbers."
        )
    if math.prod(shape) * dtype.itemsize > MAX_UNPACKED:
        raise UploadError("The array takes more than 128 MB: save a smaller image.")
    file.seek(0)
    return npy.read_array(file, allow_pickle=False)


def _read_npz(data: bytes) -> np.ndarray:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        arrays = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        arrays = {key: entry for key, entry in arrays.items() if entry.filename.endswith(".npy")}
        if not arrays:
            raise UploadError("The archive holds no NumPy array: write it with numpy.savez(file, image=x).")
        named = [key for key in ("image", "x", *arrays) if key in arrays]
        if len(arrays) > 1 and named[0] not in ("image", "x"):
            raise UploadError(
                f"The archive holds {len(arrays)} arrays: name the one to use, numpy.savez(file, image=x)."
            )
        entry = arrays[named[0]]
        # A few kilobytes can promise gigabytes; reading stops at the promised length, so that one is enough.
        if entry.file_size > MAX_UNPACKED + 4096:
            raise UploadError("The array takes more than 128 MB when unpacked: save a smaller image.")
        return _read_npy(archive.read(entry))


def _read_tiff(data: bytes) -> tuple[np.ndarray, list[str]]:
    """What Pillow cannot: float64, BigTIFF, several float channels."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        _fit(page.imagewidth, page.imagelength, max(page.imagewidth, page.imagelength))
        if page.nbytes > MAX_UNPACKED:
            raise UploadError("The image takes more than 128 MB when unpacked: make it smaller first.")
        notes = []
        # Only the second header is looked for: a small file may hold very many. A damaged one is none.
        with contextlib.suppress(Exception):
            file.pages[1]
            notes.append(_FIRST)
        return page.asarray(maxworkers=1), notes
