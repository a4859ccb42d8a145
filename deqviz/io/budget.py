"""What an upload may cost to read, whatever it says itself, and the sentence for one that costs more."""

import zlib
from typing import TypeAlias

MAX_BYTES = 10 * 2**20
"""Of an image's file."""
MAX_PIXELS = 4096 * 4096
LOCAL_PIXELS = 64_000_000
"""Of an image on the disk of whoever runs this, which nobody sent."""
MAX_UNPACKED = 128 * 2**20
"""Of one image, or one slice of k-space."""
MAX_LINES = 64 * 2**20
"""Of a table, as lines of JSON: its file is bounded by less, but may hold a text a thousand times."""
MIN_SIDE = 32
_PIECE = 2**18

Buffer: TypeAlias = bytes | memoryview


class FileError(ValueError):
    """Its text is one sentence for the person whose file it is: what is wrong, and what to do."""


def written(shape: tuple[int, ...]) -> str:
    """For messages: "4 × 48 × 40", and of very many axes the first ones."""
    return " × ".join([*map(str, shape[:6]), *(["…"] if len(shape) > 6 else [])])


def too_many(width: int, height: int, most: int) -> FileError:
    """The refusal of an image with more than `most` pixels."""
    limit = "4096 × 4096" if most == MAX_PIXELS else f"{most // 10**6} million"
    return FileError(
        f"The image has {width} × {height} pixels and the limit is {limit}: make it smaller first."
    )


def unpacks_within(packed: Buffer, most: int) -> bool:
    """Whether a zlib stream ends before it has given more than `most` bytes, of which none is kept.

    The libraries that read TIFF and HDF5 unpack a piece to its end, though its header promised little.
    """
    stream, count = zlib.decompressobj(), 0
    for at in range(0, len(packed), _PIECE):
        piece = bytes(packed[at : at + _PIECE])
        while piece and not stream.eof and count <= most:
            count += len(stream.decompress(piece, _PIECE))
            piece = stream.unconsumed_tail
    return count <= most
