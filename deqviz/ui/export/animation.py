"""The kept iterates of a run as a moving picture. No Streamlit in here.

GIF moves everywhere, slides and mails included, and of grey pictures it is exact: its 256 colours are the 256
greys. Colour would need more than those, and is shared out among 256 with dither; so there is APNG too, exact
in colour, as large as two GIFs, which browsers play and office programs do not. Lossless WebP was measured as
well: the size of APNG at five times the work, and fewer programs open it.
"""

import math

from deqviz.core.numbers import decibels
from deqviz.io.animation import Page, animated
from deqviz.runtime.export_record import Record
from deqviz.runtime.logbook import Frame

MOST, FEWEST = 48, 20
"""Iterates shown, at 256 × 256 and where pictures are far larger: a GIF of 256 × 256 stays below 5 MB."""
STEP, HOLD = 120, 2500
"""Milliseconds of one iterate, and of the last one."""
LEAST = 224
"""Pixels that the words under a picture need; smaller pictures are enlarged in whole pixels."""


def gif(record: Record) -> bytes:
    """The kept iterates with k and PSNR below, for ever; the last one is held."""
    return animated(*_pages(record), "GIF")


def apng(record: Record) -> bytes:
    """As `gif`, every pixel exact in colour too."""
    return animated(*_pages(record), "PNG")


def chosen(record: Record) -> list[Frame]:
    """The iterates that are shown: the kept ones lie evenly in log k, and so do some of them."""
    frames = record.frames
    height, width = frames[-1].pixels.shape[1:]
    most = min(MOST, max(FEWEST, MOST * 256**2 // (height * width)))
    if len(frames) <= most:
        return list(frames)
    return [frames[round(i * (len(frames) - 1) / (most - 1))] for i in range(most)]


def _pages(record: Record) -> tuple[list[Page], list[int]]:
    """The pages, and for how many milliseconds each is shown."""
    pages = [_page(frame) for frame in chosen(record)]
    return pages, [STEP] * (len(pages) - 1) + [HOLD]


def _page(frame: Frame) -> Page:
    """The picture, and below it k and PSNR."""
    quality = decibels(frame.psnr) if math.isfinite(frame.psnr) else ""
    return Page(frame.pixels, math.ceil(LEAST / frame.pixels.shape[2]), f"k = {frame.k}", quality)
