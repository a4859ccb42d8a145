"""Formats of k-space, NPY, NPZ and HDF5, from bytes to numbers: checked before a sample is unpacked.

Imports no torch: a reader (deqviz/io/reader.py) must start quickly.
"""

import io
import itertools
import math
import re
from typing import Any

import h5py
import numpy as np
from h5py import h5z  # type: ignore[attr-defined]
from jaxtyping import Complex64

from deqviz.io import numpy_formats
from deqviz.io.budget import MAX_UNPACKED, MIN_SIDE, FileError, unpacks_within, written

SUFFIXES = ("h5", "hdf5")
"""What a file picker should offer beside the images, NPY and NPZ being among them already."""
NAMES = ("kspace", "image", "x")
"""Of the array to take from an archive, the first that is there."""
MAX_BYTES = 200 * 2**20
"""Of a file; as much as `server.maxUploadSize`."""
MAX_SIDE, MAX_COILS, MAX_SLICES = 4096, 64, 65536
MAX_CHUNKS = 32768
"""Of HDF5, touched by one slice: up to 100 MB, for the library keeps some kilobytes about each."""
MAX_WORK = 8 * MAX_UNPACKED
"""Of these chunks together when unpacked: those that a slice touches may hold other slices as well."""
_HDF5 = b"\x89HDF\r\n\x1a\n"
_COMPLEX = re.compile(rb"""['"]descr['"]\s*:\s*['"][<>=|]?c\d""")
_FILTERS = {h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE, h5z.FILTER_FLETCHER32}
_CHECKSUM = 4
_AXES = "save it as coil × ky × kx"


def is_kspace(data: bytes) -> bool:
    """Whether the content is HDF5, or complex NPY or NPZ: everything else is left to the reader of images."""
    if numpy_formats.is_npz(data):
        return numpy_formats.is_complex(data, NAMES)
    return data.startswith(_HDF5) or (
        numpy_formats.is_npy(data) and _COMPLEX.search(data, 0, 512) is not None
    )


def unpack(
    data: bytes, number: int | None, *, is_scaled: bool = True
) -> tuple[Complex64[np.ndarray, "coils h w"], dict[str, Any]]:
    """One slice, its largest part being 1, and what is told about it: its number and how many there are.

    Without `is_scaled` the samples stay as they are.

    Raises FileError, and nothing else, whatever the bytes are.
    """
    try:
        if data.startswith(_HDF5):
            array, shape, at = _read_hdf5(data, number)
        else:
            array, shape, at = (_read_npz if numpy_formats.is_npz(data) else _read_npy)(data, number)
        samples = _checked(array.reshape(shape[1:]), is_scaled=is_scaled)
        return samples, {"number": at + 1, "slices": shape[0]}
    except FileError:
        raise
    except MemoryError:
        raise FileError("The k-space is too large to unpack here: save one slice of it.") from None
    except Exception as error:  # h5py raises whatever it likes on damaged bytes
        raise FileError("The file is damaged or cut off: save or download it again.") from error


def _checked(values: np.ndarray, *, is_scaled: bool) -> np.ndarray:
    # Coil by coil: each copy of a whole slice at the limit takes as much again.
    size = max(float(np.abs(part).max()) for coil in values for part in (coil.real, coil.imag))
    if not all(np.isfinite(coil).all() for coil in values):
        raise FileError("The k-space has NaN or infinite values: replace them, then save it again.")
    if size == 0:
        raise FileError("The k-space holds only zeros: save the measured samples.")
    size = size if is_scaled else 1.0
    samples = np.empty(values.shape, np.complex64)
    power = np.zeros(values.shape[1:], np.float32)
    for kept, coil in zip(samples, values, strict=True):
        # Divided first: what scanners write may be too small or too large for squares in single precision.
        kept.real, kept.imag = coil.real / size, coil.imag / size
        power += kept.real**2 + kept.imag**2
    h, w = values.shape[1:]
    tall, wide = h // 8, w // 8
    corners = power[np.ix_(np.r_[-tall:tall], np.r_[-wide:wide])].sum()
    if corners > power[h // 2 - tall : h // 2 + tall, w // 2 - wide : w // 2 + wide].sum():
        raise FileError(
            "Zero frequency stands in the corner: save numpy.fft.fftshift(kspace, axes=(-2, -1)) instead."
        )
    return samples


def _slices(shape: tuple[int, ...], kind: np.dtype, *, is_single: bool = False) -> tuple[int, int, int, int]:
    """Slices, coils, height and width from a header; refuses what is no k-space, or too much of it."""
    size = written(shape)
    if kind.kind != "c":
        raise FileError("The k-space holds no complex numbers: save it as complex64.")
    if len(shape) not in (2, 3, 4):
        raise FileError(f"The k-space has the shape {size}: {_AXES}, or slice × coil × ky × kx.")
    if is_single and len(shape) == 3:
        shape = (shape[0], 1, *shape[1:])
    slices, coils, height, width = (1,) * (4 - len(shape)) + shape
    if min(shape) == 0:
        raise FileError("The k-space holds no numbers: save the measured samples.")
    if min(height, width) < MIN_SIDE:
        turned = "the coils come first: " if len(shape) > 2 and coils >= MIN_SIDE else ""
        raise FileError(
            f"The k-space has the shape {size}, below {MIN_SIDE} × {MIN_SIDE} samples: {turned}{_AXES}."
        )
    if coils > MAX_COILS:
        raise FileError(
            f"The k-space has {coils} coils and the limit is {MAX_COILS}: {_AXES}, or fewer coils."
        )
    if slices > MAX_SLICES:
        raise FileError(f"The k-space has {slices} slices and the limit is {MAX_SLICES}: save some of them.")
    if max(height, width) > MAX_SIDE or coils * height * width * kind.itemsize > MAX_UNPACKED:
        raise FileError(f"The k-space is too large with {size} samples: crop it, or save fewer coils.")
    return slices, coils, height, width


def _place(number: int | None, slices: int) -> int:
    """The slice to read, counted from 0."""
    return slices // 2 if number is None else min(max(number, 1), slices) - 1


def _read_npz(data: bytes, number: int | None) -> tuple[np.ndarray, tuple[int, int, int, int], int]:
    values = numpy_formats.npz(data, NAMES)
    whole = _slices(values.shape, values.dtype)
    at = _place(number, whole[0])
    return values.reshape(whole)[at], whole, at


def _read_npy(data: bytes, number: int | None) -> tuple[np.ndarray, tuple[int, int, int, int], int]:
    file = io.BytesIO(data[: 2**17])
    shape, is_column_major, kind = numpy_formats.header(file)
    whole = _slices(shape, kind)
    count = math.prod(whole)
    if len(data) - file.tell() < count * kind.itemsize:
        raise FileError("The file is damaged or cut off: save or download it again.")
    flat = np.frombuffer(data, kind, count, file.tell())
    values = flat.reshape(shape, order="F" if is_column_major else "C").reshape(whole)
    at = _place(number, whole[0])
    return values[at], whole, at


def _read_hdf5(data: bytes, number: int | None) -> tuple[np.ndarray, tuple[int, int, int, int], int]:
    with h5py.File(io.BytesIO(data), "r") as file:
        link = file.get("kspace", getlink=True)
        if link is None:
            # As they would be typed: a name may hold anything, also the end of a line.
            names = ", ".join(repr(name)[1:-1][:20] for name in _names(file, 3)) or "nothing"
            raise FileError(f"The file has no data set named kspace but {names}: store the samples there.")
        # Links, external and virtual storage name other files, which would be this machine's.
        dataset = file["kspace"] if isinstance(link, h5py.HardLink) else None
        if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
            raise FileError("kspace is no plain data set of this file: store the samples themselves there.")
        # fastMRI's files of one coil leave its axis out, and have a reconstruction of this name.
        whole = _slices(dataset.shape, dataset.dtype, is_single="reconstruction_esc" in file)
        at = _place(number, whole[0])
        has_slices = len(dataset.shape) == 4 or whole[0] > 1
        if dataset.chunks is not None:
            _check_chunks(dataset, dataset.chunks, at if has_slices else None)
        return dataset[at] if has_slices else dataset[()], whole, at


def _names(group: h5py.Group, most: int) -> list[str]:
    """The first names in a group, which may hold millions."""
    names: list[str] = []

    def take(name: bytes) -> bool | None:
        names.append(name.decode(errors="replace"))
        return True if len(names) == most else None

    group.id.links.iterate(take)
    return names


def _check_chunks(dataset: h5py.Dataset, chunk: tuple[int, ...], at: int | None) -> None:
    """Refuse chunks that cost more than the slice is worth: too many, too large, or longer than they say."""
    size = math.prod(chunk) * dataset.dtype.itemsize
    spans = (
        [(0, n) for n in dataset.shape]
        if at is None
        else [(at, at + 1), *((0, n) for n in dataset.shape[1:])]
    )
    starts = [range(low - low % step, high, step) for (low, high), step in zip(spans, chunk, strict=True)]
    count = math.prod(map(len, starts))
    if size > MAX_UNPACKED or count > MAX_CHUNKS or count * size > MAX_WORK:
        raise FileError(
            "The chunks of kspace are too large or too many to unpack here: store it slice by slice."
        )
    plan = dataset.id.get_create_plist()
    filters = [plan.get_filter(n)[0] for n in range(plan.get_nfilters())]
    if len(set(filters)) < len(filters) or not set(filters) <= _FILTERS:
        raise FileError("kspace is packed in a way that is not read here: store it with gzip, or as it is.")
    if h5z.FILTER_DEFLATE not in filters:
        return
    for start in itertools.product(*starts):
        try:
            skipped, packed = dataset.id.read_direct_chunk(start)
        except (OSError, RuntimeError):  # never written: a slice with gaps
            continue
        is_packed = not skipped & 1 << filters.index(h5z.FILTER_DEFLATE)
        if is_packed and not unpacks_within(packed, size + _CHECKSUM):
            raise FileError("A chunk of kspace unpacks to more than its size: store it again.")
