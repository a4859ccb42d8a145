"""Stability: how much a change of the data changes the equilibrium, random or adversarial, for every α."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from deqviz.core.guarantee import Guarantee, quantity
from deqviz.core.space import Data, Image, inner, norm
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.equilibrium.distance_to_limit import under
from deqviz.experiments.equilibrium.equilibria import Equation, Solved, per_item
from deqviz.experiments.equilibrium.source import perturbation
from deqviz.methods._theory import bounds, equilibrium_gain
from deqviz.noises.gaussian import Gaussian
from deqviz.noises.worst_direction import WorstDirection

__all__ = ["Direction", "Stability", "StabilityRow"]

Direction = Literal["random", "worst: c", "worst: β", "worst: ℓ"]
"""White noise, or the worst of (A*A + ρ)⁻¹A* for ρ = αc, αβ, αL_R: as if R were that multiple of Id."""
SOLVED, ROUNDING = 1e-3, 1e-9


@dataclass(frozen=True, slots=True)
class StabilityRow(Row):
    """One α and one Δy: the equilibria x₁, x₂ of y and y + Δy, with Δx = x₂ − x₁ and D = ⟨R(x₂) − R(x₁), Δx⟩.

    `ratio` is αD/‖Δy‖², at most ¼; `data_ratio` ‖AΔx‖/‖Δy‖, at most 1; `gain` ‖Δx‖/‖Δy‖, at most
    `gain_bound`, which is 1/(2√(αc)), or smaller where σ_min(A) says more; None where neither is certified.
    `identity` is |αD + ‖AΔx‖² − ⟨Δy, AΔx⟩| relative to these terms, `room` what that adds to the bounds.
    """

    weight: float
    direction: str
    seed: int
    size: float
    ratio: float
    data_ratio: float
    gain: float
    gain_bound: float | None
    monotonicity: float
    identity: float
    room: float
    distance: float | None
    evaluations: int

    @property
    def key(self) -> Key:
        """α, direction and seed."""
        return (self.weight, self.direction, self.seed)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """T3; the first holds for every R, the second for monotone and the third for strongly monotone R."""
        unsolved = f"the equilibria were reached to {self.room:.1e} of the bound only"
        rough = f"R may fail to be monotone: c ≥ {self.monotonicity:.3g} is all that is certified"
        weak = "R is not known to be strongly monotone, nor A to be injective"
        modulus = f"c ≥ {self.monotonicity:.3g}"
        guarantees: list[Guarantee] = []
        for key, name, statement, above, below, obstacle in (
            ("ratio", "Stability in the Bregman distance", "αD ≤ ¼ ‖Δy‖²", 0.25, self.ratio, ""),
            (
                "data",
                "Stability in the data",
                "‖AΔx‖ ≤ ‖Δy‖",
                1.0,
                self.data_ratio,
                "" if self.monotonicity >= 0 else rough,
            ),
            (
                "gain",
                "Stability of the reconstruction",
                "‖Δx‖ ≤ ‖Δy‖/(2√(αc))",
                self.gain_bound,
                self.gain,
                weak if self.gain_bound is None else "",
            ),
        ):
            obstacle = obstacle or (unsolved if self.room > SOLVED else "")
            guarantees.append(
                Guarantee(key, name, statement, "not verifiable", obstacle, value=quantity(below))
                if obstacle
                else Guarantee(
                    key,
                    name,
                    statement,
                    "certified",
                    modulus,
                    quantity(above),
                    quantity(below),
                    (ROUNDING + self.room) * (above or 0.0),
                )
            )
        return tuple(guarantees)


@dataclass(frozen=True)
class Stability(Experiment[StabilityRow]):
    """The equilibria of y = A·picture and of y + Δy with ‖Δy‖ = `size`·‖y‖, all of one α as one batch.

    Each α starts from the one before.
    """

    equation: Equation
    picture: Image
    weights: tuple[float, ...] = tuple(10.0 ** -(k / 2) for k in range(13))
    directions: tuple[Direction, ...] = get_args(Direction)
    seeds: tuple[int, ...] = (0,)
    size: float = 1e-2

    @property
    def row_type(self) -> type[StabilityRow]:
        """`StabilityRow`."""
        return StabilityRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Weights, directions within, seeds within."""
        return tuple((a, kind, seed) for a in self.weights for kind, seed in self._pairs)

    @property
    def _pairs(self) -> tuple[tuple[Direction, int], ...]:
        return tuple((kind, seed) for kind in self.directions for seed in self.seeds)

    @torch.no_grad()
    def run(self, old_rows: Sequence[StabilityRow] = ()) -> Iterator[Progress[StabilityRow]]:
        """The rows, α by α, best the largest first; raises ArithmeticError as a solve does."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        y, last = self.equation.operator(self.picture), dict[tuple[str, int] | None, Image]()
        delta = self.size * float(norm(y).max())
        baseline = self.equation.operator.baseline(y)
        for weight in self.weights:
            for pair in self._pairs:
                if (weight, *pair) in by_key:
                    done += 1
                    yield Progress(done, total, by_key[weight, *pair])
            group = [pair for pair in self._pairs if (weight, *pair) not in by_key]
            if not group:
                continue
            change = torch.cat([self._change(y, delta, weight, *pair) for pair in group])
            data = torch.cat([y, y + change])
            change = data[1:] - y
            items = (None, *group)
            start = torch.cat([last.get(item, baseline) for item in items])
            work = self.equation.solve(data, weight, start, self.equation.goal(delta, weight))
            sign: Progress[StabilityRow] = Progress(done, total)
            solved = yield from under(work, sign)
            for n, item in enumerate(items):
                last[item] = solved.x[n : n + 1]
            for row in self._rows(weight, group, change, solved):
                done += 1
                yield Progress(done, total, row)

    def _change(self, y: Data, delta: float, weight: float, kind: Direction, seed: int) -> Data:
        constants = self.equation.regularizer.constants()
        share = {
            "random": 0.0,
            "worst: c": constants.monotonicity.value,
            "worst: β": constants.center,
            "worst: ℓ": constants.lipschitz.value,
        }[kind]
        if kind == "random":
            return perturbation(self.equation, Gaussian(1.0), y, delta, None, seed)
        # Where c is not positive, β stands for it: some direction must be tried.
        rho = weight * (share if share > 0 else constants.center)
        return perturbation(self.equation, WorstDirection(1.0, rho, 40), y, delta, rho, seed)

    def _rows(
        self, weight: float, group: Sequence[tuple[Direction, int]], change: Data, solved: Solved
    ) -> Iterator[StabilityRow]:
        h, f = solved.x[1:] - solved.x[:1], solved.defect[1:] - solved.defect[:1]
        q, square = self.equation.operator(h), norm(change).square()
        pull = weight * inner(solved.value[1:] - solved.value[:1], h)
        left, right = pull + norm(q).square(), inner(change, q)
        scale = (left.abs() + right.abs()).clamp_min(torch.finfo(left.dtype).tiny)
        c = self.equation.monotonicity
        gain = equilibrium_gain(bounds(self.equation.operator), weight, c)
        columns = zip(
            *map(
                per_item,
                (
                    norm(change),
                    pull / square,
                    norm(q) / norm(change),
                    norm(h) / norm(change),
                    (left - right).abs() / scale,
                    # αD + ‖q‖² = ⟨Δy, q⟩ + ⟨f₂ − f₁, Δx⟩ for any two images.
                    4 * inner(f, h).abs() / square,
                ),
            ),
            strict=True,
        )
        for (kind, seed), (size, ratio, data_ratio, moved, identity, room) in zip(
            group, columns, strict=True
        ):
            yield StabilityRow(
                weight,
                kind,
                seed,
                size,
                ratio,
                data_ratio,
                moved,
                gain,
                c,
                identity,
                room,
                solved.distance,
                solved.evaluations,
            )
