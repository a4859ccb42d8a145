"""The quantities that a question of a lesson may name, read from the rows of a study that is done. Pure.

Each is a word, what it means, and a function of the study, None where its rows do not tell.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import get_args

from deqviz.core.guarantee import Status, Void
from deqviz.experiments.deep_prior.width_diagram import WidthRow
from deqviz.experiments.equilibrium.error_bounds import BandRow
from deqviz.experiments.equilibrium.noise_sweep import NoiseRow, Quantity, slope
from deqviz.experiments.equilibrium.parameter_continuation import ContinuationRow
from deqviz.experiments.equilibrium.uniqueness import UniquenessRow
from deqviz.experiments.memory.activation_memory import MemoryRow
from deqviz.experiments.memory.gradient_agreement import AgreementRow
from deqviz.experiments.monotone.uniqueness_counterexample import CounterexampleRow
from deqviz.experiments.unrolled.layer_descent import LayerRow
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import Row
from deqviz.ui.pages.deep_prior.charts import halves
from deqviz.ui.pages.unrolled.setting import RIVALS, SHORT

Value = float | None
ABOVE = 100.0
"""Distances are compared above so many times what rounding may have added."""
MIB = 2.0**20


@dataclass(frozen=True)
class Measure:
    """One quantity: what it means, and how it is read."""

    words: str
    of: Callable[[StudySnapshot], Value]


def _most(values: Iterable[float]) -> Value:
    return max(values, default=None)


def _least(values: Iterable[float]) -> Value:
    return min(values, default=None)


# ---------------------------------------------------------------- Convergence


def _ends(snapshot: StudySnapshot) -> list[UniquenessRow]:
    return [row for row in snapshot.of("starts") if row.state != "going"]


def _limits(snapshot: StudySnapshot) -> Value:
    ends = _ends(snapshot)
    return float(len({row.limit for row in ends} - {None})) if ends else None


def _steps(route: str) -> Callable[[StudySnapshot], Value]:
    def read(snapshot: StudySnapshot) -> Value:
        ends = [row for row in _ends(snapshot) if row.route == route]
        is_there = ends and all(row.state == "arrived" for row in ends)
        return _most(float(row.k) for row in ends) if is_there else None

    return read


def _kappa(snapshot: StudySnapshot) -> Value:
    return _most(
        row.factor for row in snapshot.of("starts") if row.route == "implicit" and row.factor is not None
    )


def _resolved(snapshot: StudySnapshot) -> list[UniquenessRow]:
    """Of plain iteration, where distances stand well above rounding."""
    rows: Sequence[UniquenessRow] = snapshot.of("starts")
    return [
        row
        for row in rows
        if row.route == "implicit" and row.distance is not None and row.distance > ABOVE * row.room
    ]


def _factor(snapshot: StudySnapshot) -> Value:
    factors: list[float] = []
    rows = sorted(_resolved(snapshot), key=lambda row: (row.start, row.k))
    for before, after in itertools.pairwise(rows):
        if before.start == after.start and before.distance and after.distance:
            factors.append((after.distance / before.distance) ** (1 / (after.k - before.k)))
    return _most(factors)


def _certificate(pick: Callable[[Iterable[float]], Value]) -> Callable[[StudySnapshot], Value]:
    def read(snapshot: StudySnapshot) -> Value:
        rows = _resolved(snapshot)
        return pick(
            row.certified / row.distance for row in rows if row.certified is not None and row.distance
        )

    return read


def _crossed(snapshot: StudySnapshot) -> list[ContinuationRow]:
    return [row for row in snapshot.of("crossing") if row.arrived]


def _edge(snapshot: StudySnapshot) -> Value:
    return _least(row.value for row in _crossed(snapshot) if row.distinct > 1)


def _pair(contender: str, read: Callable[[CounterexampleRow], float]) -> Callable[[StudySnapshot], Value]:
    """Of one F at the second picture."""

    def measure(snapshot: StudySnapshot) -> Value:
        return next((read(row) for row in snapshot.of("breaker") if row.key == (contender, 1.0)), None)

    return measure


# ---------------------------------------------------------------- Noise


def _slope(part: str, quantity: Quantity) -> Callable[[StudySnapshot], Value]:
    def read(snapshot: StudySnapshot) -> Value:
        fit = slope(snapshot.of(part), quantity)
        return None if fit is None else fit.slope

    return read


def _tightness(snapshot: StudySnapshot) -> Value:
    rows: Sequence[NoiseRow] = snapshot.of("sweep")
    return _most(row.bregman / row.bregman_bound for row in rows if row.bregman_bound)


def _band(
    read: Callable[[BandRow], Value], pick: Callable[[Iterable[float]], Value]
) -> Callable[[StudySnapshot], Value]:
    def measure(snapshot: StudySnapshot) -> Value:
        return pick(value for row in snapshot.of("band") if (value := read(row)) is not None)

    return measure


# ---------------------------------------------------------------- Memory


def _bytes(kind: str) -> Callable[[StudySnapshot], Value]:
    def read(snapshot: StudySnapshot) -> Value:
        rows: Sequence[MemoryRow] = snapshot.of("bytes")
        return _most(row.saved / MIB for row in rows if row.kind == kind)

    return read


def _depth(snapshot: StudySnapshot) -> Value:
    return _most(float(row.iterations) for row in snapshot.of("bytes") if row.kind == "unrolled")


def _agreement(snapshot: StudySnapshot) -> Value:
    rows: Sequence[AgreementRow] = snapshot.of("gradient")
    return rows[-1].error if rows else None


# ---------------------------------------------------------------- Deep prior


_WIDTHS = (("phase", "fitted"), ("phase", "feasible"), ("certified", "share"))


def _width(part: str, share: str) -> Callable[[StudySnapshot], Value]:
    """The width at which half of the draws do it, at the largest m where all three widths are known."""

    def read(snapshot: StudySnapshot) -> Value:
        lines = {of: dict(zip(*halves(snapshot.of(of[0]), attrgetter(of[1])), strict=True)) for of in _WIDTHS}
        shared = set.intersection(*(set(line) for line in lines.values()))
        return float(round(lines[part, share][max(shared)])) if shared else None

    return read


def _reached(snapshot: StudySnapshot) -> Value:
    rows: Sequence[WidthRow] = snapshot.of("phase")
    return sum(row.fitted == 1 for row in rows) / len(rows) if rows else None


# ---------------------------------------------------------------- Unrolled


def _layers(snapshot: StudySnapshot, rival: str) -> dict[int, LayerRow]:
    return {row.layer: row for row in snapshot.of("layers") if row.rival == SHORT[rival]}


def _away(rival: str) -> Callable[[StudySnapshot], Value]:
    def read(snapshot: StudySnapshot) -> Value:
        rows = _layers(snapshot, rival)
        return float(sum((row.ratio or 0) > 1 for row in rows.values())) if rows else None

    return read


def _after(rival: str, layer: int | None) -> Callable[[StudySnapshot], Value]:
    def read(snapshot: StudySnapshot) -> Value:
        rows = _layers(snapshot, rival)
        number = max(rows, default=0) if layer is None else layer
        return rows[number].distance if number in rows else None

    return read


# ---------------------------------------------------------------- the vocabulary

_LAYERS: Mapping[str, Measure] = {
    name: measure
    for rival, title in RIVALS.items()
    for name, measure in (
        (f"away_{rival}", Measure(f"layers of {title} with ratio > 1", _away(rival))),
        (f"half_{rival}", Measure(f"mean distance of {title} to y* after layer 5", _after(rival, 5))),
        (
            f"end_{rival}",
            Measure(f"mean distance of {title} to y* after the last layer", _after(rival, None)),
        ),
    )
}
MEASURES: Mapping[str, Mapping[str, Measure]] = {
    "convergence": {
        "limits": Measure("distinct limits of all converged runs", _limits),
        "runs": Measure(
            "runs, one for each start and solver", lambda snapshot: float(len(_ends(snapshot))) or None
        ),
        "kappa": Measure("the certified factor κ of the implicit map", _kappa),
        "factor": Measure("the largest contraction factor per step of ‖x − x*‖, implicit map", _factor),
        "steps": Measure("steps of the slowest run of the implicit map", _steps("implicit")),
        "steps_anderson": Measure("steps of the slowest run by Anderson", _steps("anderson")),
        "least_share": Measure("the least a-posteriori bound/distance, implicit map", _certificate(_least)),
        "most_share": Measure("the largest a-posteriori bound/distance, implicit map", _certificate(_most)),
        "equilibria": Measure(
            "the most limits at any L or step tried", lambda s: _most(float(r.distinct) for r in _crossed(s))
        ),
        "edge": Measure("the least L or step with more than one limit", _edge),
        "second_residual": Measure(
            "residual of the first F at the second image", _pair("example", lambda r: r.residual)
        ),
        "product": Measure(
            "⟨F(x) − F(z), x − z⟩/‖x − z‖² of the first F", _pair("example", lambda r: r.product)
        ),
        "monotone_residual": Measure(
            "residual of Id − 0.9 tanh∘G at the second image", _pair("monotone", lambda r: r.residual)
        ),
        "monotone_needed": Measure(
            "m‖x − z‖ of Id − 0.9 tanh∘G, below which it cannot be",
            _pair("monotone", lambda r: r.margin * r.apart),
        ),
    },
    "noise": {
        "slope_distance": Measure("exponent of D in δ", _slope("sweep", "bregman")),
        "slope_error": Measure("exponent of ‖x − x†‖ in δ", _slope("sweep", "error")),
        "slope_broken": Measure(
            "exponent of D with the source condition violated", _slope("contrast", "bregman")
        ),
        "tightness": Measure("the largest D/bound", _tightness),
        "lower": Measure("the lower bound ‖P_ker R(x†)‖/L_R", _band(lambda r: r.lower, _most)),
        "least_error": Measure("the least error over all α of the band", _band(lambda r: r.error, _least)),
        "least_upper": Measure(
            "the least upper bound over all α of the band", _band(lambda r: r.upper, _least)
        ),
    },
    "memory": {
        "unrolled": Measure("MiB stored by the deepest unrolled run", _bytes("unrolled")),
        "equilibrium": Measure("MiB stored by implicit differentiation, at most", _bytes("equilibrium")),
        "iterations": Measure("iterations of the deepest unrolled run", _depth),
        "gradient_error": Measure("relative difference of the gradients at the largest K", _agreement),
    },
    "deep_prior": {
        "fitted": Measure("width at which half of the draws interpolate", _width("phase", "fitted")),
        "feasible": Measure("width at which zero loss is attainable for half", _width("phase", "feasible")),
        "certified": Measure("width at which half are certified", _width("certified", "share")),
        "reached": Measure("share of the cells in which every draw interpolates", _reached),
    },
    "unrolled": _LAYERS,
    "robustness": {},
    "training": {},
}
"""By pages, and there by names."""
LAMPS: Mapping[str, tuple[Status, ...]] = {
    "lamps_green": ("certified",),
    "lamps_amber": ("estimated", "stated"),
    "lamps_grey": get_args(Void),
    "lamps_red": ("violated",),
}
"""Of every page: how many lines of the guarantees have one of these statuses."""


def names(page: str) -> tuple[str, ...]:
    """What a lesson with this page may name."""
    return (*MEASURES.get(page, {}), *LAMPS)


def measured(page: str, snapshot: StudySnapshot, rows: Sequence[Row]) -> dict[str, float]:
    """All quantities that the rows tell, and the lamps of the panel."""
    values = {name: measure.of(snapshot) for name, measure in MEASURES.get(page, {}).items()}
    finite = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
    lamps = {name: float(sum(row.status in these for row in rows)) for name, these in LAMPS.items()}
    return finite | lamps
