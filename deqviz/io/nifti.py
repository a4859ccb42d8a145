"""NIfTI volumes, for training and benchmarks."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32


def read_nifti(path: Path) -> Float32[np.ndarray, "x y z"]:
    """The voxels as stored; raises ValueError where nibabel is missing, with the line that installs it."""
    try:
        # The app does without this package.
        import nibabel
    except ImportError:
        raise ValueError("Reading NIfTI needs nibabel: pip install nibabel==5.4.2") from None
    return np.asarray(nibabel.load(path).dataobj, dtype=np.float32)  # type: ignore[attr-defined]
