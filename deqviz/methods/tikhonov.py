"""Tikhonov regularisation, solved at once or by conjugate gradients."""

import math
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import torch

from deqviz.core.catalog import METHODS
from deqviz.core.guarantee import Guarantee
from deqviz.core.records import Evidence, Iterate, Method, Problem, Scalar, relative
from deqviz.core.registry import Options, Range
from deqviz.core.space import Batch, Image, inner, norm
from deqviz.methods import _guarantees, _theory
from deqviz.methods._base import DISTANCE, gap_and_residual


@METHODS.register("tikhonov", title="Tikhonov", family="Variational")
class Tikhonov(Method):
    """Least squares with a quadratic penalty, the reference of all regularisation.

    min ½‖Ax − y‖² + ½α‖x‖², that is (A*A + α)x = A*y. Its fixed-point map, of which residual and gap are
    shown, is the gradient step T(x) = x − (A*Ax − A*y + αx)/(‖A‖² + α). A larger α takes the noise out, and
    the detail with it.
    Tikhonov, 1963; Hestenes and Stiefel, 1952.
    """

    equation: ClassVar[str] = "(A*A + α)x = A*y"
    hint: ClassVar[str] = "Try: lower α step by step; the data fit improves and the noise takes over."

    weight: Annotated[float, Range(1e-5, 10.0, "Regularisation parameter α", log=True, symbol="α")] = 0.02
    mode: Annotated[
        Literal["direct", "conjugate gradients"],
        Options("Solver", "Direct, by the closed form of the operator where it has one, or iterative"),
    ] = "direct"

    def objective(self, problem: Problem, x: Image) -> Batch:
        """½‖Ax − y‖² + ½α‖x‖²."""
        return 0.5 * norm(problem.operator(x) - problem.data).square() + 0.5 * self.weight * norm(x).square()

    @torch.no_grad()
    def iterates(self, problem: Problem, start: Image | None = None) -> Iterator[Iterate]:
        """Direct: the start and the solution; else one record per product with A*A, until rounding."""
        A = problem.operator
        x = A.baseline(problem.data) if start is None else start
        b = A.adjoint(problem.data)
        s = 1 / (_theory.bounds(A).top + self.weight)
        r = b - A.gram(x) - self.weight * x
        if self.mode == "direct":
            yield _record(0, x, s * r, 1, x)
            solution = A.resolvent(b, self.weight, start=x)
            yield _record(1, solution, s * (b - A.gram(solution) - self.weight * solution), 2, x)
            return
        yield from self._conjugate_gradients(problem, b, x, r, s)

    def _conjugate_gradients(
        self, problem: Problem, b: Image, x: Image, r: Image, s: float
    ) -> Iterator[Iterate]:
        A, x0, k = problem.operator, x, 0
        p, rr = r, inner(r, r)
        target = (10 * _theory.bounds(A).rounding * norm(b)) ** 2
        while True:
            # A look at the numbers makes a GPU wait, so only every sixteenth step asks whether to stop.
            if k % 16 == 0 and not bool((rr > target).any()):
                break
            # T(x) = x + s r, and ‖r‖ is at hand.
            gap = s * rr.sqrt()
            residual = relative(gap, norm(torch.add(x, r, alpha=s))).max()
            far: dict[str, Scalar] = {DISTANCE: norm(x - x0).max()} if k % 8 == 0 else {}
            yield Iterate(k, x, residual, gap.max(), k + 1, None, far)
            hp = torch.add(A.gram(p), p, alpha=self.weight)
            step = (rr / inner(p, hp).clamp_min(1e-38)).view(-1, 1, 1, 1)
            x, r, k = torch.addcmul(x, step, p), torch.addcmul(r, step, hp, value=-1), k + 1
            fresh = inner(r, r)
            p, rr = torch.addcmul(r, (fresh / rr.clamp_min(1e-38)).view(-1, 1, 1, 1), p), fresh
        # The recursion's residual goes on falling when the true one cannot: the last word is the true one.
        yield _record(k, x, s * (b - A.gram(x) - self.weight * x), k + 1, x0)

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """Unique minimiser, its stability, the distance to it, and the rate of conjugate gradients."""
        bound = _theory.bounds(problem.operator)
        low, high = bound.bottom + self.weight, bound.top + self.weight
        because = f"A*A + α lies between {low:.3g} and {high:.4g}"
        gain = _theory.equilibrium_gain(bound, self.weight, 1.0)
        theory = _theory.Theory(
            margin=low / high,
            error=high / low,
            gain=gain,
            is_averaged=True,
            floor=bound.rounding,
            because=because,
            gain_statement="‖x₁ − x₂‖ ≤ ‖(A*A + α)⁻¹A*‖ ‖y₁ − y₂‖",
            error_statement="‖x_k − x*‖ ≤ ‖A*y − (A*A + α)x_k‖/(σ_min² + α)",
            noun="minimiser",
        )
        rows = [
            _guarantees.uniqueness(theory, evidence),
            _guarantees.a_posteriori(theory, evidence.marks),
            _guarantees.stability(theory, evidence),
        ]
        if self.mode == "conjugate gradients":
            root = math.sqrt(high / low)
            # ‖r_k‖ ≤ √λ_max ‖e_k‖_H and ‖e₀‖_H ≤ ‖r₀‖/√λ_min turn the energy norm into the residual's.
            line = _guarantees.line(evidence.marks, lambda k: 2 * root * ((root - 1) / (root + 1)) ** k)
            residuals = _guarantees.above(evidence.marks, bound.rounding * high / low)
            statement = "‖r_k‖ ≤ 2√χ ((√χ − 1)/(√χ + 1))ᵏ ‖r₀‖, χ = (‖A‖² + α)/(σ_min² + α)"
            rate = Guarantee(
                "rate", "A-priori linear rate (Chebyshev)", statement, "certified", because, line, residuals
            )
        else:
            statement = "‖r_k‖ ≤ κᵏ ‖r₀‖"
            reason = "solved directly: there is no iteration"
            rate = Guarantee("rate", "Linear rate", statement, "void", reason, void="not applicable")
        rows.insert(1, rate)
        return tuple(rows)


def _record(k: int, x: Image, change: Image, evaluations: int, x0: Image) -> Iterate:
    """The record of x, where T(x) = x + change."""
    gap, residual = gap_and_residual(x, x + change)
    scalars: dict[str, Scalar] = {DISTANCE: norm(x - x0).max()}
    return Iterate(k, x, residual, gap, evaluations, None, scalars)
