"""The records that travel: a Problem goes down to a method, Steps and Iterates come back up."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ClassVar, TypeAlias

from torch import Generator, Tensor

from deqviz.core.estimate import Estimate
from deqviz.core.guarantee import Guarantee
from deqviz.core.operator import ForwardModel
from deqviz.core.space import Data, Image, norm

Map: TypeAlias = Callable[[Data], Data]
Scalar: TypeAlias = Tensor | float
"""A number, or a 0-d tensor that still lives on the device: `float()` of it waits for the GPU."""


@dataclass(frozen=True)
class Problem:
    """What a method may know: the operator, the data and the noise level (standard deviation)."""

    operator: ForwardModel
    data: Data
    noise: float


@dataclass(frozen=True, slots=True)
class Step:
    """One evaluation z ↦ f(z) of a fixed-point map; `evaluations` counts all of them so far."""

    k: int
    z: Data
    fz: Data
    evaluations: int

    @property
    def gap(self) -> Tensor:
        """‖f(z) − z‖, the worst of the batch, left on the device."""
        return norm(self.fz - self.z).max()

    @property
    def residual(self) -> Tensor:
        """‖f(z) − z‖ / ‖f(z)‖, the worst of the batch, left on the device; NaN where ‖f(z)‖ overflows."""
        return relative(norm(self.fz - self.z), norm(self.fz)).max()


def relative(gap: Tensor, size: Tensor) -> Tensor:
    """gap/size, but no number where the size has overflowed: gap/∞ = 0 would pass for arrival."""
    return gap / size.clamp_min(1e-12) + 0 * size


class Solver(ABC):
    """Seeks z = f(z): an endless stream of steps; the caller decides when to stop."""

    @abstractmethod
    def steps(self, f: Map, z0: Data) -> Iterator[Step]:
        """The first step evaluates f at z0; `k` counts the steps, `evaluations` the calls of f."""

    def contraction(self, kappa: float) -> float | None:
        """The certified factor per step of ‖f(z) − z‖ when f contracts by κ; None where none is known."""
        return None


@dataclass(frozen=True, slots=True)
class Iterate:
    """One iterate of a reconstruction, detached from any graph.

    `residual` is ‖T(x) − x‖/‖T(x)‖ and `gap` is ‖T(x) − x‖, of the method's fixed-point map T at this
    iterate (never the step length). `scalars` are curves of the method's own, e.g. {"duality gap": g}.
    """

    k: int
    x: Image
    residual: Scalar
    gap: Scalar
    evaluations: int
    objective: Scalar | None = None
    scalars: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])


@dataclass(frozen=True, slots=True)
class Scalars:
    """The scalars of an Iterate as plain floats: what is kept of every iterate."""

    k: int
    residual: float
    gap: float
    evaluations: int
    objective: float | None = None
    scalars: Mapping[str, float] = field(default_factory=dict[str, float])

    @classmethod
    def of(cls, iterate: Iterate) -> "Scalars":
        """The scalars of `iterate`; waits for the device."""
        return cls(
            iterate.k,
            float(iterate.residual),
            float(iterate.gap),
            iterate.evaluations,
            None if iterate.objective is None else float(iterate.objective),
            {name: float(value) for name, value in iterate.scalars.items()},
        )


Mark = Scalars
"""Its name in packages that were written for 0.1.0."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured on a run: its marks, and named probes made after it.

    Known probes: "spread" (largest distance between limits from other starts, relative to the first limit),
    "gain" (‖x₁ − x₂‖/‖y₁ − y₂‖ for one perturbation), "expansion" (local ‖J_T‖ by power iteration, a lower
    bound); those that a bound needs beside them are in `deqviz.experiments.probe`.
    """

    marks: Sequence[Scalars] = ()
    probes: Mapping[str, float] = field(default_factory=dict[str, float])


class Method(ABC):
    """A reconstruction method: parameters only; all running state lives in the generator."""

    equation: ClassVar[str]
    """What the method solves, in plain Unicode mathematics, e.g. "A*(Ax − y) + αR(x) = 0"."""
    hint: ClassVar[str] = ""
    """One thing to try, for the card beside the images, e.g. "Raise L past 1 and watch the lamps"."""
    ending: ClassVar[str] = "Done: this method has no further iterations."
    """What is said of a run that ends by itself; {k} is the last iteration."""
    has_limit: ClassVar[bool] = True
    """Whether its images approach one. Layers and formulas end: a residual of 0 there is no arrival."""

    @classmethod
    def arrival(cls, tolerance: float) -> float:
        """The residual at which a run is over before the method ends it."""
        return tolerance if cls.has_limit else 0.0

    @classmethod
    def residual(cls, mark: Scalars) -> float:
        """That of one iterate as it is shown: the last layer is compared with nothing."""
        return mark.residual if cls.has_limit or mark.residual > 0 else math.nan

    def __init_subclass__(cls) -> None:
        """Whatever a method states, an operator with a `doubt` makes it at most estimated."""
        super().__init_subclass__()
        if "guarantees" in vars(cls):
            cls.guarantees = _never_beyond_doubt(cls.guarantees)  # pyright: ignore[reportAttributeAccessIssue]

    @abstractmethod
    def iterates(self, problem: Problem, start: Image | None = None) -> Iterator[Iterate]:
        """The run: x₀, x₁, … without end unless the method is direct; `start` replaces the usual x₀."""

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """What is proved of this method on this problem, beside what was measured."""
        return ()

    def advice(self, operator: type[ForwardModel]) -> str:
        """The hint where its controls are there: behind this kind of operator, with these parameters."""
        del operator
        return self.hint

    def weights(self, operator: ForwardModel) -> str:
        """The card of the trained weights that it uses behind this operator; "" of a method without any."""
        del operator
        return ""


_States: TypeAlias = Callable[[Any, Problem, Evidence], tuple[Guarantee, ...]]


def _never_beyond_doubt(states: _States) -> _States:
    @wraps(states)
    def stated(self: Any, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        guarantees = states(self, problem, evidence)
        # Asked only where it matters: a norm may take a while.
        is_sure = any(g.claim in ("certified", "stated") for g in guarantees)
        if not is_sure or not (doubt := problem.operator.doubt):
            return guarantees
        return tuple(g.doubted(doubt) for g in guarantees)

    return stated


@dataclass(frozen=True)
class Subject:
    """A map and the two states at which theory compares it, e.g. the equilibria of y and y + δ."""

    f: Map
    z: Data
    other: Data


class Diagnostic(ABC):
    """A question about a fixed-point map."""

    @abstractmethod
    def measure(self, subject: Subject) -> Estimate:
        """The answer, with its side."""


class Noise(ABC):
    """A way to spoil clean data, always from an explicit generator on the CPU."""

    @abstractmethod
    def add(self, clean: Data, operator: ForwardModel, rng: Generator) -> Data:
        """The data y of the clean data A x; raises ValueError where this noise makes no sense."""

    @abstractmethod
    def level(self, clean: Data) -> float:
        """The standard deviation per entry, as a method is told."""
