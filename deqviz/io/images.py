"""Uploaded images: read by a process of its own, whatever the bytes are."""

import hashlib
from dataclasses import dataclass, field

import torch

from deqviz.core.space import Image
from deqviz.io import reader
from deqviz.io.budget import MAX_BYTES, UploadError
from deqviz.io.image_formats import FORMATS, NAMES, SUFFIXES

__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "NAMES",
    "SUFFIXES",
    "Upload",
    "UploadError",
    "read",
]


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
    if not data:
        raise UploadError("The file is empty: choose another one.")
    if len(data) > MAX_BYTES:
        raise UploadError(
            f"The file has {len(data) / 2**20:.1f} MB and the limit is 10 MB: make it smaller or compress it."
        )
    # Of a name only its end is looked at.
    pixels, facts = reader.apart("image", data, name=name[-100:], side=side)
    width, height = facts["size"]
    return Upload(
        hashlib.sha256(data).hexdigest(), torch.from_numpy(pixels)[None], (width, height), facts["note"]
    )
