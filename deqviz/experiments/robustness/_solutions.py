"""The reconstruction map y ↦ x(y) of each method, with its derivative where there is one."""

from collections.abc import Iterator

from deqviz.core.records import Method, Problem
from deqviz.core.space import Batch, Image, norm
from deqviz.experiments.robustness._solution_map import Limits, Opaque, Passes, SolutionMap
from deqviz.experiments.robustness._total_variation import TvPairs
from deqviz.methods._base import FixedPointMethod
from deqviz.methods._theory import bounds
from deqviz.methods._unrolled import UnrolledMethod
from deqviz.methods.baseline import Baseline
from deqviz.methods.equilibrium import Equilibrium
from deqviz.methods.iterated_tikhonov import IteratedTikhonov
from deqviz.methods.mol import Mol
from deqviz.methods.tikhonov import Tikhonov
from deqviz.methods.tv import Tv
from deqviz.methods.unet import UNet
from deqviz.solvers.picard import Picard

ITERATED = 20
"""Steps at which iterated Tikhonov is stopped here: their number is its regularisation."""


def solution_map(method: Method, problem: Problem) -> SolutionMap:
    """y ↦ x(y) of a method: with a derivative for every fixed-point method and all that are named here."""
    match method:
        case Tikhonov():
            return Passes(
                problem,
                pictures=lambda p: _tikhonov(method, p),
                count=1,
                gap=lambda p, x: _slope(method, p, x),
            )
        case IteratedTikhonov():
            return Passes(problem, pictures=lambda p: _repeated(method, p), count=ITERATED)
        case UnrolledMethod():
            # The stream begins with x₀.
            return Passes(problem, pictures=method.stream, count=method.depth + 1)
        case UNet():
            return Passes(problem, pictures=lambda p: iter(method.stages(p)), count=2)
        case Baseline():
            return Passes(problem, pictures=lambda p: iter((p.operator.baseline(p.data),)), count=1)
        case Tv():
            pairs = TvPairs(method, problem.operator.image.shape[0])
            return Limits(
                problem,
                make=pairs.map,
                start=pairs.start,
                readout=pairs.readout,
                solver=Picard(),
                max_steps=300,
            )
        case FixedPointMethod():
            return Limits(problem, make=method.map, start=method.start, readout=method.readout)
        case _:
            return Opaque(problem, method=method)


def _tikhonov(method: Tikhonov, problem: Problem) -> Iterator[Image]:
    A = problem.operator
    yield A.resolvent(A.adjoint(problem.data), method.weight)


def _slope(method: Tikhonov, problem: Problem, x: Image) -> Batch:
    """‖T(x) − x‖ of the gradient step, as the method has it."""
    A, top = problem.operator, bounds(problem.operator).top
    r = A.adjoint(problem.data) - A.gram(x) - method.weight * x
    return norm(r) / (top + method.weight)


def _repeated(method: IteratedTikhonov, problem: Problem) -> Iterator[Image]:
    f, x = method.map(problem), method.start(problem)
    while True:
        x = f(x)
        yield x


def monotonicity(method: Method, problem: Problem) -> float | None:
    """s > 0 with s‖Δx‖² + ‖AΔx‖² ≤ ⟨AΔx, Δy⟩, certified: αc, or m/λ; None where no such s is known."""
    match method:
        case Tikhonov():
            modulus = method.weight
        case Equilibrium():
            modulus = method.weight * method.regularizer.constants().monotonicity.value
        case Mol():
            m = method.regularizer(problem).constants().monotonicity.value
            modulus = m / method.weight(problem)
        case _:
            return None
    return modulus if modulus > 0 else None
