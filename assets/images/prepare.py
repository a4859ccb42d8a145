"""Make the gallery's pictures anew: python assets/images/prepare.py --head ch2.nii.gz."""

import argparse
from pathlib import Path

import nibabel
import numpy as np
import skimage
from PIL import Image, ImageDraw, ImageFont

SIDE = 256
HERE = Path(__file__).parent
WHEEL = Path(skimage.__file__).parent / "data"

# key: file in the scikit-image wheel, crop as left, top, side; a crop below 256 would only invent pixels.
CROPS: dict[str, tuple[str, int, int, int]] = {
    "camera": ("camera.png", 0, 0, 512),
    "astronaut": ("astronaut.png", 64, 0, 320),
    "coins": ("coins.png", 116, 34, 260),
    "tissue": ("ihc.png", 0, 0, 400),
    "cat": ("chelsea.png", 60, 0, 300),
    "coffee": ("coffee.png", 120, 0, 400),
    "brick": ("brick.png", 0, 0, 512),
    "retina": ("retina.jpg", 60, 330, 700),
    "galaxies": ("hubble_deep_field.jpg", 40, 90, 340),
}

PAGE = """\
A fixed point is a place
where a map leaves you
alone. If the map shrinks
every distance, there is
only one such place, and
every start leads to it:
each step closes the gap
by the same factor, so
the error falls like 0.9
to the power of k, and a
picture comes to rest."""


def crop(name: str, left: int, top: int, side: int) -> Image.Image:
    """A square of one wheel picture, resized by Lanczos."""
    with Image.open(WHEEL / name) as picture:
        square = picture.crop((left, top, left + side, top + side))
        return square.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def page() -> Image.Image:
    """A printed page under a lamp, drawn with the font that Pillow carries."""
    scale = 4
    side = SIDE * scale
    sheet = Image.new("L", (side, side), 255)
    font = ImageFont.load_default(size=17.5 * scale)
    corner = (20 * scale, 14 * scale)
    ImageDraw.Draw(sheet).multiline_text(corner, PAGE, fill=20, font=font, spacing=4.5 * scale)
    turned = sheet.rotate(1.2, Image.Resampling.BICUBIC, fillcolor=255)
    small = turned.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    down, right = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    lamp = 0.62 + 0.36 * np.exp(-2.0 * ((right - 0.75) ** 2 + (down - 0.2) ** 2))
    return Image.fromarray((np.asarray(small) * lamp).round().astype(np.uint8))


def brain(volume: Path, height: int = 60) -> Image.Image:
    """One axial slice, anterior up, centred on black; the scalp's brightest thousandth saturates."""
    slab = np.asanyarray(nibabel.Nifti1Image.from_filename(volume).dataobj)[:, :, height].astype(np.float64)
    upright = np.rot90(slab / np.quantile(slab, 0.999)).clip(0, 1)
    canvas = np.zeros((SIDE, SIDE))
    top, left = ((SIDE - n) // 2 for n in upright.shape)
    canvas[top : top + upright.shape[0], left : left + upright.shape[1]] = upright
    return Image.fromarray((255 * canvas).round().astype(np.uint8))


def main() -> None:
    """Write every PNG beside this file."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--head", type=Path, required=True, help="ch2.nii.gz of Debian's mricron-data")
    head = arguments.parse_args().head
    pictures = {key: crop(*box) for key, box in CROPS.items()} | {"page": page(), "brain": brain(head)}
    for key, picture in pictures.items():
        picture.save(HERE / f"{key}.png", optimize=True)


if __name__ == "__main__":
    main()
