"""The problems and methods of the quality tables, and how one reconstruction is judged."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from deqviz import images
from deqviz.core.metrics import psnr
from deqviz.core.records import Problem
from deqviz.core.registry import Choice
from deqviz.core.space import Image, Space
from deqviz.core.stop import settle
from deqviz.scenario import METHODS, NOISES, OPERATORS
from deqviz.training.data import pixels

TUNED = Path(__file__).parent / "tuned.json"
"""Strengths tuned on the validation images by `deqviz bench tune`."""

VALIDATION = slice(360, 400)
"""The last 40 images of bsds400: neither trained on nor tested on."""


@dataclass(frozen=True)
class Case:
    """A degradation: operator and noise."""

    key: str
    title: str
    operator: Choice
    noise: Choice

    @property
    def is_denoising(self) -> bool:
        """Whether nothing but noise stands between image and data."""
        return self.operator.key == "denoising"


CASES = (
    Case("denoise25", "denoising σ = 25/255", Choice("denoising"), Choice("gaussian", {"std": 25 / 255})),
    Case("denoise5", "denoising σ = 5/255", Choice("denoising"), Choice("gaussian", {"std": 5 / 255})),
    Case(
        "blur",
        "Gaussian blur 1.6 px, noise 0.01",
        Choice("gaussian_blur", {"width": 1.6}),
        Choice("gaussian"),
    ),
    Case(
        "fourier",
        "Fourier sampling 25 %, noise 0.01",
        Choice("fourier", {"fraction": 0.25}),
        Choice("gaussian"),
    ),
)


@dataclass(frozen=True)
class Baseline:
    """A method with the parameters that are tuned: the strength α and, where it has one, the level σ."""

    key: str
    title: str
    level: bool

    def choice(self, case: Case, weight: float, level: float) -> Choice:
        """The method at this strength and level; the convex ridge with the weights meant for the case."""
        if self.key in ("tv", "tikhonov"):
            return Choice(self.key, {"weight": weight})
        inner: dict[str, Any] = {"sigma": level}
        if self.key == "convex_ridge" and not case.is_denoising:
            inner["training"] = "inverse"
        if self.key == "contractive":
            # Nearly 1: N shrinks contrast by 1 − L, and a strong α multiplies that.
            inner["contraction"] = 0.999
        return Choice("equilibrium", {"weight": weight, "regularizer": Choice(self.key, inner)})


RIVALS = (
    Baseline("tv", "total variation", level=False),
    Baseline("convex_ridge", "convex ridge equilibrium", level=True),
    Baseline("contractive", "contractive equilibrium", level=True),
    Baseline("tikhonov", "Tikhonov", level=False),
)


def pictures(folder: Path, side: int | None = None) -> Iterator[Image]:
    """The images of a folder in the order of their names, grey, in [0, 1]; larger ones cut to `side`²."""
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".png", ".jpg"))
    if not files:
        raise ValueError(f"{folder} holds no pictures")
    for file in files:
        x = images.from_array(pixels(file, "L"))
        if side is not None:
            top, left = (x.shape[-2] - side) // 2, (x.shape[-1] - side) // 2
            x = x[..., top : top + side, left : left + side]
        yield x.contiguous()


def problem(case: Case, truth: Image, seed: int) -> Problem:
    """The data of one image, drawn from the seed."""
    space = Space(tuple(truth.shape[1:]), truth.dtype, str(truth.device))
    operator = OPERATORS[case.operator.key].build(case.operator.params, image=space)
    noise = NOISES[case.noise.key].build(case.noise.params)
    clean = operator(truth)
    rng = torch.Generator().manual_seed(seed)
    return Problem(operator, noise.add(clean, operator, rng), noise.level(clean))


def quality(
    case: Case,
    rival: Baseline,
    weight: float,
    level: float,
    truths: Sequence[Image],
    device: str,
) -> float:
    """Mean PSNR in dB over images, each with its own noise seed, of runs that have settled.

    A residual of 10⁻⁴ looks settled and is not: where A annihilates much, the regulariser fills in slowly,
    and in Fourier sampling the convex ridge then lacks 1.5 dB. In denoising nothing is annihilated, and 10⁻⁵
    is enough.
    """
    tolerance = 1e-5 if case.is_denoising else 1e-6
    choice = rival.choice(case, weight, level)
    method = METHODS[choice.key].build(choice.params)
    total = 0.0
    for seed, truth in enumerate(truths):
        x = truth.to(device)
        end = settle(
            method.iterates(problem(case, x, seed)),
            tolerance=tolerance,
            max_steps=3000 if rival.key == "tv" else 1000,
            look_every=1 if device == "cpu" else 10,
        )
        total += psnr(end.x, x)
    return total / len(truths) if truths else math.nan


def tuned() -> dict[str, dict[str, float]]:
    """The tuned strengths by "case/rival"; raises FileNotFoundError or ValueError saying how to make them."""
    if not TUNED.exists():
        raise FileNotFoundError(f"{TUNED} is missing: run `deqviz bench tune --data FOLDER` first")
    try:
        plain = json.loads(TUNED.read_text(encoding="utf-8-sig"))
        return {
            name: {of: float(entry[of]) for of in ("weight", "sigma", "validation_psnr")}
            for name, entry in plain.items()
        }
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError):
        raise ValueError(f"{TUNED} is damaged: restore it, or remove it and tune anew.") from None
