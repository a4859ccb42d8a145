"""Convergence rates as the noise vanishes: distance, error and residual against δ, with their bounds."""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from deqviz.core.guarantee import Claim, Guarantee, quantity
from deqviz.core.records import Noise
from deqviz.core.space import Data, Image, inner, norm
from deqviz.experiments._rows import Experiment, Fit, Key, Progress, Row, fit
from deqviz.experiments.equilibrium._rules import Best, Discrepancy, Fixed, Power, Rule
from deqviz.experiments.equilibrium.distance_to_limit import under
from deqviz.experiments.equilibrium.equilibria import Equation, Solved, ahead, per_item
from deqviz.experiments.equilibrium.source import Truth, perturbation
from deqviz.noises.gaussian import Gaussian

__all__ = ["Best", "Discrepancy", "Fixed", "NoiseRow", "NoiseSweep", "Power", "Rule", "slope"]

LEVELS = tuple(10.0 ** -(1 + k / 4) for k in range(25))
"""‖e‖/‖Ax†‖ by default: six decades, four levels in each."""
SOLVED = 1e-3
"""The most that an unfinished solve may add to a bound, relative, for the bound to count as tested."""
ROUNDING = 1e-9
_WEAK = "R is monotone but not strongly: c > 0 is not certified"
_BELOW = "the residual ρ is below δ: this α is no choice by the discrepancy"

Quantity = Literal["bregman", "error", "residual", "data_error", "bregman_bound", "error_bound"]


@dataclass(frozen=True, slots=True)
class NoiseRow(Row):
    """One δ and one seed: h = x − x†, q = Ah, e the noise with ‖e‖ = δ, all norms absolute.

    `bregman` is D_R = ⟨R(x) − R(x†), h⟩, `error` ‖h‖, `residual` ‖Ax − y‖, `data_error` ‖q‖, `source` ‖w‖,
    None where R(x†) = A*w is not known to hold. `identity` is |αD + ‖q‖² − ⟨e − αw, q⟩| relative to these
    terms: 0 at an equilibrium, and only there. `room` is what that defect adds to the bounds, relative.
    `monotonicity` is the certified c; `distance` bounds how far x is from the equilibrium.
    """

    level: float
    seed: int
    delta: float
    weight: float
    bregman: float
    error: float
    residual: float
    data_error: float
    source: float | None
    monotonicity: float
    identity: float | None
    room: float
    defect: float
    distance: float | None
    evaluations: int

    @property
    def key(self) -> Key:
        """Level and seed."""
        return (self.level, self.seed)

    @property
    def reach(self) -> float | None:
        """δ + α‖w‖, on which all bounds rest."""
        return None if self.source is None else self.delta + self.weight * self.source

    @property
    def bregman_bound(self) -> float | None:
        """(δ + α‖w‖)²/(4α)."""
        return None if self.reach is None else self.reach**2 / (4 * self.weight)

    @property
    def error_bound(self) -> float | None:
        """(δ + α‖w‖)/(2√(αc)); None without c > 0."""
        if self.reach is None or self.monotonicity <= 0:
            return None
        return self.reach / (2 * math.sqrt(self.weight * self.monotonicity))

    def _claim(self) -> tuple[Claim, str]:
        if self.source is None:
            reason = "no w with R(x†) = A*w is known for this ground truth: without source condition"
            return "hypothesis violated", reason
        if self.monotonicity < 0:
            reason = f"R may fail to be monotone: c ≥ {self.monotonicity:.3g} is all that is certified"
            return "not verifiable", reason
        if self.room > SOLVED:
            return "not verifiable", f"the equilibrium was reached to {self.room:.1e} of the bound only"
        return "certified", f"R(x†) = A*w with ‖w‖ = {self.source:.4g}, and c ≥ {self.monotonicity:.3g}"

    @property
    def discrepancy_bound(self) -> float | None:
        """(δ + ρ)‖w‖ for the residual ρ = ‖Ax − y‖ ≥ δ; (1 + τ)‖w‖δ where ρ = τδ."""
        if self.source is None or self.residual < self.delta:
            return None
        return (self.delta + self.residual) * self.source

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """T5, T6 and, where the residual is at least δ, T10; T5 and T10 hold for every monotone R."""
        claim, reason = self._claim()
        size = None if self.source is None else math.hypot(self.delta, self.weight * self.source)
        guarantees: list[Guarantee] = []
        for key, name, statement, above, below, why in (
            (
                "bregman",
                "Symmetric Bregman distance",
                "D ≤ (δ + α‖w‖)²/(4α)",
                self.bregman_bound,
                self.bregman,
                "",
            ),
            (
                "error",
                "Reconstruction error",
                "‖x − x†‖ ≤ (δ + α‖w‖)/(2√(αc))",
                self.error_bound,
                self.error,
                _WEAK,
            ),
            ("data", "Error in the data", "‖A(x − x†)‖ ≤ δ + α‖w‖", self.reach, self.data_error, ""),
            ("residual", "Residual", "‖Ax − y‖ ≤ √(δ² + α²‖w‖²)", size, self.residual, ""),
            (
                "discrepancy",
                "Bregman distance by the residual",
                "D ≤ (δ + ‖Ax − y‖)‖w‖",
                self.discrepancy_bound,
                self.bregman,
                _BELOW,
            ),
        ):
            if claim != "certified" or above is None:
                kind: Claim = "not verifiable" if claim == "certified" else claim
                text = why if claim == "certified" else reason
                guarantees.append(Guarantee(key, name, statement, kind, text, value=quantity(below)))
                continue
            # What the solve adds was measured against T5; where another is smaller, it weighs more.
            share = (self.bregman_bound or above) / above if key == "discrepancy" else 1.0
            room = (ROUNDING + self.room * max(1.0, share)) * above
            guarantees.append(
                Guarantee(key, name, statement, claim, reason, quantity(above), quantity(below), room)
            )
        return tuple(guarantees)


@dataclass(frozen=True)
class NoiseSweep(Experiment[NoiseRow]):
    """The equilibria of y = Ax† + e for e of one kind and ‖e‖ = level·‖Ax†‖, with α by a rule.

    All seeds of a level with the same α are solved as one batch; each level starts where those before point.
    """

    equation: Equation
    truth: Truth
    noise: Noise = Gaussian()
    rule: Rule = Power()
    levels: tuple[float, ...] = LEVELS
    seeds: tuple[int, ...] = (0,)

    @property
    def row_type(self) -> type[NoiseRow]:
        """`NoiseRow`."""
        return NoiseRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Levels, seeds within."""
        return tuple((level, seed) for level in self.levels for seed in self.seeds)

    @torch.no_grad()
    def run(self, old_rows: Sequence[NoiseRow] = ()) -> Iterator[Progress[NoiseRow]]:
        """The rows, level by level, best the largest first; raises as the rule, the noise and a solve do."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        clean, last = self.equation.operator(self.truth.x), dict[int, list[Image]]()
        value = self.equation.regularizer(self.truth.x)
        size = float(norm(clean).max())
        for level in self.levels:
            for seed in self.seeds:
                if (level, seed) in by_key:
                    done += 1
                    yield Progress(done, total, by_key[level, seed])
            missing = tuple(seed for seed in self.seeds if (level, seed) not in by_key)
            is_single = isinstance(self.rule, Discrepancy)
            for group in [(seed,) for seed in missing] if is_single else [missing] if missing else []:
                work = self._group(clean, level * size, group, last)
                sign: Progress[NoiseRow] = Progress(done, total)
                weight, noise, solved = yield from under(work, sign)
                for n, seed in enumerate(group):
                    last[seed] = [*last.get(seed, [])[-2:], solved.x[n : n + 1]]
                for row in self._rows(
                    level, group, level * size, weight, noise, solved, solved.value - value
                ):
                    done += 1
                    yield Progress(done, total, row)

    def _group(
        self, clean: Data, delta: float, seeds: tuple[int, ...], last: dict[int, list[Image]]
    ) -> Generator[int, None, tuple[float, Data, Solved]]:
        """α, e and the equilibria of some seeds of one level."""
        source = None if self.truth.element is None else float(norm(self.truth.element))
        guess = self.rule.weight(delta, source)
        is_single = isinstance(self.rule, Discrepancy)
        # The worst direction fools the very α that is used, where that is known before the data.
        target = None if is_single else guess
        e = torch.cat([perturbation(self.equation, self.noise, clean, delta, target, seed) for seed in seeds])
        data = clean + e
        # Added and taken away again: what is left is the noise that the data really have.
        e = data - clean
        baseline = self.equation.operator.baseline(data)
        start = torch.cat(
            [ahead(last[seed]) if seed in last else baseline[n : n + 1] for n, seed in enumerate(seeds)]
        )
        if isinstance(self.rule, Discrepancy):
            weight, solved = yield from self.rule.search(self.equation, data, delta, guess, start)
        else:
            weight = guess
            solved = yield from self.equation.solve(data, weight, start, self.equation.goal(delta, weight))
        return weight, e, solved

    def _rows(
        self,
        level: float,
        seeds: tuple[int, ...],
        delta: float,
        weight: float,
        e: Data,
        solved: Solved,
        change: Image,
    ) -> Iterator[NoiseRow]:
        h = solved.x - self.truth.x
        q = self.equation.operator(h)
        bregman, error, data_error = inner(change, h), norm(h), norm(q)
        residual, defect = norm(q - e), norm(solved.defect)
        identity, room, source = [None] * len(seeds), [0.0] * len(seeds), None
        if self.truth.element is not None:
            w = self.truth.element
            source, pull = float(norm(w)), inner(e - weight * w, q)
            left = weight * bregman + data_error.square()
            scale = left.abs() + pull.abs()
            identity = per_item((left - pull).abs() / scale.clamp_min(torch.finfo(scale.dtype).tiny))
            # αD + ‖q‖² = ⟨e − αw, q⟩ + ⟨f − αg, h⟩ for every x, with g = R(x†) − A*w: the last term is
            # what an unfinished solve adds to (δ + α‖w‖)²/4.
            rest = solved.defect if self.truth.gap is None else solved.defect - weight * self.truth.gap
            room = per_item(4 * inner(rest, h).abs() / (delta + weight * source) ** 2)
        columns = zip(*map(per_item, (bregman, error, residual, data_error, defect)), strict=True)
        for n, (d, size, misfit, seen, f) in enumerate(columns):
            yield NoiseRow(
                level,
                seeds[n],
                delta,
                weight,
                d,
                size,
                misfit,
                seen,
                source,
                self.equation.monotonicity,
                identity[n],
                room[n],
                f,
                solved.distance,
                solved.evaluations,
            )


def slope(
    rows: Sequence[NoiseRow], quantity: Quantity, low: float = 0.0, high: float = math.inf
) -> Fit | None:
    """The exponent of one quantity in δ, fitted over low ≤ δ ≤ high; by default without the outer decades.

    There the rate has not begun yet, or σ_min and rounding have taken over.
    """
    if low == 0 and high == math.inf and rows:
        deltas = [row.delta for row in rows]
        inner_low, inner_high = 10 * min(deltas), max(deltas) / 10
        if inner_high > 10 * inner_low:
            low, high = inner_low, inner_high
    values = ((row.delta, getattr(row, quantity)) for row in rows)
    return fit([(d, v) for d, v in values if v is not None], low, high)
