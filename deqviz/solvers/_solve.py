"""A solver pulled to a tolerance, for those who want the end alone."""

from deqviz.core.records import Map, Solver, Step
from deqviz.core.space import Data
from deqviz.core.stop import Arrival

LARGEST = 10.0
"""Size of a fixed point over that of its start, or of a vector of ones: beyond, a run is taken to go away."""


class Diverged(ArithmeticError):
    """The iteration did not arrive; `k` is the step at which that was seen."""

    def __init__(self, message: str, k: int) -> None:
        """Keep the step beside the sentence for the user."""
        super().__init__(message)
        self.k = k


def solve(solver: Solver, f: Map, z0: Data, *, tol: float, max_steps: int, check_every: int = 1) -> Step:
    """The first step, among every `check_every`-th, that has arrived at `tol` in the sense of `Arrival`.

    The worst item of the batch decides. After `max_steps` steps the last one is returned as it is, so
    the caller must look at its residual where that matters. Each check waits for the device. Raises
    Diverged when the residual is not finite.
    """
    if max_steps < 1 or check_every < 1:
        raise ValueError(f"max_steps and check_every must be at least 1, not {max_steps} and {check_every}.")
    arrival = Arrival(tol, LARGEST**2 * z0[0].numel())
    for step in solver.steps(f, z0):
        last = step.k + 1 >= max_steps
        if last or step.k % check_every == 0:
            residual, gap = float(step.residual), float(step.gap)
            # max() propagates NaN, and an infinite f(z) gives inf/inf: one test sees both.
            if not residual < float("inf"):
                raise Diverged(f"The iteration is no longer finite at step {step.k}.", step.k)
            if arrival.is_at(residual, gap) or last:
                return step
    raise RuntimeError("a solver must not end by itself")
