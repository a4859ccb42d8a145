"""How a fixed-point method runs: a map T, a solver, and records of what T does at every iterate.

`map` has three readers: `iterates` for the user, diagnostics for theory, whoever differentiates the limit.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from deqviz.core.records import Iterate, Map, Method, Problem, Scalar, Solver, relative
from deqviz.core.registry import Pick
from deqviz.core.space import Batch, Data, Image, norm
from deqviz.methods._ball import Ball
from deqviz.solvers.anderson import Anderson

DISTANCE = "distance from start"
"""The scalar ‖x_k − x₀‖ of every eighth iterate: what the a-posteriori bound is checked against."""
SIZE = "largest size of a batch"
"""The scalar max ‖T(x)‖ over the items of a batch: see `_guarantees.in_one_norm`."""
REACH = "bound of the distance"
"""The scalar b with ‖A(x − x*)‖ ≤ b, of methods whose guarantees speak of that and not of the gap."""
SLIP = "rounding of the gap"
"""The scalar e with |‖T(x) − x‖ − gap| ≤ e, of methods that bound it as they run."""


@dataclass(frozen=True)
class FixedPointMethod(Method):
    """A method that seeks x = T(x) with any solver; subclasses give `map`."""

    is_on_pictures: ClassVar[bool] = True
    """Whether the state z is the image itself, so that `map` may be studied on images."""

    solver: Annotated[Solver, Pick("solver", "Solver", help="How the fixed point is sought")] = Anderson()

    @abstractmethod
    def map(self, problem: Problem) -> Map:
        """T, whose fixed points are the reconstructions; a pure function of the state, batched."""

    def start(self, problem: Problem) -> Data:
        """The first state: the trivial reconstruction."""
        return problem.operator.baseline(problem.data)

    def readout(self, z: Data) -> Image:
        """The image in a state."""
        return z

    def enclosure(self, problem: Problem, x: Ball) -> Ball | None:
        """T(x) in double precision, with a proved bound of its rounding; None where none is proved."""
        del problem, x
        return None

    def objective(self, problem: Problem, x: Image) -> Batch | None:
        """The function that equilibria minimise; None where there is none. Too dear for every iterate."""
        return None

    # The decorator, not a `with` block: a suspended `with torch.no_grad()` would leak into the caller.
    @torch.no_grad()
    def iterates(self, problem: Problem, start: Image | None = None) -> Iterator[Iterate]:
        """One record per step of the solver, without end; numbers stay on the device."""
        z0 = self.start(problem) if start is None else start
        work = torch.empty_like(z0)
        for step in self.solver.steps(self.map(problem), z0):
            gap, residual = gap_and_residual(step.z, step.fz, work)
            # Every eighth only: one more norm would be a tenth of a cheap iteration.
            far = step.k % 8 == 0
            scalars: dict[str, Scalar] = {DISTANCE: worst(torch.sub(step.z, z0, out=work))} if far else {}
            if len(z0) > 1:
                scalars |= of_batch(norm(step.fz))
            yield Iterate(step.k, self.readout(step.z), residual, gap, step.evaluations, None, scalars)


def gap_and_residual(z: Data, fz: Data, work: Data | None = None) -> tuple[Tensor, Tensor]:
    """‖f(z) − z‖ and ‖f(z) − z‖/‖f(z)‖, the largest of the batch, one norm each; overwrites `work`."""
    difference = torch.sub(fz, z, out=work)
    if len(z) == 1:
        gap = worst(difference)
        return gap, relative(gap, worst(fz))
    gaps = norm(difference)
    return gaps.max(), relative(gaps, norm(fz)).max()


def of_batch(sizes: Batch) -> dict[str, Scalar]:
    """`SIZE`, where there is more than one item."""
    return {SIZE: sizes.max()} if len(sizes) > 1 else {}


def largest_gap(iterate: Iterate) -> float:
    """‖T(x) − x‖ from above: the gap, and what it may be wrong by where that is known. Or `REACH`."""
    if REACH in iterate.scalars:
        return float(iterate.scalars[REACH])
    return float(iterate.gap) + float(iterate.scalars.get(SLIP, 0.0))


@torch.no_grad()
def enclosed_gap(method: Method, problem: Problem, x: Image) -> tuple[float, float] | None:
    """‖T(x) − x‖ in double precision, the largest of the batch, and the proved `SLIP` of it.

    None where nothing is proved of the rounding of T, or the operator computes in single precision only.
    """
    if not (isinstance(method, FixedPointMethod) and problem.operator.takes_double):
        return None
    z = Ball.around(x)
    fz = method.enclosure(problem, z)
    if fz is None:
        return None
    difference = fz - z
    return float(norm(difference.centre).max()), float(difference.radius.max())


def worst(u: Data) -> Tensor:
    """The largest norm of the batch; for a batch of one without the detour by axes."""
    return torch.linalg.vector_norm(u) if len(u) == 1 else norm(u).max()
