"""Local monotonicity modulus of the residual map I − f."""

from typing import Annotated

import torch

from deqviz.core.catalog import DIAGNOSTICS
from deqviz.core.estimate import Estimate
from deqviz.core.records import Diagnostic, Map, Subject
from deqviz.core.registry import Range
from deqviz.core.space import Data, inner, norm, scale
from deqviz.diagnostics._jacobian import Jacobian, probe


def smallest_ritz_value(apply: Map, start: Data, *, steps: int) -> float:
    """The smallest eigenvalue of a symmetric map from above, by Lanczos with full reorthogonalisation.

    Every Ritz value is a Rayleigh quotient, so the smallest one only falls as `steps` grow. The worst
    item of the batch is reported. Lanczos, 1950.
    """
    q = scale(1 / norm(start), start)
    basis, diagonal, beside = [q], [], []
    alive = torch.ones_like(norm(q))
    for _ in range(steps):
        w = apply(basis[-1])
        alpha = inner(basis[-1], w)
        # Where the Krylov space is exhausted the first quotient stands in: it is never the smallest.
        diagonal.append(torch.where(alive > 0, alpha, diagonal[0]) if diagonal else alpha)
        size = norm(w)
        for _ in range(2):
            for p in basis:
                w = w - scale(inner(p, w), p)
        beta = norm(w)
        alive = alive * (beta > 1e3 * torch.finfo(beta.dtype).eps * size)
        beside.append(beta * alive)
        basis.append(scale(alive / beta.clamp_min(1e-30), w))
    off = torch.stack(beside[:-1], 1) if steps > 1 else beside[0].new_zeros(len(beside[0]), 0)
    matrix = torch.diag_embed(torch.stack(diagonal, 1)) + torch.diag_embed(off, 1) + torch.diag_embed(off, -1)
    return float(torch.linalg.eigvalsh(matrix.double()).min())


@DIAGNOSTICS.register("monotonicity", title="Local monotonicity")
class Monotonicity(Diagnostic):
    """min ⟨(I − J_f(z))v, v⟩/‖v‖², the smallest eigenvalue of the symmetric part of I − J_f(z).

    An upper bound of the constant c in ⟨g(z) − g(z′), z − z′⟩ ≥ c‖z − z′‖², g = I − f: a negative value
    proves that g is not monotone, a positive one proves nothing.
    """

    products: Annotated[int, Range(1, 200, "Products")] = 30
    seed: Annotated[int, Range(0, 9999, "Seed", advanced=True)] = 0

    def measure(self, subject: Subject) -> Estimate:
        """At `subject.z`."""
        J = Jacobian(subject.f, subject.z)
        value = smallest_ritz_value(
            lambda v: v - 0.5 * (J.apply(v) + J.adjoint(v)), probe(J.x, self.seed), steps=self.products
        )
        return Estimate("monotonicity of I − f", value, "upper bound")
