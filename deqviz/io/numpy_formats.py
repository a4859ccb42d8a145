"""NPY and NPZ: an array of as many bytes as its header says and no more, whatever a directory says.

Imports no torch: a reader (deqviz/io/reader.py) must start quickly.
"""

import io
import math
import zipfile
from collections.abc import Sequence

import numpy as np
from numpy.lib import format as numpy_format

from deqviz.io.budget import MAX_UNPACKED, FileError

_HEADERS = {
    (1, 0): numpy_format.read_array_header_1_0,
    (2, 0): numpy_format.read_array_header_2_0,
    (3, 0): numpy_format.read_array_header_2_0,  # differs in letters of names, which plain numbers lack
}
_HEADER = 2**17
"""Bytes that a header is looked for in; NumPy itself reads none of more than 10,000."""
_PIECE = 2**20
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The only ones of ZIP that stop where they are told to; the others unpack a piece to its end."""


def is_npy(data: bytes) -> bool:
    """Whether a file begins as NPY."""
    return data.startswith(numpy_format.MAGIC_PREFIX)


def is_npz(data: bytes) -> bool:
    """Whether a file begins as an archive."""
    return data.startswith(b"PK")


def header(file: io.BufferedIOBase) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and the type of numbers; the file stands behind them then."""
    version = numpy_format.read_magic(file)
    if version not in _HEADERS:
        raise FileError("The file is of a later version of NPY: save it again with numpy.save.")
    shape, is_column_major, kind = _HEADERS[version](file)
    if kind.hasobject:
        raise FileError("The file holds Python objects, which are not opened: save a plain array of numbers.")
    return shape, is_column_major, kind


def npy(file: io.BufferedIOBase) -> np.ndarray:
    """An array of NPY, as many bytes as its header says and no more; what comes after them is left."""
    start = file.read(_HEADER)
    head = io.BytesIO(start)
    shape, is_column_major, kind = header(head)
    if math.prod(shape) * kind.itemsize > MAX_UNPACKED:
        raise FileError("The array takes more than 128 MB: save a smaller image.")
    if kind.itemsize == 0 or min(shape, default=1) < 1:
        return np.empty(shape, kind)  # which says by its shape or kind what is wrong with it
    values = np.empty(math.prod(shape), kind)
    room = values.view(np.uint8)
    at = head.readinto(room.data)
    while at < len(room) and (piece := file.read(min(_PIECE, len(room) - at))):
        room[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
        at += len(piece)
    if at < len(room):
        raise FileError("The array is damaged or cut off: save or download it again.")
    return values.reshape(shape, order="F" if is_column_major else "C")


def npz(data: bytes, names: Sequence[str]) -> np.ndarray:
    """The first of these arrays that is there, or the only one; raises FileError where it is one of many."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = _arrays(archive)
        if not entries:
            raise FileError("The archive holds no NumPy array: write it with numpy.savez(file, image=x).")
        chosen = _chosen(entries, names)
        if chosen is None:
            raise FileError(
                f"The archive holds {len(entries)} arrays: name the one to use, numpy.savez(file, image=x)."
            )
        # What the directory says of its length may be a lie: the array's own header says how much is read.
        with archive.open(chosen) as file:
            assert isinstance(file, io.BufferedIOBase)
            return npy(file)


def is_complex(data: bytes, names: Sequence[str]) -> bool:
    """Whether the one that `npz` would read holds complex numbers; a damaged archive does not."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            chosen = _chosen(_arrays(archive), names)
            if chosen is None:
                return False
            with archive.open(chosen) as file:
                return header(io.BytesIO(file.read(_HEADER)))[2].kind == "c"
    except Exception:  # whatever the library makes of damaged bytes: `npz` says what is wrong
        return False


def _chosen(entries: dict[str, zipfile.ZipInfo], names: Sequence[str]) -> zipfile.ZipInfo | None:
    """The first of these names that is there, or the only entry."""
    only = list(entries) if len(entries) == 1 else []
    return next((entries[key] for key in (*names, *only) if key in entries), None)


def _arrays(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
    if any(entry.compress_type not in _PACKED for entry in entries):
        raise FileError("The archive is packed in a way that is not read here: write it with numpy.savez.")
    return {entry.filename.removesuffix(".npy"): entry for entry in entries}
