"""One rule decides what is shown of a guarantee, and numbers in two units are never compared."""

import math
from dataclasses import replace
from typing import Any

import pytest

from deqviz.core.guarantee import Claim, Curve, Guarantee, Quantity, Side, Status, quantity
from deqviz.experiments._rows import together

ROW = Guarantee("key", "Name", "a ≤ b", "certified", "because", Quantity(1.0), Quantity(0.5))
"""Certified, and so it is."""


def test_two_units_are_refused():
    # The spread of two runs over their limit beside a bound over each run's own image: no news.
    with pytest.raises(ValueError, match=r"a value in ‖x\*‖ and a bound in ‖T\(x\)‖"):
        replace(ROW, value=Quantity(8.29, "‖x*‖"), bound=Quantity(1.92, "‖T(x)‖"))
    with pytest.raises(ValueError, match="a value in plain numbers and a bound in px"):
        replace(ROW, bound=Quantity(1.0, "px"))
    assert replace(ROW, value=None, bound=Quantity(1.0, "px")).status == "waiting"


@pytest.mark.parametrize(
    ("claim", "value", "status"),
    [
        ("certified", 0.5, "certified"),
        ("certified", None, "waiting"),
        ("certified", 1.1, "violated"),
        ("certified", math.nan, "violated"),
        ("certified", math.inf, "violated"),
        ("stated", 0.5, "stated"),
        ("stated", None, "stated"),
        ("stated", 1.1, "violated"),
        ("estimated", 0.5, "estimated"),
        ("estimated", None, "estimated"),
        ("estimated", 1.1, "violated"),
        ("remark", 1.1, "remark"),
        ("not applicable", 1.1, "not applicable"),
        ("hypothesis violated", 1.1, "hypothesis violated"),
        ("not verifiable", 1.1, "not verifiable"),
    ],
)
def test_what_was_checked_and_is_false_is_violated_whoever_claimed_it(
    claim: Claim, value: float | None, status: Status
):
    assert replace(ROW, claim=claim, value=quantity(value)).status == status


@pytest.mark.parametrize(
    ("of_value", "of_bound", "holds"),
    [
        ("exact", "exact", False),
        ("lower", "exact", False),
        ("lower", "upper", False),
        ("upper", "exact", None),
        ("exact", "lower", None),
    ],
)
def test_a_bound_of_a_number_on_the_wrong_side_decides_nothing(
    of_value: Side, of_bound: Side, holds: bool | None
):
    row = replace(ROW, value=Quantity(2.0, side=of_value), bound=Quantity(1.0, side=of_bound))
    assert row.holds is holds


def test_an_allowance_is_a_term_of_the_bound():
    line = Curve([0, 1, 2], [1.0, 0.1, 0.0])
    values = Curve([0, 2, 3], [0.9, 1e-7, 5.0])
    row = replace(ROW, bound=Quantity(line), value=Quantity(values))
    assert (row.holds, row.status) == (False, "violated")
    assert [point.k for point in row.points] == [0, 2], "a value without a bound is compared with nothing"
    assert row.worst is not None
    assert (row.worst.k, row.worst.ratio) == (2, math.inf)
    roomy = replace(row, allowance=Curve([0, 1, 2], [0.0, 0.0, 2e-7]))
    assert roomy.status == "certified"
    assert roomy.worst is not None
    assert (roomy.worst.k, roomy.worst.ratio) == (0, 0.9)
    assert isinstance(roomy.predicted, Curve)
    assert list(roomy.predicted.values) == [1.0, 0.1, 2e-7]
    assert replace(row, allowance=1e-7).holds


def test_an_empty_bound_is_met_by_nothing_only():
    row = replace(ROW, bound=Quantity(0.0))
    assert row.status == "violated"
    assert replace(row, value=Quantity(0.0)).status == "certified"
    assert replace(row, value=Quantity(0.0)).worst == replace(row, value=Quantity(0.0)).points[0]


@pytest.mark.parametrize(
    "change",
    [
        {"value": Quantity(Curve([0], [5.0]))},
        {"bound": Quantity(Curve([0], [5.0]))},
        {"allowance": Curve([0], [1.0])},
    ],
    ids=["a curve below a number", "a number below a curve", "an allowance by iteration"],
)
def test_what_would_be_compared_with_nothing_is_refused(change: dict[str, Any]):
    with pytest.raises(ValueError, match="a number with a curve"):
        replace(ROW, **change)
    with pytest.raises(ValueError, match="2 values for 1 iterations"):
        Curve([0], [1.0, 2.0])


def test_a_whole_number_is_one_and_an_unknown_claim_is_none():
    assert replace(ROW, value=Quantity(5)).status == "violated"
    with pytest.raises(Exception, match="proved"):  # by the annotations here, by the class elsewhere
        replace(ROW, claim="proved")  # pyright: ignore[reportArgumentType]


def test_nothing_is_certified_by_an_infinite_bound_and_no_number_is_small_enough():
    assert replace(ROW, allowance=math.inf).status == "waiting"
    assert replace(ROW, value=Quantity(math.inf), bound=Quantity(math.inf)).status == "waiting"
    curve = Curve([0], [math.inf])
    assert replace(ROW, value=Quantity(curve), bound=Quantity(curve)).status == "waiting"
    assert replace(ROW, value=Quantity(math.nan, side="upper")).status == "violated"


@pytest.mark.parametrize(
    ("other", "status"),
    [
        (replace(ROW, claim="remark"), "violated"),
        (replace(ROW, value=Quantity(0.5, side="upper")), "violated"),
        (replace(ROW, claim="not applicable", bound=None), "violated"),
    ],
    ids=["a remark", "an upper bound", "a void"],
)
def test_a_violated_row_stays_so_among_others(other: Guarantee, status: Status):
    red = replace(ROW, value=Quantity(2.0))
    assert together([(0, other), (1, red)]).status == together([(0, red), (1, other)]).status == status


def test_no_row_is_violated_by_one_that_decides_nothing():
    undecided = replace(ROW, value=Quantity(9.0, side="upper"))
    assert together([(0, ROW), (1, undecided)]).status == "certified"


def test_a_doubt_leaves_an_estimate_at_most():
    assert (ROW.doubted("A is tried only").claim, ROW.doubted("A is tried only").reason) == (
        "estimated",
        "A is tried only; because",
    )
    assert replace(ROW, claim="stated").doubted("a doubt").claim == "estimated"
    assert replace(ROW, claim="not applicable").doubted("a doubt").reason == "because"
