"""Linear operators A : X → Y, the forward models of imaging."""

from abc import ABC, abstractmethod
from copy import copy
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

import torch
from torch import Tensor

from deqviz.core.estimate import Estimate
from deqviz.core.linalg import power_iteration, shifted_inverse
from deqviz.core.rounding import accumulated
from deqviz.core.space import Data, Image, Result, Space, wide

Model = TypeVar("Model", bound="ForwardModel")


class LinearOperator(ABC):
    """A linear map with its exact adjoint. Immutable; batched over axis 0."""

    @property
    @abstractmethod
    def domain(self) -> Space:
        """X, the space of x."""

    @property
    @abstractmethod
    def codomain(self) -> Space:
        """Y, the space of A x."""

    @abstractmethod
    def apply(self, x: Data) -> Result:
        """A x."""

    @abstractmethod
    def adjoint(self, y: Data) -> Result:
        """A* y, with ⟨A x, y⟩ = ⟨x, A* y⟩ to rounding."""

    def gram(self, x: Data) -> Data:
        """A*A x. Override where a closed form is cheaper."""
        return self.adjoint(self.apply(x))

    def norm(self) -> Estimate:
        """‖A‖. Here: 30 power iterations on A*A from a fixed seed, hence a lower bound."""
        rng = torch.Generator().manual_seed(0)
        value = power_iteration(self.gram, self.domain.random(rng), steps=30) ** 0.5
        return Estimate("‖A‖", value, "lower bound")

    def __call__(self, x: Data) -> Result:
        """A x."""
        return self.apply(x)

    def __matmul__(self, other: "LinearOperator") -> "LinearOperator":
        """The composition A B."""
        return Composed(self, other)

    @property
    def H(self) -> "LinearOperator":
        """The adjoint as an operator."""
        return Adjoint(self)


@dataclass(frozen=True)
class ForwardModel(LinearOperator):
    """A linear operator on images: what `OPERATORS` holds.

    `image` is the space of images (c, h, w); every channel is treated alike.
    """

    image: Space

    resolvent_kind: ClassVar[Literal["closed form", "conjugate gradients"]] = "conjugate gradients"
    complex_pictures: ClassVar[bool] = False
    """Whether its images are complex: real and imaginary part are then their two channels."""
    takes_double: ClassVar[bool] = False
    """Whether it computes in double precision what it gets in it, whatever its images are."""
    is_double: ClassVar[bool] = False
    """Whether it does so with all that it gets, and rounds the result only."""
    baseline_name: ClassVar[str] = "A*y (back-projection)"
    """What `baseline` is called on screen."""

    @property
    def domain(self) -> Space:
        """The space of images."""
        return self.image

    @property
    def measured(self) -> Tensor | None:
        """1 where an entry of the data is measured, 0 where it is zero by construction; None: all are.

        Shaped like one batch item of the data. Noise falls on measured entries only.
        """
        return None

    @abstractmethod
    def norm_bound(self) -> Estimate:
        """A certified upper bound of ‖A‖ (side "exact" or "upper bound"), never a power iteration.

        An operator of somebody else, of which nothing is proved, states a lower bound and has a `doubt`.
        """

    @property
    def doubt(self) -> str:
        """What is not proved of A; where it says something, no guarantee on A is more than estimated."""
        kept = vars(self)
        if "_doubt" not in kept:
            kept["_doubt"] = "" if self.norm_bound().is_certified_above else "‖A‖ is known from below only"
        return kept["_doubt"]

    def smallest_singular_value(self) -> Estimate:
        """A certified lower bound of σ_min(A) = min ‖Ax‖/‖x‖; 0 where nothing is known."""
        return Estimate("σ_min(A)", 0.0, "lower bound")

    @property
    def roundings(self) -> float:
        """n such that A*A x is off by γ_n‖A‖²‖x‖ at most, beside the rounding of the result.

        Likewise A*y by γ_n‖A‖‖y‖ and a closed (A*A + ρ)⁻¹b by γ_n‖b‖/(σ_min² + ρ). Override where sums have
        more than 32 terms.
        """
        return 64

    @property
    def rounding(self) -> float:
        """Both together, γ and four roundings: of A x, of the result and of what is added to it."""
        dtype = torch.float64 if self.is_double else self.image.real_dtype
        return accumulated(self.roundings, dtype) + self.resolution

    @property
    def resolution(self) -> float:
        """What the precision of the images can tell apart: two of its epsilons."""
        return 2 * torch.finfo(self.image.real_dtype).eps

    @property
    def accuracy(self) -> float:
        """The relative residual at which an iterative `resolvent` stops: 10⁻⁶, or 10⁻¹² in float64."""
        usual = 1e-12 if self.image.real_dtype == torch.float64 else 1e-6
        return vars(self).get("_accuracy", usual)

    def loosened(self: Model, accuracy: float) -> Model:
        """The same operator with another `accuracy`, for what need not be exact; a closed form as it is."""
        if self.resolvent_kind == "closed form":
            return self
        other = copy(self)
        vars(other)["_accuracy"] = accuracy
        return other

    def resolvent(self, b: Image, weight: float, start: Image | None = None) -> Image:
        """(A*A + ρI)⁻¹ b for ρ = `weight` > 0; conjugate gradients unless a closed form overrides it.

        They stop at a relative residual of `accuracy`. `start` warms them up; closed forms ignore it.
        Differentiable in b, as a solve and not as its steps.
        """
        return shifted_inverse(self.gram, b, weight, start=start, tolerance=self.accuracy, max_steps=1000)

    def solve(self, y: Data, weight: float, start: Image | None = None) -> Image:
        """(A*A + ρ)⁻¹A*y: Tikhonov's solution.

        The rounding of A*y would be multiplied by 1/ρ where A sees nothing. So a closed form is evaluated in
        double precision; what conjugate gradients find is refined once, with a residual in double precision,
        where the operator takes it.
        """
        data = wide(y) if self.takes_double else y
        back, dtype = self.adjoint(data), self.image.dtype
        if self.resolvent_kind == "closed form":
            return self.resolvent(back, weight).to(dtype)
        x = self.resolvent(back.to(dtype), weight, start)
        exact = x.to(back.dtype)
        missing = back - self.gram(exact) - weight * exact
        return x + self.resolvent(missing.to(dtype), weight)

    def baseline(self, y: Data) -> Image:
        """The data as an image, the trivial reconstruction: A* y unless the field knows better."""
        return self.adjoint(y)


@dataclass(frozen=True)
class Adjoint(LinearOperator):
    """A* as an operator Y → X."""

    base: LinearOperator

    @property
    def domain(self) -> Space:
        """Y."""
        return self.base.codomain

    @property
    def codomain(self) -> Space:
        """X."""
        return self.base.domain

    def apply(self, x: Data) -> Result:
        """A* x."""
        return self.base.adjoint(x)

    def adjoint(self, y: Data) -> Result:
        """A y."""
        return self.base.apply(y)


@dataclass(frozen=True)
class Composed(LinearOperator):
    """A B, where B feeds A."""

    outer: LinearOperator
    inner: LinearOperator

    def __post_init__(self) -> None:
        """Refuse two operators whose spaces do not meet."""
        if self.outer.domain != self.inner.codomain:
            raise ValueError(f"cannot compose: {self.inner.codomain} feeds {self.outer.domain}")

    @property
    def domain(self) -> Space:
        """The domain of B."""
        return self.inner.domain

    @property
    def codomain(self) -> Space:
        """The codomain of A."""
        return self.outer.codomain

    def apply(self, x: Data) -> Result:
        """A B x."""
        return self.outer.apply(self.inner.apply(x))

    def adjoint(self, y: Data) -> Result:
        """B* A* y."""
        return self.inner.adjoint(self.outer.adjoint(y))
