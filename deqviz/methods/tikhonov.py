"""Tikhonov regularisation, solved at once or by conjugate gradients."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from deqviz.core.catalog import METHODS
from deqviz.core.guarantee import Guarantee
from deqviz.core.records import Evidence, Iterate, Method, Problem, Scalar, relative
from deqviz.core.registry import Options, Range
from deqviz.core.space import Batch, Image, inner, norm, wide
from deqviz.methods import _guarantees, _theory
from deqviz.methods._base import DISTANCE, SLIP, of_batch

PARTED = 0.1
"""Share of the residual from which on its rounding matters, and the true one is computed."""


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

    ending: ClassVar[str] = "Solved as exactly as rounding allows."

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
        if self.mode == "direct":
            yield self._record(problem, 0, x, x)
            yield self._record(problem, 1, A.solve(problem.data, self.weight, start=x), x)
            return
        yield from self._conjugate_gradients(problem, b, x)

    def _equation(self, problem: Problem, x: Image) -> Image:
        """A*y − (A*A + α)x, in double precision where A takes it: terms cancel in it."""
        A, y, exact = problem.operator, problem.data, x
        if A.takes_double:
            y, exact = wide(y), wide(x)
        return (A.adjoint(y) - A.gram(exact) - self.weight * exact).to(x.dtype)

    def _room(self, problem: Problem, x: Image, r: Image) -> Tensor:
        """What that r is off by at most: relative to what is subtracted, not to the difference."""
        bound = _theory.bounds(problem.operator)
        sizes = math.sqrt(bound.top) * norm(problem.data) + (bound.top + self.weight) * norm(x)
        return bound.wide * sizes + bound.resolution * norm(r)

    def _record(self, problem: Problem, k: int, x: Image, x0: Image) -> Iterate:
        s, r = 1 / (_theory.bounds(problem.operator).top + self.weight), self._equation(problem, x)
        gap, size = s * norm(r), norm(torch.add(x, r, alpha=s))
        slip = s * self._room(problem, x, r).max()
        scalars: dict[str, Scalar] = {DISTANCE: norm(x - x0).max(), SLIP: slip, **of_batch(size)}
        return Iterate(k, x, relative(gap, size).max(), gap.max(), k + 1, None, scalars)

    def _conjugate_gradients(self, problem: Problem, b: Image, x: Image) -> Iterator[Iterate]:
        """The recursion's residual goes on falling where the true one cannot: it is replaced where they part.

        How far they are apart is bounded as it grows: every step adds the rounding of x, of the product and
        of the sum. van der Vorst and Ye, 2000.
        """
        A, bound, x0, k = problem.operator, _theory.bounds(problem.operator), x, 0
        high = bound.top + self.weight
        # A look at the numbers makes a GPU wait, so only every sixteenth step asks.
        every = 1 if x.device.type == "cpu" else 16
        size, r, products = norm(b), self._equation(problem, x), 1
        p, rr = r, inner(r, r)
        # Where to stop is a question of what the images tell apart; what is certified, of what may be lost.
        excess, known = (
            bound.rounding / bound.resolution,
            bound.wide * math.sqrt(bound.top) * norm(problem.data),
        )
        slip, target = bound.resolution * (size + high * norm(x)), 10 * bound.resolution * size
        while True:
            if k % every == 0:
                if bool((slip > PARTED * rr.sqrt()).any()):
                    # Only where the true one is known better: near the end it is as uncertain itself.
                    room = bound.resolution * (size + high * norm(x))
                    if bool((slip > 4 * room).any()):
                        # Directions of the old residual say nothing of the new one.
                        r = p = self._equation(problem, x)
                        slip, rr, products = room, inner(r, r), products + 1
                if not bool((rr.sqrt() > torch.maximum(target, slip)).any()):
                    break
            # T(x) = x + r/(‖A‖² + α), and ‖r‖ is at hand.
            gap = rr.sqrt() / high
            reached = norm(torch.add(x, r, alpha=1 / high))
            scalars = {SLIP: (excess * slip + known).max() / high, **of_batch(reached)}
            if k % 8 == 0:
                scalars[DISTANCE] = norm(x - x0).max()
            yield Iterate(k, x, relative(gap, reached).max(), gap.max(), products, None, scalars)
            hp = torch.add(A.gram(p), p, alpha=self.weight)
            step, length = (rr / inner(p, hp).clamp_min(1e-38)).view(-1, 1, 1, 1), norm(p)
            x, r = torch.addcmul(x, step, p), torch.addcmul(r, step, hp, value=-1)
            k, products, fresh = k + 1, products + 1, inner(r, r)
            moved = step.view(-1).abs() * length
            slip = slip + bound.resolution * (high * (norm(x) + 2 * moved) + fresh.sqrt())
            p, rr = torch.addcmul(r, (fresh / rr.clamp_min(1e-38)).view(-1, 1, 1, 1), p), fresh
        last = self._record(problem, k, x, x0)
        yield replace(last, evaluations=products + 1)

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """Unique minimiser, its stability, the distance to it, and the rate of conjugate gradients."""
        bound, evidence = _theory.bounds(problem.operator), _guarantees.in_one_norm(evidence)
        low, high = bound.bottom + self.weight, bound.top + self.weight
        because = f"A*A + α lies between {low:.3g} and {high:.4g}"
        gain = _theory.equilibrium_gain(bound, self.weight, 1.0)
        theory = _theory.Theory(
            margin=low / high,
            error=high / low,
            gain=gain,
            is_averaged=True,
            floor=bound.resolution,
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
            line = _guarantees.rate_line(
                evidence.marks,
                lambda k: 2 * root * ((root - 1) / (root + 1)) ** k,
                bound.rounding * high / low,
            )
            statement = "‖r_k‖ ≤ 2√χ ((√χ − 1)/(√χ + 1))ᵏ ‖r₀‖ + χ ε_T, χ = (‖A‖² + α)/(σ_min² + α)"
            name = "A-priori linear rate (Chebyshev)"
            rate = _guarantees.on_line(Guarantee("rate", name, statement, "certified", because), line)
        else:
            statement = "‖r_k‖ ≤ κᵏ ‖r₀‖"
            reason = "solved directly: there is no iteration"
            rate = Guarantee("rate", "Linear rate", statement, "not applicable", reason)
        rows.insert(1, rate)
        return _guarantees.at_end(rows, evidence)
