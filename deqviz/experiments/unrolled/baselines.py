"""Baselines of sparse coding: trained networks and classical iterations, on unseen signals."""

from dataclasses import dataclass
from itertools import islice
from typing import Literal

import torch
from torch import Tensor

from deqviz.learning.descent import Descent
from deqviz.learning.primal_dual import noisy_states
from deqviz.learning.sparse_coding import SparseCoding, SparseSignals
from deqviz.networks.lista import UnrolledSparseCoder

Kind = Literal["network", "ISTA", "FISTA"]


@dataclass(frozen=True, eq=False)
class Baseline:
    """One of those that are compared; `digest` says which weights a network has."""

    title: str
    kind: Kind = "network"
    digest: str = ""
    net: UnrolledSparseCoder | None = None

    def states(self, problem: SparseCoding, start: Tensor, x: Tensor, layers: int) -> list[Tensor]:
        """y₀ … y_K; of a classical iteration its first `layers` steps."""
        if self.net is not None:
            return list(self.net.states(start, x))
        return list(islice(problem.iterates(x, start, is_accelerated=self.kind == "FISTA"), layers + 1))


ISTA, FISTA = Baseline("ISTA", "ISTA"), Baseline("FISTA", "FISTA")


@dataclass(frozen=True, eq=False)
class Exam:
    """Signals x, their codes y* and the starts y₀ ~ N(0, Id), all drawn from one seed."""

    x: Tensor
    solution: Tensor
    start: Tensor

    def distances(self, states: list[Tensor]) -> Tensor:
        """‖y_ℓ − y*‖ per signal: (K + 1) × b."""
        return torch.stack([torch.linalg.vector_norm(y - self.solution, dim=1) for y in states])


def exam(
    problem: SparseCoding, count: int, seed: int, shift: float = 0.0, signals: SparseSignals | None = None
) -> Exam:
    """Unseen signals, moved by `shift` times white noise; codes are those of the moved signals.

    Equal seeds give the same signals and starts for every shift. Raises ValueError for less than one signal.
    """
    if count < 1:
        raise ValueError("At least one signal is needed.")
    # Recipes draw from seed 1; a salt keeps these apart whatever the seed of the page.
    rng = torch.Generator().manual_seed(900_001 + seed)
    x = (signals or SparseSignals()).draw(problem, count, rng)
    start = torch.randn(count, problem.dictionary.shape[1], generator=rng)
    x = x + shift * torch.randn(x.shape, generator=rng)
    return Exam(x, problem.solution(x), start)


def disturbed(
    rival: Baseline,
    problem: SparseCoding,
    test_set: Exam,
    deviation: float,
    before: int | None,
    layers: int,
    seed: int,
) -> tuple[list[Tensor], list[Tensor]]:
    """What each layer is given and what it returns, 1 … K, with white noise of this deviation in between.

    The same for networks and iterations, which forget their momentum to be disturbed alike.
    """
    rng = torch.Generator().manual_seed(seed)
    net = rival.net
    if net is not None:
        inputs_seen = noisy_states(
            net, problem, test_set.start, test_set.x, rng, deviation=deviation, before=before
        )
        depth, layer = net.depth, net.layer
        outputs = [
            layer(number, y, test_set.x) for number, y in zip(range(1, depth + 1), inputs_seen, strict=False)
        ]
        return inputs_seen[:-1], outputs
    y, inputs, outputs = test_set.start, [], []
    for number in range(1, layers + 1):
        inputs.append(y)
        outputs.append(problem.ista(y, test_set.x))
        y = outputs[-1]
        if number < layers and before in (None, number + 1):
            y = y + deviation * torch.randn(y.shape, generator=rng, dtype=y.dtype)
    return inputs, outputs


def descent_of(rate: float) -> Descent:
    """The constraint that all are held against: E d_ℓ ≤ (1 − ε) E d_{ℓ−1}."""
    return Descent("distance", "difference of means", rate)
