"""Implicit non-variational (INV) regularisation as an equilibrium: any regulariser, splitting and solver."""

import math
from typing import Annotated, ClassVar, Literal

import torch

from deqviz.core.catalog import METHODS
from deqviz.core.guarantee import Guarantee, Void
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Evidence, Map, Problem
from deqviz.core.registry import Options, Pick, Range
from deqviz.core.regularizer import Constants, Regularizer
from deqviz.core.space import Batch, Image, norm
from deqviz.methods import _ball, _guarantees, _theory
from deqviz.methods._ball import Ball
from deqviz.methods._base import FixedPointMethod
from deqviz.methods._resolvent import tikhonov_step
from deqviz.regularizers.contractive import Contractive


@METHODS.register("equilibrium", title="Equilibrium, implicit non-variational (INV)", family="Equilibrium")
class Equilibrium(FixedPointMethod):
    """An equilibrium of data fidelity and regulariser (implicit non-variational, INV).

    A*(Ax − y) + αR(x) = 0. Implicit splitting: T(x) = (A*A + αβ)⁻¹(A*y + α(βx − R(x))), no step size;
    explicit: T(x) = x − τ(A*(Ax − y) + αR(x)). Both have the same fixed points. R need not be a gradient;
    if it is, of a convex Ψ, x minimises ½‖Ax − y‖² + αΨ(x). Unique where σ_min(A)² + αc > 0.
    Obmann and Haltmeier, 2023, arXiv 2306.01421; Gilton, Ongie and Willett, 2021.
    """

    equation: ClassVar[str] = "A*(Ax − y) + αR(x) = 0"
    hint: ClassVar[str] = (
        "Try: raise L past 1, or the explicit splitting with a step size above 1, and watch the statuses."
    )

    regularizer: Annotated[Regularizer, Pick("regularizer", "Regulariser R")] = Contractive()
    weight: Annotated[
        float,
        Range(
            1e-5,
            100.0,
            "Regularisation parameter α",
            log=True,
            symbol="α",
            help="Weight of R against the data fidelity",
        ),
    ] = 0.02
    splitting: Annotated[
        Literal["implicit", "explicit"],
        Options("Splitting", "Implicit inverts A*A + αβ in every step; explicit takes a gradient step"),
    ] = "implicit"
    step: Annotated[
        float,
        Range(
            0.05,
            1.5,
            "Explicit step size",
            symbol="τ",
            help="As a share of the largest step size with a guarantee; above 1 there is none",
            advanced=True,
        ),
    ] = 0.5

    def advice(self, operator: type[ForwardModel]) -> str:
        """L is a control of the contractive R alone."""
        del operator
        if isinstance(self.regularizer, Contractive):
            return self.hint
        return "Try: the explicit splitting with a step size above 1, and watch the statuses."

    def weights(self, operator: ForwardModel) -> str:
        """Those of R."""
        del operator
        return self.regularizer.weights

    def map(self, problem: Problem) -> Map:
        """T of the chosen splitting."""
        A, R, alpha = problem.operator, self.regularizer, self.weight
        if self.splitting == "explicit":
            tau, back = self._step(_theory.bounds(A)), A.adjoint(problem.data)

            def explicit(x: Image) -> Image:
                pull = torch.add(A.gram(x) - back, R(x), alpha=alpha)
                return torch.sub(x, pull, alpha=tau)

            return explicit
        beta, _ = self._center()
        solve = tikhonov_step(problem, alpha * beta)

        def implicit(x: Image) -> Image:
            return solve(torch.sub(x, R(x), alpha=1 / beta), x)

        return implicit

    def enclosure(self, problem: Problem, x: Ball) -> Ball | None:
        """T(x), where what R loses is proved."""
        R, alpha = _ball.regularised(self.regularizer, x), self.weight
        if R is None:
            return None
        if self.splitting == "explicit":
            tau = self._step(_theory.bounds(problem.operator))
            return x - tau * (_ball.gradient(problem, x) + alpha * R)
        beta, _ = self._center()
        return _ball.tikhonov(problem, alpha * beta, x - (1 / beta) * R)

    def objective(self, problem: Problem, x: Image) -> Batch | None:
        """½‖Ax − y‖² + α·potential where R is a gradient."""
        potential = self.regularizer.potential(x)
        if potential is None:
            return None
        return 0.5 * norm(problem.operator(x) - problem.data).square() + self.weight * potential

    def _center(self) -> tuple[float, float]:
        """β and Lip(βId − R) as the implicit splitting uses them.

        Where Lip(βId − R) = β, as for convex potentials with β = L_R/2, the forward step Id − R/β may reflect
        and never settle on the null space of A; β + t with t = β/10 averages it, at Lip ≤ β + t.
        """
        constants = self.regularizer.constants()
        beta, limit = constants.center, constants.contraction.value
        return (1.1 * beta, limit + 0.1 * beta) if limit == beta else (beta, limit)

    def _step(self, bound: _theory.Bounds) -> float:
        """τ as a share of 2/(‖A‖² + α(β + L)), T7(b)."""
        constants = self.regularizer.constants()
        return self.step * 2 / (bound.top + self.weight * (constants.center + constants.contraction.value))

    def theory(self, problem: Problem) -> _theory.Theory:
        """T1, T3 and T7 with the certified constants of A and R."""
        bound, constants, alpha = _theory.bounds(problem.operator), self.regularizer.constants(), self.weight
        size = float(norm(problem.data).max())
        c = constants.monotonicity.value
        # A*A + αR is strongly monotone with this modulus: one equilibrium for every y, by Browder and Minty.
        modulus = _theory.significant(bound.bottom + alpha * c)
        numbers = f"σ_min(A)² ≥ {bound.bottom:.3g}, ‖A‖² ≤ {bound.top:.4g}"
        if self.splitting == "implicit":
            beta, limit = self._center()
            low = bound.bottom + alpha * beta
            margin = _theory.significant((bound.bottom + alpha * (beta - limit)) / low)
            # (A*A + αβ)(x − T(x)) = A*(Ax − y) + αR(x): where that is strongly monotone, T need not contract.
            far = (
                (bound.top + alpha * beta) * _theory.inverse(modulus),
                "(‖A‖² + αβ)/(σ_min² + αc) ‖T(x_k) − x_k‖",
            )
            averaged = True
            floor = bound.step_error(alpha * beta) + bound.learned
            resolution = bound.step_resolution(alpha * beta)
            offset = bound.solve_error(alpha * beta, size)
            rule = f"κ = αL/(αβ + σ_min²) = {1 - margin:.5g}, {numbers}"
        else:
            tau, averaged = self._step(bound), self.step < 1
            margin = self._explicit_margin(bound, tau)
            # ‖x − x*‖ ≤ ‖A*(Ax − y) + αR(x)‖/modulus needs no contraction of T.
            far = _theory.inverse(tau * modulus), "‖T(x_k) − x_k‖/(τ(σ_min² + αc))"
            floor = bound.rounding * (1 + tau * bound.top) + 2 * bound.learned
            resolution = bound.resolution
            offset = bound.gradient_error(tau, size)
            monotone = self._monotone_margin(bound, tau)
            rule = "κ = max|1 − τ(λ + αβ)| + ταL" if margin >= monotone else "by c and L_R alone κ"
            margin = max(margin, monotone)
            rule = f"{rule} = {1 - margin:.5g}, τ = {tau:.4g}, {numbers}"
        error, statement = _theory.nearest((_theory.inverse(margin), _theory.BY_CONTRACTION), far)
        several = self._several(bound, constants)
        gain = _theory.equilibrium_gain(bound, alpha, c) if modulus > 0 else None
        by_c = gain is None or alpha * c > bound.bottom
        return _theory.Theory(
            margin,
            error,
            gain,
            averaged and margin >= -_theory.ROUNDING,
            floor,
            because=f"{constants.known}; {rule}",
            bias=bound.resolution,
            offset=offset,
            resolution=resolution,
            single=f"A*A + αR is strongly monotone: σ_min(A)² + αc ≥ {modulus:.3g}; {constants.known}",
            obstacle=self._too_long(bound) or several,
            several=several,
            error_statement=statement,
            void=self._void(problem.operator, bound),
            unproved=_theory.OF_A_NETWORK if self.regularizer.weights else "",
            gain_statement="‖x₁ − x₂‖ ≤ "
            + ("‖y₁ − y₂‖/(2√(αc))" if by_c else "σ_min ‖y₁ − y₂‖/(σ_min² + αc)"),
        )

    def _explicit_margin(self, bound: _theory.Bounds, tau: float) -> float:
        """1 − κ, the worse of both ends of the spectrum of A*A."""
        constants, alpha = self.regularizer.constants(), self.weight
        beta, limit = constants.center, constants.contraction.value

        def margin_at(square: float) -> float:
            # 1 − |1 − τ(λ + αβ)| − ταL, written so that nothing near 1 is subtracted from 1.
            if tau * (square + alpha * beta) <= 1:
                return tau * (square + alpha * (beta - limit))
            return 2 - tau * (square + alpha * (beta + limit))

        return _theory.significant(min(margin_at(bound.top), margin_at(bound.bottom)))

    def _monotone_margin(self, bound: _theory.Bounds, tau: float) -> float:
        """1 − κ where R is strongly monotone and Lipschitz, whatever Id − R does.

        Up to a constant T is the mean of Id − (τ/θ)A*A and Id − sR with the weights θ and 1 − θ, where
        s = τα/(1 − θ): the second contracts by √(1 − 2sc + s²L_R²), the first by 1 at θ = τ‖A‖²/2 and by
        1 − σ_min²/‖A‖² at twice that.
        """
        constants, alpha = self.regularizer.constants(), self.weight
        c, steep = constants.monotonicity.value, constants.lipschitz.value
        margins = [-math.inf]
        for theta, first in ((tau * bound.top / 2, 0.0), (tau * bound.top, bound.bottom / bound.top)):
            if theta < 1:
                s = tau * alpha / (1 - theta)
                share = min(s * (2 * c - s * steep**2), 1.0)
                margins.append(theta * first + (1 - theta) * share / (1 + math.sqrt(1 - share)))
        return _theory.significant(max(margins))

    def _too_long(self, bound: _theory.Bounds) -> str:
        if self.splitting == "implicit" or self.step <= 1:
            return ""
        tau = self._step(bound)
        longest = tau / self.step
        return f"τ = {tau:.3g} exceeds {longest:.3g}, the longest step for which T is known not to expand"

    def _void(self, operator: ForwardModel, bound: _theory.Bounds) -> Void:
        """A step or a constant is too large, or A has, or may have, a null space."""
        constants = self.regularizer.constants()
        is_beyond = self._too_long(bound) or constants.contraction.value > constants.center
        return "hypothesis violated" if is_beyond else _theory.of_null_space(operator)

    def _several(self, bound: _theory.Bounds, constants: Constants) -> str:
        beta, limit = constants.center, constants.contraction.value
        if limit > beta and constants.monotonicity.value > 0:
            numbers = f"Lip(βId − R) may be {limit:.3g} > β = {beta:.3g}"
            return f"T may expand, although R is strongly monotone: {numbers}"
        if limit > beta:
            return (
                f"R may fail to be monotone: Lip(βId − R) may be {limit:.3g} > β = {beta:.3g},"
                f" and σ_min(A)² ≥ {bound.bottom:.3g} does not make up for it"
            )
        return (
            "A (nearly) has a null space, and R is monotone but not strongly: the equilibria form a closed"
            " convex set, perhaps of more than one image"
        )

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """The panel of the map, and the rate under the source condition, which needs the ground truth."""
        source = Guarantee(
            "source",
            "Convergence rate under the source condition",
            "‖x − x†‖ ≤ (δ + α‖w‖)/(2√(αc)) if R(x†) = A*w",
            "not verifiable",
            "whether R(x†) ∈ ran A* is a question about the ground truth, which a method never sees",
        )
        return (*_guarantees.table(self.theory(problem), self.solver, evidence), source)
