"""Step size and momentum of a two-layer prior: number of steps of several rules."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deqviz.core.guarantee import Guarantee, in_letters, quantity
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.deep_prior.prior_family import PriorFamily
from deqviz.experiments.deep_prior.two_layer import Rule, certificate, evolve

__all__ = ["MomentumRow", "PriorMomentum", "Way"]


@dataclass(frozen=True)
class Way:
    """A rule and its step as a multiple of 1/L, L = λ_max(K₀); `share` None asks for the certified 1/ℓ."""

    name: str
    rule: Rule
    share: float | None


def ways(longest: float = 2.2) -> tuple[Way, ...]:
    """Gradient descent with steps up to `longest`/L, then momentum."""
    shares = sorted({1.0, 1.9, longest})
    return (
        Way("descent, certified 1/ℓ", "gradient descent", None),
        *(Way(f"descent, {share:.3g}/L", "gradient descent", share) for share in shares),
        Way("Nesterov, 1/L", "Nesterov", 1.0),
        Way("heavy ball", "heavy ball", None),
    )


@dataclass(frozen=True, slots=True)
class MomentumRow(Row):
    """One way after `number` steps: ‖r‖/‖r₀‖, its median and its `most` over the draws.

    `rise` is the largest factor of any draw's ‖r‖ in any step so far, `needed` the median number of steps to
    the tolerance, given at the end of a way that half of the draws arrive by, and `condition` the median of
    κ(K₀).
    """

    way: str
    number: int
    residual: float
    most: float
    rise: float
    needed: int | None
    condition: float
    is_sure: str

    @property
    def key(self) -> Key:
        """The way and the number of steps."""
        return (self.way, self.number)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """Of the certified step size: the residual is nonincreasing."""
        if self.is_sure != "yes" or self.number == 0:
            return ()
        why = "ℓ = L₁²‖B‖² + L₂ max‖B_{i}‖‖r₀‖ bounds the curvature wherever ‖r‖ ≤ ‖r₀‖"
        statement = "‖r_{τ+1}‖ ≤ ‖r_τ‖ for γ ≤ 1/ℓ"
        row = Guarantee(
            "monotone",
            "Residual nonincreasing",
            statement,
            "certified",
            why,
            quantity(1.0),
            quantity(self.rise),
        )
        return in_letters("deep inverse prior", (row,))


@dataclass(frozen=True)
class PriorMomentum(Experiment[MomentumRow]):
    """The same draws trained in several ways until all have ‖r‖ ≤ `tolerance`·‖r₀‖, or for `steps`.

    Momentum is that of the quadratic problem with the largest κ(K₀): β = (√κ − 1)/(√κ + 1) for Nesterov,
    β² and the step 4/(√λ_max + √λ_min)² for the heavy ball. Rows that a way does not need are left out, and
    a way that runs away ends where it does.
    """

    family: PriorFamily = PriorFamily(unknowns=20)
    measured: int = 14
    width: int = 512
    draws: int = 12
    ways: tuple[Way, ...] = ways()
    tolerance: float = 1e-4
    steps: int = 1500

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        self.family.check(self.measured, self.width)

    @property
    def row_type(self) -> type[MomentumRow]:
        """`MomentumRow`."""
        return MomentumRow

    @property
    def numbers(self) -> tuple[int, ...]:
        """Every step at first, then one of twenty-five more and more."""
        numbers = [0]
        while numbers[-1] < self.steps:
            numbers.append(min(self.steps, numbers[-1] + 1 + numbers[-1] // 25))
        return tuple(numbers)

    @property
    def cells(self) -> tuple[Key, ...]:
        """Ways, numbers of steps within."""
        return tuple((way.name, number) for way in self.ways for number in self.numbers)

    @torch.no_grad()
    def run(self, old_rows: Sequence[MomentumRow] = ()) -> Iterator[Progress[MomentumRow]]:
        """The rows way by way; a way whose last row is known is not run again."""
        by_key, total, count = {row.key: row for row in old_rows}, len(self.cells), len(self.numbers)
        problem = None
        for place, way in enumerate(self.ways):
            own_rows = [row for row in old_rows if row.way == way.name]
            if any(row.needed is not None or row.number == self.steps for row in own_rows):
                for row in own_rows:
                    yield Progress(place * count + self.numbers.index(row.number) + 1, total, row)
                continue
            problem, done = problem or _Problem(self), place * count
            for row in problem.run(way):
                if row is not None:
                    done = place * count + self.numbers.index(row.number) + 1
                    row = by_key.get(row.key, row)
                yield Progress(done, total, row)


class _Problem:
    """The draws and the spectra of their kernels."""

    def __init__(self, experiment: PriorMomentum) -> None:
        """Draw and look at K₀."""
        self.experiment = experiment
        self.draws = experiment.family.draws(
            experiment.draws, experiment.measured, experiment.width, torch.float64
        )
        self.certified = certificate(self.draws).step
        J = self.draws.forward @ self.draws.jacobian(self.draws.start)
        values = torch.linalg.svdvals(J) ** 2
        least = min(J.shape[1], experiment.family.unknowns) - 1
        self.top, self.bottom = values[:, 0], values[:, min(least, values.shape[1] - 1)]
        self.condition = self.top / self.bottom

    def _step(self, way: Way) -> tuple[Tensor, float]:
        root = float(self.condition.max().sqrt())
        beta = (root - 1) / (root + 1)
        if way.rule == "heavy ball":
            return 4 / (self.top.sqrt() + self.bottom.sqrt()) ** 2, beta**2
        return (self.certified if way.share is None else way.share / self.top), beta

    def run(self, way: Way) -> Iterator[MomentumRow | None]:
        """The rows of one way, None after the steps between them."""
        experiment, (step, beta) = self.experiment, self._step(way)
        numbers, first, before = set(experiment.numbers), None, None
        is_sure = "yes" if way.rule == "gradient descent" and way.share is None else "no"
        arrived = torch.full((experiment.draws,), experiment.steps + 1)
        rise = 0.0
        for state in evolve(self.draws, step, rule=way.rule, momentum=beta):
            size = state.residual.norm(dim=1)
            first = size if first is None else first
            rise = rise if before is None else max(rise, float((size / before).max()))
            before, relative = size, size / first
            if not bool(relative.isfinite().all()):
                return
            is_reached = (relative <= experiment.tolerance) & (arrived > experiment.steps)
            arrived = torch.where(is_reached, torch.full_like(arrived, state.number), arrived)
            middle = int(arrived.sort().values[(experiment.draws - 1) // 2])
            is_end = bool((arrived <= experiment.steps).all()) or state.number == experiment.steps
            if state.number in numbers or is_end:
                # The end of a way stands at the next number that has a cell.
                number = next(n for n in experiment.numbers if n >= state.number)
                needed = middle if (is_end and middle <= experiment.steps) else None
                yield MomentumRow(
                    way.name,
                    number,
                    float(relative.median()),
                    float(relative.max()),
                    rise,
                    needed,
                    float(self.condition.median()),
                    is_sure,
                )
            else:
                yield None
            if is_end:
                return
