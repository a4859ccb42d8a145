"""Width diagram: observed, feasible and certified interpolation threshold against m."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from deqviz.core.guarantee import Guarantee, Quantity, in_letters, quantity
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.deep_prior.prior_family import PriorFamily
from deqviz.experiments.deep_prior.two_layer import Certificate, certificate
from deqviz.experiments.deep_prior.widths import certified_width, feasible, fitting, wendel

__all__ = ["CertifiedRow", "CertifiedWidths", "WidthDiagram", "WidthRow"]

MEASURED = (2, 4, 6, 8, 12, 16, 20)
WIDTHS = (4, 8, 12, 16, 24, 32, 48, 64, 96)
WIDE = tuple(2**j for j in range(8, 15))
PACE = 20.0
"""Times its own pace at which a draw must be able to arrive, or it is given up: a quarter of the steps is
saved, and of the 9,551 fits in twelve diagrams three are lost."""
AT_ONCE = 8
"""Linear programmes between two moments at which a run can be stopped."""
_STATEMENTS = (
    ("certified", "Certified widths are feasible", "share of R′ < R ≤ share feasible"),
    ("feasible", "Fitted widths are feasible", "share fitted ≤ share feasible"),
)


@dataclass(frozen=True, slots=True)
class WidthRow(Row):
    """One cell: the share of `draws` that gradient descent fits to the tolerance in its steps, at width k.

    `feasible` is the share for which a zero of the loss exists, by linear programming, `law` what Wendel's
    law says of it where it holds, `certified` the share with R′ < R before training. All three are of a
    fixed V: None where it is trained too.
    """

    measured: int
    width: int
    draws: int
    fitted: float
    feasible: float | None
    certified: float | None
    law: float | None
    tolerance: float

    @property
    def key(self) -> Key:
        """m and k."""
        return (self.measured, self.width)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """Certified widths are feasible, fitted ones nearly so."""
        if self.feasible is None:
            why = "V is trained too: any data can be fitted, and R′ and R are those of a fixed V"
            rows = (Guarantee(*statement, "not applicable", why) for statement in _STATEMENTS)
            return in_letters("deep inverse prior", rows)
        (sure, near), above = _STATEMENTS, Quantity(self.feasible)
        exact = "R′ < R leads to zero loss, and a linear programme looks for it"
        rough = f"a fit is ‖r‖ ≤ {self.tolerance:g}‖y‖, which data just outside allow as well"
        rows = (
            Guarantee(*sure, "certified", exact, above, quantity(self.certified)),
            Guarantee(*near, "remark", rough, above, Quantity(self.fitted)),
        )
        return in_letters("deep inverse prior", rows)


@dataclass(frozen=True)
class WidthDiagram(Experiment[WidthRow]):
    """The plane of m and k: `draws` networks in each cell, `steps` of gradient descent, in float32.

    A fit is ‖r‖ ≤ `tolerance`·‖y‖; a draw that is far too slow for it is given up early. Raises ValueError
    where a cell cannot be drawn.
    """

    revision = 2  # "certified" asks for data in ran A

    family: PriorFamily = PriorFamily()
    measured: tuple[int, ...] = MEASURED
    widths: tuple[int, ...] = WIDTHS
    draws: int = 24
    steps: int = 1200
    tolerance: float = 3e-3
    is_both: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn before anything is computed."""
        for m, k in self.cells:
            self.family.check(int(m), int(k))

    @property
    def row_type(self) -> type[WidthRow]:
        """`WidthRow`."""
        return WidthRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """m, widths within."""
        return tuple((m, k) for m in self.measured for k in self.widths)

    def run(self, old_rows: Sequence[WidthRow] = ()) -> Iterator[Progress[WidthRow]]:
        """The rows in the order of `cells`, and a progress every few steps between them."""
        by_key, total = {row.key: row for row in old_rows}, len(self.cells)
        for done, key in enumerate(self.cells):
            row = by_key.get(key)
            if row is None:
                m, k = map(int, key)
                draws = self.family.draws(self.draws, m, k)
                fitted = 0.0
                stream = fitting(draws, self.steps, self.tolerance, is_both=self.is_both, pace=PACE)
                for arrived in stream:
                    fitted = _share(arrived)
                    yield Progress(done, total)
                possible = sure = law = None
                if not self.is_both:
                    flags: list[torch.Tensor] = []
                    for some in torch.arange(self.draws).split(AT_ONCE):
                        flags.append(feasible(draws.chosen(some)))
                        yield Progress(done, total)
                    possible = _share(torch.cat(flags))
                    # With fewer units than unknowns σ_min(J₀) = 0: nothing to compute.
                    is_wide = k >= self.family.unknowns
                    sure = _share(certificate(draws).is_certified) if is_wide else 0.0
                    law = self._law(m, k)
                row = WidthRow(m, k, self.draws, fitted, possible, sure, law, self.tolerance)
            yield Progress(done + 1, total, row)

    def _law(self, m: int, k: int) -> float | None:
        """Wendel's law wants independent columns with signs, in the cone of a φ > 0, and m of them free."""
        family = self.family
        is_cone = family.activation == "softplus" and not family.is_centred and m <= family.unknowns
        return wendel(m, k) if is_cone else None


@dataclass(frozen=True, slots=True)
class CertifiedRow(Row):
    """How many of `draws` networks of width k are certified before training: R′ < R.

    `radius` and `ball` are the medians of R′ and R, `formula` the width above which R′ < R is expected by
    16L₂²n‖r₀‖²/(σ_A²C_φ′⁴), with the mean of ‖r₀‖²/σ_A² of these draws.
    """

    measured: int
    width: int
    draws: int
    share: float
    radius: float
    ball: float
    formula: float

    @property
    def key(self) -> Key:
        """m and k."""
        return (self.measured, self.width)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """None: these are the hypotheses."""
        return ()


@dataclass(frozen=True)
class CertifiedWidths(Experiment[CertifiedRow]):
    """The share of R′ < R over wide networks, by singular values alone: nothing is trained."""

    family: PriorFamily = PriorFamily()
    measured: tuple[int, ...] = MEASURED
    widths: tuple[int, ...] = WIDE
    draws: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn before anything is computed."""
        for m in self.measured:
            self.family.check(m, min(self.widths))

    @property
    def row_type(self) -> type[CertifiedRow]:
        """`CertifiedRow`."""
        return CertifiedRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Widths, m within: what is quick comes first."""
        return tuple((m, k) for k in self.widths for m in self.measured)

    def run(self, old_rows: Sequence[CertifiedRow] = ()) -> Iterator[Progress[CertifiedRow]]:
        """The rows in the order of `cells`."""
        by_key, total = {row.key: row for row in old_rows}, len(self.cells)
        for done, key in enumerate(self.cells):
            row = by_key.get(key)
            if row is None:
                m, k = map(int, key)
                certificates: list[Certificate] = []
                for stream in range(1, self.draws + 1):  # one after the other: the widest take a while
                    certificates.append(certificate(self.family.draws(1, m, k, stream=stream)))
                    yield Progress(done, total)
                row = self._row(m, k, certificates)
            yield Progress(done + 1, total, row)

    def _row(self, m: int, k: int, certificates: Sequence[Certificate]) -> CertifiedRow:
        share = _share(torch.cat([c.is_certified for c in certificates]))
        radius, ball = torch.cat([c.radius for c in certificates]), torch.cat([c.ball for c in certificates])
        ratio = float(torch.cat([(c.misfit / c.sensitivity) ** 2 for c in certificates]).mean())
        formula = certified_width(self.family.phi, self.family.unknowns, ratio**0.5, 1.0)
        return CertifiedRow(m, k, self.draws, share, float(radius.median()), float(ball.median()), formula)


def _share(which: torch.Tensor) -> float:
    return float(which.double().mean())
