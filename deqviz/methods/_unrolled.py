"""Unrolled networks: a few iterations with learned weights, trained end to end."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar

import torch

from deqviz.core.guarantee import Guarantee, quantity
from deqviz.core.records import Evidence, Iterate, Method, Problem
from deqviz.core.registry import Range
from deqviz.core.space import Data, Image
from deqviz.methods._base import gap_and_residual
from deqviz.methods._monotone import DataStep
from deqviz.regularizers.monotone import apply, network

TRAINED = 8
"""The iterations with which the shipped unrolled networks were trained."""


@dataclass(frozen=True)
class UnrolledMethod(Method):
    """A stream of images that is cut off after `depth` iterations; subclasses give the stream."""

    reason: ClassVar[str] = (
        "the weights were trained for what 8 iterations return: nothing bounds the map, it need not settle"
    )
    ending: ClassVar[str] = "All {k} layers done."
    has_limit: ClassVar[bool] = False

    depth: Annotated[
        int,
        Range(
            1,
            80,
            "Unrolled iterations",
            symbol="K",
            help="Trained for 8: more or fewer is not what it learned",
        ),
    ] = TRAINED

    @abstractmethod
    def states(
        self, residual: Callable[[Data], Data], data: DataStep, start: Data | None = None
    ) -> Iterator[Data]:
        """x₀, x₁, … without end."""

    def stream(self, problem: Problem, start: Data | None = None) -> Iterator[Data]:
        """The images of one problem."""
        A = problem.operator
        net = network(self.weights(A), A.image.dtype, A.image.device)
        data = DataStep(A, A.adjoint(problem.data), (-net.log_weight).exp())
        return self.states(lambda x: apply(net, x), data, start)

    @torch.no_grad()
    def iterates(self, problem: Problem, start: Image | None = None) -> Iterator[Iterate]:
        """`depth` + 1 records; the residual compares each image with the next, which it computes."""
        for k, (x, after) in enumerate(pairwise(self.stream(problem, start))):
            gap, residual = gap_and_residual(x, after)
            yield Iterate(k, x, residual, gap, k + 1)
            if k == self.depth:
                return

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """None, beside what was measured."""
        del problem
        return no_guarantees(self.reason, evidence)


def no_guarantees(reason: str, evidence: Evidence) -> tuple[Guarantee, ...]:
    """Unique limit, linear rate, stability: not applicable, with the measured gain."""
    return (
        Guarantee("uniqueness", "Unique limit", "‖x − x′‖ = 0", "not applicable", reason),
        Guarantee("rate", "Linear rate", "‖x_{k+1} − x_k‖ ≤ κᵏ ‖x₁ − x₀‖", "not applicable", reason),
        Guarantee(
            "stability",
            "Stability",
            "‖x₁ − x₂‖ ≤ C ‖y₁ − y₂‖",
            "not applicable",
            reason,
            value=quantity(evidence.probes.get("gain"), "‖y₁ − y₂‖", "lower"),
        ),
    )
