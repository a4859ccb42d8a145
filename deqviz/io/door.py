"""The door for all files: pages, sweeps, scripts and the command line open them here."""

import hashlib
import os
from pathlib import Path
from typing import TypeAlias

from deqviz.core.terminal import because
from deqviz.io import kspace_formats, reader, settings
from deqviz.io.budget import LOCAL_PIXELS, MAX_BYTES, MAX_PIXELS, FileError
from deqviz.io.records import Image, KSpace, Settings

SIDE = 512
"""Images are brought down to it unless somebody asks for another one."""
Source: TypeAlias = bytes | str | os.PathLike[str]


def open(
    source: Source,
    name: str | None = None,
    *,
    side: int = SIDE,
    window: tuple[float, float] | None = None,
    number: int | None = None,
    is_scaled: bool = True,
) -> Image | KSpace | Settings:
    """What a file holds, told by its content: an image, a slice of k-space, or the settings of a run.

    `source` is a path, or the bytes of a file that somebody sent, of which less is accepted; whatever they
    are, a process of its own reads them. Of an image neither side is above `side`, and `window` are the
    numbers that become 0 and 1 where the type of the numbers does not say it. Of k-space, NPY or NPZ of
    coil × ky × kx, or HDF5 with a data set `kspace` of that shape, as fastMRI publishes it, the slice of this
    `number` is read, the middle one without; zero frequency stands in the middle. Without `is_scaled` all
    numbers stay as they are: those of images in [0, 1], and those of k-space.
    Raises FileError, and nothing else, with one sentence for the person whose file it is.
    """
    if isinstance(source, bytes):
        data, pixels, most = source, MAX_PIXELS, MAX_BYTES
    else:
        path = Path(source)
        data, pixels, most = _local(path), LOCAL_PIXELS, kspace_formats.MAX_BYTES
        name = path.name if name is None else name
    if not data:
        raise FileError("The file is empty: choose another one.")
    if settings.is_settings(name or "", data):
        return Settings(settings.read(data))
    if len(data) > kspace_formats.MAX_BYTES:
        raise _too_large(len(data))
    asked = {"side": side, "pixels": pixels, "most": most, "window": window}
    try:
        values, facts = reader.apart("file", data, **asked, number=number, is_scaled=is_scaled)
    except FileError:
        if settings.is_called_so(name or ""):  # and is nothing else
            raise FileError(settings.NONE) from None
        raise
    digest = hashlib.sha256(data)
    if facts["what"] == "image":
        width, height = facts["size"]
        return Image(digest.hexdigest(), values, (width, height), tuple(facts["notes"]))
    place = (facts["number"] - 1).to_bytes(4, "little")
    height, width = values.shape[1:]
    slices = facts["number"], facts["slices"]
    return KSpace(hashlib.sha256(digest.digest() + place).hexdigest(), values, (width, height), *slices)


def _local(path: Path) -> bytes:
    """The bytes of a file on this disk, measured before it is read."""
    try:
        if path.exists() and not path.is_file():  # a folder, or what may never end
            raise FileError("This is no file: choose one.")
        with path.open("rb") as file:
            data = file.read(kspace_formats.MAX_BYTES + 1)
    except OSError as error:
        raise FileError(f"The file cannot be read ({because(error)}): choose another one.") from None
    except ValueError as error:  # NUL in its name
        raise error if isinstance(error, FileError) else FileError("This is no name of a file.") from None
    if len(data) > kspace_formats.MAX_BYTES:
        raise _too_large(path.stat().st_size)
    return data


def _too_large(size: int) -> FileError:
    return FileError(f"The file has {size / 2**20:.0f} MB and the limit is 200 MB: save one slice of it.")
