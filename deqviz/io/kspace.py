"""Uploaded k-space: NPY and HDF5, checked by their headers before any sample is unpacked."""

import hashlib
import io
import math
from dataclasses import dataclass, field

import h5py
import numpy as np
import torch
from jaxtyping import Complex
from numpy.lib import format as npy
from torch import Tensor

from deqviz.io.images import MIN_SIDE, UploadError, written

SUFFIXES = ("h5", "hdf5")
"""What a file picker should offer beside the images, NPY being among them already."""
MAX_BYTES = 200 * 2**20
"""Of a file; as much as `server.maxUploadSize`."""
MAX_SLICE = 128 * 2**20
"""Of one slice, or one chunk of HDF5, when unpacked."""
MAX_SIDE, MAX_COILS = 4096, 64
_HDF5 = b"\x89HDF\r\n\x1a\n"
_AXES = "save it as coil × ky × kx"


@dataclass(frozen=True)
class KspaceUpload:
    """One slice that was read: its `digest` is that of the file and the slice, and alone decides equality.

    `size` is width and height, `number` counts from 1 up to `slices`.
    """

    digest: str
    samples: Complex[Tensor, "coils h w"] = field(compare=False)
    size: tuple[int, int] = field(compare=False)
    number: int = field(compare=False)
    slices: int = field(compare=False)


def is_kspace(data: bytes) -> bool:
    """Whether the content is HDF5 or a complex NPY: everything else is left to the reader of images."""
    if data.startswith(_HDF5):
        return True
    if not data.startswith(npy.MAGIC_PREFIX):
        return False
    try:
        return _npy_header(io.BytesIO(data))[2].kind == "c"
    except Exception:  # damaged: the reader of images says so
        return False


def read_kspace(data: bytes, number: int | None = None) -> KspaceUpload:
    """One slice of the file, the middle one unless its `number` is given; the largest sample has size 1.

    NPY of coil × ky × kx, or HDF5 with a data set `kspace` of that shape, as fastMRI publishes it; before
    them there may be an axis of slices, and ky × kx is one coil. Zero frequency stands in the middle.
    Raises UploadError, and nothing else, whatever the bytes are.
    """
    if len(data) > MAX_BYTES:
        raise UploadError(
            f"The file has {len(data) / 2**20:.0f} MB and the limit is 200 MB: save one slice of it."
        )
    try:
        array, shape, at = _read_hdf5(data, number) if data.startswith(_HDF5) else _read_npy(data, number)
    except UploadError:
        raise
    except MemoryError:
        raise UploadError("The k-space is too large to unpack here: save one slice of it.") from None
    except Exception as error:  # h5py raises whatever it likes on damaged bytes
        raise UploadError("The file is damaged or cut off: save or download it again.") from error
    samples = _checked(array.reshape(shape[1:]))
    digest = hashlib.sha256(hashlib.sha256(data).digest() + at.to_bytes(4, "little")).hexdigest()
    height, width = samples.shape[1:]
    return KspaceUpload(digest, samples, (width, height), at + 1, shape[0])


def _checked(values: np.ndarray) -> Complex[Tensor, "coils h w"]:
    # Coil by coil: each copy of a whole slice at the limit takes as much again.
    size = max(float(np.abs(part).max()) for coil in values for part in (coil.real, coil.imag))
    if not all(np.isfinite(coil).all() for coil in values):
        raise UploadError("The k-space has NaN or infinite values: replace them, then save it again.")
    if size == 0:
        raise UploadError("The k-space holds only zeros: save the measured samples.")
    samples = torch.empty(values.shape, dtype=torch.complex64)
    power = torch.zeros(values.shape[1:])
    for kept, coil in zip(samples, values, strict=True):
        # Divided first: what scanners write may be too small or too large for squares in single precision.
        kept.copy_(torch.from_numpy((coil / size).astype(np.complex64)))
        power += kept.abs().square()
    h, w = power.shape
    tall, wide = h // 8, w // 8
    corners = torch.roll(power, (tall, wide), (0, 1))[: 2 * tall, : 2 * wide].sum()
    if corners > power[h // 2 - tall : h // 2 + tall, w // 2 - wide : w // 2 + wide].sum():
        raise UploadError(
            "Zero frequency stands in the corner: save numpy.fft.fftshift(kspace, axes=(-2, -1)) instead."
        )
    return samples


def _slices(shape: tuple[int, ...], kind: np.dtype, *, is_single: bool = False) -> tuple[int, int, int, int]:
    """Slices, coils, height and width from a header; refuses what is no k-space, or too much of it."""
    size = written(shape)
    if kind.kind != "c":
        raise UploadError("The k-space holds no complex numbers: save it as complex64.")
    if len(shape) not in (2, 3, 4):
        raise UploadError(f"The k-space has the shape {size}: {_AXES}, or slice × coil × ky × kx.")
    if is_single and len(shape) == 3:
        shape = (shape[0], 1, *shape[1:])
    slices, coils, height, width = (1,) * (4 - len(shape)) + shape
    if min(shape) == 0:
        raise UploadError("The k-space holds no numbers: save the measured samples.")
    if min(height, width) < MIN_SIDE:
        turned = "the coils come first: " if len(shape) > 2 and coils >= MIN_SIDE else ""
        raise UploadError(
            f"The k-space has the shape {size}, below {MIN_SIDE} × {MIN_SIDE} samples: {turned}{_AXES}."
        )
    if coils > MAX_COILS:
        raise UploadError(
            f"The k-space has {coils} coils and the limit is {MAX_COILS}: {_AXES}, or fewer coils."
        )
    if max(height, width) > MAX_SIDE or coils * height * width * kind.itemsize > MAX_SLICE:
        raise UploadError(f"The k-space is too large with {size} samples: crop it, or save fewer coils.")
    return slices, coils, height, width


def _place(number: int | None, slices: int) -> int:
    """The slice to read, counted from 0."""
    return slices // 2 if number is None else min(max(number, 1), slices) - 1


def _npy_header(file: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy.read_magic(file)
    return npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)


def _read_npy(data: bytes, number: int | None) -> tuple[np.ndarray, tuple[int, int, int, int], int]:
    file = io.BytesIO(data)
    shape, is_column_major, kind = _npy_header(file)
    whole = _slices(shape, kind)
    count = math.prod(whole)
    if len(data) - file.tell() < count * kind.itemsize:
        raise UploadError("The file is damaged or cut off: save or download it again.")
    flat = np.frombuffer(data, kind, count, file.tell())
    values = flat.reshape(shape, order="F" if is_column_major else "C").reshape(whole)
    at = _place(number, whole[0])
    return values[at], whole, at


def _read_hdf5(data: bytes, number: int | None) -> tuple[np.ndarray, tuple[int, int, int, int], int]:
    with h5py.File(io.BytesIO(data), "r") as file:
        link = file.get("kspace", getlink=True)
        if link is None:
            # As they would be typed: a name may hold anything, also the end of a line.
            names = ", ".join(repr(name)[1:-1][:20] for name in list(file)[:3]) or "nothing"
            raise UploadError(f"The file has no data set named kspace but {names}: store the samples there.")
        # Links, external and virtual storage name other files, which would be this machine's.
        dataset = file["kspace"] if isinstance(link, h5py.HardLink) else None
        if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
            raise UploadError("kspace is no plain data set of this file: store the samples themselves there.")
        # fastMRI's files of one coil leave its axis out, and have a reconstruction of this name.
        whole = _slices(dataset.shape, dataset.dtype, is_single="reconstruction_esc" in file)
        if dataset.chunks is not None and math.prod(dataset.chunks) * dataset.dtype.itemsize > MAX_SLICE:
            raise UploadError("The chunks of kspace are too large to unpack here: store it slice by slice.")
        at = _place(number, whole[0])
        return dataset[at] if len(dataset.shape) == 4 or whole[0] > 1 else dataset[()], whole, at
