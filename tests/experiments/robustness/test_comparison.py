"""The approximate network against the strict one, by the rows of the same attack."""

from dataclasses import replace

import pytest

from deqviz.experiments.robustness.attack import RobustnessRow
from deqviz.experiments.robustness.comparison import robustness_against_strict

ROW = RobustnessRow(
    "mol", 0.01, 2.0, 4.0, 1.0, 1.0, None, None, None, "certified", "", "", "implicit", None,
    1.0, 8.0, 1.0, 1.0, None, 0.0, None, None, None, 1, 1, 1, 1,
)  # fmt: skip
STRICT = tuple(replace(ROW, level=level) for level in (0.01, 0.05, 0.1))


def approximate(*gains: float) -> list[RobustnessRow]:
    return [replace(row, method="mol_lr", attack=gain) for row, gain in zip(STRICT, gains, strict=False)]


def test_it_is_estimated_where_no_gain_is_larger():
    compared = robustness_against_strict(approximate(3.9, 4.0, 2.0), STRICT)
    assert (compared.status, compared.holds, len(compared.points)) == ("estimated", True, 3)


def test_it_is_violated_by_the_worst_ratio():
    compared = robustness_against_strict(approximate(3.9, 5.0, 8.0), STRICT)
    assert compared.status == "violated"
    assert compared.worst is not None
    assert (compared.worst.k, compared.worst.ratio) == (2, 2.0)


def test_unfinished_solves_are_allowed_for():
    rough = [replace(row, distance=0.5) for row in STRICT]
    # ½ of ‖δ‖ = 2 may be missing in every gain of the strict network.
    assert robustness_against_strict(approximate(4.2), rough).status == "estimated"
    assert robustness_against_strict(approximate(4.3), rough).status == "violated"


@pytest.mark.parametrize("rows", [(), STRICT[1:]])
def test_only_sizes_that_both_have_are_compared(rows: tuple[RobustnessRow, ...]):
    compared = robustness_against_strict(approximate(9.0), rows)
    assert (compared.status, compared.points) == ("estimated", ())
