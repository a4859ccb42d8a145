"""Matrix-free linear algebra: conjugate gradients and power iteration."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from deqviz.core.space import Data, inner, norm, scale


def conjugate_gradients(
    apply: Callable[[Data], Data],
    b: Data,
    *,
    start: Data | None = None,
    tolerance: float = 1e-6,
    max_steps: int = 200,
) -> Data:
    """Solve H x = b for a positive definite H until ‖b − Hx‖ ≤ tolerance·‖b‖ for every batch item.

    Hestenes and Stiefel, 1952. Items that have arrived stand still, so a batch gives the same answers
    as its members alone. A `start` that is no nearer than 0, as any is for b = 0, is left out: the target
    could lie below what rounding leaves of it. Stops after `max_steps` products at the latest, or at the
    rounding floor.
    """
    x, r = torch.zeros_like(b), b
    if start is not None:
        missing = b - apply(start)
        nearer = (norm(missing) < norm(b)).view(-1, *[1] * (b.ndim - 1))
        x, r = torch.where(nearer, start, x), torch.where(nearer, missing, r)
    p, rr = r, inner(r, r)
    target = (tolerance * norm(b)) ** 2
    # Squares of what a refinement solves for lie far below the smallest float32.
    tiny = torch.finfo(rr.dtype).tiny
    # On a GPU each look at a number waits for the device; items that have arrived stand still anyway.
    every = 1 if b.device.type == "cpu" else 16
    for k in range(max_steps):
        active = rr > target
        if k % every == 0 and not bool(active.any()):
            break
        hp = apply(p)
        curvature = inner(p, hp)
        step = torch.where(active & (curvature > 0), rr / curvature.clamp_min(tiny), torch.zeros_like(rr))
        x, r = x + scale(step, p), r - scale(step, hp)
        fresh = inner(r, r)
        p, rr = r + scale(fresh / rr.clamp_min(tiny), p), fresh
    return x


def shifted_inverse(
    gram: Callable[[Data], Data],
    b: Data,
    weight: float | Tensor,
    *,
    start: Data | None = None,
    tolerance: float = 1e-6,
    max_steps: int = 200,
) -> Data:
    """(H + ρ)⁻¹ b for H = `gram` ≥ 0 and ρ > 0 by conjugate gradients; differentiable like `resolved`."""
    shift = torch.as_tensor(weight, dtype=b.real.dtype, device=b.device)

    def solve(right: Data, guess: Data | None) -> Data:
        rho = shift.detach()
        return conjugate_gradients(
            lambda v: gram(v) + rho * v, right, start=guess, tolerance=tolerance, max_steps=max_steps
        )

    return resolved(solve, b, shift, start)


def resolved(
    solve: Callable[[Data, Data | None], Data], b: Data, shift: Tensor, start: Data | None = None
) -> Data:
    """u = (H + ρ)⁻¹b by `solve`(b, start), with its derivatives in b and in ρ = `shift`.

    H + ρ is its own adjoint, so the gradient is the same solve: with g' = (H + ρ)⁻¹g for a cotangent g, it is
    g' for b and −⟨g', u⟩ for ρ. Nothing of the solve is kept. H itself is a constant.
    """
    # A guess is no argument: of a good one the solve would return it as it is, with its derivatives.
    start = None if start is None else start.detach()
    if not (torch.is_grad_enabled() and (b.requires_grad or shift.requires_grad)):
        return solve(b, start)
    return cast(
        Tensor,
        _ShiftedInverse.apply(b, shift, solve, start),  # pyright: ignore[reportUnknownMemberType]
    )


class _ShiftedInverse(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        b: Tensor,
        shift: Tensor,
        solve: Callable[[Tensor, Tensor | None], Tensor],
        start: Tensor | None,
    ) -> Tensor:
        u = solve(b.detach(), start)
        ctx.solve, ctx.shift = solve, shift.detach()
        ctx.save_for_backward(*([u] if shift.requires_grad else []))
        return u

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        # Itself of this kind, so that J v by two backward passes is two solves and not a graph of one.
        back = resolved(ctx.solve, grads[0], ctx.shift)
        rho = -inner(back, ctx.saved_tensors[0]).sum() if ctx.needs_input_grad[1] else None
        return back if ctx.needs_input_grad[0] else None, rho, None, None


def power_iteration(apply: Callable[[Data], Data], start: Data, *, steps: int) -> float:
    """The largest eigenvalue of a positive semidefinite map from below: ⟨v, Hv⟩ after `steps` products."""
    v = scale(1 / norm(start).clamp_min(1e-30), start)
    value = 0.0
    for _ in range(steps):
        hv = apply(v)
        value = float(inner(v, hv).max())
        v = scale(1 / norm(hv).clamp_min(1e-30), hv)
    return value
