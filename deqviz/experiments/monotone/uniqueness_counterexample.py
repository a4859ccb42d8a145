"""A counterexample to uniqueness: two solutions of one problem, possible only where F is not monotone.

If ⟨F(x) − F(z), x − z⟩ < 0 there are A and b with λA*(Ax − b) + F(x) = 0 and λA*(Az − b) + F(z) = 0. If F is
m-monotone, ‖r(x)‖ + ‖r(z)‖ ≥ m‖x − z‖ for r(x) = λA*(Ax − b) + F(x), whatever A, b and λ are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from deqviz.core.estimate import Estimate
from deqviz.core.guarantee import Guarantee, quantity
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Problem
from deqviz.core.regularizer import Constants, Regularizer
from deqviz.core.space import Image, Space, inner, norm
from deqviz.diagnostics._jacobian import Jacobian, probe
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.monotone._rank_two import RankTwo, joining
from deqviz.experiments.monotone.forward_backward import defect
from deqviz.operators.gaussian_blur import GaussianBlur

__all__ = ["Contender", "Counterexample", "CounterexampleRow", "Smoothing", "ladder", "pushed"]

EXACT = 1e-10
"""A share of ‖x‖ below which a residual in double precision is 0."""


@dataclass(frozen=True, eq=False)
class Smoothing(Regularizer):
    """F(x) = x − L tanh(Gx) with a periodic Gaussian blur G: monotone for L ≤ 1, as ‖G‖ = 1 and tanh' ≤ 1."""

    blur: ForwardModel
    gain: float = 2.0

    @classmethod
    def of(cls, space: Space, gain: float) -> "Smoothing":
        """With a blur of 1 px."""
        return cls(GaussianBlur(space, width=1.0), gain)

    def __call__(self, x: Image) -> Image:
        """F(x)."""
        return x - self.gain * torch.tanh(self.blur(x))

    def constants(self) -> Constants:
        """c = 1 − L, ℓ = 1 + L."""
        L = self.gain * self.blur.norm_bound().value
        return Constants(
            Estimate("c", 1 - L, "lower bound"),
            Estimate("L_R", 1 + L, "upper bound"),
            1.0,
            Estimate("L", L, "upper bound"),
            f"Lip(H) ≤ {L:.3g}, as ‖G‖ = 1 and tanh does not expand",
        )


@dataclass(frozen=True)
class Contender:
    """One F of the experiment; of one that is `searched` a pair is looked for near the two images."""

    key: str
    title: str
    F: Regularizer
    is_searched: bool = False


@dataclass(frozen=True, slots=True)
class CounterexampleRow(Row):
    """One F at the image x + t(z − x), lengths as shares of ‖x‖; x is the first image, z the second.

    `residual` is ‖r‖ there and `base` the one at x. `product` is ⟨F(x) − F(z), x − z⟩/‖x − z‖², which no
    m-monotone F has below m = `margin`. `is_joined`: A and b were made from this very F, so that both
    images solve; otherwise A is that of the first F, and b only makes x a solution. `low` and `high` are
    A's smallest and largest singular value.
    """

    contender: str
    t: float
    residual: float
    base: float
    product: float
    margin: float
    apart: float
    is_joined: str
    low: float
    high: float

    @property
    def key(self) -> Key:
        """F and the place."""
        return (self.contender, self.t)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """At both images: that they solve. Everywhere: how far from a solution a monotone F has to be."""
        guarantees: list[Guarantee] = []
        if self.is_joined == "yes" and self.t in (0, 1):
            guarantees.append(
                self._solves(
                    "both", "Two solutions", "by construction, λA²h = g for h = x − z, g = F(z) − F(x)"
                )
            )
        elif self.t == 0:
            guarantees.append(self._solves("one", "First solution", "b is made for it"))
        return (*guarantees, self._apart())

    def _solves(self, key: str, name: str, reason: str) -> Guarantee:
        statement = "‖r(x)‖ ≤ 10⁻¹⁰ ‖x‖, r(x) = λA*(Ax − b) + F(x)"
        row = Guarantee(key, name, statement, "certified", reason, quantity(EXACT), quantity(self.residual))
        return replace(row, paper="monotone operator learning")

    def _apart(self) -> Guarantee:
        name, statement = (
            "Uniqueness by m-monotonicity",
            "m‖x − z‖ ≤ ‖r(x)‖ + ‖r(z)‖, r(x) = λA*(Ax − b) + F(x)",
        )
        bound, needed = self.residual + self.base, self.margin * abs(self.t) * self.apart
        if self.margin <= 0:
            reason = f"one F is not known to be monotone: c ≥ {self.margin:.3g} is all that is proved"
            return Guarantee(
                "apart",
                name,
                statement,
                "not verifiable",
                reason,
                paper="monotone operator learning",
            )
        reason = "F is m-monotone with a certified m"
        # Rounding at t = 0, where both sides are 0.
        row = Guarantee(
            "apart", name, statement, "certified", reason, quantity(bound + EXACT), quantity(needed)
        )
        return replace(row, paper="monotone operator learning")


def ladder(count: int = 41, low: float = -0.5, high: float = 1.5) -> tuple[float, ...]:
    """Places t on the line through both images, 0 and 1 among them."""
    places = {low + (high - low) * k / (count - 1) for k in range(count)}
    return tuple(sorted({round(t, 12) for t in places} | {0.0, 1.0}))


@dataclass(frozen=True)
class Counterexample(Experiment[CounterexampleRow]):
    """Along the line through two images, how far every F is from having solutions there.

    The first contender should not be monotone between the images: its A serves those that are, which else
    get A = 1/√λ. Views: with the row t = 0 of every F "first", "second" and "data", the pair and b.
    """

    contenders: tuple[Contender, ...]
    first: Image
    second: Image
    weight: float = 1.0
    places: tuple[float, ...] = ladder()
    search: int = 40

    @property
    def row_type(self) -> type[CounterexampleRow]:
        """`CounterexampleRow`."""
        return CounterexampleRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Contenders, places within."""
        return tuple((c.key, t) for c in self.contenders for t in self.places)

    @torch.no_grad()
    def run(self, old_rows: Sequence[CounterexampleRow] = ()) -> Iterator[Progress[CounterexampleRow]]:
        """The rows, F by F."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        A = self._shared()
        for contender in self.contenders:
            if all((contender.key, t) in by_key for t in self.places):
                for t in self.places:
                    done += 1
                    yield Progress(done, total, by_key[contender.key, t])
                continue
            second = self.second
            if contender.is_searched:
                for candidate in pushed(contender.F, self.first, self.second, self.search):
                    second = candidate
                    yield Progress(done, total)
            for row, views in self._rows(contender, second, A):
                done += 1
                yield Progress(done, total, row, views)

    def _shared(self) -> RankTwo:
        """The A that joins the images for the first F; a multiple of Id where that is monotone there."""
        F = self.contenders[0].F
        is_broken = _product(F, self.first, self.second) < 0
        change = self._change(F, self.second) if is_broken else self.first - self.second
        return joining(self.first, self.second, change, self.weight)

    def _change(self, F: Regularizer, second: Image) -> Image:
        return F(second) - F(self.first)

    def _rows(
        self, contender: Contender, second: Image, A: RankTwo
    ) -> Iterator[tuple[CounterexampleRow, dict[str, Image]]]:
        x, F, h = self.first, contender.F, self.first - second
        g, size = self._change(F, second), float(norm(x))
        product = -float(inner(g, h) / inner(h, h))
        is_joined = product < 0
        A = joining(x, second, g, self.weight) if is_joined else A
        # λA(Ax − b) + F(x) = 0, solved for b.
        b = A(x) + A.inverse(F(x)) / self.weight
        problem = Problem(A, b, 0.0)
        base, margin = float(norm(defect(problem, F, self.weight, x))), F.constants().monotonicity.value
        for t in self.places:
            z = x + t * (second - x)
            row = CounterexampleRow(
                contender.key,
                t,
                float(norm(defect(problem, F, self.weight, z))) / size,
                base / size,
                product,
                margin,
                float(norm(h)) / size,
                "yes" if is_joined else "no",
                A.values[-1],
                A.values[0],
            )
            yield row, {"first": x, "second": second, "data": b} if t == 0 else {}


def pushed(F: Regularizer, first: Image, second: Image, steps: int) -> Iterator[Image]:
    """A z with ⟨F(x) − F(z), x − z⟩ < 0 for x = `first`, looked for; the last one yielded is the answer.

    First `second` itself, then x + r d with d where the symmetric part of F′(x) is least, by power iteration,
    and r from 3‖z − x‖/10 down. Where none is found it is `second`.
    """
    if _product(F, first, second) < 0:
        yield second
        return
    J = Jacobian(lambda x: x - F(x), first)
    d = probe(first, 0)
    for _ in range(steps):
        # H + H* + 2: positive where Lip(H) ≤ 1, so that the largest eigenvalue is that of the top.
        d = J.apply(d) + J.adjoint(d) + 2 * d
        d = d / norm(d)
        yield second
    size = float(norm(second - first))
    for r in (0.3, 0.1, 0.03, 0.01):
        for sign in (1, -1):
            z = first + sign * r * size * d
            if _product(F, first, z) < 0:
                yield z
                return
    yield second


def _product(F: Regularizer, first: Image, second: Image) -> float:
    return float(inner(F(first) - F(second), first - second))
