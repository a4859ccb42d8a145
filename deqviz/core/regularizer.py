"""Regularisation operators R of the equilibrium equation A*(Ax − y) + αR(x) = 0."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from deqviz.core.estimate import Estimate
from deqviz.core.rounding import RoundingBound
from deqviz.core.space import Batch, Image


@dataclass(frozen=True, slots=True)
class Constants:
    """What is known of R on the whole space, each with its side.

    `monotonicity` c: ⟨R(x) − R(z), x − z⟩ ≥ c‖x − z‖² (a lower bound, negative when only −c is known).
    `lipschitz` L_R: ‖R(x) − R(z)‖ ≤ L_R‖x − z‖ (an upper bound).
    `center` β and `contraction` L: ‖(βx − R(x)) − (βz − R(z))‖ ≤ L‖x − z‖, the constants of the implicit
    splitting; β = 1 and L < 1 is the contractive residual of Obmann and Haltmeier, and for the gradient of
    a convex function β = L_R/2 gives L = L_R/2.
    `known` says in one sentence how they are known.
    """

    monotonicity: Estimate
    lipschitz: Estimate
    center: float
    contraction: Estimate
    known: str


class Regularizer(ABC):
    """An operator R on images with its constants; every channel is treated alike."""

    @abstractmethod
    def __call__(self, x: Image) -> Image:
        """R(x)."""

    @abstractmethod
    def constants(self) -> Constants:
        """The constants of R for every image size."""

    def rounding(self) -> RoundingBound | None:
        """What R loses in double precision, where that is proved: what certifies the end of a run."""
        return None

    @property
    def weights(self) -> str:
        """The card of its trained weights; "" where nothing was trained."""
        return ""

    @property
    def is_gradient(self) -> bool:
        """Whether R is the gradient of `potential`."""
        return False

    def potential(self, x: Image) -> Batch | None:
        """The function whose gradient is R, one number per batch item; None where there is none."""
        return None
