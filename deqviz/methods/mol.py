"""Monotone operator learning: a certified or an estimated network inside an equilibrium."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import torch

from deqviz.core.catalog import METHODS
from deqviz.core.guarantee import Guarantee
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Evidence, Map, Problem, Scalars
from deqviz.core.registry import Options, Range
from deqviz.core.space import Image, norm
from deqviz.methods import _ball, _guarantees, _theory
from deqviz.methods._ball import Ball
from deqviz.methods._base import FixedPointMethod
from deqviz.methods._resolvent import tikhonov_step
from deqviz.methods._tasks import automatic
from deqviz.regularizers.monotone import Monotone, Task, Version, network

PAPER = "monotone operator learning"
"""Whose letters the statements use: α is the step size there."""


@METHODS.register("mol", title="MOL (monotone operator learning)", family="Equilibrium")
class Mol(FixedPointMethod):
    """An equilibrium of data fidelity and a monotone network.

    λA*(Ax − y) + F(x) = 0 with F = Id − H, by T(x) = (I + αλA*A)⁻¹[(1 − α)x + αH(x) + αλA*y], whose fixed
    points are the same for every α > 0: the equilibrium equation with R = F and weight 1/λ. Where Lip(H) ≤ 1
    − m there is one solution, T contracts by (1 − αm)/(1 + αλσ_min²) for α ≤ 1, and ‖x₁ − x₂‖ ≤ ½√(λ/m)‖y₁ −
    y₂‖. Pramanik, Zimmerman and Jacob, 2023, arXiv 2206.04797.
    """

    equation: ClassVar[str] = "λA*(Ax − y) + x − H(x) = 0"
    hint: ClassVar[str] = (
        "Try: the unconstrained version, or α above 2/(2 − m), where no theorem holds; watch the statuses."
    )

    version: Annotated[
        Version,
        Options(
            "Version",
            "Strict: certified, monotonicity modulus m. Approximate: estimated. Unconstrained: no guarantee.",
        ),
    ] = "strict m = 0.1"
    task: Annotated[
        Literal["automatic", "MRI R = 4", "MRI R = 6", "blur", "inpainting"],
        Options(
            "Trained for",
            "Automatic goes by the degradation. A version that a task lacks is that of MRI, R = 4.",
            advanced=True,
        ),
    ] = "automatic"
    strength: Annotated[
        float,
        Range(
            0.01,
            100.0,
            "Data-fidelity weight",
            log=True,
            symbol="λ/λ₀",
            help="λ relative to λ₀, the value learned with the network",
        ),
    ] = 1.0
    step: Annotated[
        float,
        Range(
            0.01, 2.0, "Step size α", symbol="α", help="Any α has the same solutions; 1 is the fastest proved"
        ),
    ] = 1.0

    def regularizer(self, problem: Problem) -> Monotone:
        """R = F with the weights for this operator."""
        return self._monotone(problem.operator)

    def _monotone(self, operator: ForwardModel) -> Monotone:
        task: Task = automatic(operator) if self.task == "automatic" else self.task
        return Monotone(self.version, task)

    def weights(self, operator: ForwardModel) -> str:
        """Those of F."""
        return self._monotone(operator).weights

    def weight(self, problem: Problem) -> float:
        """λ."""
        return self.strength * network(self.regularizer(problem).key).weight

    def map(self, problem: Problem) -> Map:
        """T."""
        R, alpha = self.regularizer(problem), self.step
        solve = tikhonov_step(problem, 1 / (alpha * self.weight(problem)))
        return lambda x: solve(torch.sub(x, R(x), alpha=alpha), x)

    def enclosure(self, problem: Problem, x: Ball) -> Ball | None:
        """T(x), where what F loses is proved."""
        F, alpha = _ball.regularised(self.regularizer(problem), x), self.step
        if F is None:
            return None
        return _ball.tikhonov(problem, 1 / (alpha * self.weight(problem)), x - alpha * F)

    def start(self, problem: Problem) -> Image:
        """SENSE, (A*A + 1/λ)⁻¹A*y: the equilibrium of H = 0."""
        A = problem.operator
        return A.resolvent(A.adjoint(problem.data), 1 / self.weight(problem))

    def theory(self, problem: Problem) -> _theory.Theory:
        """An upper bound of Lip(H) gives everything; nothing follows from a bound that is not below 1."""
        bound, constants = _theory.bounds(problem.operator), self.regularizer(problem).constants()
        weight, alpha, L = self.weight(problem), self.step, constants.contraction.value
        rho = 1 / (alpha * weight)
        margin = self._margin(problem, L)
        modulus = _theory.significant(bound.bottom + (1 - L) / weight)
        error, statement = _theory.nearest(
            (_theory.inverse(margin), _theory.BY_CONTRACTION),
            # (A*A + ρ)(x − T(x)) = A*(Ax − y) + F(x)/λ, which is strongly monotone.
            (
                (bound.top + rho) * _theory.inverse(modulus),
                "(1 + αλ‖A‖²)/(α(m + λσ_min²)) ‖T(x_k) − x_k‖",
            ),
        )
        return _theory.Theory(
            margin,
            error,
            _theory.equilibrium_gain(bound, 1 / weight, 1 - L) if modulus > 0 else None,
            is_averaged=alpha < 1 and margin >= -_theory.ROUNDING,
            floor=bound.step_error(rho) + bound.learned,
            bias=bound.resolution,
            offset=bound.solve_error(rho, float(norm(problem.data).max())),
            resolution=bound.step_resolution(rho),
            because=(
                f"{constants.known}; κ = (|1 − α| + αL)/(1 + αλσ_min²) = {1 - margin:.5g}, λ = {weight:.4g}"
            ),
            single=f"λA*A + F is strongly monotone with {weight * modulus:.3g}; {constants.known}",
            obstacle=(
                f"α = {alpha:.3g} is not below 2/(1 + L) = {2 / (1 + L):.3g}; {constants.known}"
                if L < 1
                else constants.known
            ),
            unproved=_theory.OF_A_NETWORK,
            several=constants.known,
            gain_statement="‖x₁ − x₂‖ ≤ ½√(λ/m) ‖y₁ − y₂‖"
            if bound.bottom <= (1 - L) / weight or modulus <= 0
            else "‖x₁ − x₂‖ ≤ σ_min ‖y₁ − y₂‖/(σ_min² + m/λ)",
            error_statement=statement,
            void="hypothesis violated" if L < 1 else "not verifiable",
            paper=PAPER,
        )

    def _margin(self, problem: Problem, L: float) -> float:
        """1 − κ where Lip(H) ≤ L: T = (A*A + ρ)⁻¹(A*y + ρ[(1 − α)Id + αH]), ρ = 1/(αλ)."""
        bottom, alpha = _theory.bounds(problem.operator).bottom, self.step
        rho = 1 / (alpha * self.weight(problem))
        # The bracket is |1 − α| + αL-Lipschitz.
        gain = alpha * (1 - L) if alpha <= 1 else 2 - alpha * (1 + L)
        return _theory.significant((bottom + rho * gain) / (bottom + rho))

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """The panel of the map, what was trained for where it is not proved, and the paper's own rate."""
        theory, evidence = self.theory(problem), _guarantees.in_one_norm(evidence)
        return (
            *_guarantees.table(theory, self.solver, evidence),
            *self._trained_rate(problem, theory, evidence.marks),
            self._paper_rate(problem, theory, evidence),
        )

    def _trained_rate(
        self, problem: Problem, theory: _theory.Theory, marks: Sequence[Scalars]
    ) -> tuple[Guarantee, ...]:
        """κᵏ with the Lip(H) ≤ 1 − m that the approximate version was trained for, as an estimate."""
        if self.version != "approximate" or theory.is_contraction:
            return ()
        net = network(self.regularizer(problem).key)
        kappa = 1 - self._margin(problem, 1 - net.margin)
        if kappa >= 1:
            return ()
        rate = _guarantees.proved_rate(self.solver, kappa)
        name, statement = "A-priori linear rate, as trained for", (rate or _guarantees.plain(kappa)).statement
        reason = (
            f"κ = {kappa:.5g} if Lip(H) ≤ {1 - net.margin:.3g}, which training asked of an estimate from "
            f"below; {theory.obstacle}"
        )
        if rate is None:
            return (Guarantee("rate", name, statement, "estimated", reason, paper=PAPER),)
        row = Guarantee("rate", name, statement, "estimated", reason, paper=PAPER)
        return (_guarantees.on_line(row, rate.line(marks, theory.floor)),)

    def _paper_rate(self, problem: Problem, theory: _theory.Theory, evidence: Evidence) -> Guarantee:
        """κ₁ = √(1 − 2αm + α²(2 − m)²)/(1 + αλσ_min²), all that follows from m and Lip(F) ≤ 2 − m."""
        row = Guarantee(
            "paper_rate",
            "A-priori linear rate from m and Lip(F)",
            _guarantees.plain(0.0, "κ₁").statement,
            theory.void,
            theory.several,
            paper=PAPER,
        )
        limit = self.regularizer(problem).constants().contraction.value
        if limit >= 1:
            return row
        m, alpha = 1 - limit, self.step
        longest = 2 * m / (2 - m) ** 2
        root = math.sqrt(1 - 2 * alpha * m + alpha**2 * (2 - m) ** 2)
        bottom = _theory.bounds(problem.operator).bottom
        kappa = root / (1 + alpha * self.weight(problem) * bottom)
        if kappa >= 1:
            reason = (
                f"α = {alpha:.3g} is above {longest:.3g}: with m = {m:.3g} and Lip(F) ≤ {2 - m:.3g} alone T"
                f" may expand by {kappa:.3g}; the row above knows Lip(H) ≤ 1 − m, which says more"
            )
            return replace(row, reason=reason)
        formula = "κ₁ = √(1 − 2αm + α²(2 − m)²)/(1 + αλσ_min²)"
        reason = f"{formula} = {kappa:.5g}, below 1 for every A where α = {alpha:.3g} < {longest:.3g}"
        if self.solver.contraction(kappa) is None:
            return replace(row, claim="not applicable", reason="a rate of the plain iteration; choose Picard")
        rate = _guarantees.plain(kappa, "κ₁", self.solver)
        reason = f"{reason}; weaker than the row above"
        row = replace(row, statement=rate.statement, claim="certified", reason=reason)
        row = _guarantees.on_line(row, rate.line(evidence.marks, theory.floor))
        return replace(row, reason=_guarantees.because(theory, row, evidence.probes))
