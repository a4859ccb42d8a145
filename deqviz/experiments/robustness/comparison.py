"""Robustness of MOL's approximate version against its strict one: the same attack on both."""

from collections.abc import Sequence

from deqviz.core.guarantee import Curve, Guarantee, Quantity
from deqviz.experiments.robustness._robustness_row import CHANGE, RobustnessRow

__all__ = ["robustness_against_strict"]


def robustness_against_strict(
    approximate: Sequence[RobustnessRow], strict: Sequence[RobustnessRow]
) -> Guarantee:
    """‖Δx‖ found of the approximate network ≤ ‖Δx‖ found of the strict one, at every size that both have.

    In units of ‖δ‖, which is the same for both. What unfinished solves may add, where it is known, is the
    allowance. Estimated: a search found both sides. Pramanik, Zimmerman and Jacob, 2023.
    """
    by_level = {row.level: row for row in strict}
    pairs = [(row, by_level[row.level]) for row in approximate if row.level in by_level]
    k = range(len(pairs))
    return Guarantee(
        "comparison",
        "Robustness of approximate against strict MOL",
        "‖Δx‖/‖δ‖ found: approximate ≤ strict",
        "estimated",
        "the paper finds both comparable, read as no larger a gain under the same attack; proved of neither",
        Quantity(Curve(k, [row.attack for _, row in pairs]), CHANGE),
        Quantity(Curve(k, [row.attack for row, _ in pairs]), CHANGE),
        Curve(k, [sum((row.distance or 0.0) / row.size for row in pair) for pair in pairs]),
        paper="robustness",
    )
