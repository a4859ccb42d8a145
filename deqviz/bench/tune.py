"""Tune the strength of each method once per degradation, on validation pictures only."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

from deqviz.bench.cases import CASES, RIVALS, TUNED, VALIDATION, pictures, quality
from deqviz.bench.rows import Row

STARTS = {
    "denoise25": {"tv": 0.08, "convex_ridge": 1.0, "contractive": 4.0},
    "denoise5": {"tv": 0.012, "convex_ridge": 1.0, "contractive": 4.0},
    "blur": {"tv": 6e-4, "convex_ridge": 5e-3, "contractive": 5e-3},
    "fourier": {"tv": 4e-3, "convex_ridge": 5e-2, "contractive": 5e-2},
}
LEVELS = {"denoise25": (25 / 255, 30 / 255, 20 / 255), "denoise5": (5 / 255, 7 / 255)}
"""Levels of the regulariser that are tried; in denoising it is the noise's own, and near it."""
OTHER_LEVELS = (5 / 255, 10 / 255, 20 / 255)
COUNT = 8
"""Pictures used: every fifth of the 40."""


def climb(score: Callable[[float], float], start: float) -> tuple[float, float]:
    """The best strength on a grid refined from a factor 2 to 1.19; a unimodal score is assumed."""
    best, value = start, score(start)
    for factor in (2.0, 2**0.5, 2**0.25):
        for ratio in (factor, 1 / factor):
            while (candidate := score(best * ratio)) > value:
                best, value = best * ratio, candidate
    return best, value


def rows(data: Path, device: str, only: str) -> Iterator[Row]:
    """One row per degradation and method; writes the strengths beside the package as it goes."""
    truths = list(pictures(data / "train" / "bsds400"))[VALIDATION][:: 40 // COUNT]
    found = json.loads(TUNED.read_text()) if TUNED.exists() else {}
    for case in CASES:
        for rival in RIVALS:
            name = f"{case.key}/{rival.key}"
            if only not in name:
                continue
            levels = LEVELS.get(case.key, OTHER_LEVELS) if rival.level else (0.0,)
            best = (-math.inf, 0.0, 0.0)
            start = STARTS[case.key][rival.key]
            for level in levels:

                def score(weight: float, level: float = level) -> float:
                    return quality(case, rival, weight, level, truths, 1e-4, device)  # noqa: B023

                weight, value = climb(score, start)
                best = max(best, (value, weight, level))
                start = weight
            found[name] = {"weight": best[1], "sigma": best[2], "validation_psnr": round(best[0], 3)}
            TUNED.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
            yield Row(f"validation, {case.title}, {rival.title}", best[0], "dB")
