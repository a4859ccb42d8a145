"""Denoising by patches: the image after every layer of a network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from deqviz.core.guarantee import Guarantee
from deqviz.core.metrics import psnr
from deqviz.core.space import Image
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.unrolled.baselines import Baseline
from deqviz.learning.patches import Cut, cut
from deqviz.learning.sparse_coding import SparseCoding

NOISY, SOLVED = "noisy", "LASSO"
"""The image as it was given, and with the codes that all networks are trained to find."""
STEPS = 300
"""Of FISTA, for the LASSO; a few at a time."""


@dataclass(frozen=True, slots=True)
class StripRow(Row):
    """PSNR in dB of the image that y_ℓ of all patches makes."""

    rival: str
    layer: int
    psnr: float

    @property
    def key(self) -> Key:
        """Rival and layer."""
        return (self.rival, self.layer)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """None: the constraint speaks of codes, not of images."""
        return ()


@dataclass(frozen=True)
class PatchStrip(Experiment[StripRow]):
    """`truth` with white noise, denoised by overlapping patches; a row's image is its view "picture"."""

    truth: Image
    problem: SparseCoding
    rivals: tuple[Baseline, ...]
    sigma: float = 25 / 255
    stride: int = 2
    seed: int = 0

    @property
    def row_type(self) -> type[StripRow]:
        """`StripRow`."""
        return StripRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """The noisy image, the networks with their layers, the LASSO."""
        layers = [(r.title, n) for r in self.rivals if r.net is not None for n in range(1, r.net.depth + 1)]
        return ((NOISY, 0), *layers, (SOLVED, 0))

    @cached_property
    def noisy(self) -> Image:
        """The image that is given."""
        rng = torch.Generator().manual_seed(self.seed)
        return self.truth + self.sigma * torch.randn(self.truth.shape, generator=rng)

    def run(self, old_rows: Sequence[StripRow] = ()) -> Iterator[Progress[StripRow]]:
        """Layer by layer; images come with the rows that were computed."""
        by_key, total = {row.key: row for row in old_rows}, len(self.cells)
        yield self._seen(1, total, NOISY, 0, self.noisy)
        pieces, done = cut(self.noisy, self.sigma, self.stride), 1
        for rival in self.rivals:
            if rival.net is None:
                continue
            own_rows = [by_key.get((rival.title, layer)) for layer in range(1, rival.net.depth + 1)]
            if None not in own_rows:
                for row in own_rows:
                    done += 1
                    yield Progress(done, total, row)
                continue
            rng = torch.Generator().manual_seed(self.seed + 1)
            y = torch.randn(len(pieces.signals), rival.net.atoms, generator=rng)
            for layer in range(1, rival.net.depth + 1):
                y, done = rival.net.layer(layer, y, pieces.signals).detach(), done + 1
                yield self._seen(done, total, rival.title, layer, self._picture(pieces, y))
        y = pieces.signals.new_zeros(len(pieces.signals), self.problem.dictionary.shape[1])
        for step, state in enumerate(self.problem.iterates(pieces.signals, y, is_accelerated=True)):
            if step == STEPS:
                yield self._seen(total, total, SOLVED, 0, self._picture(pieces, state))
                return
            yield Progress(done, total)

    def _picture(self, pieces: Cut, codes: torch.Tensor) -> Image:
        return pieces.joined(codes @ self.problem.dictionary.mT, *self.truth.shape[-2:])

    def _seen(self, done: int, total: int, title: str, layer: int, picture: Image) -> Progress[StripRow]:
        row = StripRow(title, layer, float(psnr(picture, self.truth)))
        return Progress(done, total, row, {"picture": picture})
