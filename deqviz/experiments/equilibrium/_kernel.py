"""The null space of A: the projection onto it, and certified bounds on that."""

import math
from dataclasses import dataclass

import torch

from deqviz.core.operator import ForwardModel
from deqviz.core.space import Batch, Data, Image, inner, norm
from deqviz.methods._theory import bounds


@dataclass(frozen=True)
class Kernel:
    """P_β = β(A*A + β)⁻¹, the resolvent limit: 1 on ker(A), β/(σ² + β) on singular vectors of σ > 0.

    With a closed form β = 10⁻²⁶‖A‖²: singular values from 10⁻⁵‖A‖ on vanish to rounding, so that for masks,
    Fourier sampling and all A with AA* = I this is P_ker(A) itself. Where conjugate gradients invert,
    β = 10⁻⁶‖A‖², and `residual` is not 0. Statements that use P_β rest on ‖P_β‖ ≤ 1 and
    ‖P_β A*‖ ≤ √β/2, which hold for every β.
    """

    operator: ForwardModel

    @property
    def cut(self) -> float:
        """β; singular values far below √β count as kernel."""
        share = 1e-26 if self.operator.resolvent_kind == "closed form" else 1e-6
        return share * bounds(self.operator).top

    def project(self, b: Image) -> Image:
        """P_β b."""
        return self.cut * self.operator.resolvent(b, self.cut)

    def residual(self, b: Image, projected: Image) -> Batch:
        """‖b − (A*A + β)P_β b/β‖, how far the projection may be off; 0 for closed forms, which only round."""
        if self.operator.resolvent_kind == "closed form":
            return torch.zeros_like(norm(b))
        return norm(b - projected - self.operator.gram(projected) / self.cut)

    def seen(self, projected: Image) -> Batch:
        """‖A p‖/‖p‖: 0 when A sees nothing of it."""
        size = norm(projected)
        return norm(self.operator(projected)) / size.clamp_min(torch.finfo(size.dtype).tiny)


@dataclass(frozen=True, slots=True)
class Range:
    """How near r = R(x†) is to {A*w : ‖w‖ ≤ ρ}, seen from both sides, T8 of the notes.

    Each `above` is a pair (‖r − A*w‖, ‖w‖) of one w, so that any of them proves an upper bound. Each `below`
    is (β, m) with m ≤ min_w ‖r − A*w‖² + β‖w‖², so that d_ρ² ≥ m − βρ² for every ρ.
    """

    above: tuple[tuple[float, float], ...]
    below: tuple[tuple[float, float], ...]

    def distance_at_least(self, size: float) -> float:
        """A lower bound of d_ρ for ρ = `size`."""
        return max(max(m - beta * size**2 for beta, m in self.below), 0.0) ** 0.5

    def error_at_most(self, c: float, delta: float, weight: float, defect: float) -> float | None:
        """The least root t over (d, ρ) of αc t² = ¼(δ + αρ)² + (αd + ‖f‖)t, ‖f‖ = `defect`; None if c ≤ 0."""
        if c <= 0:
            return None
        roots: list[float] = []
        for d, rho in self.above:
            linear, square = d + defect / weight, (delta + weight * rho) ** 2 / weight
            roots.append((linear + math.sqrt(linear**2 + c * square)) / (2 * c))
        return min(roots)


def range_of(operator: ForwardModel, r: Image, extra: tuple[Data, ...] = ()) -> Range:
    """Both sides for one image r, from w_β = A(A*A + β)⁻¹r, which are the nearest ones of their norm.

    ‖r − A*w‖ is computed, not derived, and m = β(2⟨r, z⟩ − ⟨z, (A*A + β)z⟩) is a lower bound for every z, so
    inexact inverses cost sharpness and nothing else. `extra` are elements known otherwise.
    """
    top = bounds(operator).top
    lowest = -12 if operator.resolvent_kind == "closed form" else -6
    above, below = [(float(norm(r)), 0.0)], [(0.0, 0.0)]
    for w in extra:
        above.append((float(norm(r - operator.adjoint(w))), float(norm(w))))
    for half in range(2 * lowest, 5):
        beta = top * 10.0 ** (half / 2)
        z = operator.resolvent(r, beta)
        w = operator(z)
        above.append((float(norm(r - operator.adjoint(w))), float(norm(w))))
        value = 2 * inner(r, z) - inner(w, w) - beta * inner(z, z)
        # Less the rounding of three products.
        below.append((beta, beta * float(value) - 1e-14 * float(inner(r, r))))
    return Range(tuple(above), tuple(below))
