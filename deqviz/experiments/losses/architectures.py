"""Deep equilibrium architectures: three maps with a network inside, and when they contract.

μ ≤ λ ≤ ‖A‖² for the eigenvalues λ of A*A. Gilton, Ongie and Willett, 2021, for the architectures; the
constants are derived here. Written from the formulas alone.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from deqviz.core.operator import ForwardModel
from deqviz.core.records import Map
from deqviz.core.space import Image

Network = Callable[[Image], Image]


@dataclass(frozen=True)
class Architecture(ABC):
    """A fixed-point map built of A, A*y and a network; its state is shaped like the image."""

    name: ClassVar[str]
    statement: ClassVar[str]

    @abstractmethod
    def step(self, A: ForwardModel, back: Image, network: Network) -> Map:
        """The map T for `back` = A*y and a κ-Lipschitz network Q."""

    def start(self, A: ForwardModel, back: Image) -> Image:
        """The first state: (A*A + 0.1)⁻¹(A*y + 0.05), Tikhonov around middle grey."""
        return A.resolvent(back + 0.05, 0.1)

    def picture(self, A: ForwardModel, back: Image, state: Image) -> Image:
        """The image that a state stands for: itself."""
        return state

    @abstractmethod
    def factor(self, low: float, high: float, limit: float) -> float:
        """Lip(T) for Lip(Q) ≤ κ = `limit`, μ = `low` and ‖A‖² = `high`."""

    @abstractmethod
    def from_residual(self, residual: Network) -> Network:
        """The Q of the network Id + M, M = `residual`, as the architecture's authors write it."""

    @abstractmethod
    def residual_factor(self, low: float, high: float, size: float) -> float:
        """Lip(T) when the network is Id + M with Lip(M) ≤ ε = `size`; κ is not used, M alone counts."""

    @abstractmethod
    def is_in_window(self, low: float, high: float, size: float) -> bool:
        """Whether the published condition on ε and η promises a contraction."""


@dataclass(frozen=True)
class Gradient(Architecture):
    """DE-Grad: T(x) = x − η(A*(Ax − y) + α(x − Q(x))), the explicit splitting of the equilibrium equation."""

    step_size: float = 0.5
    weight: float = 1.0

    name: ClassVar[str] = "DE-Grad"
    statement: ClassVar[str] = "κ = max|1 − η(λ + 1)| + ηε"

    def step(self, A: ForwardModel, back: Image, network: Network) -> Map:
        """One gradient step."""

        def gradient(x: Image) -> Image:
            return x - self.step_size * (A.gram(x) - back + self.weight * (x - network(x)))

        return gradient

    def _factor(self, low: float, high: float, limit: float) -> float:
        ends = (abs(1 - self.step_size * (square + self.weight)) for square in (low, high))
        return max(ends) + self.step_size * self.weight * limit

    def factor(self, low: float, high: float, limit: float) -> float:
        """max|1 − η(λ + α)| + ηακ."""
        return self._factor(low, high, limit)

    def from_residual(self, residual: Network) -> Network:
        """R = Id + M, hence Q = Id − R = −M."""
        return lambda x: -residual(x)

    def residual_factor(self, low: float, high: float, size: float) -> float:
        """The same with ε for κ; 1 − η(1 + μ − ε) at α = 1 while η ≤ 1/(1 + ‖A‖²)."""
        return self._factor(low, high, size)

    def is_in_window(self, low: float, high: float, size: float) -> bool:
        """ε < 1 + μ and η ≤ 1/(1 + ‖A‖²), for α = 1."""
        return size < 1 + low / self.weight and self.step_size <= 1 / (self.weight + high)


@dataclass(frozen=True)
class Proximal(Architecture):
    """DE-Prox: T(x) = Q(x − ηA*(Ax − y)), plug-and-play with a network trained for it."""

    step_size: float = 1.0

    name: ClassVar[str] = "DE-Prox"
    statement: ClassVar[str] = "κ = max|1 − ηλ|·(1 + ε)"

    def step(self, A: ForwardModel, back: Image, network: Network) -> Map:
        """A gradient step, then the network."""

        def proximal(x: Image) -> Image:
            return network(x - self.step_size * (A.gram(x) - back))

        return proximal

    def factor(self, low: float, high: float, limit: float) -> float:
        """κ max|1 − ηλ|."""
        return limit * max(abs(1 - self.step_size * square) for square in (low, high))

    def from_residual(self, residual: Network) -> Network:
        """Id + M."""
        return lambda x: x + residual(x)

    def residual_factor(self, low: float, high: float, size: float) -> float:
        """(1 + ε) max|1 − ηλ|: never below 1 where μ = 0."""
        return self.factor(low, high, 1 + size)

    def is_in_window(self, low: float, high: float, size: float) -> bool:
        """1/(μ(1 + 1/ε)) < η < 2/‖A‖² − 1/(‖A‖²(1 + 1/ε)); empty unless ε < 2μ/(‖A‖² − μ)."""
        share = size / (1 + size)
        return share < self.step_size * low and self.step_size * high < 2 - share


@dataclass(frozen=True)
class Splitting(Architecture):
    """DE-ADMM as Douglas and Rachford write it: T(v) = v + D(2x − v) − x, x = (A*A + 1/η)⁻¹(A*y + v/η).

    D = (Id + Q)/2; the image is x. Eckstein and Bertsekas, 1992, for the equivalence.
    """

    step_size: float = 1.0

    name: ClassVar[str] = "DE-ADMM"
    statement: ClassVar[str] = "κ = max ‖Pv‖ + ε‖2Pv − v‖, P = (Id + ηA*A)⁻¹"

    def step(self, A: ForwardModel, back: Image, network: Network) -> Map:
        """One reflection in the data, one in the network, averaged with the identity."""

        def splitting(v: Image) -> Image:
            reflected = 2 * self.picture(A, back, v) - v
            return 0.5 * (v + network(reflected))

        return splitting

    def picture(self, A: ForwardModel, back: Image, state: Image) -> Image:
        """x = (A*A + 1/η)⁻¹(A*y + v/η)."""
        return A.resolvent(back + state / self.step_size, 1 / self.step_size)

    def factor(self, low: float, high: float, limit: float) -> float:
        """(1 + κ r)/2, r = max|1 − ηλ|/(1 + ηλ) the Lipschitz constant of the reflection in the data."""
        m, top = self.step_size * low, self.step_size * high
        return 0.5 * (1 + limit * max(abs(1 - m) / (1 + m), abs(1 - top) / (1 + top)))

    def from_residual(self, residual: Network) -> Network:
        """D = Id + M, hence Q = 2D − Id = Id + 2M."""
        return lambda x: x + 2 * residual(x)

    def residual_factor(self, low: float, high: float, size: float) -> float:
        """The most of a + ε√(1 − 4ma²) over 0 ≤ a ≤ 1/(1 + m), m = ημ.

        T = P + M(2P − Id) up to constants, and for a = ‖Pv‖, ‖v‖ = 1 strong monotonicity says
        ⟨Pv, v⟩ ≥ (1 + m)a², so that ‖2Pv − v‖² ≤ 1 − 4ma².
        """
        m = self.step_size * low
        if abs(1 - m) >= 4 * size * m:
            return (1 + size * abs(1 - m)) / (1 + m)
        return math.sqrt((1 + 4 * size**2 * m) / (4 * m))

    def is_in_window(self, low: float, high: float, size: float) -> bool:
        """ε < 1 and ημ(1 + ε − 2ε²) > ε (Ryu et al., 2019)."""
        return size < 1 and self.step_size * low * (1 + size - 2 * size**2) > size


ARCHITECTURES: tuple[type[Gradient] | type[Proximal] | type[Splitting], ...] = (Gradient, Proximal, Splitting)
