"""Iterated Tikhonov regularisation: the number of steps is the regularisation."""

from typing import Annotated, ClassVar

from deqviz.core.catalog import METHODS
from deqviz.core.guarantee import Guarantee
from deqviz.core.records import Evidence, Map, Problem, Solver
from deqviz.core.registry import Pick, Range
from deqviz.core.space import Batch, Image, norm
from deqviz.methods import _guarantees, _theory
from deqviz.methods._base import FixedPointMethod
from deqviz.methods._resolvent import tikhonov_step
from deqviz.solvers.picard import Picard


@METHODS.register("iterated_tikhonov", title="Iterated Tikhonov", family="Variational")
class IteratedTikhonov(FixedPointMethod):
    """Tikhonov around the last iterate, again and again: detail comes first, noise later.

    x ← (A*A + α)⁻¹(A*y + αx). After j plain steps from 0 the spectral filter is 1 − (α/(σ² + α))ʲ: the bias
    falls with j, the noise grows, so the run must be stopped (Morozov: once ‖Ax_j − y‖ is the noise). The
    fixed points solve A*Ax = A*y, which is no regularisation at all; a fast solver gets there faster.
    King and Chillingworth, 1979.
    """

    equation: ClassVar[str] = "x ← (A*A + α)⁻¹(A*y + αx)"
    hint: ClassVar[str] = (
        "Try: let it run on and watch the PSNR rise and fall again; stopping is the regularisation."
    )

    solver: Annotated[Solver, Pick("solver", "Solver", advanced=True)] = Picard()
    weight: Annotated[
        float,
        Range(
            1e-4,
            10.0,
            "Regularisation parameter α",
            log=True,
            symbol="α",
            help="Of each step: smaller converges faster",
        ),
    ] = 0.1

    def map(self, problem: Problem) -> Map:
        """T."""
        solve = tikhonov_step(problem, self.weight)
        return lambda x: solve(x, x)

    def start(self, problem: Problem) -> Image:
        """Zero, from which the spectral filter of j steps is the textbook's."""
        return problem.operator.domain.zeros(problem.data.shape[0])

    def objective(self, problem: Problem, x: Image) -> Batch:
        """½‖Ax − y‖², which every step lowers."""
        return 0.5 * norm(problem.operator(x) - problem.data).square()

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """The panel of a firmly nonexpansive map; it contracts only where A has no null space."""
        bound, alpha = _theory.bounds(problem.operator), self.weight
        margin = bound.bottom / (bound.bottom + alpha)
        theory = _theory.Theory(
            margin,
            1 / margin if margin > 0 else None,
            bound.bottom**-0.5 if bound.bottom > 0 else None,
            is_averaged=True,
            floor=bound.step_error(alpha),
            bias=bound.resolution,
            offset=bound.solve_error(alpha, float(norm(problem.data).max())),
            resolution=bound.step_resolution(alpha),
            because=f"κ = α/(σ_min² + α) = {1 - margin:.5g} with σ_min(A)² ≥ {bound.bottom:.3g}",
            obstacle="A (nearly) has a null space, which the limit does not regularise",
            gain_statement="‖x₁ − x₂‖ ≤ ‖y₁ − y₂‖/σ_min",
            noun="least-squares solution",
            void=_theory.of_null_space(problem.operator),
        )
        return _guarantees.table(theory, self.solver, evidence)
