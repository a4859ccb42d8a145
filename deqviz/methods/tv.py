"""Isotropic total variation by a primal-dual method, with a duality gap that is a true bound."""

import math
from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from deqviz.core.catalog import METHODS
from deqviz.core.guarantee import Claim, Curve, Guarantee, in_letters, quantity
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Evidence, Iterate, Method, Problem
from deqviz.core.registry import Range
from deqviz.core.space import Batch, Image, extent, norm
from deqviz.methods import _guarantees, _theory
from deqviz.methods._base import REACH

GAP = "duality gap"


@METHODS.register("tv", title="Total variation", family="Variational")
class Tv(Method):
    """The image of least total variation that fits the data: flat regions, sharp edges, no texture.

    min ½‖Ax − y‖² + α Σ|∇x| over 0 ≤ x ≤ 1, forward differences, every channel by itself, by Condat and Vũ:
    x⁺ = clip(x − τv), v = A*(Ax − y) + ∇ᵀp; p⁺ = proj_{|p| ≤ α}(p + ς∇(2x⁺ − x)). Converges where
    1/τ − ς‖∇‖² ≥ ½‖A‖². The box makes the dual finite: the gap Σ(α|∇x| − ⟨∇x, p⟩) + Σ(v₊x + v₋(1 − x))
    bounds the objective's distance from its minimum at every iterate, at no further product with A.
    Of a complex image both parts are treated alike, each by itself, in the box −1 ≤ x ≤ 1, where the last
    sum is Σ(vx + |v|). Rudin, Osher and Fatemi, 1992; Condat, 2013; Vũ, 2013.
    """

    equation: ClassVar[str] = "min ½‖Ax − y‖² + α Σ|∇x| over 0 ≤ x ≤ 1"
    hint: ClassVar[str] = (
        "Try: show the duality gap in the middle chart; it bounds how far the objective is from its minimum."
    )

    weight: Annotated[
        float,
        Range(1e-5, 1.0, "Regularisation parameter α", log=True, symbol="α", help="Weight of the variation"),
    ] = 6e-4
    balance: Annotated[
        float,
        Range(
            1.0,
            1e3,
            "Dual step size over α",
            log=True,
            help="Larger moves edges faster and the rest slower",
            advanced=True,
        ),
    ] = 10.0

    def steps(self, problem: Problem) -> tuple[float, float]:
        """τ and ς with 1/τ − 8ς = ½‖A‖² (1 + 10⁻³) or more: ‖∇‖² ≤ 8 and the certified ‖A‖."""
        dual = self.balance * self.weight
        return 1 / (0.5005 * _theory.bounds(problem.operator).top + 8 * dual), dual

    def objective(self, problem: Problem, x: Image) -> Batch:
        """½‖Ax − y‖² + α Σ|∇x|."""
        g = torch.zeros((2, *x.shape), dtype=x.dtype, device=x.device)
        _gradient(x, g)
        total = torch.hypot(g[0], g[1]).flatten(1).sum(1)
        return 0.5 * norm(problem.operator(x) - problem.data).square() + self.weight * total

    @torch.no_grad()
    def iterates(self, problem: Problem, start: Image | None = None) -> Iterator[Iterate]:
        """One gram of A per record; the residual is that of the pair (x, p) in the metric of the method.

        ‖(x, p)‖²_M = ‖x‖² − 2τ⟨∇x, p⟩ + (τ/ς)‖p‖², in which the map is averaged.
        """
        A, alpha = problem.operator, self.weight
        bound, (tau, dual) = _theory.bounds(A), self.steps(problem)
        back = A.adjoint(problem.data)
        x = A.baseline(problem.data) if start is None else start
        low, high = extent(x.shape[1])
        x = x.clamp(low, high).contiguous()
        b, c, h, w = x.shape
        g, g_new, p, p_new, work = (x.new_zeros(2, b, c, h, w) for _ in range(5))
        size, pull = torch.empty_like(x), torch.empty_like(x)
        _gradient(x, g)
        # What v may be wrong by, times how far two images of the box may be from each other.
        most = x.numel() ** 0.5
        drift = bound.rounding * (bound.top * most + bound.top**0.5 * float(norm(problem.data).norm()))
        room = (high - low) * most * (drift + 16 * bound.resolution * alpha * most)
        x0, k = x, 0
        pull0 = A.gram(x0) - back
        fit0 = 0.5 * norm(A(x0) - problem.data).square().sum()
        while True:
            v = torch.sub(A.gram(x), back, out=pull)
            # A quadratic has f(x) = f(x₀) + ½⟨x − x₀, ∇f(x) + ∇f(x₀)⟩: no product with A, and a few roundings
            # of f(x₀) are lost.
            fit = fit0 + _dot(torch.sub(x, x0, out=size), torch.add(v, pull0, out=work[0])) / 2
            _add_adjoint(p, v)
            torch.mul(g[0], g[0], out=size).addcmul_(g[1], g[1]).sqrt_()
            variation = alpha * size.sum()
            objective = (fit + variation).clamp_min(0)
            # α|∇x| − ⟨∇x, p⟩, and vx − min vz over the box, z = low where v ≥ 0 and high elsewhere: each term
            # is ≥ 0, so that no sum cancels.
            torch.mul(size, alpha, out=work[0]).addcmul_(g[0], p[0], value=-1).addcmul_(g[1], p[1], value=-1)
            torch.mul(v.clamp_min(0), x - low, out=work[1]).addcmul_(v.clamp_max(0), x - high)
            gap = work.sum(dtype=torch.float64)
            reach = (2 * (gap + room + 8 * bound.resolution * variation)).clamp_min(0).sqrt()

            x_new = torch.add(x, v, alpha=-tau).clamp_(low, high)
            _gradient(x_new, g_new)
            # p⁺ = proj(p + ς∇(2x⁺ − x)), and ∇(x⁺ − x) is at hand for the metric.
            torch.sub(g_new, g, out=work)
            torch.add(g_new, work, out=p_new).mul_(dual).add_(p)
            torch.mul(p_new[0], p_new[0], out=size).addcmul_(p_new[1], p_new[1])
            p_new.mul_(size.rsqrt_().mul_(alpha).clamp_(max=1))
            dx, dp = x_new - x, torch.sub(p_new, p, out=g)
            moved = _dot(dx, dx) + (tau / dual) * _dot(dp, dp) - 2 * tau * _dot(work, dp)
            moved, where = moved.clamp_min(0).sqrt(), _dot(x_new, x_new).sqrt().clamp_min(1e-12)
            yield Iterate(k, x, moved / where, moved, k + 1, objective, {GAP: gap, REACH: reach})
            x, g, g_new, p, p_new, k = x_new, g_new, g, p_new, p, k + 1

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """The step condition, the residual in the method's metric, and the duality gap."""
        bound = _theory.bounds(problem.operator)
        tau, dual = self.steps(problem)
        low, high = extent(problem.operator.image.shape[0])
        because = f"τ = {tau:.4g}, ς = {dual:.4g}, ‖A‖² ≤ {bound.top:.4g}, ‖∇‖² ≤ 8"
        marks = evidence.marks
        values = [
            (m.k, m.objective, m.scalars[GAP]) for m in marks if m.objective is not None and GAP in m.scalars
        ]
        bounds = lowered = None
        room = 0.0
        if values:
            ks, objectives, gaps = zip(*values, strict=True)
            least = min(objectives)
            # Sums of h·w terms: below a few hundred roundings of the largest of them they say nothing, and
            # ½‖Ax − y‖² is made of ½‖y‖² and of what it is less than that.
            start = 0.5 * float(norm(problem.data).max()) ** 2
            room = 500 * bound.rounding * max(start, *map(abs, objectives))
            bounds, lowered = Curve(ks, gaps), Curve(ks, [value - least for value in objectives])
        rows = (
            Guarantee(
                "steps",
                "Step-size condition",
                "½‖A‖² + ς‖∇‖² ≤ 1/τ",
                "certified",
                because,
                quantity(1 / tau),
                # The sum, not 1/τ less ς‖∇‖²: for a small ‖A‖ nothing would be left of the difference.
                quantity(0.5 * bound.top + 8 * dual, side="upper"),
            ),
            Guarantee(
                "gap",
                "Duality gap",
                "P(x_k) − P* ≤ duality gap",
                "certified",
                f"weak duality on the box {low:g} ≤ x ≤ {high:g}; P* is replaced by the least objective seen",
                quantity(bounds),
                quantity(lowered, side="lower"),
                room,
            ),
            _guarantees.on_line(
                Guarantee(
                    "monotone",
                    "Residual nonincreasing",
                    "‖T(z_{k+1}) − z_{k+1}‖_M ≤ ‖T(z_k) − z_k‖_M",
                    "certified",
                    f"T is averaged in the metric M of the step sizes, so the iteration converges: {because}",
                ),
                _guarantees.never_grows(marks, bound.rounding),
            ),
            Guarantee(
                "rate",
                "Contraction factor κ",
                "‖T(z) − T(z′)‖_M ≤ κ ‖z − z′‖_M",
                "not verifiable",
                "T is averaged, which gives convergence and no κ < 1",
            ),
            *self._of_minimisers(problem.operator, bound, evidence),
        )
        return _guarantees.at_end(in_letters("total variation", rows), evidence)

    def _of_minimisers(
        self, operator: ForwardModel, bound: _theory.Bounds, evidence: Evidence
    ) -> tuple[Guarantee, ...]:
        """What ½‖Ax − y‖² proves: P(x) − P* ≥ ½‖A(x − x*)‖², so that ‖A(x − x*)‖ ≤ √(2 duality gap).

        And ‖AΔx‖² ≤ ⟨AΔx, Δy⟩ for two minimisers, as the rest of P is convex. σ_min(A) > 0 turns both into
        statements on x.
        """
        seen, sigma = evidence.probes.get, bound.bottom**0.5
        apart, ends = seen("spread_gap"), seen("gain_gap") or 0.0
        # Without an end of both runs there is nothing to compare.
        is_near = math.isfinite(ends)
        claim: Claim = "certified" if sigma > 0 else _theory.of_null_space(operator)
        if sigma > 0:
            why = f"½‖Ax − y‖² is strongly convex: σ_min(A) ≥ {sigma:.3g}"
        else:
            why = "A may annihilate differences of minimisers, and total variation is not strictly convex"
        return (
            Guarantee(
                "uniqueness",
                "Unique minimiser",
                "‖x − x′‖ ≤ (√(2 gap) + √(2 gap′))/σ_min from all starts",
                claim,
                why,
                quantity(apart / sigma if sigma > 0 and apart is not None else None, _guarantees.LIMIT),
                quantity(seen("spread"), _guarantees.LIMIT),
            ),
            Guarantee(
                "fit",
                "Stability of the fit",
                "‖A(x₁ − x₂)‖ ≤ ‖y₁ − y₂‖",
                "certified",
                "for any two minimisers, as total variation and the box are convex; √(2 duality gap) is added"
                " for each of the two runs",
                quantity(1.0 if is_near else None, _guarantees.CHANGE),
                quantity(seen("fit_gain"), _guarantees.CHANGE, "lower"),
                ends if is_near else 0.0,
            ),
            Guarantee(
                "stability",
                "Stability",
                "‖x₁ − x₂‖ ≤ ‖y₁ − y₂‖/σ_min",
                claim,
                why,
                quantity(1 / sigma if sigma > 0 and is_near else None, _guarantees.CHANGE),
                quantity(seen("gain"), _guarantees.CHANGE, "lower"),
                ends / sigma if sigma > 0 and is_near else 0.0,
            ),
        )


def _dot(u: Tensor, v: Tensor) -> Tensor:
    return torch.dot(u.view(-1), v.view(-1))


def _gradient(x: Tensor, out: Tensor) -> None:
    """Forward differences to the right and down into out[0] and out[1], 0 across the border.

    The last column of out[0] and the last row of out[1] must be 0 beforehand and stay so.
    """
    torch.sub(x[..., :, 1:], x[..., :, :-1], out=out[0][..., :, :-1])
    torch.sub(x[..., 1:, :], x[..., :-1, :], out=out[1][..., :-1, :])


def _add_adjoint(p: Tensor, out: Tensor) -> None:
    """out ← out + ∇ᵀp, for a p that is 0 where the differences leave the image."""
    right, down = p[0][..., :, :-1], p[1][..., :-1, :]
    out[..., :, 1:].add_(right)
    out[..., :, :-1].sub_(right)
    out[..., 1:, :].add_(down)
    out[..., :-1, :].sub_(down)
