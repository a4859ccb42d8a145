"""Recovery error of a two-layer prior: its split against m, the Landweber trajectory against the width."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deqviz.core.guarantee import Guarantee, in_letters, quantity
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.deep_prior._recovery_model import landweber, periodic_blur, wide_limit
from deqviz.experiments.deep_prior.prior_family import PriorFamily
from deqviz.experiments.deep_prior.two_layer import Draws, draw, evolve

__all__ = ["GapRow", "LandweberGap", "RecoveryRow", "RecoverySplit"]

SHARES = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0, 1.5, 2.0)
"""Of m to n; only those up to 1 leave rows that can be orthonormal."""


@dataclass(frozen=True, slots=True)
class RecoveryRow(Row):
    """m measurements of n unknowns: what is reached at width k after `steps`, and what it should be.

    Root mean squares over the draws, as shares of ‖x†‖: `error` of the network, `landweber` of Landweber's
    iteration after as many steps, `start` of the first image. `kernel` = ‖P_ker(A)(g₀ − x†)‖ and `noise` =
    ‖A†ε‖ make up `limit`, the error of the wide limit: limit² = kernel² + noise².
    """

    measured: int
    unknowns: int
    width: int
    steps: int
    error: float
    landweber: float
    start: float
    kernel: float
    noise: float
    limit: float

    @property
    def key(self) -> Key:
        """m."""
        return (self.measured,)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """The limit, for k → ∞ and after all steps; here both are finite."""
        row = Guarantee(
            "limit",
            "Recovery error split: null space and noise",
            "‖x(∞) − x†‖² → ‖P_{ker A}(g_{0} − x†)‖² + ‖A^{†}ε‖²",
            "remark",
            f"in the limit of wide networks; here k = {self.width}, {self.steps} steps",
            quantity(self.limit),
            quantity(self.error),
        )
        return in_letters("deep inverse prior", (row,))


@dataclass(frozen=True)
class RecoverySplit(Experiment[RecoveryRow]):
    """Networks of one width on more and more measurements, trained beside Landweber's iteration."""

    family: PriorFamily = PriorFamily(is_orthonormal=True, is_unit=True, is_centred=True, noise=0.03)
    width: int = 1024
    draws: int = 4
    steps: int = 300

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        for (m,) in self.cells:
            self.family.check(int(m), self.width)

    @property
    def row_type(self) -> type[RecoveryRow]:
        """`RecoveryRow`."""
        return RecoveryRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """The m."""
        n, most = self.family.unknowns, 1.0 if self.family.is_orthonormal else SHARES[-1]
        return tuple((m,) for m in sorted({max(1, round(share * n)) for share in SHARES if share <= most}))

    @torch.no_grad()
    def run(self, old_rows: Sequence[RecoveryRow] = ()) -> Iterator[Progress[RecoveryRow]]:
        """The rows in the order of `cells`, and a progress after every step between them."""
        by_key, total = {row.key: row for row in old_rows}, len(self.cells)
        for done, key in enumerate(self.cells):
            row = by_key.get(key)
            if row is None:
                m = int(key[0])
                draws = self.family.draws(self.draws, m, self.width, torch.float64)
                yield Progress(done, total)
                step = _step(draws)
                for state, x in zip(evolve(draws, step), landweber(draws, step), strict=False):
                    if state.number == self.steps:
                        row = self._row(draws, state.z, x)
                        break
                    yield Progress(done, total)
            yield Progress(done + 1, total, row)

    def _row(self, draws: Draws, z: Tensor, x: Tensor) -> RecoveryRow:
        size, limit = draws.truth.norm(dim=1), wide_limit(draws)

        def rms(value: Tensor) -> float:
            return float((value / size).square().mean().sqrt())

        def error(picture: Tensor) -> float:
            return rms((picture - draws.truth).norm(dim=1))

        return RecoveryRow(
            draws.forward.shape[1],
            draws.forward.shape[2],
            self.width,
            self.steps,
            error(draws.picture(z)),
            error(x),
            error(draws.picture(draws.start)),
            rms(limit.kernel),
            rms(limit.noise),
            rms(limit.error),
        )


@dataclass(frozen=True, slots=True)
class GapRow(Row):
    """One width after so many steps, as shares of ‖x†‖ and means over the draws.

    `error` of the network, `landweber` of Landweber's iteration, `gap` between the two images.
    """

    width: int
    number: int
    error: float
    landweber: float
    gap: float

    @property
    def key(self) -> Key:
        """k and the number of steps."""
        return (self.width, self.number)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """None: how fast the gap closes with k is only measured."""
        return ()


@dataclass(frozen=True)
class LandweberGap(Experiment[GapRow]):
    """An ill-conditioned blur with noise, networks of several widths, and Landweber's iteration beside each.

    γ = 1/λ_max(K₀), so that one step of both is the same in the wide limit. The start is centred. Raises
    ValueError for a width that is odd, or a blur that is none.
    """

    family: PriorFamily = PriorFamily(noise=0.05)
    widths: tuple[int, ...] = (64, 256, 1024)
    deviation: float = 1.5
    draws: int = 4
    steps: int = 600
    every: int = 10

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        for k in self.widths:
            self.problem(k, 1)

    @property
    def row_type(self) -> type[GapRow]:
        """`GapRow`."""
        return GapRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Widths, numbers of steps within."""
        return tuple((k, number) for k in self.widths for number in range(0, self.steps + 1, self.every))

    def problem(self, width: int, count: int) -> Draws:
        """The draws of one width; x† and ε are those of every width."""
        n = self.family.unknowns
        rng = torch.Generator().manual_seed(self.family.seed * 101 + 7)
        return draw(
            count,
            n,
            n,
            width,
            self.family.phi,
            rng,
            forward=periodic_blur(n, self.deviation),
            is_unit=self.family.is_unit,
            is_centred=True,
            noise=self.family.noise,
            dtype=torch.float64,
        )

    @torch.no_grad()
    def run(self, old_rows: Sequence[GapRow] = ()) -> Iterator[Progress[GapRow]]:
        """The rows in the order of `cells`; a width of which any is missing is run again."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        for k in self.widths:
            keys = [key for key in self.cells if key[0] == k]
            if all(key in by_key for key in keys):
                for key in keys:
                    done += 1
                    yield Progress(done, total, by_key[key])
                continue
            draws = self.problem(k, self.draws)
            yield Progress(done, total)
            step, size = _step(draws), draws.truth.norm(dim=1)
            for state, x in zip(evolve(draws, step), landweber(draws, step), strict=False):
                row = None
                if state.number % self.every == 0:
                    picture, truth = draws.picture(state.z), draws.truth
                    row = GapRow(
                        k,
                        state.number,
                        float(((picture - truth).norm(dim=1) / size).mean()),
                        float(((x - truth).norm(dim=1) / size).mean()),
                        float(((picture - x).norm(dim=1) / size).mean()),
                    )
                    row = by_key.get(row.key, row)
                    done += 1
                yield Progress(done, total, row)
                if state.number == self.steps // self.every * self.every:
                    break


def _step(draws: Draws) -> Tensor:
    """1/λ_max(K₀) of each draw."""
    kernel = draws.reduced * draws.activation.slope(draws.start)[:, None]
    return 1 / torch.linalg.matrix_norm(kernel, 2) ** 2
