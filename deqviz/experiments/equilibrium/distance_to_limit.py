"""Distance to the limit of every start after every step, with its bounds."""

import math
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeVar

import torch

from deqviz.core.records import Problem, Solver, Step
from deqviz.core.space import Batch, Data, Image, norm
from deqviz.diagnostics.convergence import tail_rate
from deqviz.experiments.equilibrium.equilibria import Equation, per_item
from deqviz.methods._guarantees import solver_bound
from deqviz.methods._theory import Theory
from deqviz.methods.equilibrium import Equilibrium
from deqviz.solvers.anderson import Anderson

S = TypeVar("S")
T = TypeVar("T")

State = Literal["going", "arrived", "stopped", "diverged"]
"""Where a run stands; "stopped" had no more steps left and did not arrive."""

GROWTH = 1e8
"""A gap that grew by this since the start will not come back: the run diverged."""
RECENT = 20
"""Gaps from which the remaining way is estimated where no theorem bounds it."""
SOLVED = 1e-6
"""The residual below which the equilibrium that a solve returns is one, where nothing is proved."""


@dataclass(frozen=True)
class Route:
    """How an equilibrium is sought: a solver on a splitting; `step` is a share of the longest certified."""

    key: str
    title: str
    solver: Solver = Anderson()
    splitting: Literal["implicit", "explicit"] = "implicit"
    step: float = 0.5

    def method(self, equation: Equation, weight: float) -> Equilibrium:
        """The method that goes this way."""
        return Equilibrium(
            solver=self.solver,
            regularizer=equation.regularizer,
            weight=weight,
            splitting=self.splitting,
            step=self.step,
        )


@dataclass(frozen=True)
class Start:
    """An image to start from, one batch item."""

    key: str
    title: str
    x: Image


@dataclass(frozen=True, slots=True)
class Target:
    """The equilibrium x* that the runs are compared with, found by a solve of its own.

    `error` bounds ‖x − x*‖ as a share of `size` = ‖x‖, None where nothing is proved. `x` is None where the
    solve did not arrive; then `size` is that of the back-projected data.
    """

    x: Image | None
    size: float
    error: float | None


@torch.no_grad()
def aim(equation: Equation, data: Data, weight: float) -> Generator[int, None, Target]:
    """The equilibrium reached from the back-projected data, down to rounding; yields per evaluation."""
    start = equation.operator.baseline(data)
    method = Equilibrium(solver=equation.solver, regularizer=equation.regularizer, weight=weight)
    problem = Problem(equation.operator, data, 0.0)
    is_proved = method.theory(problem).error is not None
    # Where there may be none, three rounds of a hundred evaluations must do.
    steps = equation.max_steps if is_proved else min(equation.max_steps, 100)
    lost = Target(None, max(float(norm(start).max()), 1e-12), None)
    try:
        solved = yield from replace(equation, max_steps=steps).solve(data, weight, start)
    except ArithmeticError:
        return lost
    size = max(float(norm(solved.x).max()), 1e-12)
    if solved.distance is not None:
        return Target(solved.x, size, solved.distance / size)
    gap = float(norm(method.map(problem)(solved.x) - solved.x).max())
    return Target(solved.x, size, None) if gap <= SOLVED * size else lost


@dataclass(frozen=True, slots=True)
class Look:
    """One start after k steps; every length is a share of the target's size.

    `distance` is ‖x_k − x*‖ to the target, `certified` the proved bound of it by the gap alone, `line` that
    by the certified factor from the start on; None where there is no target or no theorem. `ahead` bounds
    the way that is left, proved or else estimated. `x` is the image where the run ended. A number that is
    not finite is None.
    """

    start: int
    k: int
    evaluations: int
    seconds: float
    residual: float | None
    gap: float | None
    distance: float | None
    certified: float | None
    line: float | None
    ahead: float
    state: State
    x: Image | None = None


Gaps = tuple[tuple[float, ...], ...]
"""‖T(x_k) − x_k‖ of every start, as shares of the target's size; who arrived goes on with the others."""


def under(work: Generator[object, None, T], sign: S) -> Generator[S, None, T]:
    """`work` with `sign` in place of everything that it yields."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value
        yield sign


def schedule(max_steps: int) -> tuple[int, ...]:
    """The steps that are looked at: all up to 30, every fifth up to 100, every tenth from there on."""
    ks = [k for k in range(max_steps) if k <= 30 or (k <= 100 and k % 5 == 0) or k % 10 == 0]
    return (*ks, max_steps)


def finite(value: float) -> float | None:
    """The number, or None where it is none."""
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Approach:
    """Several starts of one route as one batch, until each has arrived, diverged or used up its steps.

    A start has arrived when the bound of the way that is left is `tolerance`: E‖T(x) − x‖ where E is
    proved, else gap/(1 − q) with the factor q of its last gaps, which is an estimate.
    """

    method: Equilibrium
    problem: Problem
    target: Target
    tolerance: float = 1e-7
    max_steps: int = 300

    @cached_property
    def theory(self) -> Theory:
        """What is proved of the map."""
        return self.method.theory(self.problem)

    @property
    def room(self) -> float:
        """What the target's own error and one rounding of T add to every bound of a distance."""
        theory, target_error = self.theory, self.target.error or 0.0
        return target_error + (theory.error or 0.0) * (theory.floor + theory.bias)

    @torch.no_grad()
    def run(self, starts: Image) -> Generator[tuple[Look, ...], None, Gaps]:
        """Yields after every step the looks that are new, mostly none; returns all gaps."""
        looked_at, going = set(schedule(self.max_steps)), list(range(len(starts)))
        gaps: list[list[float]] = [[] for _ in starts]
        first, seconds = self._far(starts), 0.0
        stream = self.method.solver.steps(self.method.map(self.problem), starts)
        while going:
            begun = time.perf_counter()
            step = next(stream)
            fresh = per_item(norm(step.fz - step.z))
            seconds += time.perf_counter() - begun
            for n, gap in enumerate(fresh):
                gaps[n].append(gap / self.target.size)
            if step.k not in looked_at:
                yield ()
                continue
            far, sizes = self._far(step.z), per_item(norm(step.fz))
            looks: list[Look] = []
            for n in going:
                residual = finite(fresh[n] / max(sizes[n], 1e-300))
                look = self._look(n, step, seconds, residual, far[n], first[n], gaps[n])
                looks.append(look)
            going = [look.start for look in looks if look.state == "going"]
            yield tuple(looks)
        return tuple(map(tuple, gaps))

    def _far(self, z: Image) -> list[float]:
        """‖z − x*‖ of every start; no number where there is no target."""
        if self.target.x is None:
            return [math.nan for _ in z]
        distances: Batch = norm(z - self.target.x)
        return [v / self.target.size for v in per_item(distances)]

    def _look(
        self,
        n: int,
        step: Step,
        seconds: float,
        residual: float | None,
        far: float,
        first: float,
        gaps: list[float],
    ) -> Look:
        theory, gap, k = self.theory, gaps[-1], step.k
        proved = None if theory.error is None else theory.error * gap
        ahead = _estimated(gaps) if proved is None else proved
        is_lost = not math.isfinite(gap) or gap > GROWTH * max(gaps[0], 1e-12)
        state: State = "diverged" if is_lost else "arrived" if ahead <= self.tolerance else "going"
        if state == "going" and k >= self.max_steps:
            state = "stopped"
        line = None
        if theory.error is not None and theory.kappa is not None and theory.is_contraction:
            line = _line(self.method.solver, theory.kappa, theory.error, k, first, gaps[0])
        end = None if state == "going" else step.z[n : n + 1].clone()
        return Look(
            n,
            k,
            step.evaluations,
            seconds,
            residual,
            finite(gap),
            finite(far),
            None if proved is None else finite(proved),
            line,
            ahead,
            state,
            end,
        )


def _line(solver: Solver, kappa: float, error: float, k: int, first: float, gap: float) -> float | None:
    """What κ proves of ‖x_k − x*‖: κᵏ‖x₀ − x*‖ for the map itself, E·B_k·gap₀ by the gap for any solver."""
    bound = solver_bound(solver, kappa)
    if bound is None:
        return None
    by_gap = error * bound(k) * gap
    return finite(min(bound(k) * first, by_gap) if solver.contraction(kappa) is not None else by_gap)


def _estimated(gaps: list[float]) -> float:
    """gap/(1 − q), q being the factor per step of the last gaps; infinite while they do not shrink."""
    if gaps[-1] == 0:
        return 0.0
    q = tail_rate(gaps[-RECENT:], share=1.0) if len(gaps) >= 5 else None
    return gaps[-1] / (1 - q) if q is not None and q < 1 else math.inf
