"""Conjugate gradients on a fixed-point map."""

import math
from collections.abc import Iterator
from itertools import count

import torch
from torch import Tensor

from deqviz.core.catalog import SOLVERS
from deqviz.core.records import Map, Solver, Step
from deqviz.core.space import Batch, Data, norm, scale
from deqviz.solvers._accelerated import where

ASYMMETRY, ROUNDING = 0.5, 4
"""How far two formulas for β may differ, as a share of β and in standard units of the rounding of f(u)."""
PATIENCE, PROGRESS = 100, 0.999
"""The most steps of a cycle without a gap below 0.999 of the least so far."""
SHARE = 0.09
"""The share of all evaluations that cycles which lost against the plain iteration may have cost."""


@SOLVERS.register("conjugate_gradients", title="Conjugate gradients")
class ConjugateGradients(Solver):
    """(I − B) x = c by conjugate gradients, for f(x) = Bx + c with I − B symmetric and positive definite.

    For the iterate x with residual r = f(x) − x each step evaluates f at u = x + r, which is f(x), since
    (I − B) r = r − (f(u) − u) is all that the recurrences need. A step shows the u of least ‖f(u) − u‖ in
    its cycle, evaluated, not predicted. m distinct eigenvalues take m + 2 evaluations, but for rounding. On
    any other map a cycle ends early: the next step is the plain one from that u. So on every contraction
    ‖f(u) − u‖ never grows and tends to 0, but no rate is certified. Hestenes and Stiefel, 1952.
    """

    def steps(self, f: Map, z0: Data) -> Iterator[Step]:
        """One evaluation per step; through a graph, the directions count as constants."""
        z, fz = z0, f(z0)
        yield Step(0, z, fz, 1)
        s = (fz - z).detach()
        gap = norm(s)
        tiny = ROUNDING * torch.finfo(s.dtype).eps / math.sqrt(s[0].numel())
        # Per item: steps since the last progress, evaluations lost, and what the plain iteration would reach.
        age, lost, line, factor = (torch.zeros_like(gap) for _ in range(4))
        begins = torch.ones_like(gap, dtype=torch.bool)
        # A cycle begins at a known pair (x, f(x)), with the plain step to u = f(x).
        u, r, p, q = fz, s, torch.zeros_like(s), torch.zeros_like(s)
        rr, pq = torch.full_like(gap, torch.inf, dtype=torch.float64), torch.zeros_like(gap)
        for k in count(1):
            fu = f(u)
            s = (fu - u).detach()
            new = norm(s)
            factor = torch.where(begins, (new / gap).nan_to_num(1.0).clamp_max(1.0), factor)
            line = torch.where(begins, new, factor * line)
            age = torch.where(begins | (new < PROGRESS * gap), 0.0, age + 1)
            least = begins | (new < gap)
            gap = torch.where(least, new, gap)
            z, fz = (u, fu) if _all(least) else (where(least, u, z), where(least, fu, fz))
            yield Step(k, z, fz, k + 1)
            image = r - s
            # β = rr/rr′ equals −⟨(I − B) r, p⟩/⟨p, q⟩ if I − B is symmetric and constant, and hardly else.
            before, rr = rr, _dot(r, r)
            beta, noise = rr / before, tiny * norm(fu.detach())
            even = (_dot(image, p) + beta * pq).abs() <= ASYMMETRY * beta * pq + noise * norm(p)
            p, q = r + _times(beta, p), image + _times(beta, q)
            pq = _dot(p, q)
            alpha = rr / pq
            sound = even & (pq > noise * norm(p)) & alpha.isfinite() & new.isfinite() & (age <= PATIENCE)
            # A cycle that beat the plain iteration's line from where it began has cost nothing.
            lost = lost + torch.where(begins | sound | (gap <= line), 0.0, age.clamp_min(1))
            goes = sound & (~begins | (lost <= SHARE * (k + 1)))
            u, r = fu + (_times(alpha, p - q) - s), r - _times(alpha, q)
            if not _all(goes):
                u, r = where(goes, u, fz), where(goes, r, (fz - z).detach())
                p, q = where(goes, p, torch.zeros_like(p)), where(goes, q, torch.zeros_like(q))
            rr, pq, begins = torch.where(goes, rr, torch.inf), torch.where(goes, pq, 0.0), ~goes


def _dot(u: Data, v: Data) -> Batch:
    """⟨u, v⟩ = Re Σ ū v per batch item, summed in float64."""
    return (u.conj() * v).real.flatten(1).sum(1, dtype=torch.float64)


def _times(a: Batch, u: Data) -> Data:
    """a·u with one number per batch item, in the precision of u."""
    return scale(a.to(u.dtype.to_real()), u)


def _all(mask: Tensor) -> bool:
    """Whether the CPU can see, at no cost, that copies are not needed."""
    return mask.device.type == "cpu" and bool(mask.all())
