"""Recovery in the wide limit: Landweber iteration from the network's initial output."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from deqviz.experiments.deep_prior.two_layer import Draws, times


@dataclass(frozen=True, eq=False)
class Limit:
    """The error of the limit in the wide limit, b numbers each: error² = kernel² + noise².

    `kernel` = ‖P_ker(A)(g₀ − x†)‖ is what the data say nothing about, `noise` = ‖A†ε‖. As k → ∞ the kernel
    JJ* becomes a multiple of Id, so that x(t) follows Landweber's iteration from g₀ to g₀ + A†(y − Ag₀).
    """

    kernel: Tensor
    noise: Tensor

    @property
    def error(self) -> Tensor:
        """‖x(∞) − x†‖."""
        return torch.hypot(self.kernel, self.noise)


def wide_limit(draws: Draws) -> Limit:
    """The split for each draw, by the pseudoinverse in double precision."""
    A = draws.forward.double()
    back = torch.linalg.pinv(A)
    error = (draws.picture(draws.start) - draws.truth).double()
    visible = times(back, times(A, error))
    return Limit((error - visible).norm(dim=1), times(back, draws.noise.double()).norm(dim=1))


@torch.no_grad()
def landweber(draws: Draws, step: Tensor) -> Iterator[Tensor]:
    """x₀ = g(θ₀) and x − γE[φ′²]A*(Ax − y) without end: b × n. Landweber, 1951.

    E[φ′²] is the mean of JJ*, so that one step is, in the wide limit, one step γ of the network.
    """
    x = draws.picture(draws.start)
    pace = step[:, None] * draws.activation.slope_power
    while True:
        yield x
        x = x - pace * times(draws.forward.mT, times(draws.forward, x) - draws.data)


def periodic_blur(size: int, deviation: float) -> Tensor:
    """A circulant matrix of a Gaussian of this standard deviation with sum 1: size × size, float64.

    Raises ValueError where there is no such blur.
    """
    if size < 2 or not deviation > 0:
        raise ValueError(f"A blur of {deviation} samples does not fit {size} of them.")
    places = torch.arange(size, dtype=torch.float64)
    distance = torch.minimum(places, size - places)
    kernel = torch.exp(-0.5 * (distance / deviation) ** 2)
    kernel = kernel / kernel.sum()
    return torch.stack([kernel.roll(shift) for shift in range(size)])
