"""Uploaded k-space: read by a process of its own, whatever the bytes are."""

import hashlib
from dataclasses import dataclass, field

import torch
from jaxtyping import Complex
from torch import Tensor

from deqviz.io import reader
from deqviz.io.budget import UploadError
from deqviz.io.kspace_formats import MAX_BYTES, SUFFIXES, is_kspace

__all__ = ["MAX_BYTES", "SUFFIXES", "KspaceUpload", "is_kspace", "read_kspace"]


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
    samples, facts = reader.apart("kspace", data, number=number)
    place = (facts["number"] - 1).to_bytes(4, "little")
    digest = hashlib.sha256(hashlib.sha256(data).digest() + place).hexdigest()
    height, width = samples.shape[1:]
    return KspaceUpload(digest, torch.from_numpy(samples), (width, height), facts["number"], facts["slices"])
