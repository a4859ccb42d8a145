"""Training an unrolled network, plainly or under descending constraints, as a stream of steps."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

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
    """One training step: the loss of its batch, and of each layer the slack c_ℓ and the dual λ_ℓ after it."""

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
    """y₀ … y_K, where what layers 1 to K − 1 return is disturbed before the next layer sees it.

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


class Pupil(nn.Module):
    """A network and the duals λ of its constraints: what is trained, stored and gone on with together."""

    def __init__(self, net: UnrolledSparseCoder, problem: SparseCoding, teaching: Teaching) -> None:
        """All duals are 0 at first."""
        super().__init__()
        self.net, self.problem, self.teaching = net, problem, teaching
        descent = teaching.descent
        self.register_buffer("duals", torch.zeros(0 if descent is None else net.depth + 1 - descent.first))

    def lagrangian(self, x: Tensor, solution: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """E½‖y_K − y*‖² + Σ λ_ℓ c_ℓ(W), its first term, and c without gradient, of one batch.

        The start y₀ is standard normal. Then the duals take their step: λ ← max(λ + η c, 0).
        """
        net, problem, teaching = self.net, self.problem, self.teaching
        start = torch.randn(solution.shape, generator=rng, dtype=x.dtype)
        if teaching.is_noisy:
            states = noisy_states(net, problem, start, x, rng, scale=1.0)
        else:
            states = list(net.states(start, x))
        errors = torch.stack([0.5 * (y - solution).square().sum(1).mean() for y in states[1:]])
        loss = total = errors[-1]
        if teaching.is_deep:
            total = loss + errors[:-1].sum() / max(len(errors) - 1, 1)
        if teaching.descent is None:
            return total, loss, loss.new_zeros(0)
        slacks = teaching.descent.slacks(merits(problem, teaching.descent.merit, states, x, solution))
        assert isinstance(self.duals, Tensor)
        total = total + (self.duals * slacks).sum()
        self.duals = (self.duals + teaching.dual_rate * slacks.detach()).clamp_min(0)
        return total, loss, slacks.detach()


def pace(fraction: float) -> float:
    """The share of the learning rate after this fraction of the steps: 1, from 0.6 on 0.3, from 0.85 0.1."""
    return 1.0 if fraction < 0.6 else 0.3 if fraction < 0.85 else 0.1


def fit(
    net: UnrolledSparseCoder,
    problem: SparseCoding,
    signals: Tensor,
    solutions: Tensor,
    teaching: Teaching,
    seed: int = 0,
) -> Iterator[Step]:
    """Train `net` in place: min_W max_{λ ≥ 0} E½‖y_K − y*‖² + Σ λ_ℓ c_ℓ(W), a step of both at a time.

    `signals` (count × N) with their codes y* (count × M). Adam on W, at a rate that `pace`
    lowers. Yields after every step.
    """
    rng = torch.Generator().manual_seed(seed)
    pupil = Pupil(net, problem, teaching)
    optimizer = torch.optim.Adam(net.parameters(), lr=teaching.rate)
    for number in range(teaching.steps):
        for group in optimizer.param_groups:
            group["lr"] = teaching.rate * pace(number / teaching.steps)
        drawn = torch.randint(0, len(signals), (teaching.batch,), generator=rng)
        total, loss, slacks = pupil.lagrangian(signals[drawn], solutions[drawn], rng)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        assert isinstance(pupil.duals, Tensor)
        duals = tuple(pupil.duals.tolist())
        yield Step(number + 1, teaching.steps, float(loss.detach()), tuple(slacks.tolist()), duals)
