"""Letters as pixels, for masks of text."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont


def lettering(text: str, height: int, width: int) -> NDArray[np.bool_]:
    """Where the letters of `text`, repeated over a whole image of height × width, cover a pixel."""
    font = ImageFont.load_default(size=max(8, height // 10))
    page = Pillow.new("L", (width, height), 0)
    pen = ImageDraw.Draw(page)
    once = pen.textlength(text + " ", font=font)
    line = (text + " ") * (2 + int(width / max(once, 1)))
    top, bottom = (round(v) for v in font.getbbox("Äg")[1::2])
    for n, row in enumerate(range(-top, height, max(4, round(1.5 * (bottom - top))))):
        # Every other line starts half a text earlier, so that no column stays free of letters.
        pen.text((-(n % 2) * once / 2, row), line, fill=255, font=font)
    return np.asarray(page) > 127
