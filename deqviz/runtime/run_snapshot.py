"""What a viewer sees of a run at one moment, immutable."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from deqviz.core.metrics import psnr
from deqviz.core.records import Scalars
from deqviz.core.space import Image
from deqviz.experiments.probe import Probe
from deqviz.runtime.logbook import Frame, to_bytes

State = Literal["preparing", "running", "paused", "checking", "done", "stopped", "diverged", "failed"]

OVER: frozenset[State] = frozenset({"done", "stopped", "diverged", "failed"})


@dataclass(frozen=True, slots=True)
class Setup:
    """What is known once the problem is built; without a truth the PSNR is NaN."""

    truth: np.ndarray | None
    measured: np.ndarray
    measured_psnr: float
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, measured: Image, truth: Image | None) -> "Setup":
        """What is shown of the data's image and of the ground truth."""
        _, channels, height, width = measured.shape
        shown, quality = (None, math.nan) if truth is None else (to_bytes(truth), psnr(measured, truth))
        return cls(shown, to_bytes(measured), quality, (channels, height, width))


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """Everything that a page needs, immutable; `marks` and `psnr` are as long as each other."""

    state: State
    message: str
    marks: tuple[Scalars, ...]
    psnr: tuple[float, ...]
    ssim: Mapping[int, float]
    latest: Frame | None
    frames: tuple[Frame, ...]
    rate: float
    probes: tuple[Probe, ...]
    setup: Setup | None
