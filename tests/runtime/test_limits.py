"""The limits of a server: how they are read, and what they say of a task that is too large."""

import dataclasses

import pytest

from deqviz.runtime.limits import Demand, Limits, demands_of
from deqviz.scenario import Scenario


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SLOTS", "0"),
        ("SLOTS", "many"),
        ("SLOTS", "٤"),
        ("SLOTS", "４"),
        ("SLOTS", "1_0"),
        ("SLOTS", " 4"),
        ("SLOTS", "4\n"),
        ("SLOTS", "+4"),
        ("SLOTS", ""),
        ("SLOTS", "9" * 400),
        ("SECONDS", "nan"),
        ("SECONDS", "-1"),
        ("SECONDS", "1e3"),
        ("SECONDS", "1_0.5"),
        ("SECONDS", "٩٠"),
        ("SECONDS", ".5"),
        ("SECONDS", "0.0"),
        ("SECONDS", "9" * 400),
        ("SIDE", "2.5"),
        ("LEASE", "inf"),
        ("LEASE", "Infinity"),
    ],
)
def test_a_limit_that_is_no_positive_number_in_plain_digits_is_named(name, text):
    with pytest.raises(ValueError, match=f"DEQVIZ_{name} must be a"):
        Limits.read({f"DEQVIZ_{name}": text})


def test_limits_are_read_from_the_environment_and_the_rest_stays():
    found = Limits.read({"DEQVIZ_SLOTS": "2", "DEQVIZ_SECONDS": "90.5", "PATH": "/bin"})
    assert found == dataclasses.replace(Limits(), slots=2, seconds=90.5)


def test_what_is_too_large_is_told_with_what_to_choose_instead():
    limits = Limits(side=128, iterations=100)
    assert limits.rejection(demands_of(Scenario(size=96, iterations=50))) is None
    large, long = demands_of(Scenario(size=256, iterations=50)), demands_of(Scenario(size=96))
    assert limits.rejection(large) == (
        "This server allows at most 128 px, and Image size (longer side) is 256 px: choose 128 px or less."
    )
    assert limits.rejection(long) == (
        "This server allows at most 100 iterations, and Max. iterations is 200: choose 100 or fewer."
    )


def test_where_nothing_smaller_can_be_chosen_it_says_where_it_runs_instead():
    demand = Demand("side", "Image size", 128, 64)
    assert Limits(side=50).rejection([demand]) == (
        "This server allows at most 50 px, and Image size is at least 64 px here: "
        "run `deqviz app` on your own computer."
    )
