"""The local Lipschitz constant of a fixed-point map."""

from typing import Annotated

from deqviz.core.catalog import DIAGNOSTICS
from deqviz.core.estimate import Estimate
from deqviz.core.linalg import power_iteration
from deqviz.core.records import Diagnostic, Subject
from deqviz.core.registry import Range
from deqviz.diagnostics._jacobian import Jacobian, probe


@DIAGNOSTICS.register("lipschitz", title="Local Lipschitz constant")
class Lipschitz(Diagnostic):
    """‖J_f(z)‖₂ by power iteration on J*J: the operator norm, not the spectral radius.

    A lower bound: more products only raise it. Below 1 at one z proves nothing globally. The worst item
    of the batch is reported.
    """

    products: Annotated[int, Range(1, 500, "Products")] = 40
    seed: Annotated[int, Range(0, 9999, "Seed", advanced=True)] = 0

    def measure(self, subject: Subject) -> Estimate:
        """At `subject.z`."""
        J = Jacobian(subject.f, subject.z)
        square = power_iteration(lambda v: J.adjoint(J.apply(v)), probe(J.x, self.seed), steps=self.products)
        return Estimate("‖J_f(z)‖", max(square, 0.0) ** 0.5, "lower bound")
