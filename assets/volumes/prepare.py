"""Make the volumes anew: python assets/volumes/prepare.py --head ch2.nii.gz."""

import argparse
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

HERE = Path(__file__).parent
SLAB = slice(70, 110)
"""Axial slices of 1 mm that no training recipe sees."""
ACROSS = 5
"""Slices beside each other in the mosaic."""


def head(volume: Path) -> Image.Image:
    """The slab at 2 mm as a mosaic, anterior up; the brightest thousandth of the head saturates."""
    raw = np.asanyarray(nibabel.Nifti1Image.from_filename(volume).dataobj).astype(np.float64)
    upright = (raw / np.quantile(raw, 0.999)).transpose(2, 1, 0)[SLAB, ::-1][:, :216, :180]
    d, h, w = (n // 2 for n in upright.shape)
    halved = upright.reshape(d, 2, h, 2, w, 2).mean((1, 3, 5)).clip(0, 1)
    rows = halved.reshape(d // ACROSS, ACROSS, h, w).transpose(0, 2, 1, 3)
    return Image.fromarray((255 * rows.reshape(-1, ACROSS * w)).round().astype(np.uint8))


def main() -> None:
    """Write every mosaic beside this file."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--head", type=Path, required=True, help="ch2.nii.gz of Debian's mricron-data")
    head(arguments.parse_args().head).save(HERE / "head.png", optimize=True)


if __name__ == "__main__":
    main()
