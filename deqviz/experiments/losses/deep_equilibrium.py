"""Beyond the training depth: networks trained through a fixed point beside one trained for K steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from deqviz.core.guarantee import Guarantee, quantity
from deqviz.core.metrics import psnr
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments._training_progress import Lesson
from deqviz.experiments.losses._signals import DeepEquilibrium, Learner, Signals, UnrolledNetwork, taught
from deqviz.experiments.losses.architectures import Gradient, Proximal, Splitting
from deqviz.methods._theory import bounds
from deqviz.networks.contractive_cnn import ContractiveCNN

__all__ = [
    "BeyondDepth",
    "DeepEquilibrium",
    "DepthRow",
    "Gradient",
    "Learner",
    "Proximal",
    "Signals",
    "Splitting",
    "UnrolledNetwork",
]

ITERATIONS = (*range(1, 21), *range(25, 105, 5))
"""Evaluations at which the images are judged."""


@dataclass(frozen=True, slots=True)
class DepthRow(Row):
    """One network after k evaluations of its map on signals that it was not trained on.

    `psnr` in dB over all signals, `residual` ‖T(z) − z‖/‖T(z)‖, the worst of them. `depth` is how many
    evaluations the training's own stopping takes here, K for an unrolled network, and `trained` the PSNR
    there. `factor` is the certified Lip(T), inf where nothing is certified, and `ratio` the largest
    ‖T(a) − T(b)‖/‖a − b‖ of any two states that followed each other under T so far.
    """

    network: str
    k: int
    psnr: float
    residual: float
    depth: int
    trained: float
    factor: float
    ratio: float

    @property
    def key(self) -> Key:
        """Network and k."""
        return (self.network, self.k)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """The contraction of the trained map, where its network is bounded."""
        key, name, statement = "contraction", "Contraction factor κ", "‖T(x) − T(z)‖ ≤ κ ‖x − z‖"
        if self.factor >= 1:
            why = "nothing bounds the convolutions, so T need not contract"
            return (Guarantee(key, name, statement, "not verifiable", why, value=quantity(self.ratio)),)
        why = f"κ = {self.factor:.4g} by construction of the network, for this A"
        return (
            Guarantee(key, name, statement, "certified", why, quantity(self.factor), quantity(self.ratio)),
        )


@dataclass(frozen=True)
class BeyondDepth(Experiment[DepthRow]):
    """Train every network on the same signals and go on with its iteration, far beyond the training depth."""

    signals: Signals = Signals()
    learners: tuple[Learner, ...] = (
        DeepEquilibrium(Gradient(0.7, 0.4)),
        DeepEquilibrium(Proximal(1.0)),
        DeepEquilibrium(Splitting(3.0)),
        UnrolledNetwork(Gradient(0.7, 0.4)),
    )
    steps: int = 100
    iterations: tuple[int, ...] = ITERATIONS
    judged: int = 64
    seed: int = 0

    @property
    def row_type(self) -> type[DepthRow]:
        """`DepthRow`."""
        return DepthRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Networks, evaluations within."""
        return tuple((learner.name, k) for learner in self.learners for k in self.iterations)

    def run(self, old_rows: Sequence[DepthRow] = ()) -> Iterator[Progress[DepthRow]]:
        """A `Lesson` per training step, then the rows of that network; no training where all are known."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        for learner in self.learners:
            keys = [(learner.name, k) for k in self.iterations]
            rows = {key: by_key[key] for key in keys if key in by_key}
            if len(rows) < len(keys):
                work = taught(self.signals, learner, self.steps, self.seed)
                while True:
                    try:
                        step, loss = next(work)
                    except StopIteration as end:
                        net = end.value
                        break
                    yield Lesson(done, total, training=learner.name, step=step, steps=self.steps, loss=loss)
                rows = {row.key: row for row in self._rows(learner, net)} | rows
            for key in keys:
                done += 1
                yield Progress(done, total, rows[key])

    @torch.no_grad()
    def _rows(self, learner: Learner, net: ContractiveCNN) -> list[DepthRow]:
        rng = torch.Generator().manual_seed(self.seed + 1)
        truth = self.signals.draw(self.judged, rng)
        y = self.signals.spoil(truth, rng)
        spectrum = bounds(self.signals.operator)
        factor = learner.architecture.factor(spectrum.bottom, spectrum.top, net.lipschitz())
        measurements: list[tuple[float, float, float]] = []
        ratio, depth = 0.0, 0
        for state in learner.iterates(self.signals, net, y):
            ratio = max(ratio, state.ratio)
            measurements.append((psnr(state.picture, truth), state.residual, ratio))
            if depth == 0 and learner.is_trained_to(len(measurements), state.residual):
                depth = len(measurements)
            if depth and len(measurements) >= max(self.iterations):
                break
        return [
            DepthRow(
                learner.name,
                k,
                *measurements[k - 1][:2],
                depth,
                measurements[depth - 1][0],
                factor,
                measurements[k - 1][2],
            )
            for k in self.iterations
        ]
