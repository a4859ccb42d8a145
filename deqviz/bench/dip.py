"""The deep prior's table: the theory of wide two-layer networks, draw by draw, and what a diagram costs."""

import time
from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor

from deqviz.bench.clock import one_thread
from deqviz.bench.rows import Row
from deqviz.core.machine import cores
from deqviz.experiments._rows import only_rows
from deqviz.experiments.deep_prior.prior_family import PriorFamily
from deqviz.experiments.deep_prior.recovery import LandweberGap
from deqviz.experiments.deep_prior.two_layer import (
    ACTIVATIONS,
    Activation,
    Draws,
    Rule,
    certificate,
    draw,
    evolve,
)
from deqviz.experiments.deep_prior.width_diagram import WidthDiagram
from deqviz.experiments.deep_prior.widths import fits, half_success, threshold

DOUBLE = torch.float64
INTERVALS = {"tanh": (2.7, 3.7), "sigmoid": (8.0, 10.6), "softplus": (2.0, 2.8)}
"""Where the width for half of the draws was asked to lie, in units of m."""
MEASURED = (4, 8, 12, 16, 20)
DRAWS, STEPS = 200, 2000
SHARES = (0.8, 1.0, 1.3)
"""Of the predicted width, at which draws are trained: half of them succeed between two of these."""


def rows(only: str) -> Iterator[Row]:
    """All rows of the parts whose name contains `only`; one torch thread on the CPU."""
    parts: tuple[tuple[str, Callable[[], Iterator[Row]]], ...] = (
        ("reduced", _reduced),
        ("envelope", _envelope),
        ("half", _halves),
        ("landweber", _landweber),
        ("diagram", _diagram),
        ("threads", _threads),
    )
    with one_thread():
        for name, part in parts:
            if not only or only in name:
                yield from part()


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _reduced() -> Iterator[Row]:
    """The k numbers z against all weights of the network, by automatic differentiation."""
    for name, phi in ACTIVATIONS.items():
        for is_both in (False, True):
            draws = draw(3, 4, 6, 10, phi, _rng(), noise=0.1, dtype=DOUBLE)
            step = certificate(draws).step
            expected = by_autograd(draws, step, 60, 7, is_both)
            reduced = (s.residual for s in evolve(draws, step, is_both=is_both))
            off = max(float((a - b).abs().max()) for a, b in zip(expected, reduced, strict=False))
            layers = "both layers" if is_both else "first layer"
            yield Row(f"reduced dynamics, {name}, {layers}: distance", off, "", 1e-10, "at most")


def by_autograd(draws: Draws, step: Tensor, count: int, d: int, is_both: bool) -> list[Tensor]:
    """The residuals of `count` steps on W ∈ ℝ^{k × d}, and V, of the network Vφ(Wu)/√k itself."""
    rng, residuals = _rng(5), list[Tensor]()
    u = torch.randn(d, generator=rng, dtype=DOUBLE)
    u = u / u.norm()
    b, k = draws.start.shape
    # Any W with Wu = z₀: the rest of it is never seen.
    W = torch.randn(b, k, d, generator=rng, dtype=DOUBLE)
    W, V = W + (draws.start - W @ u)[:, :, None] * u, draws.outer.clone()
    for _ in range(count):
        W.requires_grad_()
        V.requires_grad_(is_both)
        g = (V @ draws.activation.value(W @ u)[..., None])[..., 0] / k**0.5
        r = (draws.forward @ g[..., None])[..., 0] - draws.data
        residuals.append(r.detach())
        grads = torch.autograd.grad(0.5 * r.square().sum(), (W, V) if is_both else (W,))
        W = (W - step[:, None, None] * grads[0]).detach()
        V = (V - step[:, None, None] * grads[1]).detach() if is_both else V
    return residuals


def _envelope() -> Iterator[Row]:
    """Softplus, k = 1024, m = 5 orthonormal rows, n = 10, ‖x†‖ = 1, a centred start, noise ±0.03."""
    family = PriorFamily(10, "softplus", is_orthonormal=True, is_unit=True, is_centred=True, noise=0.03)
    draws = family.draws(220, 5, 1024, DOUBLE)
    ways: tuple[tuple[Rule, float, int], ...] = (("flow", 0.4, 120), ("gradient descent", 1.0, 300))
    for rule, share, count in ways:
        yield from _under(draws, rule, share, count)


def _under(draws: Draws, rule: Rule, share: float, count: int) -> Iterator[Row]:
    bounds, is_flow = certificate(draws), rule == "flow"
    sure = bounds.is_certified if is_flow else bounds.is_descent_certified
    step = share * bounds.step
    line = bounds.descent_envelope(step, count)
    radius = bounds.radius * (1 if is_flow else 2)
    above, beyond, lost = (torch.zeros_like(sure) for _ in range(3))
    worst = torch.zeros_like(radius)
    for state in islice(evolve(draws, step, rule=rule), count + 1):
        bound = bounds.envelope(state.time[:, None])[:, 0] if is_flow else line[:, state.number]
        size = state.residual.norm(dim=1)
        above |= size > bound * (1 + 1e-9)
        beyond |= (state.z - draws.start).norm(dim=1) > radius * (1 + 1e-9)
        if state.number:
            worst = torch.maximum(worst, size / bound)
        if state.number % 60 == 0:
            lowest = torch.linalg.svdvals(draws.jacobian(state.z))[:, -1]
            lost |= lowest < bounds.jacobian / 2 * (1 - 1e-9)
    yield Row(f"envelope, {rule}: certified draws of {len(sure)}", int(sure.sum()), "", 200)
    for name, which in (("above it", above), ("further than allowed", beyond), ("with less than σ₀/2", lost)):
        yield Row(f"envelope, {rule}: certified draws {name}", int((which & sure).sum()), "", 0, "at most")
    yield Row(f"envelope, {rule}: largest share of it after the first step", float(worst[sure].max()), "")


def _halves() -> Iterator[Row]:
    """The width that fits half of the draws to 10⁻³, n = 60; tanh with m = 4 is known to need less."""
    for name, (low, high) in INTERVALS.items():
        phi = ACTIVATIONS[name]
        for m in MEASURED:
            ratio = _half(phi, m)
            title = f"half-success width over m, {name}, m = {m}"
            yield Row(title, ratio, "")
            off = max(low - ratio, ratio - high, 0.0)
            yield Row(f"{title}: outside {low:g} … {high:g} by", off, "", 0.0, "at most")


def _half(phi: Activation, m: int) -> float:
    """In units of m; more widths are tried where half is not between the first ones."""
    shares: dict[int, float] = {}
    for factor in (*SHARES, 0.65, 1.6):
        width = round(factor * m * threshold(phi))
        shares[width] = float(fits(draw(DRAWS, m, 60, width, phi, _rng(width)), STEPS).double().mean())
        half_width = half_success(tuple(shares), tuple(shares.values()))
        if half_width is not None and len(shares) >= len(SHARES):
            return half_width / m
    return float("nan")


def _landweber() -> Iterator[Row]:
    """An ill-conditioned blur of 40 samples: mean of 4 draws of the largest distance in 600 steps."""
    widths = (64, 512, 4096)
    gap_rows = list(only_rows(LandweberGap(PriorFamily(40, noise=0.05), widths).run()))
    for k in widths:
        far = max(row.gap for row in gap_rows if row.width == k)
        yield Row(f"landweber, k = {k}: distance over ‖x†‖", far, "", 0.15 if k == 4096 else None, "at most")


def _diagram() -> Iterator[Row]:
    """The diagram as the page opens it, 24 draws in each of 63 cells."""
    families = {
        "as the page opens": PriorFamily(is_orthonormal=True, is_unit=True, is_centred=True),
        "Gaussian": PriorFamily(),
        "Gaussian, softplus": PriorFamily(activation="softplus"),
    }
    for name, family in families.items():
        experiment = WidthDiagram(family)
        start, busy, pause, first = time.perf_counter(), time.process_time(), 0.0, 0.0
        last = start
        for progress in experiment.run():
            now = time.perf_counter()
            pause, last = max(pause, now - last), now
            if progress.row is not None:
                first = first or now - start
        title = f"diagram, {name}, {len(experiment.cells)} cells"
        yield Row(f"{title}: time", last - start, "s", 8.0, "at most")
        yield Row(f"{title}: processor time", time.process_time() - busy, "s")
        yield Row(f"{title}: first cell", first, "s")
        yield Row(f"{title}: longest time without progress", pause, "s", 0.2, "at most")


def _threads() -> Iterator[Row]:
    """Why the page asks for one thread: two cells of the diagram with one, and with all of them."""
    experiment = WidthDiagram(PriorFamily(), (8,), (16, 96), steps=200)
    for count in dict.fromkeys((1, cores())):
        torch.set_num_threads(count)
        start, busy = time.perf_counter(), time.process_time()
        list(experiment.run())
        title = f"threads, two cells of the diagram, {count} thread{'s' if count > 1 else ''}"
        yield Row(f"{title}: time", time.perf_counter() - start, "s")
        yield Row(f"{title}: processor time", time.process_time() - busy, "s")
    torch.set_num_threads(1)
