"""Descent per layer of unrolled networks on unseen signals, beside ISTA and FISTA."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from deqviz.core.guarantee import Guarantee, Quantity, in_letters, quantity
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.unrolled.baselines import FISTA, ISTA, Baseline, Exam, Kind, descent_of, exam
from deqviz.learning.descent import envelope, merits, ratios, stationarity
from deqviz.learning.sparse_coding import SparseCoding

OTHERS = 500_003
"""Added to the seed of the signals on which ζ is measured."""
ROUNDING = 1e-5
"""Relative: means of thousands of numbers in single precision."""


@dataclass(frozen=True, slots=True)
class LayerRow(Row):
    """One layer of one rival, means over all signals.

    `distance` d_ℓ = E‖y_ℓ − y*‖ with `spread`, its standard deviation; `objective` E f(y_ℓ) and `optimum`
    E f(y*); `gradient` E‖∇(½‖x − Dy_ℓ‖²)‖ and `gradient_floor` the same at y*; `prox_gradient` E‖G(y_ℓ)‖,
    0 at y*. Compared with the layer before: `ratio` d_ℓ/d_{ℓ−1}, `each` the mean of the ratios, `falls` the
    share of signals that come nearer. `excess` is ζ, the largest d_j − (1 − ε)d_{j−1} of the layers so far,
    `start` d₀, `rate` ε, and `sublinear` what is proved of E f(y_ℓ) − E f(y*) for ISTA and FISTA. `line` is
    what the convergence theorem says of d_ℓ, for a ζ of other signals; `unseen` has its numbers and `ceiling`
    its M. Files of 0.2.0 have none of these, and the classical iterations no theorem of this kind.
    """

    rival: str
    kind: str
    layer: int
    distance: float
    spread: float
    objective: float
    optimum: float
    gradient: float
    gradient_floor: float
    prox_gradient: float
    ratio: float | None
    each: float | None
    falls: float | None
    excess: float | None
    start: float
    rate: float
    sublinear: float | None
    unseen: str = ""
    ceiling: float | None = None
    line: float | None = None

    @property
    def key(self) -> Key:
        """Rival and layer."""
        return (self.rival, self.layer)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """The descent of this layer, what follows for all up to it, and what is known of ISTA and FISTA."""
        if self.layer == 0 or self.ratio is None or self.excess is None:
            return ()
        before = self.distance / self.ratio if self.ratio > 0 else 0.0
        line = float(envelope(self.start, self.rate, self.excess, self.layer)[-1])
        guarantees = [
            Guarantee(
                "descent",
                "Descent per layer",
                "d_ℓ ≤ (1 − ε) d_{ℓ−1}",
                "estimated",
                "constrained in training or not, never proved: measured on unseen signals",
                quantity((1 - self.rate) * before),
                quantity(self.distance),
            ),
            Guarantee(
                "envelope",
                "Geometric envelope",
                "d_ℓ ≤ (1 − ε)^ℓ d₀ + ζ(1 − (1 − ε)^ℓ)/ε",
                "remark",
                f"true by summation, with the worst slack ζ = {max(self.excess, 0.0):.3g} of these layers",
                quantity(line),
                quantity(self.distance),
                ROUNDING * line,
            ),
        ]
        if self.sublinear is not None:
            name, statement = (
                ("ISTA", "f(y_k) − f* ≤ ‖D‖²‖y₀ − y*‖²/(2k)")
                if self.kind == "ISTA"
                else ("FISTA", "f(y_k) − f* ≤ 2‖D‖²‖y₀ − y*‖²/(k + 1)²")
            )
            guarantees.append(
                Guarantee(
                    f"sublinear_{name}",
                    f"Sublinear rate of {name}",
                    statement,
                    "certified",
                    "f is convex and ‖D‖ a singular value (Beck and Teboulle, 2009)",
                    quantity(self.sublinear),
                    quantity(self.objective - self.optimum),
                    ROUNDING * self.sublinear,
                )
            )
        if self.line is not None:
            guarantees.append(self._theorem(self.line))
        return in_letters("descending constraints", guarantees)

    def _theorem(self, line: float) -> Guarantee:
        """The theorem itself: its ζ comes from other signals than those that it is judged on."""
        row = Guarantee(
            "theorem",
            "Convergence theorem on unseen signals",
            "d_ℓ ≤ ρ^ℓ d₀ + ((1 − δ)ζ + δM)(1 − ρ^ℓ)/(1 − ρ), ρ = (1 − δ)(1 − ε)",
            "estimated",
            self.unseen,
            value=Quantity(self.distance),
        )
        if self.ceiling is not None and self.distance > self.ceiling:
            reason = f"M = {self.ceiling:.3g} bounds no layer that fails: d_ℓ = {self.distance:.3g} here"
            return replace(row, claim="hypothesis violated", reason=reason)
        return replace(row, bound=Quantity(line), allowance=ROUNDING * line)


@dataclass(frozen=True)
class LayerDescent(Experiment[LayerRow]):
    """Every layer of every rival on the same unseen signals, from the same random starts.

    `risk` δ and `ceiling` M are those of the convergence theorem; its ζ is measured on other signals, a
    quarter as many.
    """

    problem: SparseCoding
    rivals: tuple[Baseline, ...]
    layers: int = 10
    rate: float = 0.2
    signals: int = 2000
    seed: int = 0
    is_classical: bool = True
    risk: float = 0.05
    ceiling: float = 10.0

    @property
    def row_type(self) -> type[LayerRow]:
        """`LayerRow`."""
        return LayerRow

    @property
    def everyone(self) -> tuple[Baseline, ...]:
        """The networks, then ISTA and FISTA."""
        return (*self.rivals, *((ISTA, FISTA) if self.is_classical else ()))

    @property
    def cells(self) -> tuple[Key, ...]:
        """Rivals, layers within."""
        return tuple((r.title, layer) for r in self.everyone for layer in range(self._depth(r) + 1))

    def _depth(self, rival: Baseline) -> int:
        return self.layers if rival.net is None else rival.net.depth

    def run(self, old_rows: Sequence[LayerRow] = ()) -> Iterator[Progress[LayerRow]]:
        """The rows of one rival after the other."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        test_set = others = None
        for rival in self.everyone:
            rows = [by_key.get((rival.title, layer)) for layer in range(self._depth(rival) + 1)]
            if None in rows:
                if test_set is None:
                    yield Progress(done, total)
                    test_set = exam(self.problem, self.signals, self.seed)
                    others = exam(self.problem, max(1, self.signals // 4), self.seed + OTHERS)
                assert others is not None
                rows = measured(rival, self.problem, test_set, self._depth(rival), self.rate)
                if rival.net is not None:
                    rows = self._judged(rival, rows, others)
            for row in rows:
                done += 1
                yield Progress(done, total, row)

    @torch.no_grad()
    def _judged(self, rival: Baseline, rows: list[LayerRow], others: Exam) -> list[LayerRow]:
        """The rows with the line of the theorem, whose ζ is that of other signals."""
        depth = len(rows) - 1
        d = others.distances(rival.states(self.problem, others.start, others.x, depth)).double()
        excess = max(0.0, float(descent_of(self.rate).slacks(d).max()))
        line = stationarity(rows[0].start, self.rate, excess, self.risk, self.ceiling, depth)
        numbers = f"ζ = {excess:.3g} of other signals, δ = {self.risk:g}, M = {self.ceiling:.3g}"
        return [
            replace(row, unseen=numbers, ceiling=self.ceiling, line=float(v))
            for row, v in zip(rows, line, strict=True)
        ]


@torch.no_grad()
def measured(
    rival: Baseline, problem: SparseCoding, test_set: Exam, layers: int, rate: float
) -> list[LayerRow]:
    """The rows of one rival, y₀ among them as layer 0."""
    states = rival.states(problem, test_set.start, test_set.x, layers)
    d = test_set.distances(states).double()
    slack, of_means = descent_of(rate).slacks(d), ratios(d, "ratio of means")
    each = ratios(d, "mean of ratios")
    gradient, prox = (
        merits(problem, which, states, test_set.x, test_set.solution).double().mean(1)
        for which in ("gradient", "prox-gradient")
    )
    objective = torch.stack([problem.objective(y, test_set.x).double() for y in states]).mean(1)
    optimum = float(problem.objective(test_set.solution, test_set.x).double().mean())
    at_solution = problem.gradient(test_set.solution, test_set.x)
    floor = float(torch.linalg.vector_norm(at_solution, dim=1).double().mean())
    far = float(d[0].square().mean())
    rows: list[LayerRow] = []
    for layer in range(len(states)):
        is_first = layer == 0
        rows.append(
            LayerRow(
                rival.title,
                rival.kind,
                layer,
                float(d[layer].mean()),
                float(d[layer].std(correction=0)),
                float(objective[layer]),
                optimum,
                float(gradient[layer]),
                floor,
                float(prox[layer]),
                None if is_first else float(of_means[layer - 1]),
                None if is_first else float(each[layer - 1]),
                None if is_first else float((d[layer] < d[layer - 1]).double().mean()),
                None if is_first else float(slack[:layer].max()),
                float(d[0].mean()),
                rate,
                None if is_first else _sublinear(rival.kind, problem.lipschitz, far, layer),
            )
        )
    return rows


def _sublinear(kind: Kind, lipschitz: float, far: float, k: int) -> float | None:
    """What is proved of f(y_k) − f*, on average over the signals as for each of them."""
    match kind:
        case "ISTA":
            return lipschitz * far / (2 * k)
        case "FISTA":
            return 2 * lipschitz * far / (k + 1) ** 2
        case _:
            return None
