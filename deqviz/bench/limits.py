"""Rows of the theory table about limits: uniqueness, its loss, and trained networks."""

from collections.abc import Iterable, Iterator

import torch

from deqviz import images
from deqviz.bench.rows import Row
from deqviz.core.catalog import OPERATORS, REGULARIZERS
from deqviz.core.space import Space
from deqviz.experiments._rows import only_rows
from deqviz.experiments.equilibrium.equilibria import Equation
from deqviz.experiments.equilibrium.error_bounds import BandRow, CertificateBand
from deqviz.experiments.equilibrium.gradient import Gradient, Named
from deqviz.experiments.equilibrium.parameter_continuation import three_equilibria
from deqviz.experiments.equilibrium.source import picture_truth
from deqviz.experiments.equilibrium.uniqueness import Uniqueness, starts
from deqviz.experiments.losses.deep_equilibrium import BeyondDepth
from deqviz.experiments.losses.loss_lab import LossLab

_SIDE = 32
_PICTURE = 96


def uniqueness() -> Iterator[Row]:
    """Five starts and five solvers on images of 32²; the T1 example on both sides of L = 1."""
    pictures = {
        key: images.scaled(images.load(key, torch.float64), _SIDE) for key in ("camera", "coins", "phantom")
    }
    x = pictures.pop("camera")
    for key in ("inpainting", "fourier", "gaussian_blur", "denoising", "super_resolution"):
        A = OPERATORS[key].build({}, image=Space((1, _SIDE, _SIDE), torch.float64))
        equation = Equation(A, REGULARIZERS["contractive"].build({"contraction": 0.8}))
        y = A(x)
        sweep = Uniqueness(equation, y, 1.0, starts(equation, y, 0, pictures))
        ends = [row for row in only_rows(sweep.run()) if row.state != "going"]
        name = f"limits, {OPERATORS[key].title}, {len(ends)} runs"
        distance = max(float("inf") if row.distance is None else row.distance for row in ends)
        yield Row(f"{name}: largest distance to x*", distance, "", 1e-5, "at most")
        yield Row(f"{name}: violated", sum(not row.holds for row in ends), "", 0, "at most")
    for row in only_rows(three_equilibria((0.5, 0.95, 1.05, 1.5)).run()):
        name = f"limits, the T1 example, L = {row.value:g}: distinct limits"
        if row.value < 1:
            yield Row(name, row.distinct, "", 1, "at most")
        else:
            yield Row(name, row.distinct, "", 2, "at least")


def gradients() -> Iterator[Row]:
    """Which regularisers are gradients, and by how much the others are not."""
    named = tuple(Named(entry.key, entry.title, entry.build({})) for entry in REGULARIZERS)
    x = images.scaled(images.load("camera", torch.float64), _SIDE)
    for row in only_rows(Gradient(named, x).run()):
        name, is_gradient = f"gradient, {REGULARIZERS[row.regularizer].title}", row.kind == "gradient"
        target = 1e-9 if is_gradient else None
        yield Row(f"{name}: ‖J − Jᵀ‖/‖J‖", row.asymmetry, "", target, "at most")
        # The quadrature doubts itself by this much, and three times that is what the row allows.
        target = 1e-9 + 3 * row.doubt if is_gradient else None
        yield Row(f"{name}: work around a loop", row.circulation, "", target, "at most")


def loss_lab() -> Iterator[Row]:
    """The small family of E6: plateau errors by what N was trained by, and the bounds from the loss."""
    lab_rows = list(only_rows(LossLab().run()))
    least = min(row.level for row in lab_rows)
    plateau = {row.training: row for row in lab_rows if row.level == least}
    for name, row in plateau.items():
        yield Row(f"loss lab, {name}: plateau error", row.error, "")
        yield Row(f"loss lab, {name}: asymmetry of N", row.asymmetry, "")
    share = plateau["range, β = 0.01"].error / plateau["denoising"].error
    yield Row("loss lab: plateau of L_β over that of denoising", share, "×", 0.5, "at most")
    yield Row("loss lab: violated", sum(not row.holds for row in lab_rows), "", 0, "at most")


def beyond_depth() -> Iterator[Row]:
    """PSNR at the training depth and at five times that, by architecture."""
    lab = BeyondDepth()
    depth_rows = list(only_rows(lab.run()))
    for learner in lab.learners:
        own_rows = [row for row in depth_rows if row.network == learner.name]
        late = next(row for row in own_rows if row.k >= 5 * row.depth)
        name = f"depth, {learner.name}"
        yield Row(f"{name}: PSNR at its {late.depth} evaluations", late.trained, "dB")
        change = late.psnr - late.trained
        if late.factor < 1:
            yield Row(f"{name}: change at {late.k}", abs(change), "dB", 0.1, "at most")
        else:
            # Shown for contrast: nothing keeps the unrolled network where it was trained.
            yield Row(f"{name}: change at {late.k}", change, "dB")


def trained_on_pictures() -> Iterator[Row]:
    """What the error tends to as noise and α vanish, by how the network was trained; four images, 96²."""
    names = ("camera", "coins", "brain", "cat")
    for operator in ("gaussian_blur", "fourier"):
        for training in ("denoising", "range", "equilibrium"):
            band_rows = list[BandRow]()
            for name in names:
                x = images.scaled(images.load(name, torch.float64), _PICTURE)[:, :1]
                A = OPERATORS[operator].build({}, image=Space(tuple(x.shape[1:]), torch.float64))
                R = REGULARIZERS["contractive"].build({"training": training})
                band = CertificateBand(Equation(A, R), picture_truth(x), weights=(1e-5,), levels=(1e-6,))
                band_rows += only_rows(band.run())
            title = f"plateau, {OPERATORS[operator].title}, trained by {training}"
            yield Row(f"{title}: error", _mean(row.error for row in band_rows), "")
            yield Row(f"{title}: its lower bound", _mean(row.refined for row in band_rows), "")
            yield Row(f"{title}: violated", sum(not row.holds for row in band_rows), "", 0, "at most")


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers)
