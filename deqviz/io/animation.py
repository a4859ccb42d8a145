"""Moving images with a caption below, as GIF and as animated PNG."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from deqviz.io.pixels import Pixels, to_picture

_STRIP, _PAPER, _INK = 24, 255, 30


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a moving image: pixels enlarged by a whole factor, and two captions below."""

    pixels: Pixels
    factor: int
    left: str
    right: str


def animated(pages: Sequence[Page], milliseconds: Sequence[int], kind: Literal["GIF", "PNG"]) -> bytes:
    """The pages one after the other, for ever; a GIF shares one palette of 256 colours, a PNG is exact."""
    drawn = [_page(page) for page in pages]
    if kind == "GIF" and drawn[0].mode == "RGB":
        # One palette for all, of the first and the last: palettes of their own would make flat parts flicker.
        sheet = Pillow.new("RGB", (2 * drawn[0].width, drawn[0].height))
        sheet.paste(drawn[0])
        sheet.paste(drawn[-1], (drawn[0].width, 0))
        palette = sheet.quantize(256, method=Pillow.Quantize.MEDIANCUT)
        drawn = [p.quantize(palette=palette, dither=Pillow.Dither.FLOYDSTEINBERG) for p in drawn]
    file = io.BytesIO()
    if len(drawn) == 1:
        drawn[0].save(file, kind)
    else:
        drawn[0].save(file, kind, save_all=True, append_images=drawn[1:], duration=list(milliseconds), loop=0)
    return file.getvalue()


def _page(page: Page) -> Pillow.Image:
    picture = to_picture(page.pixels)
    size = (page.factor * picture.width, page.factor * picture.height)
    picture = picture.resize(size, Pillow.Resampling.NEAREST)
    is_grey = picture.mode == "L"
    sheet = Pillow.new(picture.mode, (picture.width, picture.height + _STRIP), _grey(_PAPER, is_grey))
    sheet.paste(picture)
    draw, middle, ink = ImageDraw.Draw(sheet), picture.height + _STRIP / 2, _grey(_INK, is_grey)
    draw.text((6, middle), page.left, ink, _font(), anchor="lm")
    draw.text((sheet.width - 6, middle), page.right, ink, _font(), anchor="rm")
    return sheet


def _grey(level: int, is_grey: bool) -> int | tuple[int, int, int]:
    return level if is_grey else (level, level, level)


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(14)
