"""Model-based deep learning (MoDL): proximal iterations with an unconstrained network, unrolled."""

from collections.abc import Callable, Iterator
from typing import ClassVar

from deqviz.core.catalog import METHODS
from deqviz.core.operator import ForwardModel
from deqviz.core.space import Data
from deqviz.methods import _monotone
from deqviz.methods._monotone import DataStep
from deqviz.methods._tasks import automatic
from deqviz.methods._unrolled import UnrolledMethod


@METHODS.register("modl", title="MoDL (unrolled)", family="Unrolled")
class Modl(UnrolledMethod):
    """A Tikhonov step towards a network's output, unrolled for K iterations with shared weights.

    x_{k+1} = (A*A + 1/λ)⁻¹(A*y + H(x_k)/λ): the map of MOL at α = 1, with H free and trained through K = 8
    iterations. Best at about the depth of training. Trained for MRI.
    Aggarwal, Mani and Jacob, 2019.
    """

    equation: ClassVar[str] = "x_{k+1} = (A*A + 1/λ)⁻¹(A*y + H(x_k)/λ), k < K"
    hint: ClassVar[str] = "Try: five times the iterations it was trained for, beside MOL, which converges."

    def weights(self, operator: ForwardModel) -> str:
        """By the acceleration."""
        return "modl_r6" if automatic(operator) == "MRI R = 6" else "modl"

    def states(
        self, residual: Callable[[Data], Data], data: DataStep, start: Data | None = None
    ) -> Iterator[Data]:
        """The iteration."""
        return _monotone.modl(residual, data, start)
