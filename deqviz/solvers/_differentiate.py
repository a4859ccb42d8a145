"""Gradients of a fixed point z = f(z) with respect to everything that f has captured.

With J = ∂f/∂z at the fixed point and a cotangent g, the gradient is (∂f/∂θ)* (I − J*)⁻¹ g. Three ways to
get it, or nearly. None gives a gradient to z0, because the fixed point does not depend on it.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from deqviz.core.records import Map, Solver
from deqviz.core.space import Data, norm
from deqviz.solvers._solve import LARGEST, Diverged, solve

Late = Literal["refuse", "accept"]
"""What to do with a fixed point that has not been reached after all steps, or never will."""


def _arrive(
    solver: Solver, f: Map, z0: Data, tol: float, max_steps: int, what: str, late: Late = "refuse"
) -> Data:
    """The fixed point, or Diverged: off it the formulas above are wrong, and nobody would see it."""
    try:
        step = solve(solver, f, z0, tol=tol, max_steps=max_steps)
    except Diverged:
        if late == "refuse":
            raise
        # Where the map runs away the start is as good as any; of the adjoint it is the one-step gradient.
        return z0
    # Not even a perfect solver gets below the rounding of f itself.
    bar = max(tol, 16 * torch.finfo(z0.dtype).eps)
    most = LARGEST * max(z0[0].numel() ** 0.5, float(norm(z0).max()))
    if late == "refuse" and (step.residual > bar or step.gap > bar * most):
        raise Diverged(
            f"The {what} fixed point has a residual of {float(step.residual):.1e} after {max_steps} steps, "
            f"more than {tol:.1e}: allow more steps, or make the map contract.",
            step.k,
        )
    return step.fz


@dataclass(frozen=True)
class Implicit:
    """The exact gradient by the implicit function theorem: u = J*u + g is itself a fixed point.

    Holds the graph of one evaluation of f, whatever the number of steps. Raises Diverged, forward or
    backward, when `max_steps` steps do not reach `tol`: a half-solved adjoint is a wrong gradient that
    looks like a right one. `late` = "accept" takes it all the same, for training maps that nothing forces to
    contract. First derivatives only. Bai, Kolter and Koltun, 2019.
    """

    forward: Solver
    backward: Solver
    tol: float = 1e-6
    max_steps: int = 200
    late: Late = "refuse"
    backward_tol: float | None = None  # None: the same as forward

    def __call__(self, f: Map, z0: Data) -> Data:
        """z = f(z), with its gradient when gradients are on."""
        with torch.no_grad():
            z = _arrive(self.forward, f, z0.detach(), self.tol, self.max_steps, "forward", self.late)
        if not torch.is_grad_enabled():
            return z
        z = z.detach().requires_grad_()
        fz = f(z)
        if not fz.requires_grad:
            return fz

        def solve_adjoint(g: Tensor | None) -> Tensor | None:
            if g is None:  # how autograd writes a zero that nobody computed
                return None
            if torch.is_grad_enabled():
                raise RuntimeError("Implicit gives first derivatives only: no create_graph=True.")

            def adjoint(u: Tensor) -> Tensor:
                (ju,) = torch.autograd.grad(fz, z, u, retain_graph=True, materialize_grads=True)
                return ju + g

            tol = self.backward_tol or self.tol
            return _arrive(self.backward, adjoint, g, tol, self.max_steps, "adjoint", self.late)

        # The hook sits on an alias: on fz itself it would fire again within every product with J*.
        out = fz.view_as(fz)
        out.register_hook(solve_adjoint)
        return out


@dataclass(frozen=True)
class Unrolled:
    """The gradient through `steps` evaluations of f, as an unrolled network has it.

    Memory grows with the steps. Exact for what Picard computes; accelerated solvers' corrections count
    as constants. Both tend to the implicit gradient, with an error of the order κ^steps.
    """

    solver: Solver
    steps: int = 20

    def __call__(self, f: Map, z0: Data) -> Data:
        """The value of f after `steps` evaluations."""
        for step in self.solver.steps(f, z0.detach()):
            if step.k + 1 >= self.steps:
                return step.fz
        raise RuntimeError("a solver must not end by itself")


@dataclass(frozen=True)
class OneStep:
    """The gradient of the last evaluation alone: J* is left out of (I − J*)⁻¹ g.

    Cheap and biased: off by up to κ/(1 − κ)·‖g‖ before ∂f/∂θ, where κ = ‖J‖, so it is right only for
    maps that contract strongly. Bolte, Pauwels and Vaiter, 2023.
    """

    forward: Solver
    tol: float = 1e-6
    max_steps: int = 200

    def __call__(self, f: Map, z0: Data) -> Data:
        """z = f(z), with the gradient of that one evaluation when gradients are on."""
        with torch.no_grad():
            z = _arrive(self.forward, f, z0.detach(), self.tol, self.max_steps, "forward")
        return f(z.detach()) if torch.is_grad_enabled() else z
