"""Equilibrium regularisation: any regulariser, either splitting, any solver."""

from typing import Annotated, ClassVar, Literal

from deqviz.core.catalog import METHODS
from deqviz.core.guarantee import Guarantee
from deqviz.core.records import Evidence, Map, Problem
from deqviz.core.registry import Options, Pick, Range
from deqviz.core.regularizer import Constants, Regularizer
from deqviz.core.space import Batch, Image, norm
from deqviz.methods import _theory
from deqviz.methods._base import FixedPointMethod
from deqviz.regularizers.contractive import Contractive


@METHODS.register("equilibrium", title="Equilibrium (INV)")
class Equilibrium(FixedPointMethod):
    """A picture at which the pull of the data and that of the regulariser cancel.

    A*(Ax − y) + αR(x) = 0. Implicit splitting: T(x) = (A*A + αβ)⁻¹(A*y + α(βx − R(x))), no step size; explicit:
    T(x) = x − s (A*(Ax − y) + αR(x)). Both have the same fixed points. R need not be a gradient; with a
    convex potential the picture minimises ½‖Ax − y‖² + αR. Unique for every y where σ_min(A)² + αc > 0.
    Obmann and Haltmeier, 2023, arXiv 2306.01421; Gilton, Ongie and Willett, 2021.
    """

    equation: ClassVar[str] = "A*(Ax − y) + αR(x) = 0"

    regularizer: Annotated[Regularizer, Pick("regularizer", "Regulariser R")] = Contractive()
    weight: Annotated[
        float,
        Range(1e-5, 10.0, "Weight α", log=True, symbol="α", help="Trust in R against trust in the data"),
    ] = 0.01
    splitting: Annotated[
        Literal["implicit", "explicit"],
        Options("Splitting", "Implicit inverts A*A + αβ in every step; explicit takes a gradient step"),
    ] = "implicit"
    step: Annotated[
        float,
        Range(
            0.05,
            1.5,
            "Explicit step",
            symbol="s",
            help="As a share of the largest step with a guarantee; above 1 it ends",
            advanced=True,
        ),
    ] = 0.5

    def map(self, problem: Problem) -> Map:
        """T of the chosen splitting."""
        A, R, alpha = problem.operator, self.regularizer, self.weight
        back = A.adjoint(problem.data)
        if self.splitting == "explicit":
            s = self._step(_theory.bounds(A))

            def explicit(x: Image) -> Image:
                return x - s * (A.gram(x) - back + alpha * R(x))

            return explicit
        beta, _ = self._center()

        def implicit(x: Image) -> Image:
            return A.resolvent(back + alpha * (beta * x - R(x)), alpha * beta, start=x)

        return implicit

    def objective(self, problem: Problem, x: Image) -> Batch | None:
        """½‖Ax − y‖² + α·potential where R is a gradient."""
        potential = self.regularizer.potential(x)
        if potential is None:
            return None
        return 0.5 * norm(problem.operator(x) - problem.data).square() + self.weight * potential

    def _center(self) -> tuple[float, float]:
        """β and Lip(βId − R) as the implicit splitting uses them.

        Where Lip(βId − R) = β, as for a convex potential with β = ℓ/2, the forward step Id − R/β only reflects and
        need not converge on the null space of A; β + t with t = β/10 averages it, at Lip ≤ β + t.
        """
        constants = self.regularizer.constants()
        beta, limit = constants.center, constants.contraction.value
        return (1.1 * beta, limit + 0.1 * beta) if limit == beta else (beta, limit)

    def _step(self, bound: _theory.Bounds) -> float:
        """s as a share of 2/(‖A‖² + α(β + L)), T7(b)."""
        constants = self.regularizer.constants()
        return self.step * 2 / (bound.top + self.weight * (constants.center + constants.contraction.value))

    def theory(self, problem: Problem) -> _theory.Theory:
        """T1, T3 and T7 with the certified constants of A and R."""
        bound, constants, alpha = _theory.bounds(problem.operator), self.regularizer.constants(), self.weight
        c = constants.monotonicity.value
        # A*A + αR is strongly monotone with this modulus: one equilibrium for every y, by Browder and Minty.
        modulus = bound.bottom + alpha * c
        if self.splitting == "implicit":
            margin, error, floor, rule = self._implicit(bound)
            is_averaged = margin >= -_theory.ROUNDING
        else:
            margin, error, floor, rule = self._explicit(bound, modulus)
            is_averaged = margin >= -_theory.ROUNDING and self.step < 1
        gain = _theory.equilibrium_gain(bound, alpha, c)
        strong = alpha * c > bound.bottom
        formula = "‖y₁ − y₂‖/(2√(αc))" if strong else "σ_min ‖y₁ − y₂‖/(σ_min² + αc)"
        return _theory.Theory(
            margin,
            error,
            gain,
            is_averaged,
            floor,
            because=f"{constants.known}; σ_min(A)² ≥ {bound.bottom:.3g}, ‖A‖² ≤ {bound.top:.4g}, α = {alpha:.3g}: {rule}",
            obstacle=self._too_long(bound) or self._several(bound, constants),
            several=self._several(bound, constants),
            gain_statement=f"‖x₁ − x₂‖ ≤ {formula}" if gain is not None else "‖x₁ − x₂‖ ≤ ‖y₁ − y₂‖/(2√(αc))",
            gain_reason=f"{constants.known}, so c ≥ {c:.3g}" if gain is not None else "",
        )

    def _implicit(self, bound: _theory.Bounds) -> tuple[float, float | None, float, str]:
        beta, limit = self._center()
        low, alpha = bound.bottom + self.weight * beta, self.weight
        margin = (bound.bottom + alpha * (beta - limit)) / low
        floor = bound.solving * (bound.top + alpha * beta) / low
        rule = f"κ = αL/(αβ + σ_min²) = {1 - margin:.5g}"
        return margin, (1 / margin if margin > 0 else None), floor, rule

    def _explicit(self, bound: _theory.Bounds, modulus: float) -> tuple[float, float | None, float, str]:
        constants, alpha = self.regularizer.constants(), self.weight
        beta, limit, s = constants.center, constants.contraction.value, self._step(bound)

        def margin_at(square: float) -> float:
            # 1 − |1 − s(λ + αβ)| − sαL, written so that nothing near 1 is subtracted from 1.
            reach = s * (square + alpha * beta)
            return (reach if reach <= 1 else 2 - reach) - s * alpha * limit

        margin = min(margin_at(bound.top), margin_at(bound.bottom))
        candidates = [1 / margin] if margin > 0 else []
        if modulus > 0:
            # ‖x − x*‖ ≤ ‖A*(Ax − y) + αR(x)‖/modulus needs no contraction of T.
            candidates.append(1 / (s * modulus))
        rule = f"κ = max|1 − s(λ + αβ)| + sαL = {1 - margin:.5g} for s = {s:.4g}"
        return margin, (min(candidates) if candidates else None), bound.rounding, rule

    def _too_long(self, bound: _theory.Bounds) -> str:
        if self.splitting == "implicit" or self.step <= 1:
            return ""
        s = self._step(bound)
        return f"the step {s:.3g} exceeds {s / self.step:.3g}, the longest for which T is known not to expand"

    def _several(self, bound: _theory.Bounds, constants: Constants) -> str:
        beta, limit = constants.center, constants.contraction.value
        if limit > beta:
            return (
                f"R may fail to be monotone: Lip(βId − R) may be {limit:.3g} > β = {beta:.3g},"
                f" and σ_min(A)² ≥ {bound.bottom:.3g} does not make up for it"
            )
        return (
            "A has directions that it (nearly) annihilates, and R is monotone but not strongly: the equilibria form"
            " a closed convex set, perhaps of more than one picture"
        )

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """The panel of the map, and the rate in the noise, which needs the truth."""
        source = Guarantee(
            "source",
            "Rate as the noise vanishes",
            "‖x − x†‖ ≤ (δ + α‖w‖)/(2√(αc)) if R(x†) = A*w",
            "void",
            "whether R(x†) lies in the range of A* is a question about the truth, which a method never sees",
        )
        return (*_theory.panel(self.theory(problem), self.solver, evidence), source)
