"""Two-sided error bounds, which R, A and the ground truth alone decide."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from deqviz.core.guarantee import Guarantee, in_letters, quantity
from deqviz.core.records import Noise
from deqviz.core.space import Data, Image, norm
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.equilibrium._kernel import Kernel, Range, range_of
from deqviz.experiments.equilibrium.distance_to_limit import under
from deqviz.experiments.equilibrium.equilibria import Equation, Solved, per_item
from deqviz.experiments.equilibrium.source import Truth, perturbation
from deqviz.noises.gaussian import Gaussian

__all__ = ["BandRow", "CertificateBand"]

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class BandRow(Row):
    """One α, δ and seed: `lower` ≤ `refined` ≤ `error` ≤ `upper`, where h = x − x† and `error` = ‖h‖.

    `lower` is ‖P_ker(A) R(x†)‖/L_R, less what the size of w_α = (y − Ax)/α says of a kernel known to β only;
    `refined` is d_ρ/L_R for ρ = ‖w_α‖ = `source`. `upper` is the least root over ρ of what T8 proves, None
    without c > 0. All three count the defect of the solve, so that they hold for the x at hand. `kernel` is
    ‖P_ker R(x)‖, 0 up to `kernel_bound`; `kernel_truth` ‖P_ker R(x†)‖, `kernel_residual` the tolerance to
    which that was projected, relative. `distance` bounds how far x is from the equilibrium.
    """

    weight: float
    level: float
    seed: int
    delta: float
    error: float
    lower: float
    refined: float
    upper: float | None
    source: float
    kernel: float
    kernel_bound: float
    kernel_truth: float
    kernel_residual: float
    defect: float
    distance: float | None
    evaluations: int

    @property
    def key(self) -> Key:
        """α, level and seed."""
        return (self.weight, self.level, self.seed)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """T8, both sides, and the equation itself on the kernel."""
        why = "L_R is an upper bound, and R(x) = A*w_α at every equilibrium, whatever α, δ and the noise"
        size, band = "‖P_{ker A} R(x†)‖/L_R", "d_ρ/L_R"
        null = "P_{ker A} A* = 0, up to the defect of the solve"
        rows = (
            Guarantee(
                "lower",
                "Lower error bound",
                f"{size} ≤ ‖x − x†‖",
                "certified",
                why,
                quantity(self.error),
                quantity(self.lower),
                ROUNDING * self.error,
            ),
            Guarantee(
                "refined",
                "Lower error bound by the source element w_α",
                f"{band} ≤ ‖x − x†‖, ρ = ‖w_α‖",
                "certified",
                why,
                quantity(self.error),
                quantity(self.refined),
                ROUNDING * self.error,
            ),
            Guarantee(
                "upper",
                "Upper error bound",
                "‖x − x†‖ ≤ d_ρ/c + (δ + αρ)/(2√(αc)) for every ρ",
                "certified" if self.upper is not None else "not verifiable",
                "every w with ‖w‖ = ρ proves one such bound"
                if self.upper is not None
                else "R is not known to be strongly monotone: c > 0 is not certified",
                quantity(self.upper),
                quantity(self.error),
                ROUNDING * (self.upper or 0.0),
            ),
            Guarantee(
                "kernel",
                "R(x) ∈ ran A* (null-space component vanishes)",
                "P_{ker A} R(x) = 0",
                "certified",
                null,
                quantity(self.kernel_bound),
                quantity(self.kernel),
                ROUNDING * self.kernel_bound,
            ),
        )
        return in_letters("two-sided error bounds", rows)


@dataclass(frozen=True)
class CertificateBand(Experiment[BandRow]):
    """The true error for all α and δ between the two-sided bounds of T8; P_ker R(x†), P_ker R(x) as images.

    All levels and seeds of one α are solved as one batch; each α starts from the one before. A level is
    ‖e‖/‖Ax†‖ and may be 0. Each new row brings the views "kernel_truth" and "kernel".
    """

    equation: Equation
    truth: Truth
    noise: Noise = Gaussian()
    weights: tuple[float, ...] = tuple(10.0 ** -(k / 2) for k in range(13))
    levels: tuple[float, ...] = (1e-1, 1e-2, 1e-4, 1e-6)
    seeds: tuple[int, ...] = (0,)

    @property
    def row_type(self) -> type[BandRow]:
        """`BandRow`."""
        return BandRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Weights, levels within, seeds within."""
        return tuple((a, level, seed) for a in self.weights for level in self.levels for seed in self.seeds)

    @torch.no_grad()
    def run(self, old_rows: Sequence[BandRow] = ()) -> Iterator[Progress[BandRow]]:
        """The rows, α by α, best the largest first; raises as the noise and a solve do."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        A, x0 = self.equation.operator, self.truth.x
        clean, last = A(x0), dict[tuple[float, int], Image]()
        size, band = float(norm(clean).max()), _Band(self.equation, self.truth)
        for weight in self.weights:
            cells = [(level, seed) for level in self.levels for seed in self.seeds]
            for level, seed in cells:
                if (weight, level, seed) in by_key:
                    done += 1
                    yield Progress(done, total, by_key[weight, level, seed])
            group = [cell for cell in cells if (weight, *cell) not in by_key]
            if not group:
                continue
            data = torch.cat([self._data(clean, level * size, weight, seed) for level, seed in group])
            baseline = A.baseline(data)
            start = torch.cat([last.get(cell, baseline[n : n + 1]) for n, cell in enumerate(group)])
            # The certificates count the defect, so the smallest noise alone decides how far to go.
            least = min((level * size for level, _ in group if level > 0), default=0.0)
            work = self.equation.solve(data, weight, start, self.equation.goal(least, weight))
            sign: Progress[BandRow] = Progress(done, total)
            solved = yield from under(work, sign)
            for n, cell in enumerate(group):
                last[cell] = solved.x[n : n + 1]
            projected = band.kernel.project(solved.value)
            for n, row in enumerate(band.rows(weight, group, size, solved, projected)):
                done += 1
                views = {"kernel_truth": band.projected, "kernel": projected[n : n + 1]}
                yield Progress(done, total, row, views)

    def _data(self, clean: Data, delta: float, weight: float, seed: int) -> Data:
        if delta == 0:
            return clean
        return clean + perturbation(self.equation, self.noise, clean, delta, weight, seed)


class _Band:
    """What R(x†) says about every α and δ, computed once."""

    def __init__(self, equation: Equation, truth: Truth) -> None:
        """Project R(x†) and measure its distance from the range of A*."""
        self.equation, self.truth, self.kernel = equation, truth, Kernel(equation.operator)
        r = equation.regularizer(truth.x)
        self.projected = self.kernel.project(r)
        self.size, self.value = float(norm(self.projected)), float(norm(r))
        self.residual = float(self.kernel.residual(r, self.projected))
        extra = () if truth.element is None else (truth.element,)
        self.range: Range = range_of(equation.operator, r, extra)

    def rows(
        self, weight: float, group: Sequence[tuple[float, int]], size: float, solved: Solved, projected: Image
    ) -> Iterator[BandRow]:
        """One row for each item of a batch."""
        steep, half = self.equation.lipschitz, math.sqrt(self.kernel.cut) / 2
        eps = torch.finfo(solved.x.dtype).eps
        off = self.kernel.residual(solved.value, projected)
        columns = zip(
            *map(
                per_item,
                (
                    norm(solved.x - self.truth.x),
                    norm(solved.misfit) / weight,
                    norm(solved.defect),
                    norm(projected),
                    off,
                ),
            ),
            strict=True,
        )
        for n, (error, source, defect, kernel, tolerance) in enumerate(columns):
            level, seed = group[n]
            # R(x) = A*w_α + f/α, and ‖P_β A*‖ ≤ √β/2.
            pulled = half * source + defect / weight
            refined = max(self.range.distance_at_least(source) - defect / weight, 0.0) / steep
            lower = max(self.size - self.residual - pulled, 0.0) / steep
            yield BandRow(
                weight,
                level,
                seed,
                level * size,
                error,
                lower,
                max(refined, lower),
                self.range.error_at_most(self.equation.monotonicity, level * size, weight, defect),
                source,
                kernel,
                pulled + tolerance + 8 * eps * (self.value + source),
                self.size,
                self.residual / max(self.value, 1e-300),
                defect,
                solved.distance,
                solved.evaluations,
            )
