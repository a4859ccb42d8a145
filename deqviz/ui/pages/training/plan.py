"""The experiments of the Training page, built from its setting; no Streamlit."""

import math
from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from deqviz.core.space import Space
from deqviz.experiments.equilibrium.model import Spectral
from deqviz.experiments.losses.contraction_map import ContractionMap
from deqviz.experiments.losses.deep_equilibrium import BeyondDepth, DeepEquilibrium, UnrolledNetwork
from deqviz.experiments.losses.loss_lab import (
    Denoising,
    LossLab,
    Objective,
    RangeLoss,
    SmallFamily,
    ThroughEquilibrium,
    Untrained,
)
from deqviz.experiments.losses.truncated_adjoint import TruncatedAdjoint
from deqviz.runtime.study import Part
from deqviz.ui.pages.training.setting import ARCHITECTURES, Setting

SIZE = 12
"""Dimension of the A of the map: its networks are matrices whose norms are exact."""


@dataclass(frozen=True)
class Scheduled(Objective):
    """An objective with a number of training steps of its own."""

    objective: Objective
    count: int

    @property
    def name(self) -> str:
        """The objective's."""
        return self.objective.name

    @property
    def steps(self) -> int:
        """As given."""
        return self.count

    def loss(self, family: SmallFamily, N: Tensor, x: Tensor, rng: torch.Generator) -> Tensor:
        """The objective's."""
        return self.objective.loss(family, N, x, rng)


def plan(setting: Setting) -> Generator[object, None, tuple[Part, ...]]:
    """The lab, then what is quick, and last the networks."""
    yield
    chosen, seed = tuple(ARCHITECTURES[key] for key in setting.architectures), setting.seed
    parts: list[Part] = []
    if setting.is_lab:
        family = SmallFamily(dimension=setting.dimension, seed=seed)
        objectives = tuple(_objective(key, setting) for key in setting.objectives)
        parts.append(Part("lab", LossLab(family, objectives, setting.limit, seed=seed)))
    if setting.is_adjoint:
        parts.append(Part("adjoint", TruncatedAdjoint(architectures=chosen, seed=seed)))
    if setting.is_map:
        # The eigenvalues of A*A are squares of singular values.
        space, decades = Space((1, 1, SIZE), torch.float64), -0.5 * math.log10(setting.low)
        parts.append(Part("map", ContractionMap(Spectral(space, decades=decades, seed=seed), seed=seed)))
    if setting.is_depth:
        learners = (*map(DeepEquilibrium, chosen), UnrolledNetwork(chosen[0], depth=setting.depth))
        parts.append(Part("depth", BeyondDepth(learners=learners, steps=setting.net_steps, seed=seed)))
    return tuple(parts)


def _objective(key: str, setting: Setting) -> Objective:
    match key:
        case "untrained":
            return Untrained()
        case "denoising":
            return Scheduled(Denoising(), setting.steps)
        case "range":
            return Scheduled(RangeLoss(0.0), setting.steps)
        case "weighted":
            return Scheduled(RangeLoss(setting.beta), setting.steps)
        case _:
            return Scheduled(ThroughEquilibrium(), setting.steps // 3)
