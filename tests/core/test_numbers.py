"""Numbers for people: one style, in Python and in the browser."""

import pytest

from deqviz.core.numbers import decibels, number, pretty, typeset
from deqviz.core.registry import Range


@pytest.mark.parametrize(
    ("value", "measured", "chosen"),
    [
        (0, "0", "0"),
        (0.02, "0.0200", "0.02"),
        (0.00123, "0.00123", "0.00123"),
        (3.9e-7, "3.9·10⁻⁷", "3.9·10⁻⁷"),
        (-1e-6, "−1.0·10⁻⁶", "−1·10⁻⁶"),
        (20000, "20000", "20000"),
        (2.5e5, "2.5·10⁵", "2.5·10⁵"),
    ],
)
def test_what_is_measured_has_its_digits_and_what_is_chosen_no_more(value: float, measured: str, chosen: str):
    assert (number(value), pretty(value)) == (measured, chosen)


def test_a_range_says_its_ends_in_the_same_style():
    assert str(Range(1e-8, 1e-2, unit="px")) == "10⁻⁸ … 0.01 px"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("c ≥ -1, L ≤ 1e-05", "c ≥ −1, L ≤ 10⁻⁵"),
        ("[-2.5, 3.1e+20]", "[−2.5, 3.1·10²⁰]"),
        ("a 1-D sweep of 2023-11, x-1, κ^{k-1}, see a1e5", "a 1-D sweep of 2023-11, x-1, κ^{k-1}, see a1e5"),
    ],
)
def test_numbers_that_python_wrote_get_the_same_style(text: str, shown: str):
    assert typeset(text) == shown


def test_decibels_have_a_minus_and_no_hyphen():
    assert (decibels(-46.338), decibels(23.81, 1)) == ("−46.34 dB", "23.8 dB")
