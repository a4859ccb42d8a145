"""The images of a sweep: those of the gallery, and files, which travel with their cells."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from deqviz import images, io
from deqviz.core.quoted import named, printable, quoted


@dataclass(frozen=True)
class Shown:
    """An image by its key and its name; `pixels` where it is not in the gallery."""

    key: str
    title: str
    pixels: torch.Tensor | None = field(default=None, compare=False, repr=False)

    def keep(self) -> None:
        """Make it known to this process."""
        if self.pixels is not None:
            images.keep(self.pixels, self.key.removeprefix("upload-"))


def files_of(folder: Path, pattern: str) -> Sequence[Path]:
    """The files of a path that may hold * and ?, in the order of their names; none of them is opened.

    Raises ValueError when there is none.
    """
    path = Path(pattern)
    base, rest = (Path(path.anchor), str(path.relative_to(path.anchor))) if path.anchor else (folder, pattern)
    try:
        if (base / rest).is_file():  # as it stands: a name may hold brackets
            return [base / rest]
        files = sorted(file for file in base.glob(rest) if file.is_file())
    except OSError:  # longer than the disk's names
        files = []
    except (ValueError, NotImplementedError, RecursionError):
        hint = " ** stands for folders, alone between two /, such as **/*.png." if "**" in rest else ""
        raise ValueError(f"pictures: {quoted(pattern)} is no path of files.{hint}") from None
    if not files:
        raise ValueError(f"pictures: no file is called {quoted(pattern)} in {folder.resolve()}.")
    return files


def read(file: Path) -> Shown:
    """The image in a file; raises ValueError for one that is none."""
    name = named(file.name)
    try:
        found = io.open(file)
    except io.FileError as error:
        raise ValueError(f"pictures: {name}: {error}") from None
    if not isinstance(found, io.Image):
        raise ValueError(f"pictures: {name} is no image: a sweep takes images only.")
    x = torch.from_numpy(found.pixels)[None]
    # Of the pixels, not of the file: the same image saved anew is the same cell.
    key = images.keep(x, hashlib.sha256(x.numpy().tobytes()).hexdigest())
    return Shown(key, printable(file.stem), x)
