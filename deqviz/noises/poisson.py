"""Poisson noise of photon counting."""

import math
from typing import Annotated

import torch
from torch import Generator

from deqviz.core.catalog import NOISES
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Noise
from deqviz.core.registry import Range
from deqviz.core.space import Data

_REFUSAL = "Poisson noise counts photons"


@NOISES.register("poisson", title="Poisson (photon counts)")
class Poisson(Noise):
    """Poisson noise y = Poisson(n₀ · A x)/n₀, where a measurement of value 1 counts n₀ photons on average.

    An entry v has variance v/n₀, so bright places are noisier and where A x = 0 there is no noise. Data that
    is complex or negative counts nothing and is refused; rounding below 0 is not.
    """

    peak: Annotated[
        float,
        Range(
            1.0,
            10_000.0,
            "Photons per pixel (peak)",
            log=True,
            help="Mean count where the noiseless measurement is 1.",
        ),
    ] = 400.0

    def add(self, clean: Data, operator: ForwardModel, rng: Generator) -> Data:
        """Poisson(n₀ · A x)/n₀, drawn on the CPU."""
        del operator
        if clean.is_complex():
            raise ValueError(f"{_REFUSAL}, but this operator's data is complex; choose Gaussian noise.")
        if float(clean.min()) < -1e-4 * float(clean.abs().max()):
            raise ValueError(
                f"{_REFUSAL}, but this operator's data is negative in places; choose Gaussian noise."
            )
        counts = torch.poisson(self.peak * clean.cpu().clamp_min(0), generator=rng)
        return (counts / self.peak).to(clean.device)

    def level(self, clean: Data) -> float:
        """√(mean(A x)/n₀) over the entries that carry noise, those above 0."""
        lit = clean[clean > 0]
        return math.sqrt(float(lit.mean()) / self.peak) if len(lit) else 0.0
