"""The approximate network against the strict one, by the residuals after as many steps."""

import math
from dataclasses import replace

import pytest

from deqviz.experiments.monotone.beyond_depth import DEPTH, TRAINED, DepthRow
from deqviz.experiments.monotone.comparison import convergence_against_strict

STRICT = tuple(DepthRow("strict", k, 30.0, 2.0**-k, 10 * 2.0**-k, 1.0, 0.9, 1e-4) for k in range(DEPTH + 1))
APPROXIMATE = tuple(
    replace(row, method="approximate", line=None, factor=None, room=0.0, residual=row.residual / 2)
    for row in STRICT
)


def slower(by: float) -> list[DepthRow]:
    return [replace(row, residual=by * row.residual) for row in STRICT]


def test_it_is_estimated_where_no_residual_is_larger():
    compared = convergence_against_strict(APPROXIMATE, STRICT)
    assert compared.status == "estimated"
    assert [point.k for point in compared.points] == [TRAINED, DEPTH]
    # A gap is ten times the residual here, and 1/(1 − κ) = 10.
    assert compared.allowance == pytest.approx(1e-6)


def test_it_is_violated_at_the_trained_depth_by_the_ratio():
    compared = convergence_against_strict(slower(3.0), STRICT)
    assert compared.status == "violated"
    assert compared.worst is not None
    # 10⁻⁶ of 2⁻⁸ is allowed; at the end 3·2⁻⁴⁰ is less than what the inner solves may add.
    assert (compared.worst.k, compared.worst.ratio) == (TRAINED, pytest.approx(3.0, rel=1e-3))
    assert [point.holds for point in compared.points] == [False, True]


def test_a_run_that_diverged_counts_with_its_last_step():
    lost = [*APPROXIMATE[:5], replace(APPROXIMATE[5], psnr=None, residual=math.inf)]
    compared = convergence_against_strict(lost, STRICT)
    assert compared.status == "violated"
    assert [point.holds for point in compared.points] == [False, False]


def test_before_both_have_rows_there_is_nothing_to_compare():
    assert convergence_against_strict(APPROXIMATE, ()).points == ()
    assert len(convergence_against_strict(APPROXIMATE, STRICT[: TRAINED + 1]).points) == 1
