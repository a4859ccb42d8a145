"""The gallery of ground truths: small pictures of assets/images, and one phantom that is drawn."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deqviz.core.quoted import quoted
from deqviz.core.size import fitted
from deqviz.core.space import Image, extent, in_phase
from deqviz.core.uploads import Uploads
from deqviz.io.pixels import decoded
from deqviz.resources import ASSETS

FOLDER = ASSETS / "images"
SIDE = 256
KEPT = 64
"""Uploads held at once, by one visitor a quarter of them: at 256 × 256 in colour all take 50 MB."""

_LOST = "The uploaded image of this link is not kept here: upload it again."
_UPLOAD = re.compile(r"upload-[0-9a-f]{16}")
_uploads: Uploads[Image] = Uploads(KEPT, KEPT // 4, lambda _: 1)

Kind = Literal["photograph", "head", "drawing"]
"""What training images are told apart by."""


@dataclass(frozen=True)
class Picture:
    """One entry of the gallery; `path` is None where the picture is drawn in code."""

    key: str
    title: str
    channels: int
    credit: str
    path: Path | None
    kind: Kind = "photograph"


def _file(key: str, title: str, channels: int, credit: str, kind: Kind = "photograph") -> Picture:
    return Picture(key, title, channels, credit, FOLDER / f"{key}.png", kind)


# The order is the one on screen. Keys stand in shared URLs and never change.
_GALLERY = (
    _file("camera", "Cameraman", 1, "Lav Varshney, CC0"),
    _file("astronaut", "Astronaut", 3, "NASA, public domain"),
    _file("coins", "Greek coins", 1, "Brooklyn Museum, no known restrictions"),
    _file("page", "Page of text", 1, "DEQViz developers, BSD-3-Clause"),
    _file(
        "brain",
        "Brain slice",
        1,
        "Louis Collins, McConnell Brain Imaging Centre, free use with notice",
        "head",
    ),
    Picture("phantom", "Shepp–Logan phantom", 1, "drawn, after Toft 1996", None, "drawing"),
    _file("tissue", "Tissue (histology)", 3, "CMMI, no known restrictions"),
    _file("retina", "Retina", 3, "Mikael Häggström, CC0"),
    _file("cat", "Chelsea the cat", 3, "Stéfan van der Walt, CC0"),
    _file("coffee", "Coffee cup", 3, "Rachel Michetti, CC0"),
    _file("brick", "Brick wall", 1, "CC0Textures, CC0"),
    _file("galaxies", "Hubble deep field", 3, "NASA, public domain"),
)
_BY_KEY = {picture.key: picture for picture in _GALLERY}

# Modified Shepp-Logan phantom (Toft 1996) on [−1, 1]²: intensity, half axes, centre, angle in degrees.
_ELLIPSES = (
    (1.0, 0.69, 0.92, 0.0, 0.0, 0.0),
    (-0.8, 0.6624, 0.8740, 0.0, -0.0184, 0.0),
    (-0.2, 0.1100, 0.3100, 0.22, 0.0, -18.0),
    (-0.2, 0.1600, 0.4100, -0.22, 0.0, 18.0),
    (0.1, 0.2100, 0.2500, 0.0, 0.35, 0.0),
    (0.1, 0.0460, 0.0460, 0.0, 0.1, 0.0),
    (0.1, 0.0460, 0.0460, 0.0, -0.1, 0.0),
    (0.1, 0.0460, 0.0230, -0.08, -0.605, 0.0),
    (0.1, 0.0230, 0.0230, 0.0, -0.606, 0.0),
    (0.1, 0.0230, 0.0460, 0.06, -0.605, 0.0),
)


def gallery() -> tuple[Picture, ...]:
    """Every picture, in the order in which to show them."""
    return _GALLERY


def check(key: str) -> None:
    """Raise ValueError, with a sentence for the user, unless `load` knows the key."""
    if key.startswith("upload-"):
        if key not in _uploads:
            raise ValueError(_LOST)
    elif key not in _BY_KEY:
        raise ValueError(f"There is no image {quoted(key)}; known are {', '.join(_BY_KEY)}.")


def load(key: str, dtype: torch.dtype = torch.float32) -> Image:
    """The picture as 1 × c × h × w in [0, 1], on the CPU; c is 1 or 3, and the gallery's are 256 × 256.

    Only keys of the gallery and of `keep` are read, so that a key out of a URL cannot name any other file.
    """
    check(key)
    if key not in _BY_KEY:
        try:
            return _uploads[key].to(dtype, copy=True)
        except KeyError:  # dropped since
            raise ValueError(_LOST) from None
    path = _BY_KEY[key].path
    if path is None:
        return from_array(phantom(), dtype)
    return from_array(decoded(path), dtype)


def keep(picture: Image, digest: str, holder: str = "") -> str:
    """Keep an uploaded picture in memory and return its key, `upload-` and the digest's first 16 digits.

    The key is the content's, so that equal keys mean equal pictures. The `holder` is the visitor, with whom
    it goes; beyond 64 the least used of whoever holds most is dropped.
    """
    key = f"upload-{digest[:16]}"
    if not _UPLOAD.fullmatch(key):
        raise ValueError(f"a digest has at least 16 hexadecimal digits, unlike {quoted(digest)}")
    _uploads.keep(key, picture.detach().to("cpu", torch.float32, copy=True), holder)
    return key


def scaled(picture: Image, side: int) -> Float[Tensor, "b c H W"]:
    """The picture with its longer side brought down to `side`; a smaller one is returned as it is."""
    height, width = picture.shape[-2:]
    if max(height, width) <= side:
        return picture
    size = fitted(height, width, side)
    return F.interpolate(picture, size, mode="bicubic", antialias=True).clamp(*extent(picture.shape[1]))


def with_phase(picture: Image, rng: torch.Generator) -> Float[Tensor, "b 2 h w"]:
    """The magnetisation x·e^{iφ} with x as its magnitude and a smooth random phase φ, as two channels.

    Colour becomes its mean. One phase serves the whole batch.
    """
    phase = smooth_phase(picture.shape[2:], rng).to(picture.device, picture.dtype)
    return in_phase(picture.mean(1), phase)


def smooth_phase(shape: Sequence[int], rng: torch.Generator) -> Tensor:
    """φ(r) = Σ_j a_j cos(π k_j·r + b_j) on [0, 1]^d in radians, six waves of at most one period; float64."""
    axes = [torch.linspace(0, 1, n, dtype=torch.float64) for n in shape]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    phase = torch.zeros(tuple(shape), dtype=torch.float64)
    for _ in range(6):
        wave = torch.randint(-2, 3, (len(shape),), generator=rng).double()
        size, turn = (torch.randn((), generator=rng, dtype=torch.float64) for _ in range(2))
        phase += 0.5 * size * torch.cos(math.pi * (torch.tensordot(wave, grid, 1) + turn))
    return phase


def from_array(pixels: np.ndarray, dtype: torch.dtype = torch.float32) -> Image:
    """h × w or h × w × c pixels as 1 × c × h × w; uint8 is divided by 255, floats are taken as they are."""
    if pixels.ndim not in (2, 3):
        raise ValueError(f"an image has 2 or 3 axes, not {pixels.ndim}")
    if pixels.dtype != np.uint8 and not np.issubdtype(pixels.dtype, np.floating):
        raise ValueError(f"pixels are uint8 or floating point, not {pixels.dtype}")
    planes = pixels[:, :, None] if pixels.ndim == 2 else pixels
    # Divided in the wanted precision: 1/255 rounded to float32 first would cost float64 its digits.
    picture = torch.tensor(np.ascontiguousarray(planes.transpose(2, 0, 1))[None]).to(dtype)
    return picture / 255 if pixels.dtype == np.uint8 else picture


@cache
def phantom(side: int = SIDE, oversample: int = 4) -> np.ndarray:
    """The modified Shepp–Logan phantom, side × side in [0, 1], with edges averaged over sub-pixels.

    Drawn once, as it takes a quarter of a second; nobody may write into it.
    """
    n = side * oversample
    grid = (2 * np.arange(n) + 1 - n) / n
    right, up = grid[None, :], -grid[:, None]
    fine = np.zeros((n, n))
    for value, a, b, x, y, degrees in _ELLIPSES:
        angle = np.deg2rad(degrees)
        along = (right - x) * np.cos(angle) + (up - y) * np.sin(angle)
        across = (up - y) * np.cos(angle) - (right - x) * np.sin(angle)
        fine[(along / a) ** 2 + (across / b) ** 2 <= 1] += value
    coarse = fine.reshape(side, oversample, side, oversample).mean((1, 3)).clip(0, 1)
    coarse.flags.writeable = False
    return coarse
