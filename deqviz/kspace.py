"""Measured k-space: uploaded samples, their sampling mask, and the coil sensitivity maps estimated from them.

The maps come from the fully sampled centre of the file, as from a calibration scan. Of a fully sampled file
the combination of all coils is the ground truth, and a pattern takes part of the measured samples away again;
an undersampled one has no ground truth.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Complex
from torch import Tensor

from deqviz.core.quoted import quoted
from deqviz.core.size import fitted
from deqviz.core.space import Image, Space
from deqviz.core.uploads import Uploads
from deqviz.operators._multicoil import Maps, Sampled, inverse_fourier, to_channels
from deqviz.operators.parallel_mri import Calibration

KEPT_BYTES = 256 * 2**20
"""Of all scans held at once, by one visitor half of it: eight of 16 coils at 512 × 512."""
SIDE = 512
CENTRE = 32
"""The widest centre that maps are estimated from: coils vary slowly, and more would follow the image."""
LEAST_CENTRE, LEAST_ESPIRIT = 6, 12
FULL = 0.75
"""A block without gaps is a full scan with zeros around it where it has this share of both sides."""

Samples = Complex[Tensor, "coils h w"]

_KEY = re.compile(r"kspace-[0-9a-f]{16}")
_AXES = (-2, -1)
_LOST = "The uploaded k-space of this link is not kept here: upload it again."


@dataclass(frozen=True, eq=False)
class Scan:
    """Samples of one slice with zero frequency in the middle, and which of them were measured."""

    samples: Samples
    mask: Bool[Tensor, "h w"]

    @classmethod
    def of(cls, samples: Samples) -> "Scan":
        """A coefficient was measured where any coil has something else than zero."""
        return cls(samples, (samples != 0).any(0))

    @property
    def is_full(self) -> bool:
        """Whether nothing is missing, but for zeros around all that was measured."""
        rows, columns = (self.mask.any(axis).nonzero() for axis in (1, 0))
        if len(rows) == 0:
            return False
        block = self.mask[int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]
        is_wide = all(b >= FULL * n for b, n in zip(block.shape, self.mask.shape, strict=True))
        return is_wide and bool(block.all())

    def cropped(self, side: int) -> "Scan":
        """The middle, with the longer side brought down to `side`: the same field of view, less sharp."""
        h, w = self.mask.shape
        rows, columns = (_middle(n, m) for n, m in zip((h, w), fitted(h, w, side), strict=True))
        return Scan(self.samples[:, rows, columns], self.mask[rows, columns])

    @property
    def centre(self) -> tuple[slice, slice]:
        """The largest block without gaps around zero frequency, grown by turns on both axes."""
        (h, w), reach = self.mask.shape, [0, 0]
        is_growing = [True, True]
        while any(is_growing):
            for axis in (0, 1):
                wider = list(reach)
                wider[axis] += 1
                block = self.mask[_around(h, wider[0]), _around(w, wider[1])]
                is_growing[axis] = is_growing[axis] and wider[axis] <= CENTRE // 2 and bool(block.all())
                reach[axis] += is_growing[axis]
        return _around(h, reach[0]), _around(w, reach[1])


def _forget() -> None:
    """What was made of a scan goes with it."""
    _preview.cache_clear()
    _prepared.cache_clear()


_scans: Uploads[Scan] = Uploads(KEPT_BYTES, KEPT_BYTES / 2, lambda scan: scan.samples.nbytes, _forget)


@dataclass(frozen=True, eq=False)
class Measured:
    """What a reconstruction starts from; scaled so that `picture` has max |x| = 1.

    `picture` is Σ_c S̄_c F*y_c, the ground truth where the scan is full; `noise` is the standard deviation per
    sample, E|n|², in the outermost part of k-space, where there is little else.
    """

    maps: Maps
    data: Complex[Tensor, "1 1 coils h w"]
    mask: Bool[Tensor, "h w"]
    picture: Image
    noise: float
    is_full: bool

    def operator(self, image: Space, pattern: Tensor | None) -> Sampled:
        """What measures as the scanner did, and of a full scan only where `pattern` does."""
        mask = self.mask.to(image.device, image.real_dtype)
        if self.is_full and pattern is not None:
            mask = mask * pattern
        return Sampled(image, self.maps.to(image.device, image.complex_dtype), mask)


def is_key(key: str) -> bool:
    """Whether an image's key is that of k-space."""
    return key.startswith("kspace-")


def check(key: str) -> None:
    """Raise ValueError, with a sentence for the user, unless `scan` knows the key."""
    if key not in _scans:
        raise ValueError(_LOST)


def scan(key: str) -> Scan:
    """What was kept under a key."""
    try:
        return _scans[key]
    except KeyError:
        raise ValueError(_LOST) from None


def keep(samples: Samples, digest: str, holder: str = "") -> str:
    """Keep a slice in memory, at most 512 wide, and return its key, `kspace-` and 16 digits of the digest.

    The `holder` is the visitor, with whom it goes; beyond 256 MB the least used of whoever holds most is
    dropped.
    Raises ValueError, with a sentence for the user, where the centre is too small for coil maps.
    """
    key = f"kspace-{digest[:16]}"
    if not _KEY.fullmatch(key):
        raise ValueError(f"a digest has at least 16 hexadecimal digits, unlike {quoted(digest)}")
    fresh = Scan.of(samples).cropped(SIDE)
    fresh = Scan(fresh.samples.to(torch.complex64, copy=True), fresh.mask.clone())
    rows, columns = (part.stop - part.start for part in fresh.centre)
    if min(rows, columns) < LEAST_CENTRE:
        raise ValueError(
            f"The middle of this k-space is sampled without gaps on {rows} × {columns} places only: "
            f"coil maps need {LEAST_CENTRE} × {LEAST_CENTRE}."
        )
    _scans.keep(key, fresh, holder)
    return key


def preview(key: str, side: int = 96) -> Image:
    """√Σ_c |F*y_c|², small and in [0, 1], as one channel."""
    check(key)
    return _preview(key, side)


# By the key, which is the content's: by the scan these would keep eight of them from going.
@lru_cache(maxsize=8)
def _preview(key: str, side: int) -> Image:
    coils = inverse_fourier(scan(key).cropped(side).samples, _AXES)
    joined = coils.abs().square().sum(0).sqrt()[None, None]
    return joined / joined.max().clamp_min(1e-30)


@lru_cache(maxsize=2)
def _prepared(key: str, side: int, calibration: Calibration) -> Measured:
    acquisition = scan(key)
    small = acquisition.cropped(side)
    maps = espirit_maps(small) if calibration == "ESPIRiT" else low_resolution_maps(small)
    joined = (maps.conj() * inverse_fourier(small.samples, _AXES)).sum(0)
    size = float(joined.abs().max())
    if not size > 0:
        raise ValueError(
            "The middle of this k-space holds only zeros: raise the size, or choose another file."
        )
    picture = to_channels(joined[None] / size)
    data = small.samples[None, None] / size
    return Measured(maps, data, small.mask, picture, _noise(small) / size, acquisition.is_full)


def prepared(key: str, side: int, calibration: Calibration) -> Measured:
    """A kept scan with the longer side brought down to `side`; the last two are remembered."""
    check(key)
    return _prepared(key, side, calibration)


def low_resolution_maps(acquisition: Scan) -> Maps:
    """z_c/√Σ|z_c|² of the images z_c of the centre alone, under Hann's window; Σ_c |S_c|² = 1.

    They carry the image's own smooth phase, so that what is reconstructed has little.
    McKenzie, Yeh, Ohliger, Price and Sodickson, 2002.
    """
    rows, columns = acquisition.centre
    tall, wide = (
        torch.hann_window(part.stop - part.start + 2, periodic=False)[1:-1] for part in (rows, columns)
    )
    low = torch.zeros_like(acquisition.samples)
    low[:, rows, columns] = acquisition.samples[:, rows, columns] * tall[:, None] * wide
    z = inverse_fourier(low, _AXES)
    return z / z.abs().square().sum(0).sqrt().clamp_min(torch.finfo(torch.float32).tiny)


def espirit_maps(acquisition: Scan) -> Maps:
    """Maps by sigpy's ESPIRiT, 0 where no coil sees anything (Uecker et al., 2014).

    Raises ValueError, with a sentence for the user, where sigpy is missing or fails, or the centre is small.
    """
    rows, columns = (part.stop - part.start for part in acquisition.centre)
    width = min(rows, columns)
    other = "or choose the low-resolution coil maps"
    if width < LEAST_ESPIRIT:
        need = f"{LEAST_ESPIRIT} × {LEAST_ESPIRIT}"
        raise ValueError(
            f"ESPIRiT needs a centre of {need} without gaps, not {rows} × {columns}; {other[3:]}."
        )
    try:
        from sigpy.mri.app import EspiritCalib
    except ImportError:
        raise ValueError(f"ESPIRiT needs sigpy: pip install 'deqviz[espirit]', {other}.") from None
    try:
        maps = EspiritCalib(acquisition.samples.numpy(), calib_width=width, crop=0.8, show_pbar=False).run()
    except Exception as error:  # numba compiles it on the spot, and may not know this NumPy
        raise ValueError(
            f"sigpy's ESPIRiT failed here ({type(error).__name__}): update sigpy, {other}."
        ) from error
    return torch.from_numpy(np.ascontiguousarray(maps)).to(torch.complex64)


def _noise(acquisition: Scan) -> float:
    """√E|n|² from the median of |y| in the outermost fiftieth of the samples: |n| is Rayleigh's."""
    h, w = acquisition.mask.shape
    rows = (torch.arange(h) - h // 2)[:, None] / h
    far = torch.hypot(rows, (torch.arange(w) - w // 2) / w)[acquisition.mask]
    outermost = far.argsort(descending=True)[: max(64, len(far) // 50)]
    return float(acquisition.samples[:, acquisition.mask][:, outermost].abs().median()) / math.sqrt(
        math.log(2)
    )


def _middle(n: int, m: int) -> slice:
    """m of n places, so that the middle n//2 becomes the middle m//2."""
    first = n // 2 - m // 2
    return slice(first, first + m)


def _around(n: int, reach: int) -> slice:
    """`reach` places before the middle, the middle, and one less after it."""
    return slice(max(0, n // 2 - reach), min(n, n // 2 + max(reach, 1)))
