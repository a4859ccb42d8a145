"""The certified Lipschitz constant of a method, taken from its guarantees."""

from dataclasses import dataclass

from deqviz.core.guarantee import Claim, is_void
from deqviz.core.records import Evidence, Method, Problem, Subject
from deqviz.core.space import Image, norm
from deqviz.diagnostics.lipschitz import Lipschitz
from deqviz.experiments.robustness._solution_map import Reached
from deqviz.experiments.robustness._solutions import monotonicity
from deqviz.methods._base import enclosed_gap
from deqviz.methods.mol import Mol

PRODUCTS = 12
"""Of the power iteration for ‖J_H‖ where nothing is certified."""


@dataclass(frozen=True, slots=True)
class Certified:
    """`gain` is C with ‖x₁ − x₂‖ ≤ C‖y₁ − y₂‖, None where nothing is known, and `status` how it is known.

    ‖x − x*‖ ≤ `error` ‖T(x) − x‖ + `floor` ‖x‖, None where that is not proved. `strength` is s with s‖Δx‖² +
    ‖AΔx‖² ≤ ⟨AΔx, Δy⟩, m/λ or αc, None without it.
    """

    gain: float | None
    status: Claim
    statement: str
    reason: str
    error: float | None
    floor: float | None
    strength: float | None

    @property
    def paper(self) -> float | None:
        """λ/m: what follows from ‖Δx‖ ≤ (λ/m)‖A*Δy‖ and ‖A‖ ≤ 1."""
        return None if self.strength is None else 1 / self.strength

    def distance(self, method: Method, problem: Problem, reached: Reached) -> float | None:
        """How far the one image that was reached on this problem may be from the exact one.

        By the gap in double precision where what that loses is proved, else by that of the run and `floor`.
        """
        if self.error is None or self.floor is None:
            return None
        if (enclosed := enclosed_gap(method, problem, reached.x)) is not None:
            return self.error * sum(enclosed)
        return self.error * float(reached.gap) + self.floor * float(norm(reached.x))


def certified(method: Method, problem: Problem, clean: Image) -> Certified:
    """The stability row of the method's panel; where it is void, an estimate at this image, or nothing."""
    plain = _row(method, problem)
    if plain is None:
        reason = "this method states no bound"
        return Certified(None, "not verifiable", "‖x₁ − x₂‖ ≤ C ‖y₁ − y₂‖", reason, None, None, None)
    gain, status, statement, reason = plain
    if gain is None:
        return _estimated(method, problem, clean, statement, reason)
    # The panel adds error·gap for the two runs that it is told of: of gap 1 and size 0, that is the error.
    of_gap = _row(method, problem, {"gain": 0.0, "gain_gap": 1.0, "gain_size": 0.0})
    of_size = _row(method, problem, {"gain": 0.0, "gain_gap": 0.0, "gain_size": 1.0})
    error = None if of_gap is None or of_gap[0] is None else of_gap[0] - gain
    floor = None if of_size is None or of_size[0] is None else of_size[0] - gain
    return Certified(gain, status, statement, reason, error, floor, monotonicity(method, problem))


def _row(
    method: Method, problem: Problem, probes: dict[str, float] | None = None
) -> tuple[float | None, Claim, str, str] | None:
    for g in method.guarantees(problem, Evidence((), probes or {})):
        if g.key == "stability":
            bound = None if is_void(g.claim) or not isinstance(g.predicted, float) else g.predicted
            return bound, g.claim, g.statement, g.reason
    return None


def _estimated(method: Method, problem: Problem, clean: Image, statement: str, reason: str) -> Certified:
    """½√(λ/m) with m = 1 − ‖J_H‖ at this image, which is from above: no bound, and said so."""
    void = Certified(None, "not verifiable", statement, reason, None, None, None)
    if not isinstance(method, Mol):
        return void
    R = method.regularizer(problem)
    factor = Lipschitz(products=PRODUCTS).measure(Subject(lambda x: x - R(x), clean, clean)).value
    if factor >= 1:
        note = f"‖J_H‖ = {factor:.3g} at this image already: H expands, and nothing is even estimated"
        return Certified(None, "not verifiable", statement, note, None, None, None)
    note = (
        f"‖J_H‖ ≥ {factor:.3g} at this image by power iteration: m ≤ {1 - factor:.3g}, measured at one point"
    )
    gain = 0.5 * (method.weight(problem) / (1 - factor)) ** 0.5
    return Certified(gain, "estimated", statement, note, None, None, None)
