"""What a file can hold, as it is handed on: equal where the files are, and what was read of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Complex64, Float32
from numpy import ndarray


@dataclass(frozen=True)
class Image:
    """Intensities in [0, 1] with one channel or three.

    `size` is the width and height that the file had; `notes` say what was assumed or changed on the way but
    for the size. `digest` is the SHA-256 of the file.
    """

    digest: str
    pixels: Float32[ndarray, "c h w"] = field(compare=False)
    size: tuple[int, int] = field(compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class KSpace:
    """One slice of k-space, zero frequency in the middle; scaled, its largest part is 1.

    `digest` is that of the file and the slice; `size` is width and height; `number` counts from 1 up to
    `slices`.
    """

    digest: str
    samples: Complex64[ndarray, "coils h w"] = field(compare=False)
    size: tuple[int, int] = field(compare=False)
    number: int = field(compare=False)
    slices: int = field(compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Settings:
    """The fields of a scenario, not yet checked."""

    fields: Mapping[str, Any]
    notes: tuple[str, ...] = ()
