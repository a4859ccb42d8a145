"""One pass of a U-Net after a linear reconstruction."""

from collections.abc import Iterator
from typing import ClassVar

import torch

from deqviz.core.catalog import METHODS
from deqviz.core.guarantee import Guarantee
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Evidence, Iterate, Method, Problem
from deqviz.core.space import Image, on_complex
from deqviz.methods._base import gap_and_residual
from deqviz.methods._monotone import DataStep
from deqviz.methods._unrolled import no_guarantees
from deqviz.networks import _weights
from deqviz.networks.unet import ResidualUNet


@METHODS.register("unet", title="U-Net after SENSE", family="Post-processing")
class UNet(Method):
    """Post-processing of a linear reconstruction by a network; the measurements are not used again.

    x = U((A*A + 1/λ)⁻¹A*y). Trained for MRI at R = 4. Ronneberger, Fischer and Brox, 2015.
    """

    equation: ClassVar[str] = "x = U((A*A + 1/λ)⁻¹A*y)"
    hint: ClassVar[str] = "Try: another pattern or acceleration than it was trained for."
    has_limit: ClassVar[bool] = False

    def advice(self, operator: type[ForwardModel]) -> str:
        """Patterns and accelerations are those of MRI."""
        return self.hint if operator.complex_pictures else "Try: parallel MRI, for which it was trained."

    def weights(self, operator: ForwardModel) -> str:
        """One set."""
        del operator
        return "unet"

    def stages(self, problem: Problem, start: Image | None = None) -> tuple[Image, Image]:
        """The linear reconstruction, or `start`, and the network's output; differentiable in the data."""
        A = problem.operator
        net = _weights.load("unet", A.image.dtype, A.image.device)
        assert isinstance(net, ResidualUNet)
        x = start
        if x is None:
            x = DataStep(A, A.adjoint(problem.data), (-net.log_weight).exp()).sense()
        return x, on_complex(net, x)

    @torch.no_grad()
    def iterates(self, problem: Problem, start: Image | None = None) -> Iterator[Iterate]:
        """The linear reconstruction, then the network's."""
        x, repaired = self.stages(problem, start)
        gap, residual = gap_and_residual(x, repaired)
        yield Iterate(0, x, residual, gap, 1)
        yield Iterate(1, repaired, 0.0, 0.0, 1)

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """None."""
        del problem
        return no_guarantees(
            "one pass of a network of unknown Lipschitz constant solves no equation", evidence
        )
