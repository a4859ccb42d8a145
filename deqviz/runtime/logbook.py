"""The record of a run: every number, and a few images.

The truth comes in here, to judge the iterates, and goes nowhere else. Complex images are shown and judged
by their magnitudes, and kept as they are. Measured data may have no truth: then nothing is judged.
"""

import math
import threading
import time
from dataclasses import dataclass

import numpy as np
import torch

from deqviz.core.metrics import decibels, largest_error, no_ssim, psnr, squared_error, ssim
from deqviz.core.records import Iterate, Scalars
from deqviz.core.space import Image, magnitude
from deqviz.experiments.probe import Path

CHUNK = 64
"""Iterates between two looks at the numbers on a GPU, each of which waits for it; fixed, so runs repeat."""
SHARE = 0.05
"""How much of a run may go into judging its iterates, beyond the first fifty and the kept ones."""
ROOM = 64e6
"""Bytes that the kept iterates of a run may take: all that `kept` names but of colour on 512 × 512."""
LEAST = 8
"""Kept iterates of a run, however large."""


def kept(k: int) -> bool:
    """Whether iterate k is among the kept ones: all up to 16, then about 18 per decade."""
    if k <= 16:
        return True
    index = math.floor(18 * math.log10(k))
    return math.floor(18 * math.log10(k - 1)) < index


def to_bytes(x: Image) -> np.ndarray:
    """The first image of a batch as uint8 c × h × w, |x| of a complex one; beyond [0, 1] it is clipped."""
    return (magnitude(x.detach())[0].clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy()


@dataclass(frozen=True, slots=True)
class Frame:
    """An iterate as it is shown, with its quality; no numbers where there is no truth."""

    k: int
    pixels: np.ndarray
    psnr: float
    error_max: float


class Logbook:
    """Written by the worker alone, read by anyone; the lists change under the lock."""

    def __init__(self, truth: Image | None, device: str = "cpu", room: float = ROOM) -> None:
        """An empty book about reconstructions of `truth`, None where nobody knows it; `room` in bytes."""
        self._truth = truth
        self._is_on_cpu, self._room = device == "cpu", room
        self._lock = threading.Lock()
        self._marks: list[Scalars] = []
        self._psnr: list[float] = []
        self._ssim: dict[int, float] = {}
        self._frames: list[Frame] = []
        self._kept: list[tuple[int, Image]] = []
        self._pending: list[tuple[Iterate, torch.Tensor | None]] = []
        self._recent: list[tuple[float, int]] = []
        self._judging = 0.0

    def write(self, iterate: Iterate, begun: float, running: float) -> None:
        """Take in one iterate, whose computation began at `begun`, of a run that took `running` seconds."""
        error = None
        is_judged = iterate.k < 50 or kept(iterate.k) or self._judging < SHARE * running
        if self._truth is not None and is_judged:
            started = time.monotonic()
            error = squared_error(iterate.x, self._truth)
            self._judging += time.monotonic() - started
        self._pending.append((iterate, error))
        if kept(iterate.k):
            self.keep(iterate)
        if not self._recent:
            self._recent.append((begun, iterate.k - 1))
        now = time.monotonic()
        self._recent.append((now, iterate.k))
        if len(self._recent) > 4096 or now - self._recent[0][0] > 4:
            # Slow runs keep a few older entries: a rate needs two.
            recent = [entry for entry in self._recent[-2048:-4] if now - entry[0] <= 2]
            self._recent = recent + self._recent[-4:]

    def is_due(self) -> bool:
        """Whether the pending numbers should be taken off the device: at once where that costs nothing."""
        return self._is_on_cpu or len(self._pending) >= CHUNK

    def flush(self) -> list[Scalars]:
        """Take the pending numbers off the device; waits for it."""
        pending, self._pending = self._pending, []
        fresh = [(Scalars.of(i), math.nan if e is None else decibels(float(e))) for i, e in pending]
        with self._lock:
            self._marks += [mark for mark, _ in fresh]
            self._psnr += [quality for _, quality in fresh]
        return [mark for mark, _ in fresh]

    def keep(self, iterate: Iterate) -> None:
        """Keep an iterate in full, once."""
        if self._kept and self._kept[-1][0] == iterate.k:
            return
        frame = self.frame(iterate)
        with self._lock:
            self._kept.append((iterate.k, iterate.x.detach().to("cpu", copy=True)))
            self._frames.append(frame)
            if len(self._kept) > max(LEAST, self._room / iterate.x.nbytes):
                # Of a large image every second one, with the first and the newest: the pace stays even.
                self._kept[:-1], self._frames[:-1] = self._kept[:-1:2], self._frames[:-1:2]
            if self._marks and self._marks[-1].k == iterate.k:
                self._psnr[-1] = frame.psnr  # the last one of a run may not have been judged in time

    def frame(self, iterate: Iterate) -> Frame:
        """The iterate as it is shown."""
        shown = to_bytes(iterate.x)
        if self._truth is None:
            return Frame(iterate.k, shown, math.nan, math.nan)
        largest = float(largest_error(iterate.x, self._truth))
        return Frame(iterate.k, shown, psnr(iterate.x, self._truth), largest)

    def judge(self) -> None:
        """Add the structural similarity of the kept iterates; too dear while the run goes on."""
        if self._truth is None:
            return
        truth = self._truth.cpu()
        for k, x in self.path:
            if k not in self._ssim and (value := ssim(x, truth)) is not None:
                self._ssim[k] = value

    @property
    def note(self) -> str:
        """What is not judged, and why; empty where everything is."""
        return "" if self._truth is None else no_ssim(self._truth)

    @property
    def truth(self) -> Image | None:
        """What the iterates are judged by, None where nobody knows it."""
        return self._truth

    @property
    def marks(self) -> tuple[Scalars, ...]:
        """The numbers of all iterates so far."""
        with self._lock:
            return tuple(self._marks)

    def marks_and_quality(self) -> tuple[tuple[Scalars, ...], tuple[float, ...]]:
        """The numbers and the PSNR in dB of all iterates, equally long; NaN where it was not computed."""
        with self._lock:
            return tuple(self._marks), tuple(self._psnr)

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The kept iterates as they are shown."""
        with self._lock:
            return tuple(self._frames)

    @property
    def ssim(self) -> dict[int, float]:
        """Structural similarities by iteration."""
        return dict(self._ssim)

    @property
    def path(self) -> Path:
        """The kept iterates in full precision, on the CPU."""
        with self._lock:
            return tuple(self._kept)

    def rate(self) -> float:
        """Iterations per second over about the last two seconds of running; 0 before the second iterate."""
        if len(self._recent) < 2:
            return 0.0
        (t0, k0), (t1, k1) = self._recent[0], self._recent[-1]
        return (k1 - k0) / max(t1 - t0, 1e-9)
