"""Training an unrolled network, plainly or under descending constraints, as a stream of steps."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from deqviz.learning.descent import Descent, merits
from deqviz.learning.sparse_coding import SparseCoding
from deqviz.networks.lista import UnrolledSparseCoder

AMPLIFIED = 100.0
"""The noise rule of Hadou, NaderiAlizadeh and Ribeiro speaks of codes times 100."""


@dataclass(frozen=True)
class Teaching:
    """How a network is trained: what all rivals share, and in what they differ.

    `descent` None is training without constraints, `is_noisy` adds the noise of `noise_size` to what every
    layer but the last returns, `is_deep` adds the mean loss of all earlier layers: deep supervision.
    """

    name: str
    descent: Descent | None = None
    is_noisy: bool = False
    is_deep: bool = False
    steps: int = 3000
    batch: int = 256
    rate: float = 1e-3
    dual_rate: float = 1e-2


@dataclass(frozen=True, slots=True)
class Step:
    """One training step: the loss of its batch, and of each layer the slack c_l and the dual λ_l after it."""

    number: int
    steps: int
    loss: float
    slacks: tuple[float, ...] = ()
    duals: tuple[float, ...] = ()


def noise_size(problem: SparseCoding, y: Tensor, x: Tensor) -> Tensor:
    """log(100‖∇f(y)‖)/100 per item, at least 0: b × 1, without gradient. Hadou et al., 2024."""
    length = torch.linalg.vector_norm(problem.gradient(y.detach(), x), dim=-1, keepdim=True)
    return (AMPLIFIED * length).clamp_min(1).log() / AMPLIFIED


def noisy_states(
    net: UnrolledSparseCoder,
    problem: SparseCoding,
    y: Tensor,
    x: Tensor,
    rng: torch.Generator,
    *,
    scale: float | None = None,
    deviation: float | None = None,
    before: int | None = None,
) -> list[Tensor]:
    """y₀ … y_L, where what layers 1 to L − 1 return is disturbed before the next layer sees it.

    By `scale` times the rule of `noise_size`, or by white noise of a given `deviation`; `before` restricts it
    to the input of one layer. The states are the disturbed ones, as the constraints see them.
    """
    states = [y]
    for number in range(1, net.depth + 1):
        y = net.layer(number, y, x)
        if number < net.depth and before in (None, number + 1):
            size = noise_size(problem, y, x) * (scale or 0.0) if deviation is None else deviation
            y = y + size * torch.randn(y.shape, generator=rng, dtype=y.dtype)
        states.append(y)
    return states


def fit(
    net: UnrolledSparseCoder,
    problem: SparseCoding,
    signals: Tensor,
    solutions: Tensor,
    teaching: Teaching,
    seed: int = 0,
) -> Iterator[Step]:
    """Train `net` in place: min_W max_{λ ≥ 0} E½‖y_L − y*‖² + Σ λ_l c_l(W), a step of both at a time.

    `signals` (count × N) with their codes y* (count × M). Adam on W, λ ← max(λ + η c, 0) on the duals. The
    rate falls to 0.3 of itself after 60 % of the steps and to 0.1 after 85 %. Yields after every step.
    """
    rng = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=teaching.rate)
    duals: Tensor | None = None
    for number in range(teaching.steps):
        share = number / teaching.steps
        for group in optimizer.param_groups:
            group["lr"] = teaching.rate * (1.0 if share < 0.6 else 0.3 if share < 0.85 else 0.1)
        drawn = torch.randint(0, len(signals), (teaching.batch,), generator=rng)
        x, solution = signals[drawn], solutions[drawn]
        start = torch.randn(solution.shape, generator=rng, dtype=x.dtype)
        if teaching.is_noisy:
            states = noisy_states(net, problem, start, x, rng, scale=1.0)
        else:
            states = list(net.states(start, x))
        errors = torch.stack([0.5 * (y - solution).square().sum(1).mean() for y in states[1:]])
        loss = errors[-1]
        total = loss + errors[:-1].sum() / max(len(errors) - 1, 1) if teaching.is_deep else loss
        slacks: Tensor | None = None
        if teaching.descent is not None:
            slacks = teaching.descent.slacks(merits(problem, teaching.descent.merit, states, x, solution))
            duals = torch.zeros_like(slacks.detach()) if duals is None else duals
            total = total + (duals * slacks).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        if slacks is not None and duals is not None:
            duals = (duals + teaching.dual_rate * slacks.detach()).clamp_min(0)
        yield Step(
            number + 1,
            teaching.steps,
            float(loss.detach()),
            () if slacks is None else tuple(slacks.detach().tolist()),
            () if duals is None else tuple(duals.tolist()),
        )
