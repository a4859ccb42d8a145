"""Convergence without a source condition: equilibria tend to the solution x° of the limit problem.

Ax° = y and P_ker R(x°) = 0. For every ρ ‖x − x°‖ ≤ d_ρ/c + (δ + αρ)/(2√(αc)), d_ρ = min ‖R(x°) − A*w‖ over
‖w‖ ≤ ρ, and d_ρ falls to 0: x → x° where α → 0 and δ²/α → 0, but as slowly as d_ρ does. In finite dimension
d_ρ = 0 from some ρ = ‖w°‖ on, perhaps as large as 1/σ_min. Obmann and Haltmeier, 2023; T4, T8 of the notes.
"""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import torch

from deqviz.core.guarantee import Guarantee, Quantity, quantity
from deqviz.core.numbers import number
from deqviz.core.records import Noise
from deqviz.core.space import Data, Image, inner, norm
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.equilibrium._kernel import Kernel, Range, range_of
from deqviz.experiments.equilibrium._rules import Power
from deqviz.experiments.equilibrium.distance_to_limit import under
from deqviz.experiments.equilibrium.equilibria import Equation, Solved, ahead
from deqviz.experiments.equilibrium.source import Truth, perturbation
from deqviz.noises.gaussian import Gaussian

__all__ = ["LimitProblem", "LimitRow"]

SOLVED = 0.5
"""The most that an unfinished solve may add to a bound, relative, for the bound to count as tested."""
STEP = 1e-12
"""‖z⁺ − z‖/‖x°‖ at which the iteration for x° ends."""
ROUNDING = 1e-9
_WEAK = "R is not known to be strongly monotone: c > 0 is not certified, and x° need not be the only solution"


@dataclass(frozen=True, slots=True)
class LimitRow(Row):
    """One δ with its α: h = x − x°, `distance` ‖h‖, `error` ‖x − x†‖, `pairing` α⟨R(x), h⟩.

    `source` is ‖w°‖, the least norm with R(x°) = A*w°. `upper` is the least bound of ‖h‖ that any source
    element proves, ‖w‖ = ρ, None without c > 0. `pairing_room` and `source_room` are what unfinished solves
    add to δ²/4 and to (δ + α‖w°‖)²/4, relative. Of the iteration for x°, which contracts by `factor`, `step`
    is its last ‖z⁺ − z‖, `left` the one that would follow, `rounding` what arithmetic may add to it.
    """

    level: float
    delta: float
    weight: float
    distance: float
    error: float
    pairing: float
    source: float
    upper: float | None
    monotonicity: float
    pairing_room: float
    source_room: float
    factor: float
    step: float
    left: float
    rounding: float
    evaluations: int

    @property
    def key(self) -> Key:
        """The level."""
        return (self.level,)

    @property
    def source_bound(self) -> float | None:
        """(δ + α‖w°‖)/(2√(αc)); None without c > 0."""
        if self.monotonicity <= 0:
            return None
        return (self.delta + self.weight * self.source) / (2 * math.sqrt(self.weight * self.monotonicity))

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """T4: the pairing for any R, the distance for strongly monotone R, and that x° itself was reached."""
        size = f"R(x°) = A*w° with ‖w°‖ = {number(self.source)}, c ≥ {self.monotonicity:.3g}"
        return (
            self._row(
                "pairing",
                "Pairing with the limit problem",
                "α⟨R(x), x − x°⟩ ≤ δ²/4",
                (self.pairing, self.delta**2 / 4, self.pairing_room),
                "for any R: Ax° = y, and x is an equilibrium",
            ),
            self._row(
                "limit_distance",
                "Distance to the limit problem's solution",
                "‖x − x°‖ ≤ (δ + α‖w°‖)/(2√(αc))",
                (self.distance, self.source_bound, self.source_room),
                size,
            ),
            self._row(
                "limit_upper",
                "Distance to the limit, by the best source element",
                "‖x − x°‖ ≤ d_ρ/c + (δ + αρ)/(2√(αc)) for every ρ",
                (self.distance, self.upper, 0.0),
                f"every w with ‖w‖ = ρ proves one such bound, w° too; {size}",
            ),
            self._solved(),
        )

    def _row(
        self, key: str, name: str, statement: str, numbers: tuple[float, float | None, float], why: str
    ) -> Guarantee:
        value, bound, room = numbers
        if bound is None or room > SOLVED:
            obstacle = _WEAK if bound is None else f"the solves add {room:.1e} of the bound"
            return Guarantee(key, name, statement, "not verifiable", obstacle, value=quantity(value))
        allowance = (ROUNDING + room) * bound
        return Guarantee(key, name, statement, "certified", why, quantity(bound), quantity(value), allowance)

    def _solved(self) -> Guarantee:
        """‖z − z*‖ from above: by the step that would follow, which is at most L times the last one."""
        name, statement, L = "Limit problem solved", "‖z − z*‖ ≤ ‖z⁺ − z‖ L/(1 − L)", self.factor
        if L >= 1:
            reason = f"P_{{ker A}} N is not known to contract: L ≤ {L:.4g} is all that is certified"
            return Guarantee("limit", name, statement, "hypothesis violated", reason)
        reason = f"z ↦ P_{{ker A}} N(A⁺y + z) contracts by L = {L:.4g}; x° = A⁺y + z"
        value = Quantity(self.left / (1 - L), side="upper")
        bound = Quantity(self.step * L / (1 - L))
        return Guarantee("limit", name, statement, "certified", reason, bound, value, self.rounding / (1 - L))


@dataclass(frozen=True)
class LimitProblem(Experiment[LimitRow]):
    """x° by its own iteration, then the equilibria of y + e for ‖e‖ = level·‖y‖ → 0 with α = cδ^p, p < 2.

    z ↦ P_ker N(A⁺y + z) with N = Id − R/β contracts by L/β. A⁺y = x† − P_ker x†, so that the truth stands for
    the clean data and for nothing else. View: "limit", x°. Raises ValueError where A has no closed form for
    P_ker, or where δ²/α does not vanish.
    """

    equation: Equation
    truth: Truth
    noise: Noise = Gaussian(1.0)
    rule: Power = Power()
    levels: tuple[float, ...] = tuple(10.0**-k for k in range(1, 11))
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an operator whose kernel is not known, and a rule under which nothing converges."""
        if self.equation.operator.resolvent_kind != "closed form":
            raise ValueError("The limit problem needs the projection on ker A in closed form.")
        if self.rule.exponent >= 2:
            raise ValueError(f"δ²/α vanishes for p < 2 only, not for p = {self.rule.exponent:g}.")

    @property
    def row_type(self) -> type[LimitRow]:
        """`LimitRow`."""
        return LimitRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """The levels."""
        return tuple((level,) for level in self.levels)

    @torch.no_grad()
    def run(self, old_rows: Sequence[LimitRow] = ()) -> Iterator[Progress[LimitRow]]:
        """The rows, best the largest δ first; raises as the noise and a solve do."""
        by_key, total = {row.key: row for row in old_rows}, len(self.cells)
        limit: _Limit | None = None
        last: list[Image] = []
        for done, level in enumerate(self.levels):
            if (level,) in by_key:
                yield Progress(done + 1, total, by_key[(level,)])
                continue
            sign: Progress[LimitRow] = Progress(done, total)
            limit = limit or (yield from under(self.limit(), sign))
            delta = level * float(norm(limit.data))
            weight = self.rule.weight(delta, None)
            e = perturbation(self.equation, self.noise, limit.data, delta, weight, self.seed)
            data = limit.data + e
            start = ahead(last) if last else self.equation.operator.baseline(data)
            work = self.equation.solve(data, weight, start, self.equation.goal(delta, weight))
            solved = yield from under(work, sign)
            last = [*last[-2:], solved.x]
            row = self._row(level, delta, weight, data, solved, limit)
            yield Progress(done + 1, total, row, {"limit": limit.x})

    def limit(self) -> Generator[int, None, "_Limit"]:
        """x° and what belongs to it; yields after every step."""
        A, R = self.equation.operator, self.equation.regularizer
        kernel, constants = Kernel(A), R.constants()
        seen = self.truth.x - kernel.project(self.truth.x)

        def inward(x: Image) -> Image:
            return seen + kernel.project(x - R(x) / constants.center)

        for step in self.equation.solver.steps(inward, seen):
            yield step.k
            residual = float(step.residual)
            if not math.isfinite(residual):
                raise ArithmeticError(f"the limit problem's solution is no longer finite at step {step.k}")
            if residual <= STEP or step.k >= self.equation.max_steps:
                break
        x = step.fz  # pyright: ignore[reportPossiblyUnboundVariable]
        value = R(x)
        # Less its component in ker A, which is rounding, and which the small β would blow up.
        w = A(A.resolvent(value - kernel.project(value), kernel.cut))
        return _Limit(
            x,
            A(self.truth.x),
            w,
            value - A.adjoint(w),
            range_of(A, value, (w,)),
            constants.contraction.value / constants.center,
            float(norm(x - step.z)),  # pyright: ignore[reportPossiblyUnboundVariable]
            float(norm(inward(x) - x)),
        )

    def _row(
        self, level: float, delta: float, weight: float, data: Data, solved: Solved, limit: "_Limit"
    ) -> LimitRow:
        h, f, c = solved.x - limit.x, solved.defect, self.equation.monotonicity
        # For any x̄ αD + ‖Ah‖² = ⟨e − αw, Ah⟩ + ⟨f − αg, h⟩ with e = y^δ − Ax̄ and g = R(x̄) − A*w: what the
        # x° at hand misses of Ax = y counts as noise.
        true_delta, source = float(norm(data - self.equation.operator(limit.x))), float(norm(limit.element))

        def room(reach: float, rest: Image) -> float:
            beyond = max((reach + true_delta - delta) ** 2 - reach**2, 0.0)
            return (beyond + 4 * abs(float(inner(rest, h)))) / reach**2

        return LimitRow(
            level,
            delta,
            weight,
            float(norm(h)),
            float(norm(solved.x - self.truth.x)),
            weight * float(inner(solved.value, h)),
            source,
            limit.range.error_at_most(c, true_delta, weight, float(norm(f))),
            c,
            room(delta, f),
            room(delta + weight * source, f - weight * limit.gap),
            limit.factor,
            limit.step,
            limit.left,
            32 * torch.finfo(h.dtype).eps * float(norm(limit.x)),
            solved.evaluations,
        )


@dataclass(frozen=True, slots=True)
class _Limit:
    """x° of the clean `data`, w° with the `gap` R(x°) − A*w°, and how the iteration for x° ended."""

    x: Image
    data: Data
    element: Data
    gap: Image
    range: Range
    factor: float
    step: float
    left: float
