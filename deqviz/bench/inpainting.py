"""The table of inpainting by unrolled flows: PSNR on the missing pixels of unseen colour images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, pstdev

import torch

from deqviz.bench.rows import Row
from deqviz.core.guarantee import Guarantee
from deqviz.core.space import Image
from deqviz.experiments._rows import only_rows
from deqviz.experiments.unrolled.inpainting_strip import (
    CONSTRAINED,
    HOLES,
    INVERSION,
    REFERENCES,
    TRAININGS,
    Hole,
    InpaintingStrip,
    StripRow,
    Training,
    holes,
)
from deqviz.training.glow_recipes import colour, middle

ABOVE = 3.0
"""Decibels that every training must gain over the mean fill."""
COST = 0.3
"""Decibels that the constraints may cost."""
FACTORS = (2.0, 5.0, 10.0, 20.0)
"""Of the noise that the layers saw in training."""


def rows(data: Path, only: str) -> Iterator[Row]:
    """Quality, descent, noise and inversion on 24 images; `only` picks by name."""
    pictures = [middle(picture)[None] for picture in colour(data)[2]]
    clean: dict[Hole, list[list[StripRow]]] = {}
    if not only or any(only in name for name in ("quality", "descent", "inversion")):
        clean = {kind: _runs(pictures, kind) for kind in HOLES}
    parts = {
        "quality": lambda: _quality(clean),
        "descent": lambda: _descent(clean),
        "inversion": lambda: _inversion(clean),
        "noise": lambda: _noise(pictures),
    }
    for name, make in parts.items():
        if not only or only in name:
            yield from make()


def _runs(pictures: Sequence[Image], kind: Hole, factors: tuple[float, ...] = (0.0,)) -> list[list[StripRow]]:
    """The rows of every image on its own, with a mask drawn from its place."""
    runs = []
    for place, truth in enumerate(pictures):
        height, width = truth.shape[-2:]
        mask = holes(kind, height, width, torch.Generator().manual_seed(place))[None]
        runs.append(list(only_rows(InpaintingStrip(truth, mask, factors=factors, seed=place).run())))
    return runs


def _last(run: Sequence[StripRow], training: str, factor: float = 0.0) -> StripRow:
    return [row for row in run if row.training == training and row.factor == factor][-1]


def _quality(clean: dict[Hole, list[list[StripRow]]]) -> Iterator[Row]:
    """PSNR over missing pixels, by the kind of the holes and over all of them."""
    every: dict[str, list[float]] = {}
    for kind, runs in clean.items():
        for training in (*REFERENCES, *TRAININGS):
            values = [_last(run, training).psnr for run in runs]
            every.setdefault(training, []).extend(values)
            yield Row(f"quality, {kind}, {training}, hole PSNR", fmean(values), "dB")
            yield Row(f"quality, {kind}, {training}, standard deviation", pstdev(values), "dB")
    for training, values in every.items():
        target = round(fmean(every["mean fill"]) + ABOVE, 3) if training in TRAININGS else None
        yield Row(f"quality, all holes, {training}, hole PSNR", fmean(values), "dB", target)
    cost = fmean(every["plain"]) - fmean(every["constraints and noise"])
    yield Row("quality, all holes, cost of the constraints and noise", cost, "dB", COST, "at most")


def _descent(clean: dict[Hole, list[list[StripRow]]]) -> Iterator[Row]:
    """The largest E m_ℓ/E m_{ℓ−1} from layer 2 on: at most 1 where asked for; of ‖z‖ more elsewhere."""
    runs = [run for each in clean.values() for run in each]
    for training in TRAININGS:
        is_constrained = training in CONSTRAINED
        latent = _worst_ratio([[row.latent or 0.0 for row in _layers(run, training)] for run in runs])
        steep = _worst_ratio([[row.gradient for row in _layers(run, training)] for run in runs])
        name = f"descent, {training}, largest ratio of"
        yield Row(f"{name} E‖z‖", latent, "", 1.0, "at most" if is_constrained else "at least")
        yield Row(f"{name} E‖∇ₓf‖", steep, "", 1.0 if is_constrained else None, "at most")
        falls = [all(g.holds for g in _descents(run, training)) for run in runs] if is_constrained else []
        if falls:
            yield Row(f"descent, {training}, pictures on which both fall always", 100 * fmean(falls), "%")


def _layers(run: Sequence[StripRow], training: Training) -> list[StripRow]:
    return [row for row in run if row.training == training and row.layer > 0]


def _descents(run: Sequence[StripRow], training: Training) -> list[Guarantee]:
    return [g for row in _layers(run, training) for g in row.guarantees if g.key in ("latent", "gradient")]


def _worst_ratio(curves: Sequence[Sequence[float]]) -> float:
    means = torch.tensor(curves, dtype=torch.float64).mean(0)
    return float((means[1:] / means[:-1]).max())


def _inversion(clean: dict[Hole, list[list[StripRow]]]) -> Iterator[Row]:
    """max |f⁻¹(f(x)) − x| over all layers and images."""
    for training in TRAININGS:
        worst = max(
            row.inversion or 0.0 for runs in clean.values() for run in runs for row in _layers(run, training)
        )
        yield Row(f"inversion, {training}, largest error", worst, "", INVERSION, "at most")


def _noise(pictures: Sequence[Image]) -> Iterator[Row]:
    """PSNR over a lost square in the middle, with noise on what the layers see."""
    runs = _runs(pictures, "centre", FACTORS)
    for factor in FACTORS:
        for training in TRAININGS:
            value = fmean(_last(run, training, factor).psnr for run in runs)
            yield Row(f"noise, × {factor:g}, {training}, hole PSNR", value, "dB")
