"""The limit problem: its solution, the equilibria that tend to it, and what is certified of the way."""

from dataclasses import replace

import pytest
import torch

from deqviz import images
from deqviz.core.catalog import OPERATORS, REGULARIZERS
from deqviz.core.space import Space, norm, scale
from deqviz.experiments._rows import only_rows
from deqviz.experiments.equilibrium._kernel import Kernel
from deqviz.experiments.equilibrium._rules import Power
from deqviz.experiments.equilibrium.equilibria import Equation
from deqviz.experiments.equilibrium.limit_problem import LimitProblem, LimitRow
from deqviz.experiments.equilibrium.model import model
from deqviz.experiments.equilibrium.source import Truth, finish, picture_truth
from deqviz.noises.worst_direction import WorstDirection

LEVELS = (1e-1, 1e-3, 1e-5, 1e-7)


def equation(operator: str, R: str = "contractive") -> Equation:
    space = Space((1, 12, 12), torch.float64)
    return Equation(OPERATORS[operator].build({}, image=space), REGULARIZERS[R].build({}))


def picture() -> Truth:
    return picture_truth(images.scaled(images.load("camera", torch.float64), 12))


def any_truth(eq: Equation) -> Truth:
    x = eq.operator.domain.random(torch.Generator().manual_seed(3))
    return picture_truth(scale(1 / norm(x), x))


def rows_of(experiment: LimitProblem) -> list[LimitRow]:
    return list(only_rows(experiment.run()))


def status(row: LimitRow) -> dict[str, str]:
    return {g.key: g.status for g in row.guarantees}


def test_the_solution_sees_the_data_and_is_at_rest_where_a_sees_nothing() -> None:
    eq = model(kernel=40)
    truth = any_truth(eq)
    limit = finish(LimitProblem(eq, truth).limit())
    # The iteration ends at a step of 10⁻¹²‖x°‖, and its residual is no longer than that.
    assert float(norm(eq.operator(limit.x - truth.x))) < 1e-12
    assert float(norm(Kernel(eq.operator).project(eq.regularizer(limit.x)))) < 1e-11
    assert float(norm(limit.x - truth.x)) > 0.1
    # Any other solution of Ax = y leads to the same x°: only Ax† is used of x†.
    other = Kernel(eq.operator).project(any_truth(model(kernel=40, seed=4)).x)
    again = finish(LimitProblem(eq, picture_truth(truth.x + other)).limit())
    assert float(norm(again.x - limit.x)) < 1e-10


def test_of_the_identity_it_is_the_solution_of_least_norm() -> None:
    eq = equation("inpainting", "quadratic")
    truth = picture()
    limit = finish(LimitProblem(eq, truth).limit())
    # A is a mask: A⁺y = A*Ax†, and R(x°) = x° = A*w° with w° = y.
    assert torch.allclose(limit.x, eq.operator.gram(truth.x), atol=1e-14)
    assert float(norm(limit.element)) == pytest.approx(float(norm(limit.data)), rel=1e-12)


@pytest.mark.parametrize("operator", ["gaussian_blur", "inpainting", "fourier", "super_resolution"])
def test_equilibria_tend_to_it_below_their_bounds(operator: str) -> None:
    rows = rows_of(LimitProblem(equation(operator), picture(), levels=LEVELS))
    distances = [row.distance for row in rows]
    assert distances == sorted(distances, reverse=True)
    for row in rows:
        assert set(status(row).values()) == {"certified"}, row
        assert row.source_bound is not None
        assert row.upper is not None
        # w° is among the elements of the sharper bound; 10⁻⁵ for what the defect of the solve adds there.
        assert row.distance <= row.upper <= row.source_bound * (1 + 1e-5)
    if operator == "inpainting":
        # All singular values are 1 or 0: ‖w°‖ is no larger than R(x°), and δ = α gives the rate √δ at least.
        assert rows[-1].distance < 1e-5 * rows[0].distance
        # x° is not x†: the error stays.
        assert rows[-1].error > 0.1


def test_the_model_gets_there_although_the_source_element_is_huge() -> None:
    eq = model(kernel=120)
    levels = tuple(10.0**-k for k in range(1, 11))
    rows = rows_of(LimitProblem(eq, any_truth(eq), WorstDirection(1.0), levels=levels))
    assert all(row.holds for row in rows)
    assert rows[0].source > 1e3
    assert rows[0].source_bound is not None
    assert rows[0].upper is not None
    # Of large α the element w° says nothing, and that of the right size does.
    assert rows[0].upper < 1e-2 * rows[0].source_bound
    assert rows[-1].distance < 0.2 * rows[0].distance
    assert rows[-1].error == pytest.approx(rows[0].error, rel=0.2)


def test_the_pairing_needs_no_monotone_r_and_the_rest_does() -> None:
    eq = model(kernel=40, contraction=1.2)
    rows = rows_of(LimitProblem(eq, any_truth(eq), levels=LEVELS))
    for row in rows:
        assert status(row) == {
            "pairing": "certified",
            "limit_distance": "not verifiable",
            "limit_upper": "not verifiable",
            "limit": "hypothesis violated",
        }


def test_what_is_false_is_seen() -> None:
    (row,) = rows_of(LimitProblem(equation("inpainting"), picture(), levels=(1e-5,)))
    assert status(replace(row, monotonicity=1e6))["limit_distance"] == "violated"
    assert status(replace(row, pairing=row.delta**2))["pairing"] == "violated"
    assert status(replace(row, upper=0.1 * row.distance))["limit_upper"] == "violated"
    assert status(replace(row, source_room=1.0))["limit_distance"] == "not verifiable"
    # Of an upper bound that is too large nothing is refuted: the distance itself may be smaller.
    assert status(replace(row, left=2 * row.step))["limit"] == "waiting"


def test_what_has_no_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="p < 2 only"):
        LimitProblem(equation("inpainting"), picture(), rule=Power(1.0, 2.0))
    with pytest.raises(ValueError, match="in closed form"):
        LimitProblem(equation("tomography"), picture())
