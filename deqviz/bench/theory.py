"""The theory table: rates, inequalities at every point, agreement of limits, and what a sweep costs."""

import time
from collections.abc import Callable, Iterator

import torch

from deqviz import images
from deqviz.bench import limits
from deqviz.bench.rows import Row
from deqviz.core.catalog import OPERATORS, REGULARIZERS
from deqviz.core.guarantee import is_void
from deqviz.core.machine import thread_count, tune_allocator
from deqviz.core.records import Noise
from deqviz.core.registry import Choice
from deqviz.core.space import Image, Space, norm
from deqviz.experiments._rows import Row as Measured
from deqviz.experiments._rows import only_rows
from deqviz.experiments.equilibrium.equilibria import Equation
from deqviz.experiments.equilibrium.error_bounds import CertificateBand
from deqviz.experiments.equilibrium.model import model, unit_element
from deqviz.experiments.equilibrium.noise_sweep import Best, NoiseRow, NoiseSweep, Power, Quantity, slope
from deqviz.experiments.equilibrium.source import (
    Truth,
    equilibrium_truth,
    finish,
    inverse_truth,
    picture_truth,
)
from deqviz.experiments.equilibrium.stability import Stability
from deqviz.noises.gaussian import Gaussian
from deqviz.noises.worst_direction import WorstDirection
from deqviz.scenario import METHODS

_LARGEST = 128
"""Pixels along a side of the largest image here: it decides about threads."""
_EVERY_HALF = tuple(10.0 ** -(1 + k / 2) for k in range(13))
"""Six decades of noise, two levels in each."""
_WHITE: Noise = Gaussian(1.0)
_OPERATORS = (
    "denoising",
    "gaussian_blur",
    "inpainting",
    "fourier",
    "super_resolution",
    "compressed_sensing",
)
_REGULARIZERS = ("quadratic", "contractive", "smoothed_tv", "convex_ridge")


def rows(only: str) -> Iterator[Row]:
    """All rows of the parts whose name contains `only`; float64 on the CPU throughout."""
    parts: tuple[tuple[str, Callable[[], Iterator[Row]]], ...] = (
        ("model", _on_the_model),
        ("tent", _tent),
        ("inequalities", _inequalities),
        ("sweep", _sweep_time),
        ("picture", _on_pictures),
        ("plateau", limits.trained_on_pictures),
        ("limits", limits.uniqueness),
        ("gradient", limits.gradients),
        ("loss lab", limits.loss_lab),
        ("depth", limits.beyond_depth),
    )
    # The registries of the product; the scenario fills them.
    assert METHODS["equilibrium"]
    tune_allocator()
    torch.set_num_threads(thread_count(_LARGEST))
    for name, part in parts:
        if not only or only in name:
            yield from part()


def equation(operator: str, regularizer: str, side: int) -> Equation:
    """The equation of two registry keys with their defaults, on grey images of side²."""
    space = Space((1, side, side), torch.float64)
    return Equation(
        OPERATORS[operator].build({}, image=space),
        REGULARIZERS[regularizer].build(Choice(regularizer).params),
    )


def picture(side: int) -> Image:
    """The camera operator."""
    return images.scaled(images.load("camera", torch.float64), side)


def _slope(sweep: list[NoiseRow], quantity: Quantity) -> float:
    line = slope(sweep, quantity)
    return float("nan") if line is None else line.slope


def _slopes(name: str, sweep: list[NoiseRow]) -> Iterator[Row]:
    yield Row(f"{name}: slope of D", _slope(sweep, "bregman"), "", 0.95)
    yield Row(f"{name}: slope of the error", _slope(sweep, "error"), "", 0.45)


def _on_the_model() -> Iterator[Row]:
    """Rates with the source condition, and none without."""
    eq = model()
    truth = inverse_truth(eq, unit_element(eq, 5))
    for name, noise in (("white noise", _WHITE), ("worst direction", WorstDirection(1.0))):
        sweep = NoiseSweep(eq, truth, noise, Power(), seeds=(0, 1, 2))
        yield from _slopes(f"model, source condition, {name}", list(only_rows(sweep.run())))
    x = eq.operator.image.random(torch.Generator().manual_seed(9))
    noise_rows = list(only_rows(NoiseSweep(eq, picture_truth(x), _WHITE, Power(), seeds=(0, 1, 2)).run()))
    yield Row("model, no source condition: slope of D", _slope(noise_rows, "bregman"), "", 0.2, "at most")


def _tent() -> Iterator[Row]:
    """The slope of D against the exponent p of α = δ^p, the mean over three w; its peak by steps of 0.05."""
    eq = model()
    truths, orders = [inverse_truth(eq, unit_element(eq, seed)) for seed in (5, 6, 7)], dict[float, float]()
    for n in range(10, 41):
        p = n / 20
        sweeps = (NoiseSweep(eq, t, WorstDirection(1.0), Power(1.0, p), _EVERY_HALF) for t in truths)
        slopes = [_slope(list(only_rows(sweep.run())), "bregman") for sweep in sweeps]
        orders[p] = sum(slopes) / len(slopes)
        if n % 5 == 0:
            yield Row(f"tent, p = {p:g}: slope of D, that of the bound {min(p, 2 - p):g}", orders[p], "")
    best = max(orders, key=lambda p: orders[p])
    yield Row("tent: distance of its peak from p = 1", abs(best - 1), "", 0.1, "at most")


def _inequalities() -> Iterator[Row]:
    """Every sweep of every regulariser on six operators: what is violated, and the identity."""
    x = picture(16)
    for key in _REGULARIZERS:
        checked, violations, worst, left_out = 0, 0, 0.0, 0
        for operator in _OPERATORS:
            eq = equation(operator, key, 16)
            truth = finish(equilibrium_truth(eq, x, 1e-2))
            noise = list(only_rows(NoiseSweep(eq, truth, _WHITE, Power(), _EVERY_HALF).run()))
            worst = max(worst, *(row.identity or 0.0 for row in noise))
            weights = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)
            band = CertificateBand(eq, picture_truth(x), weights=weights, levels=(0.0, 1e-2, 1e-5))
            steady = Stability(eq, x, weights)
            for row in (*noise, *only_rows(band.run()), *only_rows(steady.run())):
                good, bad, unknown = _count(row)
                checked, violations, left_out = checked + good + bad, violations + bad, left_out + unknown
        name = f"inequalities, {REGULARIZERS[key].title}"
        yield Row(f"{name}: tested", checked, "")
        yield Row(f"{name}: not solved well enough to test", left_out, "")
        yield Row(f"{name}: violated", violations, "", 0, "at most")
        yield Row(f"{name}: αD + ‖q‖² = ⟨e − αw, q⟩ to", worst, "", 1e-6, "at most")


def _count(row: Measured) -> tuple[int, int, int]:
    """Inequalities that hold, that are violated, and that the solve was too rough for."""
    certified = [g for g in row.guarantees if g.claim == "certified"]
    violations = sum(g.status == "violated" for g in certified)
    rough = sum("reached to" in g.reason for g in row.guarantees if is_void(g.claim))
    return len(certified) - violations, violations, rough


def _sweep_time() -> Iterator[Row]:
    """A full sweep as a visitor starts it: 24 levels, 3 seeds, a 64² image."""
    levels = tuple(10.0 ** -(1 + k / 4) for k in range(24))
    for operator in ("gaussian_blur", "fourier"):
        eq = equation(operator, "contractive", 64)
        truth = finish(equilibrium_truth(eq, picture(64), 1e-2))
        sweep = NoiseSweep(eq, truth, _WHITE, Best(), levels, (0, 1, 2))
        start, first, count = time.perf_counter(), 0.0, 0
        for _ in only_rows(sweep.run()):
            first, count = first or time.perf_counter() - start, count + 1
        name = f"sweep at 64², {OPERATORS[operator].title}, {count} equilibria"
        yield Row(f"{name}: time", time.perf_counter() - start, "s", 20.0, "at most")
        yield Row(f"{name}: first one", first, "s", 3.0, "at most")


def _on_pictures() -> Iterator[Row]:
    """128² with the learned contractive R; α = δ/‖w‖, and the same α without the source condition."""
    x = picture(_LARGEST)
    for operator in ("gaussian_blur", "fourier"):
        eq, title = equation(operator, "contractive", _LARGEST), OPERATORS[operator].title
        truth = finish(equilibrium_truth(eq, x, 1e-2))
        sweep = _sweep(eq, truth, Best())
        yield from _slopes(f"picture 128², {title}, source condition", sweep)
        yield Row(f"picture 128², {title}: violated", sum(not row.holds for row in sweep), "", 0, "at most")
        assert truth.element is not None
        bare = _sweep(eq, picture_truth(x), Power(1 / float(norm(truth.element))))
        target = 0.2 if operator == "fourier" else None
        name = f"picture 128², {title}, no source condition: slope of D"
        yield Row(name, _slope(bare, "bregman"), "", target, "at most")


def _sweep(eq: Equation, truth: Truth, rule: Best | Power) -> list[NoiseRow]:
    return list(only_rows(NoiseSweep(eq, truth, _WHITE, rule, _EVERY_HALF).run()))
