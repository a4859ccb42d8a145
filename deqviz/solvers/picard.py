"""Picard iteration, plain or damped."""

from collections.abc import Iterator
from typing import Annotated

from deqviz.core.catalog import SOLVERS
from deqviz.core.records import Map, Solver, Step
from deqviz.core.registry import Range
from deqviz.core.space import Data


@SOLVERS.register("picard", title="Picard (damped)")
class Picard(Solver):
    """z ← (1 − d) z + d f(z): the map itself, repeated.

    Converges from everywhere when f contracts, and for d < 1 also when f is only nonexpansive and has
    a fixed point (Krasnoselskii, 1955; Mann, 1953). The limit does not depend on d; the speed does.
    """

    damping: Annotated[
        float,
        Range(0.01, 1.0, "Damping", symbol="d", help="1 is the plain iteration; less is slower, steadier."),
    ] = 1.0

    def steps(self, f: Map, z0: Data) -> Iterator[Step]:
        """One evaluation per step; differentiable as it stands."""
        z, k = z0, 0
        while True:
            fz = f(z)
            yield Step(k, z, fz, k + 1)
            # lerp would be one kernel fewer, but it is not exact at d = 1.
            z, k = fz if self.damping == 1 else z + self.damping * (fz - z), k + 1

    def contraction(self, kappa: float) -> float:
        """1 − d + dκ: the averaged map z ↦ (1 − d) z + d f(z) contracts by that, and so does its residual."""
        return 1 - self.damping + self.damping * kappa
