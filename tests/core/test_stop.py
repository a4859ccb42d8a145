"""When a run has arrived: relative to its size, and as a length."""

import math
from itertools import islice

import pytest
import torch
from torch import Tensor

from deqviz.core.records import Iterate, Map, Scalars, Step
from deqviz.core.space import norm
from deqviz.core.stop import Arrival, settle
from deqviz.core.stopping_rule import StoppingRule
from deqviz.solvers._differentiate import Implicit
from deqviz.solvers._solve import Diverged
from deqviz.solvers.picard import Picard

ONES = torch.ones(1, 1, 8, 8)


def verdict(f: Map, start: Tensor = ONES) -> tuple[str, Step]:
    """What is said of the plain iteration at a tolerance of 10⁻³, nothing in 2000 steps, and where."""
    rule = StoppingRule(1e-3)
    for step in islice(Picard().steps(f, start), 2000):
        said = rule.judge(Scalars(step.k, float(step.residual), float(step.gap), step.evaluations))
        if said:
            return said[1], step
    return "", step  # pyright: ignore[reportPossiblyUnboundVariable]


def test_what_goes_away_in_equal_steps_never_arrives():
    """At ‖z‖ = 8000 a step of 8 is 10⁻³ of the size."""
    said, step = verdict(lambda z: z + 1)
    assert not said
    assert float(step.residual) < 1e-3
    assert float(norm(step.z)) > 8000


def test_a_limit_of_zero_is_arrived_at():
    said, step = verdict(lambda z: z / 2)
    assert said.startswith("Converged to 0")
    # 10⁻³ of 10⁻⁶ of ‖T(z₀)‖ = 4.
    assert float(step.gap) <= 1e-9 * 4 < 2 * float(step.gap)


def test_a_start_at_zero_arrives_at_once():
    said, step = verdict(lambda z: 0 * z, start=0 * ONES)
    assert step.k == 0
    assert said.startswith("Converged")


@pytest.mark.parametrize(
    ("first", "residual", "gap", "is_there"),
    [
        # (residual, gap) of x₀; four entries make a unit of 2.
        ((1.0, 1.0), 1e-3, 2e-3, True),
        ((1.0, 1.0), 1e-3, 2.1e-3, False),
        ((1.0, 1.0), 1.1e-3, 1e-5, False),
        ((0.5, 5.0), 1e-3, 1e-2, True),
        ((1.0, 1.0), 1.0, 2e-9, True),
        ((1.0, 1.0), 1.0, 2.1e-9, False),
        ((1.0, 1.0), math.nan, 1e-9, True),
        ((1.0, 1.0), 1e-9, math.nan, False),
    ],
)
def test_arrival_is_relative_and_a_length(first, residual, gap, is_there):
    arrival = Arrival(1e-3, 4)
    assert not arrival.is_at(*first)
    assert arrival.is_at(residual, gap) is is_there


def test_a_stream_settles_where_the_rule_says():
    # Entries of 1, a unit of 8: the second step is small beside a size of 10⁵ only.
    seen = [(1.0, 8.0), (1e-4, 10.0), (1e-4, 5e-4), (1e-4, 1e-9)]
    images = [Iterate(k, ONES, residual, gap, k) for k, (residual, gap) in enumerate(seen)]
    assert settle(iter(images), tolerance=1e-4, max_steps=10).k == 2


def test_no_gradient_is_taken_of_a_fixed_point_that_is_none():
    shift = torch.ones(1, 4, requires_grad=True)
    with pytest.raises(Diverged):
        Implicit(Picard(), Picard(), tol=1e-3, max_steps=2000)(lambda z: z + shift, torch.zeros(1, 4))
