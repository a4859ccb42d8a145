"""The trivial reconstructions, which every other method must beat."""

from collections.abc import Iterator
from typing import ClassVar

import torch

from deqviz.core.catalog import METHODS
from deqviz.core.guarantee import Guarantee
from deqviz.core.records import Evidence, Iterate, Method, Problem
from deqviz.core.space import Image


@METHODS.register("baseline", title="Filtered back-projection, zero-filled or adjoint")
class Baseline(Method):
    """The data turned into a picture in one step, by the field's own shortcut.

    Filtered back-projection for tomography, the zero-filled inverse transform for Fourier data, A*y or the
    data itself otherwise. No regularisation, no iteration, no guarantee; where other methods start.
    """

    equation: ClassVar[str] = "x = baseline(y), e.g. A*y"
    hint: ClassVar[str] = "Try: pick another degradation; every other method has to beat this picture."

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """None: one formula, which solves no equation."""
        del problem
        formula = (
            "the picture is one formula of the data: it solves no equation, and nothing bounds its error"
        )
        shown = evidence.probes.get("gain")
        return (
            Guarantee("uniqueness", "One limit", "‖x − z‖ = 0", "void", formula),
            Guarantee("stability", "Stability", "‖x₁ − x₂‖ ≤ C ‖y₁ − y₂‖", "void", formula, None, shown),
        )

    @torch.no_grad()
    def iterates(self, problem: Problem, start: Image | None = None) -> Iterator[Iterate]:
        """One record; there is nothing to start from."""
        del start
        yield Iterate(0, problem.operator.baseline(problem.data), 0.0, 0.0, 0)
