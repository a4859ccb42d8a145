"""Piecewise constant signals behind an operator, and small networks trained on them."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from math import cos, pi

import torch

from deqviz.core.operator import ForwardModel
from deqviz.core.records import Map, Solver, Step
from deqviz.core.space import Data, Image, Space, norm
from deqviz.experiments.losses.architectures import Architecture
from deqviz.networks.contractive_cnn import ContractiveCNN
from deqviz.noises.gaussian import Gaussian
from deqviz.operators.gaussian_blur import GaussianBlur
from deqviz.solvers._differentiate import Implicit, Unrolled
from deqviz.solvers.anderson import Anderson
from deqviz.solvers.picard import Picard


@dataclass(frozen=True)
class Signals:
    """Rows of pixels between 0.1 and 0.9 with `jumps` jumps on average, blurred, with white noise."""

    operator: ForwardModel = GaussianBlur(Space((1, 1, 96)), width=1.5)
    noise: float = 0.05
    jumps: float = 6.0

    def __post_init__(self) -> None:
        """Refuse images of more than one channel."""
        if self.operator.image.shape[0] != 1:
            raise ValueError(f"The networks see one channel, not {self.operator.image.shape[0]}.")

    def draw(self, count: int, rng: torch.Generator) -> Image:
        """Signals: a new random level wherever a coin says so."""
        space = self.operator.image
        shape, dtype = (count, *space.shape), space.real_dtype
        levels = 0.1 + 0.8 * torch.rand(shape, dtype=dtype, generator=rng)
        is_jump = torch.rand(shape, dtype=dtype, generator=rng) < self.jumps / space.shape[-1]
        is_jump[..., 0] = True
        place = torch.arange(space.shape[-1]).expand(shape) * is_jump
        return levels.gather(-1, place.cummax(-1).values).to(space.device)

    def spoil(self, clean: Image, rng: torch.Generator) -> Data:
        """Ax + e."""
        return Gaussian(self.noise).add(self.operator(clean), self.operator, rng)


@dataclass(frozen=True, slots=True)
class Visit:
    """One evaluation z ↦ T(z): the image of T(z), ‖T(z) − z‖/‖T(z)‖, and how T stretched the last move."""

    picture: Image
    residual: float
    ratio: float


@dataclass(frozen=True)
class Learner(ABC):
    """A network in an architecture and how it is trained; `is_bounded` = False frees its norms."""

    architecture: Architecture
    is_bounded: bool = True

    @property
    @abstractmethod
    def name(self) -> str:
        """For the legend."""

    @property
    @abstractmethod
    def solver(self) -> Solver:
        """What iterates its map."""

    def network(self, shape: tuple[int, int], seed: int) -> ContractiveCNN:
        """Fresh weights, the same for all learners of one seed."""
        return ContractiveCNN(shape, is_bounded=self.is_bounded, seed=seed)

    @property
    def rate(self) -> float:
        """The step of Adam; norms that are divided out bear a large one."""
        return 2e-2 if self.is_bounded else 5e-3

    @abstractmethod
    def forward(self, f: Map, start: Image) -> Image:
        """The last state, with its gradient."""

    def estimate(self, signals: Signals, net: ContractiveCNN, y: Data) -> Image:
        """The image, differentiable in the weights; raises Diverged as the fixed point does."""
        A, banks = signals.operator, net.banks()
        back = A.adjoint(y)
        f = self.architecture.step(A, back, lambda x: net.apply_banks(x, banks))
        state = self.forward(f, self.architecture.start(A, back))
        return self.architecture.picture(A, back, state)

    @abstractmethod
    def is_trained_to(self, k: int, residual: float) -> bool:
        """Whether training stops after k evaluations that left this residual."""

    @torch.no_grad()
    def iterates(self, signals: Signals, net: ContractiveCNN, y: Data) -> Iterator[Visit]:
        """Every evaluation of the map, without end."""
        A, banks = signals.operator, net.banks()
        back = A.adjoint(y)
        f = self.architecture.step(A, back, lambda x: net.apply_banks(x, banks))
        last: Step | None = None
        for step in self.solver.steps(f, self.architecture.start(A, back)):
            ratio = 0.0 if last is None else _stretch(last, step)
            yield Visit(self.architecture.picture(A, back, step.fz), float(step.residual), ratio)
            last = step


def _stretch(one: Step, other: Step) -> float:
    """‖T(a) − T(b)‖/‖a − b‖, the largest of the batch; 0 for states that rounding no longer tells apart."""
    distance, size = norm(one.z - other.z), norm(other.z)
    is_apart = distance > 1e3 * torch.finfo(size.dtype).eps * size
    return float((norm(one.fz - other.fz) / distance.clamp_min(1e-30) * is_apart).max())


@dataclass(frozen=True)
class DeepEquilibrium(Learner):
    """Trained through the fixed point: Anderson forward and backward, and the implicit gradient.

    Bounded, the map contracts whatever is learnt; free, training may end in Diverged.
    """

    tolerance: float = 1e-3

    @property
    def name(self) -> str:
        """The architecture's."""
        return f"{self.architecture.name}{'' if self.is_bounded else ', unconstrained'}"

    @property
    def solver(self) -> Solver:
        """Anderson."""
        return Anderson()

    def forward(self, f: Map, start: Image) -> Image:
        """The fixed point."""
        return Implicit(self.solver, self.solver, self.tolerance, max_steps=500)(f, start)

    def is_trained_to(self, k: int, residual: float) -> bool:
        """At the tolerance."""
        return residual <= self.tolerance


@dataclass(frozen=True)
class UnrolledNetwork(Learner):
    """K evaluations of the same map with the same network, trained through all of them."""

    depth: int = 10
    is_bounded: bool = False

    @property
    def name(self) -> str:
        """With K."""
        return f"{self.architecture.name} unrolled, K = {self.depth}{', bounded' if self.is_bounded else ''}"

    @property
    def solver(self) -> Solver:
        """The map itself."""
        return Picard()

    def forward(self, f: Map, start: Image) -> Image:
        """The K-th value."""
        return Unrolled(self.solver, self.depth)(f, start)

    def is_trained_to(self, k: int, residual: float) -> bool:
        """At K."""
        return k == self.depth


def taught(
    signals: Signals, learner: Learner, steps: int, seed: int, *, batch: int = 16
) -> Generator[tuple[int, float], None, ContractiveCNN]:
    """The network after `steps` of Adam on the mean squared error; yields (step, loss).

    Raises Diverged where a fixed point is not reached, which a bounded network cannot bring about.
    """
    rng = torch.Generator().manual_seed(seed)
    space, rate = signals.operator.image, learner.rate
    height, width = space.shape[-2:]
    net = learner.network((height, width), seed).to(space.device, space.real_dtype)
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * (0.02 + 0.98 * 0.5 * (1 + cos(pi * step / steps)))
        clean = signals.draw(batch, rng)
        y = signals.spoil(clean, rng)
        # Not around the yield: whoever pulls would inherit the mode.
        with torch.enable_grad():
            loss = (learner.estimate(signals, net, y) - clean).square().mean()
        optimizer.zero_grad()
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        yield step + 1, float(loss.detach())
    return net.eval().requires_grad_(False)
