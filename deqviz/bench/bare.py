"""Plain torch loops, against which the methods' overhead is measured."""

from collections.abc import Callable

import torch
from torch import Tensor

from deqviz.core.records import Problem
from deqviz.core.space import norm


def loop(f: Callable[[Tensor], Tensor], x0: Tensor, count: int) -> Callable[[], None]:
    """The loop anyone would write: x ← f(x) and the residual's norm."""

    @torch.no_grad()
    def work() -> None:
        x = x0
        for _ in range(count):
            fx = f(x)
            norm(fx - x) / norm(fx)  # pyright: ignore[reportUnusedExpression]
            x = fx

    return work


def tikhonov(problem: Problem, alpha: float) -> Callable[[Tensor], Tensor]:
    """x ← (A*A + α)⁻¹(A*y + αx) for the Gaussian blur, in bare torch."""
    width, side = 1.6, problem.data.shape[-1]
    ky, kx = torch.fft.fftfreq(side), torch.fft.rfftfreq(side)
    h = torch.exp(-2 * (torch.pi * width) ** 2 * (ky[:, None] ** 2 + kx**2)).to(problem.data.device)
    back = torch.fft.irfft2(h * torch.fft.rfft2(problem.data), s=(side, side))
    inverse = 1 / (h * h + alpha)
    return lambda x: torch.fft.irfft2(inverse * torch.fft.rfft2(back + alpha * x), s=(side, side))


def total_variation(problem: Problem, weight: float, tau: float, dual: float) -> Callable[[Tensor], Tensor]:
    """Condat and Vũ's step with the duality gap that the method shows, in bare torch; keeps p itself."""
    A, back = problem.operator, problem.operator.adjoint(problem.data)

    def gradient(x: Tensor) -> Tensor:
        g = x.new_zeros(2, *x.shape)
        g[0][..., :, :-1] = x[..., :, 1:] - x[..., :, :-1]
        g[1][..., :-1, :] = x[..., 1:, :] - x[..., :-1, :]
        return g

    def adjoint(p: Tensor) -> Tensor:
        out = torch.zeros_like(p[0])
        out[..., :, 1:] += p[0][..., :, :-1]
        out[..., :, :-1] -= p[0][..., :, :-1]
        out[..., 1:, :] += p[1][..., :-1, :]
        out[..., :-1, :] -= p[1][..., :-1, :]
        return out

    p = back.new_zeros(2, *back.shape)

    def step(x: Tensor) -> Tensor:
        nonlocal p
        v = A.gram(x) - back + adjoint(p)
        g = gradient(x)
        # Read by nobody here, but the method's record of every iterate has it.
        (weight * torch.hypot(g[0], g[1])).sum() - (g * p).sum() + (v * x).sum() - v.clamp_max(0).sum()  # pyright: ignore[reportUnusedExpression]
        fresh = (x - tau * v).clamp(0, 1)
        p = p + dual * gradient(2 * fresh - x)
        p = p * (weight / torch.hypot(p[0], p[1]).clamp_min(1e-12)).clamp_max(1)
        return fresh

    return step


def conjugate_gradients(problem: Problem, alpha: float, count: int) -> Callable[[], None]:
    """The textbook loop for (A*A + α)x = A*y."""
    A = problem.operator

    @torch.no_grad()
    def work() -> None:
        x = A.baseline(problem.data)
        r = A.adjoint(problem.data) - A.gram(x) - alpha * x
        p, rr = r, (r * r).sum()
        for _ in range(count):
            hp = A.gram(p) + alpha * p
            step = rr / (p * hp).sum()
            x, r = x + step * p, r - step * hp
            fresh = (r * r).sum()
            fresh.sqrt() / norm(x)  # pyright: ignore[reportUnusedExpression]
            p, rr = r + fresh / rr * p, fresh

    return work
