"""The kept iterates of a run as a moving picture. No Streamlit in here.

GIF moves everywhere, slides and mails included, and of grey pictures it is exact: its 256 colours are the 256
greys. Colour would need more than those, and is shared out among 256 with dither; so there is APNG too, exact
in colour, as large as two GIFs, which browsers play and office programs do not. Lossless WebP was measured as
well: the size of APNG at five times the work, and fewer programs open it.
"""

import io
import math
from functools import cache

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from deqviz.runtime.export_record import Record
from deqviz.runtime.logbook import Frame
from deqviz.ui.export.files import to_picture

MOST, FEWEST = 48, 20
"""Iterates shown, at 256 × 256 and where pictures are far larger: a GIF of 256 × 256 stays below 5 MB."""
STEP, HOLD = 120, 2500
"""Milliseconds of one iterate, and of the last one."""
LEAST = 224
"""Pixels that the words under a picture need; smaller pictures are enlarged in whole pixels."""
_STRIP, _PAPER, _INK = 24, 255, 30


def gif(record: Record) -> bytes:
    """The kept iterates with k and PSNR below, for ever; the last one is held."""
    pages = _pages(record)
    if pages[0].mode == "RGB":
        # One palette for all: palettes of their own would make flat parts flicker.
        palette = _sheet(pages).quantize(256, method=Pillow.Quantize.MEDIANCUT)
        pages = [p.quantize(palette=palette, dither=Pillow.Dither.FLOYDSTEINBERG) for p in pages]
    return _saved(pages, "GIF")


def apng(record: Record) -> bytes:
    """As `gif`, every pixel exact in colour too."""
    return _saved(_pages(record), "PNG")


def chosen(record: Record) -> list[Frame]:
    """The iterates that are shown: the kept ones lie evenly in log k, and so do some of them."""
    frames = record.frames
    height, width = frames[-1].pixels.shape[1:]
    most = min(MOST, max(FEWEST, MOST * 256**2 // (height * width)))
    if len(frames) <= most:
        return list(frames)
    return [frames[round(i * (len(frames) - 1) / (most - 1))] for i in range(most)]


def _saved(pages: list[Pillow.Image], kind: str) -> bytes:
    file = io.BytesIO()
    times = [STEP] * (len(pages) - 1) + [HOLD]
    if len(pages) == 1:
        pages[0].save(file, kind)
    else:
        pages[0].save(file, kind, save_all=True, append_images=pages[1:], duration=times, loop=0)
    return file.getvalue()


def _pages(record: Record) -> list[Pillow.Image]:
    return [_page(frame) for frame in chosen(record)]


def _page(frame: Frame) -> Pillow.Image:
    """The picture, and below it k and PSNR."""
    picture = to_picture(frame.pixels)
    factor = math.ceil(LEAST / picture.width)
    picture = picture.resize((factor * picture.width, factor * picture.height), Pillow.Resampling.NEAREST)
    is_grey = picture.mode == "L"
    page = Pillow.new(picture.mode, (picture.width, picture.height + _STRIP), _grey(_PAPER, is_grey))
    page.paste(picture)
    draw, middle, ink = ImageDraw.Draw(page), picture.height + _STRIP / 2, _grey(_INK, is_grey)
    draw.text((6, middle), f"k = {frame.k}", ink, _font(), anchor="lm")
    if math.isfinite(frame.psnr):
        draw.text((page.width - 6, middle), f"{frame.psnr:.2f} dB", ink, _font(), anchor="rm")
    return page


def _grey(level: int, is_grey: bool) -> int | tuple[int, int, int]:
    return level if is_grey else (level, level, level)


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(14)


def _sheet(pages: list[Pillow.Image]) -> Pillow.Image:
    """The first and the last page side by side: the colours of the run."""
    first, last = pages[0], pages[-1]
    sheet = Pillow.new("RGB", (2 * first.width, first.height))
    sheet.paste(first)
    sheet.paste(last, (first.width, 0))
    return sheet
