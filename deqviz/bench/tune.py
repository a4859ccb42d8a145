"""Tune the strength of each method once per degradation, on validation images only."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

from deqviz.bench.cases import CASES, RIVALS, TUNED, VALIDATION, Baseline, Case, pictures, quality, tuned
from deqviz.bench.rows import Row
from deqviz.core.replacement import replacement

STARTS = {
    "denoise25": {"tv": 0.08, "convex_ridge": 1.0, "contractive": 7.0, "tikhonov": 0.03},
    "denoise5": {"tv": 0.008, "convex_ridge": 1.0, "contractive": 7.0, "tikhonov": 0.001},
    "blur": {"tv": 6e-4, "convex_ridge": 0.008, "contractive": 0.05, "tikhonov": 0.005},
    "fourier": {"tv": 1.6e-3, "convex_ridge": 0.008, "contractive": 0.003, "tikhonov": 0.001},
}
LEVELS = {
    "denoise25": {"convex_ridge": (25, 26, 27), "contractive": (5, 7)},
    "denoise5": {"convex_ridge": (5, 5.2), "contractive": (1.5, 2)},
    "blur": {"convex_ridge": (20, 28), "contractive": (3.5, 5)},
    "fourier": {"convex_ridge": (20, 32), "contractive": (3.5, 5)},
}
"""Levels of the regulariser that are tried, in units of 1/255."""
COUNT = 10
"""Images used: every fourth of the 40; with five, the strengths were those of smooth images."""


def climb(score: Callable[[float], float], start: float) -> tuple[float, float]:
    """The best strength on a grid refined from a factor 2 to 1.41; a unimodal score is assumed."""
    best, value = start, score(start)
    for factor in (2.0, 2**0.5):
        for ratio in (factor, 1 / factor):
            while (candidate := score(best * ratio)) > value:
                best, value = best * ratio, candidate
    return best, value


def rows(data: Path, device: str, only: str) -> Iterator[Row]:
    """One row per degradation and method; writes the strengths beside the package as it goes."""
    truths = list(pictures(data / "train" / "bsds400"))[VALIDATION][:: 40 // COUNT]
    if len(truths) < COUNT:
        raise ValueError(
            f"{data / 'train' / 'bsds400'} lacks the images {VALIDATION.start} to {VALIDATION.stop}."
        )
    if TUNED.exists():
        tuned()  # one that is damaged is told before hours are spent
    for case in CASES:
        for rival in RIVALS:
            name = f"{case.key}/{rival.key}"
            if only not in name:
                continue
            levels = [level / 255 for level in LEVELS[case.key][rival.key]] if rival.level else [0.0]
            best = (-math.inf, 0.0, 0.0)
            start = STARTS[case.key][rival.key]
            for level in levels:

                def score(
                    weight: float, level: float = level, case: Case = case, rival: Baseline = rival
                ) -> float:
                    return quality(case, rival, weight, level, truths, device)

                weight, value = climb(score, start)
                best = max(best, (value, weight, level))
                start = weight
            # Read again, for another process may tune other entries.
            strengths = tuned() if TUNED.exists() else {}
            strengths[name] = {"weight": best[1], "sigma": best[2], "validation_psnr": round(best[0], 3)}
            with replacement(TUNED) as file:
                file.write(f"{json.dumps(strengths, indent=1, sort_keys=True)}\n".encode())
            yield Row(f"validation, {case.title}, {rival.title}", best[0], "dB")
