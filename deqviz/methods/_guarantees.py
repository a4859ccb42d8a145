"""The guarantees of a fixed-point map: what is proved of it beside what its run has shown.

Arithmetic on a few floats and on the marks of the run: ten calls a second must not be felt.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from deqviz.core.guarantee import Claim, Curve, Guarantee, Quantity, quantity
from deqviz.core.records import Evidence, Scalars, Solver
from deqviz.methods._base import DISTANCE, SIZE, SLIP
from deqviz.methods._theory import AT_THE_END, Theory
from deqviz.solvers._accelerated import FAILURES, LEAST, SHARE, Accelerated

LIMIT, IMAGE, CHANGE = "‖x*‖", "‖T(x_k)‖", "‖y₁ − y₂‖"
"""The units of distances between limits, of one iterate to its limit, and of two limits on two data."""


def table(theory: Theory, solver: Solver, evidence: Evidence) -> tuple[Guarantee, ...]:
    """All rows that every fixed-point method has, in the order of the panel."""
    evidence = with_slip(in_one_norm(evidence))
    rows = (
        uniqueness(theory, evidence),
        _contraction(theory, solver, evidence),
        _expansion(theory, evidence),
        _rate(theory, solver, evidence.marks)
        if theory.is_contraction
        else _monotone(theory, solver, evidence),
        a_posteriori(theory, evidence.marks),
        stability(theory, evidence),
    )
    claimed = (
        replace(
            row,
            claim=_in(theory, row.claim),
            reason=because(theory, row, evidence.probes),
            paper=theory.paper,
        )
        for row in rows
    )
    return at_end(claimed, evidence)


def because(theory: Theory, row: Guarantee, probes: Mapping[str, float]) -> str:
    """The reason of a row, and where what it leaves to rounding is not proved, that it is not.

    Limits are judged by the ends of runs, where T was evaluated in double precision: of such ends no size is
    given. κ takes what rounding may do off the value.
    """
    is_rounded = row.allowance != 0 or (row.key in ("contraction", "expansion") and row.value is not None)
    if row.key == "stability":
        is_rounded = is_rounded and probes.get("gain_size") != 0
    if not (theory.unproved and row.claim == "certified" and is_rounded):
        return row.reason
    end = AT_THE_END if row.key == "error" and "slip" in probes else ""
    return f"{row.reason}; {theory.unproved}{end}"


def at_end(rows: Iterable[Guarantee], evidence: Evidence) -> tuple[Guarantee, ...]:
    """The rows with the iteration after which their numbers were taken: the last."""
    k = evidence.marks[-1].k if evidence.marks else None
    return tuple(replace(row, k=k) for row in rows)


def _in(theory: Theory, claim: Claim) -> Claim:
    """The claim as this theory makes it: which void it is, and on whose word a constant rests."""
    if claim == "hypothesis violated":
        return theory.void
    return theory.claim if claim == "certified" else claim


def in_one_norm(evidence: Evidence) -> Evidence:
    """The evidence of a batch in the norm max_i ‖x_i‖.

    What holds for every item holds in it. The largest gap and the largest residual may be those of two items,
    and then say nothing of the size of either.
    """
    if not any(SIZE in m.scalars for m in evidence.marks):
        return evidence
    marks = [
        replace(m, residual=m.gap / m.scalars[SIZE]) if m.scalars.get(SIZE, 0.0) > 0 else m
        for m in evidence.marks
    ]
    return replace(evidence, marks=marks)


def with_slip(evidence: Evidence) -> Evidence:
    """The evidence with what the last gap is off by at most, where that was found after the run."""
    if "slip" not in evidence.probes or not evidence.marks:
        return evidence
    *before, last = evidence.marks
    scalars = {**last.scalars, SLIP: evidence.probes["slip"]}
    return replace(evidence, marks=[*before, replace(last, scalars=scalars)])


def uniqueness(theory: Theory, evidence: Evidence) -> Guarantee:
    """Both ends lie within E ‖T(x) − x‖ of the one fixed point.

    The gaps at which the runs stopped and the sizes of their ends are probes of their own, relative to the
    limit as the spread is; without them nothing may be compared.
    """
    gaps, sizes = (evidence.probes.get(name) for name in ("spread_gap", "spread_size"))
    bound, allowance = None, 0.0
    if theory.error is not None and gaps is not None and sizes is not None:
        bound, allowance = theory.error * gaps, theory.error * _room(theory, evidence.marks) * sizes
    return Guarantee(
        "uniqueness",
        f"Unique {theory.noun}",
        "‖x − x′‖ ≤ E (‖T(x) − x‖ + ‖T(x′) − x′‖) from all starts",
        "hypothesis violated" if theory.error is None else "certified",
        theory.why_single if theory.error is not None else theory.why_several,
        quantity(bound, LIMIT),
        quantity(evidence.probes.get("spread"), LIMIT),
        allowance,
    )


def _room(theory: Theory, marks: Sequence[Scalars]) -> float:
    """What T(x) may be wrong by, relative to the size of the last image, where one is known."""
    *_, (size, _) = (0.0, 0.0), *_sizes(marks)
    return theory.floor + theory.bias + (theory.offset / size if size > 0 else 0.0)


def _contraction(theory: Theory, solver: Solver, evidence: Evidence) -> Guarantee:
    # ‖T(x_k) − x_k‖ is the distance of two successive images only when the iteration is T itself.
    largest = _largest_ratio(theory, evidence.marks) if solver.contraction(0.0) == 0.0 else None
    ratio = evidence.probes.get("contraction")
    if ratio is not None:
        # Each value of T may be off by the floor.
        ratio = max(ratio - theory.floor * evidence.probes.get("contraction_room", 0.0), 0.0)
        largest = ratio if largest is None else max(largest, ratio)
    if theory.is_contraction:
        reason = theory.because
    elif theory.is_averaged:
        reason = (
            f"T is averaged: its iterates converge wherever there is a {theory.noun}, but no κ < 1 is known:"
            f" {theory.obstacle}"
        )
    elif theory.is_nonexpansive:
        reason = f"T does not expand, but does not contract either: {theory.obstacle}"
    else:
        reason = theory.obstacle
    return Guarantee(
        "contraction",
        "Contraction factor κ" if theory.is_contraction or not theory.is_nonexpansive else "Nonexpansive map",
        "‖T(x) − T(z)‖ ≤ κ ‖x − z‖",
        "certified" if theory.is_nonexpansive else "hypothesis violated",
        reason,
        quantity(_factor(theory)),
        quantity(largest, side="lower"),
    )


def _factor(theory: Theory) -> float | None:
    """κ where it is proved to be at most 1, up to the rounding of the constants."""
    return min(theory.kappa, 1.0) if theory.is_nonexpansive and theory.kappa is not None else None


def _largest_ratio(theory: Theory, marks: Sequence[Scalars]) -> float | None:
    """The largest gap_{k+1}/gap_k, less what errors e of T may add: gap_{k+1} ≤ κ gap_k + 2e."""
    ratios = [
        max(b.residual - 2 * theory.floor, 0.0) / b.residual * (b.gap / a.gap)
        if math.isfinite(b.gap)
        else b.gap
        for a, b in pairwise(marks)
        if b.k == a.k + 1 and math.isfinite(a.gap) and a.gap > 0 and b.residual > 0
    ]
    return max(ratios) if ratios else None


def _expansion(theory: Theory, evidence: Evidence) -> Guarantee:
    measured = evidence.probes.get("expansion")
    factor = _factor(theory)
    if factor is not None and measured is not None:
        # A product with J_T is off by the floor, and κ may be 0.
        measured = max(measured - theory.floor, 0.0)
    if factor is not None:
        reason = "the power iteration bounds ‖J_T(x)‖ from below, κ bounds it from above"
    elif measured is None:
        reason = theory.obstacle
    elif measured > 1:
        reason = f"T expands at this image: ‖J_T(x)‖ ≥ {measured:.3g}"
    else:
        reason = f"‖J_T(x)‖ ≥ {measured:.3g} at this image, which proves nothing elsewhere"
    return Guarantee(
        "expansion",
        "Local Lipschitz constant",
        "‖J_T(x)‖ ≤ κ",
        "hypothesis violated" if factor is None else "certified",
        reason,
        quantity(factor),
        quantity(measured, side="lower"),
    )


@dataclass(frozen=True, slots=True)
class Line:
    """B_k ‖T(x₀) − x₀‖, what errors of the evaluations add to it, and ‖T(x_k) − x_k‖; over ‖T(x_k)‖."""

    bound: Quantity
    allowance: Curve
    value: Quantity


def rate_line(marks: Sequence[Scalars], bound: Callable[[int], float], error: float = 0.0) -> Line | None:
    """The line of B_k beside the residuals; None before there is a residual.

    `error` is what the errors of all evaluations so far add, each of them relative to the largest result
    that there was, not to the last. A residual that is no number stays one, for a run must not hide it.
    """
    if not marks or not marks[0].gap > 0:
        return None
    first, ks = marks[0], [m.k for m in marks]
    sizes = list(_sizes(marks))
    line = [
        bound(m.k - first.k) * first.gap / size if size > 0 else math.nan
        for m, (size, _) in zip(marks, sizes, strict=True)
    ]
    room = [error * most / size if size > 0 else math.nan for size, most in sizes]
    return Line(
        Quantity(Curve(ks, line), IMAGE),
        Curve(ks, room),
        Quantity(Curve(ks, [m.residual for m in marks]), IMAGE),
    )


def _sizes(marks: Sequence[Scalars]) -> Iterator[tuple[float, float]]:
    """‖T(x_k)‖ of every mark, and the largest of ‖x₀‖ and those so far."""
    size = most = 0.0
    for m in marks:
        # A gap of 0 says nothing of the size: that of the mark before is the best known.
        if m.gap > 0 and m.residual > 0 and math.isfinite(m.gap) and math.isfinite(m.residual):
            size = m.gap / m.residual
        most = max(most, size) if most else size + (m.gap if math.isfinite(m.gap) else 0.0)
        yield size, most


def _shares(marks: Sequence[Scalars]) -> list[float]:
    """Of every mark the largest size so far over its own: what rounding is multiplied by."""
    return [most / size if size > 0 else 1.0 for size, most in _sizes(marks)]


@dataclass(frozen=True, slots=True)
class Rate:
    """gap_k ≤ `factor`^(`share`·k − `lost`) gap_0 + `errors`·ε_T, with the exponent at least 0.

    What is printed and what is drawn come from here; the texts are those of the numbers of the same name.
    """

    factor: float
    factor_text: str
    errors: float
    errors_text: str
    share: float = 1.0
    lost: float = 0.0

    def at(self, k: int) -> float:
        """B_k."""
        return self.factor ** max(0.0, self.share * k - self.lost)

    @property
    def statement(self) -> str:
        """In the letters of the panel."""
        exponent = "k" if self.share == 1 and self.lost == 0 else f"{self.share:g}k − {self.lost:g}"
        power = "ᵏ" if exponent == "k" else f"^{{{exponent}}}"
        return f"‖T(x_k) − x_k‖ ≤ {self.factor_text}{power} ‖T(x₀) − x₀‖ + {self.errors_text}"

    def line(self, marks: Sequence[Scalars], floor: float) -> Line | None:
        """The line for an ε_T of `floor`, and what was measured."""
        return rate_line(marks, self.at, self.errors * floor)


def plain(kappa: float, letter: str = "κ", solver: Solver | None = None) -> Rate:
    """That of the plain iteration on a map that contracts by κ, or of `solver`, which may damp it.

    Evaluations with an error of at most ε_T give d_{k+1} ≤ κ d_k + 2ε_T, and so d_k ≤ κᵏ d₀ + 2ε_T/(1 − κ):
    rounding is a term of the line. Damping leaves that term as it is.
    """
    errors, errors_text = 2 / (1 - kappa) if kappa < 1 else math.inf, f"2ε_T/(1 − {letter})"
    factor, idle = (kappa, 0.0) if solver is None else (solver.contraction(kappa), solver.contraction(0.0))
    assert factor is not None
    text = letter if not idle else f"({idle:.3g} + {1 - idle:.3g}{letter})"
    return Rate(factor, text, errors, errors_text)


def proved_rate(solver: Solver, kappa: float) -> Rate | None:
    """What is proved of this solver on every map that contracts by κ ≤ 1; None where nothing is."""
    if solver.contraction(kappa) is not None:
        return plain(kappa, solver=solver)
    if not isinstance(solver, Accelerated):
        return None
    # What the safeguard enforces, see `_accelerated`: an accepted step reduces the gap by the bar, up to
    # rounding, and at most FAILURES + SHARE·k steps are not accepted. Near rounding the bar is a ratio of
    # roundings, which is why these count twice.
    mixing, bar = float(getattr(solver, "mixing", 1.0)), max(kappa, LEAST)
    text = f"max(κ, {LEAST:g})"
    share = "" if mixing == 1 else f"{mixing:.3g}"
    factor_text = text if mixing == 1 else f"({1 - mixing:.3g} + {mixing:.3g} {text})"
    rest = mixing * (1 - bar)
    errors_text = f"4ε_T/({share}{'(' if share else ''}1 − {text}{')' if share else ''})"
    errors = 4 / rest if rest > 0 else math.inf
    return Rate(1 - rest, factor_text, errors, errors_text, 1 - SHARE, FAILURES)


def solver_bound(solver: Solver, kappa: float) -> Callable[[int], float] | None:
    """k ↦ B_k with gap_k ≤ B_k gap_0, proved for this solver on every map that contracts by κ ≤ 1."""
    rate = proved_rate(solver, kappa)
    return None if rate is None else rate.at


def _rate(theory: Theory, solver: Solver, marks: Sequence[Scalars]) -> Guarantee:
    """‖T(x_k) − x_k‖ ≤ B_k ‖T(x₀) − x₀‖ + `errors`·ε_T, drawn as a relative residual."""
    assert theory.kappa is not None
    name, rate = "A-priori linear rate", proved_rate(solver, theory.kappa)
    if rate is None:
        reason = "the line is that of the plain iteration; no rate is proved for this solver"
        free = plain(theory.kappa)
        line = free.line(marks, theory.floor)
        return Guarantee("rate", name, free.statement, "remark", reason, line and line.bound)
    reason = theory.because
    if solver.contraction(theory.kappa) is None:
        reason = f"what the solver's safeguard enforces, and usually far exceeds; {reason}"
    row = Guarantee("rate", name, rate.statement, "certified", reason)
    return on_line(row, rate.line(marks, theory.floor))


def on_line(row: Guarantee, line: Line | None) -> Guarantee:
    """The row with the numbers of a line, where there is one."""
    if line is None:
        return row
    return replace(row, bound=line.bound, value=line.value, allowance=line.allowance)


def _monotone(theory: Theory, solver: Solver, evidence: Evidence) -> Guarantee:
    """‖T(x_{k+1}) − x_{k+1}‖ ≤ ‖T(x_k) − x_k‖ for a nonexpansive T, damped or safeguarded too."""
    statement = "‖T(x_{k+1}) − x_{k+1}‖ ≤ ‖T(x_k) − x_k‖ + 2ε_T"
    name = "Residual nonincreasing"
    if not theory.is_nonexpansive:
        return Guarantee("monotone", name, statement, "hypothesis violated", theory.obstacle)
    if proved_rate(solver, 1.0) is None:
        reason = "proved for the plain iteration only; no such statement is known for this solver"
        return Guarantee("monotone", name, statement, "not applicable", reason)
    idle = solver.contraction(0.0)
    if idle is None:
        reason = "the solver's safeguard refuses steps that would raise it; where it ends is not proved"
    elif theory.is_averaged or idle > 0:
        reason = f"T is averaged: this iteration converges wherever there is a {theory.noun}"
    else:
        reason = (
            "T is nonexpansive, not averaged: the iterates may oscillate; a damping below 1 makes it converge"
        )
    row = Guarantee("monotone", name, statement, "certified", reason)
    return on_line(row, never_grows(evidence.marks, theory.floor))


def never_grows(marks: Sequence[Scalars], floor: float) -> Line | None:
    """The gap of the step before as a limit of the gap, with twice the rounding; over ‖T(x_k)‖."""
    ks: list[int] = []
    limits: list[float] = []
    room: list[float] = []
    residuals: list[float] = []
    for (a, b), share in zip(pairwise(marks), _shares(marks)[1:], strict=True):
        # A residual that is no number must be seen, not skipped.
        if b.k == a.k + 1 and not b.gap <= 0:
            ks.append(b.k)
            # gap/residual is ‖T(x_k)‖; an evaluation errs relative to the largest of them.
            room.append(2 * floor * share)
            limits.append(b.residual * (a.gap / b.gap) if math.isfinite(b.gap) else a.residual)
            residuals.append(b.residual)
    if not ks:
        return None
    return Line(Quantity(Curve(ks, limits), IMAGE), Curve(ks, room), Quantity(Curve(ks, residuals), IMAGE))


def a_posteriori(theory: Theory, marks: Sequence[Scalars]) -> Guarantee:
    """‖x_k − x*‖ ≤ E ‖T(x_k) − x_k‖ for any x_k, whichever solver made it; relative to ‖T(x_k)‖.

    The limit being unknown, what is measured is a lower bound of the same error: gap/(1 + κ) everywhere, and
    at the start ‖x₀ − x_k‖ less the error of x_k, which comes close to the ground truth once x_k has.
    """
    name, statement = "A-posteriori error bound", theory.error_statement
    if theory.error is None:
        return Guarantee("error", name, statement, "hypothesis violated", theory.why_several)
    reason = f"holds for every image, however it was found; {theory.why_single}"
    finite = [m for m in marks if math.isfinite(m.gap) and math.isfinite(m.residual)]
    if not finite:
        return Guarantee("error", name, statement, "certified", reason)
    room = [
        m.scalars[SLIP] / size
        if SLIP in m.scalars and size > 0
        else ((theory.floor + theory.bias) * most + theory.offset) / size
        if size > 0
        else theory.floor + theory.bias
        for m, (size, most) in zip(finite, _sizes(finite), strict=True)
    ]
    bound = [theory.error * m.residual for m in finite]
    allowance = [theory.error * e for e in room]
    expands = 1 + max(theory.kappa, 0.0) if theory.kappa is not None else math.inf
    below = [max(m.residual - e, 0.0) / expands for m, e in zip(finite, room, strict=True)]
    first = finite[0]
    if first.gap > 0 and first.residual > 0:
        size = first.gap / first.residual
        for m, b, e in zip(finite, bound, allowance, strict=True):
            # A run that diverged says nothing about where it began: only closer iterates may.
            if DISTANCE in m.scalars and 0 < m.gap <= first.gap:
                travelled = m.scalars[DISTANCE] - (b + e) * m.gap / m.residual
                below[0] = max(below[0], travelled / size)
    ks = [m.k for m in finite]
    return Guarantee(
        "error",
        name,
        statement,
        "certified",
        reason,
        Quantity(Curve(ks, bound), IMAGE),
        Quantity(Curve(ks, below), IMAGE, "lower"),
        Curve(ks, allowance),
    )


def stability(theory: Theory, evidence: Evidence) -> Guarantee:
    """‖x₁ − x₂‖ ≤ C ‖y₁ − y₂‖ with the certified C.

    C speaks of limits: for each of the two runs, E ‖T(x) − x‖ is allowed. Obmann and Haltmeier, 2023; T3 of
    docs/methods.md.
    """
    measured, gap = evidence.probes.get("gain"), evidence.probes.get("gain_gap")
    bound, allowance = theory.gain, 0.0
    if bound is not None and measured is not None and gap is not None:
        gap += _room(theory, evidence.marks) * evidence.probes.get("gain_size", 0.0)
        if theory.error is None or not math.isfinite(gap):
            bound = None
        else:
            allowance = theory.error * gap
    return Guarantee(
        "stability",
        "Stability",
        theory.gain_statement,
        "hypothesis violated" if theory.gain is None else "certified",
        theory.why_several if theory.gain is None else theory.why_single,
        quantity(bound, CHANGE),
        quantity(measured, CHANGE, "lower"),
        allowance,
    )
