"""Training runs of two-layer priors with the bounds on residual, distance and Jacobian."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from deqviz.core.guarantee import Claim, Guarantee, Quantity, in_letters, quantity
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.deep_prior.prior_family import PriorFamily
from deqviz.experiments.deep_prior.two_layer import Certificate, Draws, State, certificate, evolve, times
from deqviz.experiments.deep_prior.width_bound import ball_width, chernoff_width, factor, least_share, weak

__all__ = ["PriorRun", "RunRow"]

ROUNDING = 1e-9
"""Relative, of inequalities between numbers in double precision after some hundred steps."""
GROUND = 1e-12
"""Share of ‖r₀‖ below which a residual is rounding and is not compared."""
SHARE_OF_DRAWS = "share of draws"
"""The unit of a probability and of what is seen of it."""
FINE = 0.5
"""Share of 1/ℓ that a step of the flow takes: a tenth of it moves the curves by less than a pixel."""


@dataclass(frozen=True, slots=True)
class RunRow(Row):
    """All draws after one step; the numbers without "worst" are those of the draw that is shown.

    Lengths are divided by ‖r₀‖ (`residual`, its `least` and `most` over the draws, `envelope`, `sharp` =
    exp(−λ_min(K₀)t/4), `clean` = ‖Ag − Ax†‖ and `noise` = ‖ε‖). `moved` is ‖W − W₀‖, `radius` R′ or for
    descent 2R′, `ball` R, `jacobian` σ_min(J(t)), `half` σ₀/2 and `arrival` t* or for descent 2t*; `radius`
    and `arrival` are None where they are infinite. Of the `certified` draws the worst share of its bound is
    `worst_residual`, `worst_moved`, `worst_jacobian` and, after t*, `worst_clean`: None where there is none
    to look at, as the first two at t = 0. `above` counts the draws, certified or not, above their sharper
    envelope. `needed` is the width from which the bound of `width_bound` holds for
    every draw, `enough` that from which its probability does, `weak` how many
    have σ_min(J₀) below what it says, `worst_error` the worst ‖x − x†‖ over (‖r‖ + ‖ε‖)/σ_min(A), None where
    A is not injective. Files of 0.2.0 have none of these.
    """

    number: int
    rule: str
    time: float
    draws: int
    certified: int
    why: str
    residual: float
    least: float
    most: float
    envelope: float
    sharp: float
    above: int
    worst_residual: float | None
    moved: float
    radius: float | None
    ball: float
    worst_moved: float | None
    jacobian: float
    half: float
    worst_jacobian: float | None
    clean: float
    noise: float
    arrival: float | None
    worst_clean: float | None
    unknowns: int | None = None
    width: int | None = None
    needed: float | None = None
    enough: float | None = None
    weak: int = 0
    worst_error: float | None = None

    @property
    def key(self) -> Key:
        """The number of steps."""
        return (self.number,)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """Shares of their bounds, at most 1: certified of the draws in whose balls they are proved."""
        claim: Claim = "certified" if self.certified else "hypothesis violated"

        def proved(key: str, name: str, statement: str, worst: float | None) -> Guarantee:
            above = Quantity(1.0) if self.certified else None
            return Guarantee(key, name, statement, claim, self.why, above, quantity(worst), ROUNDING)

        is_flow = self.rule == "flow"
        line = (
            "‖r(t)‖ ≤ ‖r_{0}‖exp(−σ_{A}²σ_{0}²t/4)"
            if is_flow
            else "‖r_τ‖ ≤ (1 − γσ_{A}²σ_{0}²/4)^{τ/2}‖r_{0}‖"
        )
        way = f"‖W(t) − W_{{0}}‖ ≤ {'R′' if is_flow else '2R′'}"
        statements = [
            proved("envelope", "A-priori linear rate", line, self.worst_residual),
            proved("radius", "Distance from initialisation", way, self.worst_moved),
            proved(
                "jacobian",
                "Smallest singular value of the Jacobian",
                "σ_{min}(J(t)) ≥ σ_{0}/2",
                self.worst_jacobian,
            ),
        ]
        if self.noise > 0:
            bound = f"‖Ag(t) − Ax†‖ ≤ 2‖ε‖ for t ≥ {'t*' if is_flow else '2t*'}"
            statements.append(proved("noise", "Early-stopping bound 2‖ε‖", bound, self.worst_clean))
        if self.number == 0 and self.needed is not None:
            statements += self._widths(self.needed)
        if self.unknowns is not None:
            statements.append(self._recovery())
        return in_letters("deep inverse prior", statements)

    def _widths(self, needed: float) -> tuple[Guarantee, Guarantee]:
        """The explicit width bound and the probability in it, once: they are of the start."""
        assert self.unknowns is not None
        n, k, is_flow = self.unknowns, self.width or 0, self.rule == "flow"
        constant, name = factor(is_flow=is_flow), "R′" if is_flow else "2R′"
        wide = Guarantee(
            "width",
            "Explicit width bound",
            f"P({name} < R) ≥ 1 − 1/n for k ≥ {constant} L₂² n ‖r_{{0}}‖²/(σ_{{A}}² C_{{φ′}}⁴)",
            "hypothesis violated",
            f"k = {k:,} is below {needed:,.0f}, which it asks for here; in the limit of wide networks"
            f" {constant // 16} would do for {constant}",
        )
        enough = self.enough or 0.0
        start = Guarantee(
            "start",
            "Jacobian at initialisation, with its probability",
            "P(σ_{0} ≥ C_{φ′}/2) ≥ 1 − 1/n for k ≥ (64/9) L₁² n log n/C_{φ′}²",
            "hypothesis violated",
            f"k = {k:,} is below {enough:,.0f}, which it asks for here",
        )

        def judged(row: Guarantee, asked: float, failed: int, ground: str = "") -> Guarantee:
            if k < asked:
                return row
            reason = f"{ground}k = {k:,} ≥ {asked:,.0f}; {failed} of {self.draws} draws fail"
            risk = Quantity(1 / n, SHARE_OF_DRAWS)
            seen = Quantity(least_share(failed, self.draws), SHARE_OF_DRAWS, "lower")
            return replace(row, claim="certified", reason=reason, bound=risk, value=seen)

        return (
            judged(wide, needed, self.draws - self.certified),
            judged(start, enough, self.weak, "matrix Chernoff, "),
        )

    def _recovery(self) -> Guarantee:
        """‖x − x†‖ from the residual, with restricted injectivity: for injective A, μ ≥ σ_min(A)."""
        row = Guarantee(
            "recovery",
            "Recovery of the signal",
            "‖x − x†‖ ≤ (‖r(t)‖ + ‖ε‖)/μ + (1 + ‖A‖/μ) dist(x†, Σ′)",
            "hypothesis violated",
            "A is not injective, and where J has full rank the signals within reach are a set with interior:"
            " restricted injectivity fails, μ = 0",
        )
        if self.worst_error is None:
            return row
        reason = "A is injective: μ ≥ σ_min(A) for all signals, and nothing is left of dist(x†, Σ′)"
        bound = Quantity(1.0, "(‖r‖ + ‖ε‖)/μ")
        value = Quantity(self.worst_error, bound.unit)
        return replace(row, claim="certified", reason=reason, bound=bound, value=value, allowance=ROUNDING)


@dataclass(frozen=True)
class PriorRun(Experiment[RunRow]):
    """Many draws of one width, trained side by side by `rule`, in double precision.

    All take the same step, so that they share one time. Raises ValueError where there is no such draw.
    """

    family: PriorFamily = PriorFamily(is_orthonormal=True, is_unit=True, is_centred=True, noise=0.03)
    measured: int = 10
    width: int = 2048
    rule: Literal["flow", "gradient descent"] = "flow"
    draws: int = 16
    steps: int = 120
    every: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn, and a number of steps without rows."""
        self.family.check(self.measured, self.width)
        if min(self.draws, self.steps, self.every) < 1:
            raise ValueError("A run needs at least one draw, one step and one row.")

    @property
    def row_type(self) -> type[RunRow]:
        """`RunRow`."""
        return RunRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Numbers of steps."""
        return tuple((number,) for number in range(0, self.steps + 1, self.every))

    @torch.no_grad()
    def run(self, old_rows: Sequence[RunRow] = ()) -> Iterator[Progress[RunRow]]:
        """The rows in the order of `cells`; those that are missing are run for from the start."""
        by_key, total = {row.key: row for row in old_rows}, len(self.cells)
        last = max((key for key in self.cells if key not in by_key), default=(-1,))
        states = None
        monitor = None
        for done, key in enumerate(self.cells):
            row = by_key.get(key)
            if key <= last:
                if monitor is None or states is None:
                    monitor = _Monitor(self)
                    states = evolve(monitor.start, monitor.step, rule=self.rule)
                    yield Progress(done, total)
                for state in states:
                    if state.number == key[0]:
                        row = row or monitor.row(state)
                        break
                    yield Progress(done, total)
            yield Progress(done + 1, total, row)


class _Monitor:
    """What is known of the draws before they are trained, and what is looked at on their way."""

    def __init__(self, experiment: PriorRun) -> None:
        """Draw, certify, and choose the draw in the middle to be shown."""
        self.experiment = experiment
        self.start = experiment.family.draws(
            experiment.draws, experiment.measured, experiment.width, torch.float64
        )
        self.bounds: Certificate = certificate(self.start)
        self.is_flow = experiment.rule == "flow"
        share = FINE if self.is_flow else 1.0
        self.step = torch.full_like(self.bounds.step, share * float(self.bounds.step.min()))
        # Descent may need twice the way: its theorem asks for 2R′ < R.
        self.radius = self.bounds.radius * (1 if self.is_flow else 2)
        self.sure = self.bounds.is_certified if self.is_flow else self.bounds.is_descent_certified
        self.arrival = self.bounds.arrival(self.start.noise) * (1 if self.is_flow else 2)
        self.sharp = _least_of_kernel(self.start) / 4
        self.enough = chernoff_width(self.start, is_centred=experiment.family.is_centred)
        width = float(ball_width(self.start, self.bounds, is_flow=self.is_flow).max())
        self.needed = max(width, self.enough) if bool(self.bounds.is_in_range.all()) else None
        self.weak = weak(self.start, self.bounds)
        order = (self.radius / self.bounds.ball).nan_to_num(posinf=torch.finfo(torch.float64).max).argsort()
        self.shown = int(order[len(order) // 2])

    @property
    def why(self) -> str:
        """The hypothesis, and whether it holds."""
        n, m, k = self.experiment.family.unknowns, self.experiment.measured, self.experiment.width
        name = "R′" if self.is_flow else "2R′"
        count, sure = len(self.sure), int(self.sure.sum())
        if not bool(self.bounds.is_in_range.all()):
            return f"y is not in the range of A: with m = {m} > n = {n} noise cannot be fitted"
        if sure:
            if sure == count:
                return f"{name} < R in all {count} draws"
            return f"{name} < R in {sure} of {count} draws, of which alone this speaks"
        if float(self.bounds.jacobian.max()) == 0:
            width = (
                f"with k = {k} units, in pairs,"
                if self.experiment.family.is_centred
                else f"with k = {k} units"
            )
            return f"σ_min(J₀) = 0: {width} J₀ cannot have the rank n = {n}"
        radius, ball = float(self.radius[self.shown]), float(self.bounds.ball[self.shown])
        return f"{name} = {radius:.3g} is not below R = {ball:.3g}"

    def row(self, state: State) -> RunRow:
        """Everything that is looked at, after one step."""
        bounds, start, shown, t = self.bounds, self.start, self.shown, float(state.time[0])
        relative = state.residual.norm(dim=1) / bounds.misfit
        envelope = torch.exp(-bounds.rate * t)
        if not self.is_flow:
            envelope = (1 - self.step * bounds.rate).clamp_min(0) ** (state.number / 2)
        sharp = torch.exp(-self.sharp * t)
        moved = (state.z - start.start).norm(dim=1)
        lowest = torch.linalg.eigvalsh(_gram(start.jacobian(state.z)))[:, 0].clamp_min(0).sqrt()
        # Without full row rank only rounding is left of the least singular value.
        lowest = torch.where(bounds.jacobian > 0, lowest, torch.zeros_like(lowest))
        noise = start.noise.norm(dim=1)
        clean = (state.residual + start.data - times(start.forward, start.truth)).norm(dim=1)
        late = self.sure & (t >= self.arrival) & (noise > 0)
        going = self.sure & (state.number > 0)
        return RunRow(
            state.number,
            self.experiment.rule,
            t,
            len(relative),
            int(self.sure.sum()),
            self.why,
            float(relative[shown]),
            float(relative.min()),
            float(relative.max()),
            float(envelope[shown]),
            float(sharp[shown]),
            int(((relative > sharp * (1 + ROUNDING)) & (relative > GROUND)).sum()),
            _worst(relative / envelope, going & (envelope > GROUND)),
            float(moved[shown]),
            _finite(self.radius[shown]),
            float(bounds.ball[shown]),
            _worst(moved / self.radius, going),
            float(lowest[shown]),
            float(bounds.jacobian[shown] / 2),
            _worst(bounds.jacobian / 2 / lowest, self.sure),
            float(clean[shown] / bounds.misfit[shown]),
            float(noise[shown] / bounds.misfit[shown]),
            _finite(self.arrival[shown]),
            _worst(clean / (2 * noise), late),
            start.truth.shape[1],
            start.width,
            self.needed,
            self.enough,
            self.weak,
            self._worst_error(state, noise),
        )

    def _worst_error(self, state: State, noise: Tensor) -> float | None:
        """‖x − x†‖ over (‖r‖ + ‖ε‖)/σ_min(A), the largest of the draws."""
        _, m, n = self.start.forward.shape
        if m < n:
            return None
        error = (self.start.picture(state.z) - self.start.truth).norm(dim=1)
        return float((error * self.bounds.sensitivity / (state.residual.norm(dim=1) + noise)).max())


def _worst(share: Tensor, which: Tensor) -> float | None:
    return float(share[which].max()) if bool(which.any()) else None


def _finite(value: Tensor) -> float | None:
    return float(value) if bool(value.isfinite()) else None


def _gram(J: Tensor) -> Tensor:
    return J @ J.mT


def _least_of_kernel(draws: Draws) -> Tensor:
    """λ_min(K₀) on the range of A, K₀ = AJ₀J₀*A*: b numbers."""
    _, m, n = draws.forward.shape
    values = torch.linalg.eigvalsh(_gram(draws.forward @ draws.jacobian(draws.start)))
    return values[:, m - min(m, n)].clamp_min(0)
