"""The two-layer deep inverse prior in its reduced form, many draws at once, with certificates.

g(u, θ) = Vφ(Wu)/√k with ‖u‖ = 1, fitted by ½‖Ag − y‖² over W from a random start. Every gradient is a
multiple of u*, so that z = Wu ∈ ℝᵏ and B = AV/√k say all: ż = −φ′(z) ⊙ B*(Bφ(z) − y), and ‖W − W₀‖ =
‖z − z₀‖. After Buskulic, Fadili and Quéau, 2023; the constants are derived from these equations.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Rule = Literal["gradient descent", "flow", "heavy ball", "Nesterov"]


@dataclass(frozen=True)
class Activation:
    """φ with its derivative, L₁ = sup|φ′|, L₂ = sup|φ″|, E φ(X)² and E φ′(X)² for X ~ N(0, 1)."""

    name: str
    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    steepest: float
    bend: float
    power: float
    slope_power: float


def _tanh_slope(z: Tensor) -> Tensor:
    value = z.tanh()
    return torch.rsub(value * value, 1)


def _sigmoid_slope(z: Tensor) -> Tensor:
    value = z.sigmoid()
    return torch.addcmul(value, value, value, value=-1)


ACTIVATIONS: Mapping[str, Activation] = {
    "tanh": Activation("tanh", torch.tanh, _tanh_slope, 1.0, 4 / (3 * math.sqrt(3)), 0.3943, 0.4644),
    "sigmoid": Activation("sigmoid", torch.sigmoid, _sigmoid_slope, 0.25, 1 / (6 * 3**0.5), 0.2934, 0.0448),
    "softplus": Activation("softplus", F.softplus, torch.sigmoid, 1.0, 0.25, 0.9212, 0.2934),
}


@dataclass(frozen=True, eq=False)
class Draws:
    """b problems and networks: A (b × m × n), V (b × n × k), x† (b × n), ε (b × m) and z₀ (b × k)."""

    forward: Tensor
    outer: Tensor
    truth: Tensor
    noise: Tensor
    start: Tensor
    activation: Activation

    @property
    def width(self) -> int:
        """k."""
        return self.start.shape[1]

    @cached_property
    def data(self) -> Tensor:
        """y = Ax† + ε."""
        return times(self.forward, self.truth) + self.noise

    @cached_property
    def reduced(self) -> Tensor:
        """B = AV/√k."""
        return self.forward @ self.outer / math.sqrt(self.width)

    def double(self) -> "Draws":
        """The same in double precision."""
        names = ("forward", "outer", "truth", "noise", "start")
        return replace(self, **{name: getattr(self, name).double() for name in names})

    @cached_property
    def range(self) -> Tensor:
        """An orthonormal basis of ran A, b × m × min(m, n), where A has full rank."""
        return torch.linalg.qr(self.forward).Q

    @property
    def is_in_range(self) -> Tensor:
        """Whether y is in ran A, which is whether ε is: b truth values."""
        along = times(self.range, times(self.range.mT, self.noise))
        room = 1e3 * torch.finfo(along.dtype).eps * self.noise.norm(dim=1)
        return (self.noise - along).norm(dim=1) <= room

    def residual(self, z: Tensor, reduced: Tensor | None = None) -> Tensor:
        """Bφ(z) − y."""
        B = self.reduced if reduced is None else reduced
        return times(B, self.activation.value(z)) - self.data

    def picture(self, z: Tensor) -> Tensor:
        """Vφ(z)/√k."""
        return times(self.outer, self.activation.value(z)) / math.sqrt(self.width)

    def jacobian(self, z: Tensor) -> Tensor:
        """∂g/∂z = V diag(φ′(z))/√k, whose singular values are those of ∂g/∂W."""
        return self.outer * self.activation.slope(z)[:, None] / math.sqrt(self.width)

    def moved(self, state: "State", *, is_both: bool = False) -> "Draws":
        """The same problems with networks that begin where `state` is."""
        if not is_both:
            return replace(self, start=state.z)
        # V stays real only as B: another V with the same AV/√k is as good for all that is measured.
        outer = self.outer + math.sqrt(self.width) * (
            torch.linalg.pinv(self.forward) @ (state.reduced - self.reduced)
        )
        return replace(self, start=state.z, outer=outer)

    def chosen(self, which: Tensor) -> "Draws":
        """The draws at these places."""
        return replace(
            self,
            forward=self.forward[which],
            outer=self.outer[which],
            truth=self.truth[which],
            noise=self.noise[which],
            start=self.start[which],
        )


def times(matrix: Tensor, vector: Tensor) -> Tensor:
    """Mv of each item: b × m × n and b × n to b × m."""
    return torch.bmm(matrix, vector[..., None])[..., 0]


def draw(
    count: int,
    measured: int,
    unknowns: int,
    width: int,
    activation: Activation,
    rng: torch.Generator,
    *,
    forward: Tensor | None = None,
    is_orthonormal: bool = False,
    is_unit: bool = False,
    is_centred: bool = False,
    noise: float = 0.0,
    dtype: torch.dtype = torch.float32,
) -> Draws:
    """Gaussian A, x† and z₀, signs in V, and ε uniform in ±`noise`; `forward` (m × n) is an A for all draws.

    `is_orthonormal`: AA* = Id, which needs m ≤ n. `is_unit`: ‖x†‖ = 1. `is_centred`: units come in pairs with
    V of both signs, so that g = 0 at first; k is even then. Raises ValueError where there is no such draw.
    """
    if min(count, measured, unknowns, width) < 1:
        raise ValueError(
            f"No network has a width of {width} for {measured} measurements of {unknowns} unknowns."
        )
    if is_orthonormal and measured > unknowns:
        raise ValueError(f"{measured} rows in {unknowns} dimensions cannot be orthonormal: choose m ≤ n.")
    if is_centred and width % 2:
        raise ValueError(f"Units come in pairs where the start is centred: {width} is odd.")
    half = width // 2 if is_centred else width
    A = torch.randn(count, measured, unknowns, generator=rng, dtype=torch.float64)
    if forward is not None:
        A = forward.double().expand(count, measured, unknowns)
    elif is_orthonormal:
        A = torch.linalg.qr(A.mT).Q.mT
    truth = torch.randn(count, unknowns, generator=rng, dtype=torch.float64)
    if is_unit:
        truth = truth / truth.norm(dim=1, keepdim=True)
    V = 2.0 * torch.randint(0, 2, (count, unknowns, half), generator=rng).double() - 1
    z = torch.randn(count, half, generator=rng, dtype=torch.float64)
    if is_centred:
        V, z = torch.cat([V, -V], 2), torch.cat([z, z], 1)
    epsilon = noise * (2 * torch.rand(count, measured, generator=rng, dtype=torch.float64) - 1)
    A, V, truth, epsilon, z = (part.to(dtype) for part in (A, V, truth, epsilon, z))
    return Draws(A, V, truth, epsilon, z, activation)


@dataclass(frozen=True, eq=False)
class Certificate:
    """What is known of each draw before it is trained, b numbers each.

    `sensitivity` σ_A = least singular value of A on its range, `jacobian` σ₀ = σ_min(J₀), `lipschitz` of J.
    `radius` R′ = 2‖r₀‖/(σ_Aσ₀) is how far the flow can get, `ball` R = σ₀/(2 Lip J) how far σ_min(J) ≥ σ₀/2
    is sure. Where R′ < R: ‖r(t)‖ ≤ ‖r₀‖exp(−σ_A²σ₀²t/4). Gradient descent with a step of at most `step` gets
    no further than 2R′: where that is below R, ‖r_τ‖ ≤ (1 − γσ_A²σ₀²/4)^{τ/2}‖r₀‖.
    """

    sensitivity: Tensor
    jacobian: Tensor
    lipschitz: Tensor
    misfit: Tensor
    step: Tensor
    is_in_range: Tensor

    @property
    def radius(self) -> Tensor:
        """R′, infinite where σ₀ = 0, and where y is not in ran A: then the residual does not vanish."""
        radius = 2 * self.misfit / (self.sensitivity * self.jacobian)
        return torch.where(self.is_in_range, radius, torch.inf)

    @property
    def ball(self) -> Tensor:
        """R."""
        return self.jacobian / (2 * self.lipschitz)

    @property
    def rate(self) -> Tensor:
        """σ_A²σ₀²/4, at which the flow's residual falls."""
        return (self.sensitivity * self.jacobian) ** 2 / 4

    @property
    def is_certified(self) -> Tensor:
        """R′ < R: the flow."""
        return self.radius < self.ball

    @property
    def is_descent_certified(self) -> Tensor:
        """2R′ < R: gradient descent."""
        return 2 * self.radius < self.ball

    def envelope(self, time: Tensor) -> Tensor:
        """‖r₀‖exp(−σ_A²σ₀²t/4): b × times."""
        return self.misfit[:, None] * torch.exp(-self.rate[:, None] * time)

    def descent_envelope(self, step: Tensor, count: int) -> Tensor:
        """(1 − γσ_A²σ₀²/4)^{τ/2}‖r₀‖ for τ = 0 … `count`: b × (count + 1)."""
        power = torch.arange(count + 1, dtype=step.dtype) / 2
        return self.misfit[:, None] * (1 - step * self.rate).clamp_min(0)[:, None] ** power

    def arrival(self, noise: Tensor) -> Tensor:
        """t* = 4 log(‖r₀‖/‖ε‖)/(σ_A²σ₀²), after which ‖Ag − Ax†‖ ≤ 2‖ε‖; 0 where that holds at once."""
        return (self.misfit / noise.norm(dim=1)).log().clamp_min(0) / self.rate


def certificate(draws: Draws) -> Certificate:
    """The numbers of each draw, by singular values in double precision."""
    double = draws.double()
    A, V, z = double.forward, double.outer, double.start
    phi, k, n = draws.activation, draws.width, V.shape[1]
    J = double.jacobian(z)
    values = torch.linalg.svdvals(J)
    # Fewer units than unknowns, or pairs of equal ones, leave J without full row rank: then rounding is left.
    is_full = (values[:, -1] > max(n, k) * torch.finfo(J.dtype).eps * values[:, 0]) & (k >= n)
    lowest = torch.where(is_full, values[:, -1], torch.zeros_like(values[:, -1]))
    misfit, B = double.residual(z).norm(dim=1), double.reduced
    # ∇²(½‖r‖²) = diag φ′B*B diag φ′ + diag(φ″ ⊙ B*r), and ‖r‖ never grows.
    smooth = phi.steepest**2 * torch.linalg.matrix_norm(B, 2) ** 2
    smooth = smooth + phi.bend * B.norm(dim=1).amax(1) * misfit
    return Certificate(
        torch.linalg.svdvals(A)[:, -1],
        lowest,
        phi.bend * V.norm(dim=1).amax(1) / math.sqrt(k),
        misfit,
        1 / smooth,
        double.is_in_range,
    )


@dataclass(frozen=True, eq=False)
class State:
    """Where the draws are after `number` steps: z (b × k), r (b × m), and the time since the start, b."""

    number: int
    z: Tensor
    residual: Tensor
    time: Tensor
    reduced: Tensor


@torch.no_grad()
def evolve(
    draws: Draws,
    step: Tensor,
    *,
    rule: Rule = "gradient descent",
    momentum: float = 0.9,
    is_both: bool = False,
) -> Iterator[State]:
    """z₀, z₁, … without end, each draw with its own step γ (b): the state after every step.

    The flow is integrated by the classical Runge-Kutta method of order 4 with γ as its time step. `is_both`
    trains V too: B moves by −γAA*rφ(z)*/k, for gradient descent only. Raises ValueError for other rules then.
    """
    if is_both and rule != "gradient descent":
        raise ValueError("Both layers are trained by gradient descent only.")
    phi, gamma = draws.activation, step[:, None]
    z, B, velocity = draws.start, draws.reduced, torch.zeros_like(draws.start)
    gram = draws.forward @ draws.forward.mT / draws.width if is_both else None

    def pull(at: Tensor) -> Tensor:
        return phi.slope(at) * times(B.mT, draws.residual(at, B))

    number = 0
    while True:
        r = draws.residual(z, B)
        yield State(number, z, r, number * step, B)
        if rule == "flow":
            one = pull(z)
            two = pull(z - gamma / 2 * one)
            three = pull(z - gamma / 2 * two)
            four = pull(z - gamma * three)
            z = z - gamma / 6 * (one + 2 * two + 2 * three + four)
        elif rule == "heavy ball":
            velocity = momentum * velocity - gamma * pull(z)
            z = z + velocity
        elif rule == "Nesterov":
            velocity = momentum * velocity - gamma * pull(z + momentum * velocity)
            z = z + velocity
        else:
            fresh = z - gamma * phi.slope(z) * times(B.mT, r)
            if gram is not None:
                outward = times(gram, r)[:, :, None] * phi.value(z)[:, None]
                B = B - gamma[:, :, None] * outward
            z = fresh
        number += 1
