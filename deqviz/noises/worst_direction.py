"""Adversarial (worst-case) noise: the error that a linear reconstruction amplifies most."""

import math
from typing import Annotated

from torch import Generator

from deqviz.core.catalog import NOISES
from deqviz.core.estimate import Estimate
from deqviz.core.linalg import conjugate_gradients
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Noise
from deqviz.core.registry import Range
from deqviz.core.space import Data, Image, norm, scale
from deqviz.noises._base import measurements, white


@NOISES.register("worst_direction", title="Adversarial (worst-case)")
class WorstDirection(Noise):
    """Adversarial (worst-case) noise e, which the regularised inverse B = (A*A + ρI)⁻¹A* amplifies most.

    ‖e‖ = σ √(number of measured entries), the size of white noise of this std, so that both are compared
    fairly. Power iteration on B*B = A(A*A + ρI)⁻²A* from a random start: what it finds is amplified by
    at least `amplification`, a lower bound of ‖B‖, and ‖B‖ ≤ 1/(2√ρ) because t/(t² + ρ) is largest at
    t = √ρ. Where A*A has no closed-form inverse, few conjugate gradient steps stand for it (relative
    residual 5 %): the direction is then less adversarial, never wrong in size.
    """

    std: Annotated[
        float,
        Range(
            0.0,
            0.5,
            "Noise std σ",
            symbol="σ",
            help="Its norm is that of white noise with this standard deviation.",
        ),
    ] = 0.01
    weight: Annotated[
        float,
        Range(
            1e-4,
            1.0,
            "Regularisation parameter ρ",
            log=True,
            symbol="ρ",
            help="Of the inverse that is attacked.",
        ),
    ] = 1e-2
    steps: Annotated[int, Range(1, 100, "Power iterations", advanced=True)] = 20

    def _resolvent(self, operator: ForwardModel, b: Image, start: Image) -> Image:
        if operator.resolvent_kind == "closed form":
            return operator.resolvent(b, self.weight)
        return conjugate_gradients(
            lambda v: operator.gram(v) + self.weight * v, b, start=start, tolerance=0.05, max_steps=50
        )

    def direction(self, operator: ForwardModel, start: Data) -> Data:
        """The unit vector after `steps` power iterations from `start`, for each batch item."""
        e = start
        first = second = operator.adjoint(e) * 0
        for _ in range(self.steps):
            e = scale(1 / norm(e).clamp_min(1e-30), e)
            # Warm starts: the direction settles, and with it both solutions.
            first = self._resolvent(operator, operator.adjoint(e), first)
            second = self._resolvent(operator, first, second)
            e = operator.apply(second)
        return scale(1 / norm(e).clamp_min(1e-30), e)

    def amplification(self, operator: ForwardModel, e: Data) -> Estimate:
        """‖Be‖/‖e‖ for the least amplified batch item, a lower bound of ‖B‖."""
        image = operator.resolvent(operator.adjoint(e), self.weight)
        return Estimate("‖(A*A + ρI)⁻¹A*‖", float((norm(image) / norm(e)).min()), "lower bound")

    def add(self, clean: Data, operator: ForwardModel, rng: Generator) -> Data:
        """A x + e; of e and −e the seed decides."""
        size = self.std * math.sqrt(measurements(operator))
        return clean + size * self.direction(operator, white(clean, operator, rng))

    def level(self, clean: Data) -> float:
        """σ."""
        del clean
        return self.std
