"""Masks that a person paints, as a short text in the address: a grid of cells, lost or seen. No Streamlit."""

import base64
import binascii

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

CELLS = 32
"""A side of the grid: strokes on a picture of 64 pixels need no finer one, and 171 letters hold it."""
_BYTES = CELLS * CELLS // 8


def written(lost: Tensor) -> str:
    """A grid of `CELLS` × `CELLS` truth values as text: eight cells a byte, base64 for addresses."""
    bits = np.packbits(lost.bool().numpy().astype(np.uint8).ravel())
    return base64.urlsafe_b64encode(bits.tobytes()).decode().rstrip("=")


def lost_cells(text: str) -> Tensor:
    """The grid of a text; raises ValueError with a sentence for one that is none."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != _BYTES:
        raise ValueError("The painted mask in this link is damaged: paint it again.")
    return torch.from_numpy(np.unpackbits(np.frombuffer(raw, np.uint8)).reshape(CELLS, CELLS)).bool()


def check(text: str) -> None:
    """Raise ValueError, with a sentence for the user, unless `text` is a mask."""
    lost_cells(text)


def seen_pixels(text: str, height: int, width: int) -> Tensor:
    """1 × 1 × height × width, 1 where a pixel is seen; the grid is stretched over the picture."""
    lost = lost_cells(text)[None, None].float()
    return 1 - F.interpolate(lost, (height, width), mode="nearest")


def _first() -> str:
    """A bent stroke, to begin with."""
    y, x = torch.meshgrid(torch.arange(CELLS) + 0.5, torch.arange(CELLS) + 0.5, indexing="ij")
    return written((y - CELLS / 2 - 6 * torch.sin(x / 5)).abs() < 2)


FIRST = _first()
"""What is on the pad before anybody paints."""
