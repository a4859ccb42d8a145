"""Minimisers of ½‖Ax − y‖² + αΨ(x) for a convex ridge Ψ, and their derivatives in the weights of Ψ.

`solvers.Implicit` differentiates any fixed point; a minimiser has a symmetric Jacobian, which conjugate
gradients invert.
"""

import math
from typing import Any

import torch
from torch import Tensor

from deqviz.core.operator import ForwardModel
from deqviz.core.space import Image
from deqviz.networks._conv import analysis, symbol_bound, synthesis
from deqviz.networks.convex_ridge import ridge_gradient


def minimiser(filters: Tensor, tau: Tensor, y: Image, lipschitz: float, steps: int) -> Image:
    """argmin ½‖x − y‖² + Ψ(x) by Nesterov's method for strong convexity 1 and smoothness 1 + `lipschitz`."""
    momentum = (math.sqrt(1 + lipschitz) - 1) / (math.sqrt(1 + lipschitz) + 1)
    x = previous = y
    for _ in range(steps):
        z = x + momentum * (x - previous)
        gradient = z - y + ridge_gradient(z, filters, tau)
        previous, x = x, z - gradient / (1 + lipschitz)
    return x


def equilibrium(
    filters: Tensor, tau: Tensor, A: ForwardModel, back: Image, alpha: float, lipschitz: float, steps: int
) -> Image:
    """A*(Ax − y) + αR(x) = 0 with `back` = A*y, by accelerated proximal gradient steps with restarts.

    x⁺ = (A*A + ρ)⁻¹(A*y + ρz − αR(z)) with ρ = α `lipschitz` (Beck and Teboulle, 2009; O'Donoghue and
    Candès, 2015).
    """
    rho = alpha * lipschitz
    x = previous = A.resolvent(back, rho)
    age = 0
    for _ in range(steps):
        z = x + age / (age + 3) * (x - previous)
        previous, x = x, A.resolvent(back + rho * z - alpha * ridge_gradient(z, filters, tau), rho)
        age = age + 1 if float(((z - x) * (x - previous)).sum()) <= 0 else 0
    return x


def implicit_step(
    x: Image, back: Image, filters: Tensor, tau: Tensor, steps: int, A: ForwardModel | None, alpha: float
) -> Image:
    """The solution x of A*Ax − `back` + αR(x) = 0 (no A: the identity), with its derivative in the weights.

    One Newton step x − J⁻¹(A*Ax − `back` + αR(x)): nothing in value, and with the derivative of the solution.
    """
    residual = (x if A is None else A.gram(x)) - back + alpha * ridge_gradient(x, filters, tau)
    step = _NewtonStep.apply(x, residual, filters.detach(), tau.detach(), steps, A, alpha)
    assert isinstance(step, Tensor)
    return step


class _NewtonStep(torch.autograd.Function):
    """The value x; backwards −J⁻¹ meets the cotangent, J = A*A + αW*DW with D = 1 where |Wx| < τ.

    By conjugate gradients, preconditioned by (A*A + ρ)⁻¹ where there is an A. Where A and D both annihilate a
    direction J is singular; a fixed number of steps then acts as its regularisation.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        residual: Tensor,
        filters: Tensor,
        tau: Tensor,
        steps: int,
        A: ForwardModel | None,
        alpha: float,
    ) -> Tensor:
        ctx.save_for_backward(x, filters, tau)
        ctx.problem = steps, A, alpha
        return x + 0 * residual

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x, filters, tau), (g,) = ctx.saved_tensors, grads
        steps, A, alpha = ctx.problem
        inside = (analysis(x, filters).abs() < tau).to(x.dtype)
        # Half of ‖W‖², of which most directions see only a part.
        rho = 0.5 * alpha * float(symbol_bound(filters))
        u = torch.zeros_like(g)
        r, s = g, g if A is None else A.resolvent(g, rho)
        p, rs = s, _inner(g, s)
        for _ in range(steps):
            q = (p if A is None else A.gram(p)) + alpha * synthesis(inside * analysis(p, filters), filters)
            step = rs / _inner(p, q).clamp_min(1e-30)
            u, r = u + step * p, r - step * q
            s = r if A is None else A.resolvent(r, rho)
            rs, old = _inner(r, s), rs
            p = s + rs / old.clamp_min(1e-30) * p
        return None, -u, None, None, None, None, None


def _inner(u: Tensor, v: Tensor) -> Tensor:
    return (u * v).sum((1, 2, 3), keepdim=True)
