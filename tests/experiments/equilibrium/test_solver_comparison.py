"""The race of the solvers: measured factors below the certified ones, and who needs what."""

from itertools import pairwise

import pytest
import torch

from deqviz import images
from deqviz.core.catalog import OPERATORS
from deqviz.core.regularizer import Regularizer
from deqviz.core.space import Space
from deqviz.experiments._rows import only_rows, panel
from deqviz.experiments.equilibrium.equilibria import Equation
from deqviz.experiments.equilibrium.solver_comparison import SolverComparison, SolverRow, competitors
from deqviz.regularizers.contractive import Contractive
from deqviz.regularizers.quadratic import Quadratic
from deqviz.scenario import Scenario

CONTRACTIVE = Contractive(0.5)


def race(
    operator: str, regularizer: Regularizer = CONTRACTIVE, weight: float = 0.5, **settings
) -> SolverComparison:
    x = images.scaled(images.load(Scenario().image, torch.float64), 12)
    model = OPERATORS[operator].build({}, image=Space(tuple(x.shape[1:]), x.dtype))
    equation, y = Equation(model, regularizer), model(x)
    return SolverComparison(equation, y, weight, model.baseline(y), competitors(equation, weight), **settings)


@pytest.mark.parametrize("operator", ["inpainting", "motion_blur"])
def test_measured_factors_stay_below_the_certified_ones(operator: str) -> None:
    experiment = race(operator)
    rows = list(only_rows(experiment.run()))
    ends = {row.route: row for row in rows if row.state != "going"}
    assert set(ends) == {route.key for route in experiment.routes}
    assert all(row.state == "arrived" for row in ends.values())
    assert {g.key: g.status for g in panel(rows)} == {
        "line": "certified",
        "distance": "certified",
        "factor": "certified",
    }
    for key in ("explicit", "optimal", "implicit"):
        factor, measured = ends[key].factor, ends[key].measured
        assert factor is not None
        assert measured is not None
        assert 0 < measured <= factor * (1 + 1e-6)
    needed = {key: row.needed for key, row in ends.items() if row.needed is not None}
    assert len(needed) == len(ends)
    assert needed["optimal"] < needed["explicit"]
    assert needed["anderson"] < needed["optimal"]
    assert needed["broyden"] < needed["optimal"]
    assert needed["implicit_anderson"] < needed["implicit"] < needed["optimal"]


def test_the_best_step_is_best_and_its_factor_is_met() -> None:
    # Linear with σ ∈ {0, 1}: T7(b) is an equality, κ = ‖A‖²/(‖A‖² + 2α) at the best step.
    rows = list(only_rows(race("inpainting", Quadratic(), 0.5).run()))
    ends: dict[str, SolverRow] = {row.route: row for row in rows if row.state != "going"}
    assert ends["optimal"].factor == pytest.approx(1 / 2, abs=1e-6)
    assert ends["optimal"].measured == pytest.approx(1 / 2, rel=1e-3)
    assert ends["explicit"].factor == pytest.approx(2 / 3, abs=1e-6)


def test_seconds_and_evaluations_grow_and_known_routes_are_not_run() -> None:
    experiment = race("inpainting")
    rows = list(only_rows(experiment.run()))
    for route in experiment.routes:
        mine = [row for row in rows if row.route == route.key]
        assert all(0 <= a.seconds <= b.seconds for a, b in pairwise(mine))
        assert all(a.evaluations < b.evaluations for a, b in pairwise(mine))
    assert list(only_rows(experiment.run(rows))) == rows


def test_too_few_steps_end_without_an_arrival() -> None:
    rows = list(only_rows(race("motion_blur", Contractive(0.9), 0.01, max_steps=12).run()))
    first = next(row for row in rows if row.state != "going")
    assert (first.state, first.needed, first.k) == ("stopped", None, 12)
    assert all(g.status == "certified" for g in panel(rows))
