"""Is R a gradient? Asymmetry and circulation against closed forms."""

import math

import pytest
import torch

from deqviz import images
from deqviz.core.catalog import REGULARIZERS
from deqviz.core.space import Space, inner, norm
from deqviz.diagnostics._jacobian import Jacobian
from deqviz.experiments._rows import only_rows, panel
from deqviz.experiments.equilibrium.gradient import EDGES, Gradient, Named, circulation, plane_of_rotation
from deqviz.experiments.equilibrium.model import Rotating
from deqviz.experiments.equilibrium.source import finish
from deqviz.scenario import Scenario

POINT = torch.tensor([0.3, -0.2], dtype=torch.float64).view(1, 1, 1, 2)
ACROSS = tuple(torch.eye(2, dtype=torch.float64).view(2, 1, 1, 1, 2))
AREA = EDGES / 2 * math.sin(2 * math.pi / EDGES)
"""Of the polygon with radius 1."""


def turn(x: torch.Tensor) -> torch.Tensor:
    """A quarter turn, whose curl is 2."""
    return torch.stack([-x[..., 1], x[..., 0]], -1)


def test_the_work_of_a_turn_is_twice_the_area() -> None:
    loop = finish(circulation(turn, POINT, (ACROSS[0], ACROSS[1]), 0.5))
    assert loop.work == pytest.approx(2 * AREA * 0.25, rel=1e-13)
    assert loop.error < 1e-13
    assert 0.9 < loop.share <= 1  # every step goes along the field, but for the corners


def test_the_work_of_a_gradient_vanishes_and_that_of_a_curved_field_does_not() -> None:
    smooth = finish(circulation(torch.tanh, POINT, (ACROSS[0], ACROSS[1]), 2.0, accuracy=1e-6))
    assert smooth.share < 1e-9
    # (−x₂³, x₁³) about 0: the curl is 3|x|², and ∬|x|² over a regular hexagon of radius 1 is 5√3/8.
    origin = torch.zeros_like(POINT)
    curved = finish(circulation(lambda x: turn(x).pow(3), origin, (ACROSS[0], ACROSS[1]), 1.0))
    assert curved.work == pytest.approx(3 * 5 * math.sqrt(3) / 8, rel=1e-12)


def test_the_plane_is_the_one_that_turns_most() -> None:
    space = Space((1, 1, 12), torch.float64)
    matrix = torch.randn(12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    u, v = plane_of_rotation(lambda x: x @ matrix.mT, space.zeros(), products=60)
    assert float(norm(u)) == pytest.approx(1)
    assert float(norm(v)) == pytest.approx(1)
    assert float(inner(u, v)) == pytest.approx(0, abs=1e-12)
    skew = matrix - matrix.mT
    turned = float(inner(v @ skew.mT, u).abs())
    assert turned == pytest.approx(float(torch.linalg.matrix_norm(skew, 2)), rel=1e-2)


def test_asymmetry_agrees_with_the_whole_derivative() -> None:
    space = Space((1, 1, 40), torch.float64)
    R, x = Rotating(space, 0.8), space.random(torch.Generator().manual_seed(0))
    row = next(only_rows(Gradient((Named("rotating", "Rotating", R),), x, probes=60).run()))
    J = torch.autograd.functional.jacobian(lambda v: R(v.view(1, 1, 1, -1)).flatten(), x.flatten())
    exact = float(torch.linalg.matrix_norm(J - J.mT) / torch.linalg.matrix_norm(J))
    assert abs(row.asymmetry - exact) < 4 * row.error
    assert row.error < 0.05 * exact
    assert row.circulation > 0.05
    assert row.guarantees == ()


def test_every_registered_regulariser() -> None:
    x = images.scaled(images.load(Scenario().image, torch.float64), 12)
    named = tuple(Named(entry.key, entry.title, entry.build({})) for entry in REGULARIZERS)
    experiment = Gradient(named, x, probes=4)
    rows = {row.regularizer: row for row in only_rows(experiment.run())}
    assert set(rows) == set(REGULARIZERS.keys())
    for key, row in rows.items():
        if REGULARIZERS[key].build({}).is_gradient:
            assert row.asymmetry < 1e-12
            assert row.circulation <= 1e-9 + 3 * row.doubt
            assert row.doubt < 1e-5
            assert all(g.status == "certified" for g in row.guarantees)
    learned = rows["contractive"]
    assert learned.asymmetry > 10 * learned.error > 0
    assert learned.circulation > 100 * learned.doubt
    assert [g.status for g in panel(list(rows.values()))] == ["certified", "certified"]
    assert list(only_rows(experiment.run(list(rows.values())))) == list(rows.values())


def test_a_small_loop_feels_the_derivative() -> None:
    R = REGULARIZERS["contractive"].build({})
    x = images.scaled(images.load(Scenario().image, torch.float64), 12)
    u, v = plane_of_rotation(R, x)
    radius = 1e-4 * float(norm(x))
    loop = finish(circulation(R, x, (u, v), radius))
    J = Jacobian(R, x)
    local = float(inner(J.apply(u), v) - inner(J.apply(v), u))
    assert loop.work / (AREA * radius**2) == pytest.approx(local, rel=0.1)
