"""The identity: Tikhonov regularisation as an equilibrium."""

from deqviz.core.catalog import REGULARIZERS
from deqviz.core.estimate import Estimate
from deqviz.core.regularizer import Constants, Regularizer
from deqviz.core.space import Batch, Image, inner


@REGULARIZERS.register("quadratic", title="Quadratic (Tikhonov)", family="Hand-crafted")
class Quadratic(Regularizer):
    """R(x) = x, the gradient of ½‖x‖²: all directions are damped alike, edges included.

    Tikhonov, 1963.
    """

    def __call__(self, x: Image) -> Image:
        """R(x) = x itself, not a copy."""
        return x

    def constants(self) -> Constants:
        """c = L_R = 1, and Id − R = 0 contracts by 0."""
        return Constants(
            Estimate("c", 1.0, "exact"),
            Estimate("L_R", 1.0, "exact"),
            1.0,
            Estimate("L", 0.0, "exact"),
            "R = Id",
        )

    @property
    def is_gradient(self) -> bool:
        """Of ½‖x‖²."""
        return True

    def potential(self, x: Image) -> Batch:
        """½‖x‖²."""
        return 0.5 * inner(x, x)
