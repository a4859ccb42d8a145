"""Direct inversion: FBP, zero-filled reconstruction or adjoint, by operator."""

from collections.abc import Iterator
from typing import ClassVar

import torch

from deqviz.core.catalog import METHODS
from deqviz.core.guarantee import Guarantee, quantity
from deqviz.core.records import Evidence, Iterate, Method, Problem
from deqviz.core.space import Image


@METHODS.register("baseline", title="Direct inversion (FBP, zero-filled, adjoint)", family="Direct")
class Baseline(Method):
    """Direct inversion of the measurements by the formula of the operator's field.

    Filtered back-projection for tomography, the zero-filled inverse transform for Fourier data, A*y or the
    data itself otherwise. No regularisation, no iteration, no guarantee; where other methods start.
    """

    equation: ClassVar[str] = "x = baseline(y), e.g. A*y"
    hint: ClassVar[str] = "Try: pick another degradation; every other method has to beat this image."
    has_limit: ClassVar[bool] = False

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """None: one formula, which solves no equation."""
        del problem
        reason = "a direct formula solves no equation, and nothing bounds its error"
        return (
            Guarantee("uniqueness", "Unique limit", "‖x − x′‖ = 0", "not applicable", reason),
            Guarantee(
                "stability",
                "Stability",
                "‖x₁ − x₂‖ ≤ C ‖y₁ − y₂‖",
                "not applicable",
                reason,
                value=quantity(evidence.probes.get("gain"), "‖y₁ − y₂‖", "lower"),
            ),
        )

    @torch.no_grad()
    def iterates(self, problem: Problem, start: Image | None = None) -> Iterator[Iterate]:
        """One record; there is nothing to start from."""
        del start
        yield Iterate(0, problem.operator.baseline(problem.data), 0.0, 0.0, 0)
