"""The symmetric Bregman distance, the yardstick of the noise theorems."""

from deqviz.core.catalog import DIAGNOSTICS
from deqviz.core.estimate import Estimate
from deqviz.core.records import Diagnostic, Map, Subject
from deqviz.core.space import Batch, Data, inner


def symmetric_bregman(R: Map, x: Data, z: Data) -> Batch:
    """⟨R(x) − R(z), x − z⟩ per batch item, for any operator R: a gradient or not.

    Not negative when R is monotone. Obmann and Haltmeier, 2023.
    """
    return inner(R(x) - R(z), x - z)


@DIAGNOSTICS.register("bregman", title="Symmetric Bregman distance")
class Bregman(Diagnostic):
    """⟨g(z) − g(z′), z − z′⟩ for the residual map g = I − f, summed over the batch.

    Zero when g cannot tell the two states apart. A negative value is reported as it is: it proves that g
    is not monotone.
    """

    def measure(self, subject: Subject) -> Estimate:
        """Between `subject.z` and `subject.other`."""
        distance = symmetric_bregman(lambda z: z - subject.f(z), subject.z, subject.other)
        return Estimate("symmetric Bregman distance", float(distance.sum()), "exact")
