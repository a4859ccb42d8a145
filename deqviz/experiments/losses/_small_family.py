"""A small family of signals and four training losses for a linear N."""

import math
from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from deqviz.core.space import norm
from deqviz.solvers._differentiate import Implicit
from deqviz.solvers.picard import Picard


@dataclass(frozen=True)
class SmallFamily:
    """Signals x = Bz + rξ in ℝⁿ behind A ∈ ℝ^(m × n): d orthonormal columns in B, z and ξ standard normal.

    A has m singular values from 1 to 10^−decades and a kernel of dimension n − m. The rest rξ lies in no
    direction that could be learnt: what of it A hides is an error that no N can remove. All in float64.
    """

    size: int = 64
    measured: int = 40
    dimension: int = 6
    decades: float = 1.0
    rest: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no family with a kernel."""
        if not 0 < self.measured < self.size or not 0 < self.dimension <= self.size:
            raise ValueError(f"0 < m < n and 0 < d ≤ n are needed, not {self.measured}, {self.size}.")

    @cached_property
    def _factors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rng, (m, n) = torch.Generator().manual_seed(self.seed), (self.measured, self.size)
        right, left, basis = (
            torch.linalg.qr(torch.randn(k, width, dtype=torch.float64, generator=rng)).Q
            for k, width in ((n, n), (m, m), (n, self.dimension))
        )
        values = torch.logspace(0, -self.decades, m, dtype=torch.float64)
        return left, values, right, basis

    @cached_property
    def operator(self) -> Tensor:
        """A = U diag(σ) V₁ᵀ."""
        left, values, right, _ = self._factors
        return left @ torch.diag(values) @ right[:, : self.measured].mT

    @property
    def right(self) -> Tensor:
        """V = (V₁ V₂), the right singular vectors; V₂ spans the kernel."""
        return self._factors[2]

    @cached_property
    def squares(self) -> Tensor:
        """σ², with n − m zeros."""
        values = self._factors[1]
        return torch.cat([values.square(), values.new_zeros(self.size - self.measured)])

    def draw(self, count: int, rng: torch.Generator) -> Tensor:
        """Signals as rows."""
        inside = torch.randn(count, self.dimension, dtype=torch.float64, generator=rng) @ self._factors[3].mT
        return inside + self.rest * torch.randn(count, self.size, dtype=torch.float64, generator=rng)

    def noise(self, count: int, rng: torch.Generator) -> Tensor:
        """Rows e ∈ ℝᵐ with ‖e‖ = 1."""
        e = torch.randn(count, self.measured, dtype=torch.float64, generator=rng)
        return e / norm(e)[:, None]

    def resolvent(self, b: Tensor, weight: Tensor | float) -> Tensor:
        """(A*A + ρ)⁻¹b for every row; `weight` one number, or one per row as a column."""
        return ((b @ self.right) / (self.squares + weight)) @ self.right.mT

    def range_loss(self, value: Tensor, beta: float) -> Tensor:
        """min_w ‖r − A*w‖² + β‖w‖² = ⟨r, β(A*A + β)⁻¹r⟩ for every row r; ‖P_ker(A) r‖² at β = 0."""
        share = beta / (self.squares + beta) if beta > 0 else (self.squares == 0).to(value.dtype)
        return ((value @ self.right).square() * share).sum(1)


class Objective(ABC):
    """What a linear N is trained by."""

    @property
    @abstractmethod
    def name(self) -> str:
        """For the legend and the rows."""

    @property
    def steps(self) -> int:
        """Steps of Adam."""
        return 300

    @abstractmethod
    def loss(self, family: SmallFamily, N: Tensor, x: Tensor, rng: torch.Generator) -> Tensor:
        """The mean over the rows x, differentiable in N."""


@dataclass(frozen=True)
class Untrained(Objective):
    """N = 0: Tikhonov's method, to compare with."""

    @property
    def name(self) -> str:
        """Tikhonov."""
        return "N = 0"

    @property
    def steps(self) -> int:
        """None."""
        return 0

    def loss(self, family: SmallFamily, N: Tensor, x: Tensor, rng: torch.Generator) -> Tensor:
        """‖x − Nx‖², which nobody descends."""
        return norm(x - x @ N.mT).square().mean()


@dataclass(frozen=True)
class Denoising(Objective):
    """E‖N(x + sξ) − x‖²: knows nothing of A."""

    noise: float = 0.3

    @property
    def name(self) -> str:
        """Denoising."""
        return "denoising"

    def loss(self, family: SmallFamily, N: Tensor, x: Tensor, rng: torch.Generator) -> Tensor:
        """The mean squared error of the denoiser."""
        y = x + self.noise * torch.randn(x.shape, dtype=x.dtype, generator=rng)
        return norm(y @ N.mT - x).square().mean()


@dataclass(frozen=True)
class RangeLoss(Objective):
    """L_β = E min_w ‖R(x) − A*w‖² + β‖w‖²; β = 0 is L₀ = E‖P_ker(A) R(x)‖². T9 of the notes.

    Clean signals only: no data, no noise, no equilibrium. Its value bounds the error of every equilibrium.
    """

    beta: float = 1e-2

    @property
    def name(self) -> str:
        """With β."""
        return f"range, β = {self.beta:g}" if self.beta > 0 else "range, β = 0"

    def loss(self, family: SmallFamily, N: Tensor, x: Tensor, rng: torch.Generator) -> Tensor:
        """L_β."""
        return family.range_loss(x - x @ N.mT, self.beta).mean()


@dataclass(frozen=True)
class ThroughEquilibrium(Objective):
    """E‖x_α − x‖² for data with ‖e‖ = δ = α, log-uniform in [low, high], by the implicit gradient.

    x_α = (A*A + α)⁻¹(A*y + αNx_α), plain iteration forward and backward, which contracts by ‖N‖.
    """

    low: float = 1e-3
    high: float = 1e-1
    tolerance: float = 1e-3

    @property
    def name(self) -> str:
        """End to end."""
        return "through the equilibrium"

    @property
    def steps(self) -> int:
        """Fewer, because each of them solves two fixed points."""
        return 100

    def loss(self, family: SmallFamily, N: Tensor, x: Tensor, rng: torch.Generator) -> Tensor:
        """The mean squared error of the equilibrium."""
        span = math.log(self.high / self.low)
        alpha = self.low * torch.exp(span * torch.rand(len(x), 1, dtype=x.dtype, generator=rng))
        y = x @ family.operator.mT + alpha * family.noise(len(x), rng)
        back = y @ family.operator

        def step(z: Tensor) -> Tensor:
            return family.resolvent(back + alpha * (z @ N.mT), alpha)

        fixed = Implicit(Picard(), Picard(), self.tolerance, max_steps=1000)
        return norm(fixed(step, family.resolvent(back, alpha)) - x).square().mean()


def clipped(N: Tensor, limit: float) -> Tensor:
    """The matrix nearest to N with ‖N‖ ≤ limit: singular values are cut off."""
    left, values, right = torch.linalg.svd(N)
    return left @ torch.diag(values.clamp_max(limit)) @ right


def trained(
    family: SmallFamily, objective: Objective, limit: float, seed: int, *, batch: int = 64, rate: float = 0.02
) -> Generator[tuple[int, float], None, Tensor]:
    """N with ‖N‖ ≤ limit by projected Adam from 0, the rate falling by half a cosine; yields (step, loss)."""
    rng = torch.Generator().manual_seed(seed)
    N = torch.zeros(family.size, family.size, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([N], lr=rate)
    for step in range(objective.steps):
        optimizer.param_groups[0]["lr"] = 0.5 * rate * (1 + math.cos(math.pi * step / objective.steps))
        with torch.enable_grad():
            loss = objective.loss(family, N, family.draw(batch, rng), rng)
        optimizer.zero_grad()
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        optimizer.step()
        with torch.no_grad():
            N.copy_(clipped(N, limit))
        yield step + 1, float(loss.detach())
    return N.detach()
