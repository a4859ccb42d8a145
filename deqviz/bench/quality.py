"""The quality tables: BSD68 denoising, Set12 deblurring and Fourier sampling."""

from collections.abc import Iterator
from pathlib import Path

from deqviz.bench.cases import CASES, RIVALS, Case, pictures, quality, tuned
from deqviz.bench.rows import Row


def _target(case: Case, rival: str, tv: float) -> float | None:
    """What the table is held against; None for total variation itself, and for Tikhonov."""
    if rival in ("tv", "tikhonov"):
        return None
    if rival == "contractive":
        return round(tv, 3)
    if case.is_denoising:
        return {"denoise25": 28.0, "denoise5": 36.8}[case.key]
    return round(tv + 0.5, 3)


def rows(data: Path, device: str, only: str) -> Iterator[Row]:
    """Mean PSNR on the test images at the strengths tuned on validation images."""
    settings = tuned()
    sets = {
        "BSD68": list(pictures(data / "test" / "bsd68")),
        "Set12 256²": list(pictures(data / "test" / "set12", side=256)),
    }
    for case in CASES:
        name = "BSD68" if case.is_denoising else "Set12 256²"
        tv = 0.0
        for rival in RIVALS:
            # Total variation sets the target of the others.
            if not any(only in f"{case.key}/{r.key}" for r in (RIVALS if rival.key == "tv" else (rival,))):
                continue
            if (s := settings.get(f"{case.key}/{rival.key}")) is None:
                raise ValueError(f"{case.key}/{rival.key} is not tuned: run `deqviz bench tune` first.")
            value = quality(case, rival, s["weight"], s["sigma"], sets[name], device)
            tv = value if rival.key == "tv" else tv
            yield Row(f"{name}, {case.title}, {rival.title}", value, "dB", _target(case, rival.key, tv))
