"""The alternating direction method with a network in place of the proximal map, unrolled."""

from collections.abc import Callable, Iterator
from typing import ClassVar

from deqviz.core.catalog import METHODS
from deqviz.core.operator import ForwardModel
from deqviz.core.space import Data
from deqviz.methods import _monotone
from deqviz.methods._monotone import DataStep
from deqviz.methods._unrolled import UnrolledMethod


@METHODS.register("admm_net", title="ADMM-Net (unrolled)", family="Unrolled")
class AdmmNet(UnrolledMethod):
    """The alternating direction method of multipliers with a learned network, unrolled.

    x = (A*A + 1/λ)⁻¹(A*y + (z − u)/λ), z = H(x + u), u ← u + x − z, trained through K = 8 iterations with
    shared weights. Trained for MRI. Sun, Li and Xu, 2016.
    """

    equation: ClassVar[str] = "x = (A*A + 1/λ)⁻¹(A*y + (z − u)/λ), z = H(x + u), u ← u + x − z"
    hint: ClassVar[str] = "Try: five times the iterations it was trained for."

    def weights(self, operator: ForwardModel) -> str:
        """One set."""
        del operator
        return "admm_net"

    def states(
        self, residual: Callable[[Data], Data], data: DataStep, start: Data | None = None
    ) -> Iterator[Data]:
        """The images x of the states."""
        return (state.x for state in _monotone.admm(residual, data, start))
