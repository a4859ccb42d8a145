"""Additive white Gaussian noise."""

from typing import Annotated

from torch import Generator

from deqviz.core.catalog import NOISES
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Noise
from deqviz.core.registry import Range
from deqviz.core.space import Data
from deqviz.noises._base import white


@NOISES.register("gaussian", title="Additive white Gaussian")
class Gaussian(Noise):
    """Additive white Gaussian noise y = A x + σ n on every measured entry.

    E|n|² = 1 per entry: a complex entry gets the variance σ²/2 in each of its two parts, so that
    ‖y − A x‖ ≈ σ √(number of measured entries) for real and complex data alike.
    """

    std: Annotated[
        float,
        Range(0.0, 0.5, "Noise std σ", symbol="σ", help="Standard deviation per entry of the measurements."),
    ] = 0.01

    def add(self, clean: Data, operator: ForwardModel, rng: Generator) -> Data:
        """A x + σ n."""
        return clean + self.std * white(clean, operator, rng)

    def level(self, clean: Data) -> float:
        """σ."""
        del clean
        return self.std
