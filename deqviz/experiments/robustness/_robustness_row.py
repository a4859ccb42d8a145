"""The rows of the robustness experiment with their guarantees."""

import math
from dataclasses import dataclass, replace

from deqviz.core.guarantee import Claim, Guarantee, Quantity, quantity
from deqviz.experiments._rows import Key, Row

CHANGE = "‖δ‖"
"""The unit of a gain."""
LINEAR = 1e-3
"""Relative tolerance of the solves of the local gain in single precision."""


@dataclass(frozen=True, slots=True)
class RobustnessRow(Row):
    """One method and one ‖δ‖ = level·‖y‖; gains are ‖x(y + δ) − x(y)‖/‖δ‖.

    `attack` is the largest that was found by `derivative`, `random` the largest of the random draws, `mean`
    their mean, `local` ‖J‖ at y from below (None without a derivative). `bound` is what is proved or, by
    `status`, estimated, `paper` its companion λ/m. Of the attack: `back` = ‖A*δ‖, `moved` = ‖Δx‖, `seen` =
    ‖AΔx‖; `strength` is m/λ or αc, `norm_bound` bounds ‖A‖. `distance` bounds what unfinished solves add to
    `moved`, None where that is not proved; `residual` is the worst of the solves that count. PSNR in dB, None
    without a truth. `evaluations` counts those of T or its derivative, each on all restarts at once, for this
    row, in the first row of a method with its local gain.
    """

    method: str
    level: float
    size: float
    attack: float
    random: float
    mean: float
    local: float | None
    bound: float | None
    paper: float | None
    status: str
    statement: str
    reason: str
    derivative: str
    strength: float | None
    back: float
    moved: float
    seen: float
    norm_bound: float
    distance: float | None
    residual: float
    psnr_clean: float | None
    psnr_attack: float | None
    psnr_random: float | None
    restarts: int
    steps: int
    draws: int
    evaluations: int

    @property
    def key(self) -> Key:
        """Method and level."""
        return (self.method, self.level)

    @property
    def room(self) -> float:
        """What unfinished solves may add to the gain, as a share of the bound."""
        if self.bound is None or self.distance is None:
            return math.inf
        return self.distance / (self.bound * self.size)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """Attack and local gain below the bound, attack above the draws, and (i) and (ii) of MOL."""
        return (
            self._below(
                "bound", "Largest gain found ≤ certified bound", "‖Δx‖/‖δ‖ ≤ C", self.attack, self.room
            ),
            self._below(
                "local", "Local gain ≤ certified bound", "‖J‖ ≤ C", self.local, max(self.room, 2 * LINEAR)
            ),
            Guarantee(
                "order",
                "Random gain ≤ largest gain found",
                "‖Δx‖/‖δ‖ of every draw ≤ the largest found",
                "remark",
                "the random draws count among what was found",
                Quantity(self.attack, CHANGE, "lower"),
                Quantity(self.random, CHANGE),
                paper="robustness",
            ),
            self._energy("back", "Stability in A*δ", "‖Δx‖ ≤ (λ/m)‖A*δ‖", self.back, self.moved),
            self._energy("seen", "Stability in the data", "‖AΔx‖ ≤ ‖δ‖", self.size, self.seen),
        )

    def _below(self, key: str, name: str, statement: str, measured: float | None, room: float) -> Guarantee:
        value = quantity(measured, CHANGE, "lower")
        row = Guarantee(key, name, statement, "not verifiable", self.reason, value=value, paper="robustness")
        if measured is None:
            return replace(row, reason="no derivative, hence no local gain")
        if self.bound is None or self.status not in ("certified", "stated", "estimated"):
            return row
        bound = Quantity(self.bound, CHANGE)
        if self.status == "estimated":
            # m at one image is more than m, so that C is less than C: what exceeds it refutes nothing.
            return replace(row, claim="estimated", bound=replace(bound, side="lower"))
        if not math.isfinite(room):
            return replace(row, reason="how far the reconstructions are from the exact ones is not known")
        claim: Claim = "stated" if self.status == "stated" else "certified"
        return replace(
            row, statement=self.statement, claim=claim, bound=bound, allowance=room * self.bound, paper=""
        )

    def _energy(self, key: str, name: str, statement: str, above: float, below: float) -> Guarantee:
        """What follows from s‖Δx‖² + ‖AΔx‖² ≤ ⟨AΔx, δ⟩."""
        value = Quantity(below, side="lower")
        row = Guarantee(key, name, statement, "not verifiable", self.reason, value=value, paper="robustness")
        if self.strength is None or self.distance is None:
            return row
        limit = above / self.strength if key == "back" else above
        room = self.distance * (1.0 if key == "back" else self.norm_bound)
        reason = f"strongly monotone, m/λ = {self.strength:.3g}"
        return replace(row, claim="certified", reason=reason, bound=Quantity(limit), allowance=room)
