"""One limit from all starts and solvers where that is proved, and more than one where it is not."""

import csv
import io
from dataclasses import replace
from itertools import islice

import pytest
import torch

from deqviz import images
from deqviz.core.catalog import OPERATORS
from deqviz.core.regularizer import Regularizer
from deqviz.core.space import Image, Space
from deqviz.experiments._rows import only_rows, panel, read, recorded, to_text
from deqviz.experiments.equilibrium.equilibria import Equation
from deqviz.experiments.equilibrium.parameter_continuation import (
    Case,
    ParameterContinuation,
    three_equilibria,
)
from deqviz.experiments.equilibrium.uniqueness import Meeting, Uniqueness, routes, starts
from deqviz.regularizers.contractive import Contractive
from deqviz.regularizers.quadratic import Quadratic
from deqviz.regularizers.smoothed_tv import SmoothedTv
from deqviz.scenario import Scenario

SIDE = 12
CONTRACTIVE = Contractive(0.5)


def picture(name: str) -> Image:
    return images.scaled(images.load(name, torch.float64), SIDE)


def uniqueness(
    operator: str, regularizer: Regularizer = CONTRACTIVE, weight: float = 1.0, **settings
) -> Uniqueness:
    x = picture(Scenario().image)
    params = {"views": 10} if operator == "tomography" else {}
    model = OPERATORS[operator].build(params, image=Space(tuple(x.shape[1:]), x.dtype))
    equation, y = Equation(model, regularizer), model(x)
    others = {"Coins": picture("coins"), "Your image": picture("phantom")}
    return Uniqueness(equation, y, weight, starts(equation, y, 0, others), **settings)


@pytest.mark.parametrize("operator", ["inpainting", "fourier", "gaussian_blur", "tomography", "denoising"])
def test_five_starts_and_five_solvers_agree_to_five_digits(operator: str) -> None:
    experiment = uniqueness(operator)
    assert len(experiment.starts) == len(experiment.routes) == 5
    rows = list(only_rows(experiment.run()))
    ends = [row for row in rows if row.state != "going"]
    assert len(ends) == 25
    assert {row.state for row in ends} == {"arrived"}
    assert {row.limit for row in ends} == {0}
    assert max(row.distance for row in ends if row.distance is not None) < 1e-5
    assert max(row.spread for row in ends if row.spread is not None) < 1e-5
    assert {g.key: g.status for g in panel(rows)} == {
        "line": "certified",
        "distance": "certified",
        "spread": "certified",
    }


def test_a_bound_is_sharp_enough_to_fail() -> None:
    # Quadratic and denoising: the map contracts by exactly what is certified, so that bounds are met.
    rows = list(only_rows(uniqueness("inpainting", Contractive(0.7), routes=routes()[:1]).run()))
    tight = [row.distance / row.certified for row in rows if row.distance and row.certified]
    assert 0.5 < max(tight) <= 1 + 1e-6


def test_a_convergent_equation_without_a_theorem_is_only_estimated() -> None:
    # Smoothed total variation is monotone, not strongly, and the mask has a null space.
    rows = list(only_rows(uniqueness("inpainting", SmoothedTv(0.1), 0.02, routes=routes()[:2]).run()))
    assert {g.key: g.status for g in panel(rows)}["distance"] == "hypothesis violated"
    assert all(row.certified is None and row.spread is None for row in rows)


def test_runs_that_diverge_are_rows_too() -> None:
    experiment = uniqueness("denoising", Quadratic(), routes=routes(step=1.4)[-1:], max_steps=200)
    rows = list(only_rows(experiment.run()))
    ends = [row for row in rows if row.state != "going"]
    assert {row.state for row in ends} == {"diverged"}
    assert {row.limit for row in ends} == {None}
    # However far it went, the distance by the gap is proved for every picture.
    assert {g.key: g.status for g in panel(rows)} == {"line": "hypothesis violated", "distance": "certified"}


def test_rows_are_written_and_gone_on_with(tmp_path) -> None:
    experiment = uniqueness("inpainting", max_steps=8, routes=routes()[:2])
    experiment = replace(experiment, starts=experiment.starts[1:3])
    path = tmp_path / "rows.csv"
    cut = islice(only_rows(recorded(experiment, path)), 14)
    assert len(list(cut)) == 14
    known = read(experiment, path)
    assert len(known) == 14
    rows = list(only_rows(recorded(experiment, path)))
    again = list(only_rows(experiment.run(rows)))
    assert again == rows
    assert [row.key for row in rows] == [key for key in experiment.cells if key in {r.key for r in rows}]
    lines = list(csv.DictReader(io.StringIO(to_text(experiment, rows, "csv"))))
    assert len(lines) == len(rows)
    assert {line["settings"] for line in lines} == {experiment.settings}
    assert read(experiment, path) == tuple(rows)


def test_progress_grows_and_views_show_each_limit_once() -> None:
    experiment, done, views = uniqueness("inpainting", routes=routes()[:2]), [0], []
    for progress in experiment.run():
        done.append(progress.done)
        views += progress.views
        assert progress.total == len(experiment.cells)
    assert done == sorted(done)
    assert views == ["limit-0"]


def test_grad_mode_does_not_leak() -> None:
    stream = uniqueness("inpainting").run()
    next(stream)
    assert torch.is_grad_enabled()


def test_ends_are_sorted_by_what_is_certain_of_them() -> None:
    hall, one = Meeting(1.0, 1e-5), torch.ones(1, 1, 1, 2, dtype=torch.float64)
    assert hall.place(one, 1e-9, is_proved=False).limit == 0
    assert hall.place(one * (1 + 1e-7), 1e-9, is_proved=False).limit == 0
    assert hall.place(one * 1.1, 1e-9, is_proved=False).limit == 1
    assert hall.place(one * 1.05, 0.2, is_proved=False).limit == 0  # may still end at either


def test_three_equilibria_past_the_limit_and_one_below() -> None:
    experiment = three_equilibria((0.0, 0.5, 0.8, 1.1, 1.25, 1.5))
    views: dict[float, set[str]] = {}
    rows = []
    for progress in experiment.run():
        if progress.row is not None:
            rows.append(progress.row)
            views[progress.row.value] = set(progress.views)
    assert [row.distinct for row in rows] == [1, 1, 1, 3, 3, 3]
    assert all(row.arrived == 4 for row in rows)
    assert views[1.5] == {"limit-0", "limit-1", "limit-2"}
    certified = [row for row in rows if row.value < 1]
    # Linear at the origin: the certified factor is attained.
    assert all(row.expansion == pytest.approx(row.value, abs=1e-9) for row in certified)
    assert {g.key: g.status for g in panel(certified)} == {"contraction": "certified", "spread": "certified"}
    assert {g.key: g.status for g in panel(rows[3:])} == dict.fromkeys(
        ("contraction", "spread"), "hypothesis violated"
    )


def test_the_step_past_its_limit() -> None:
    x = picture(Scenario().image)
    model = OPERATORS["denoising"].build({}, image=Space(tuple(x.shape[1:]), x.dtype))
    equation, y = Equation(model, Quadratic()), model(x)
    cases = tuple(Case(s, Quadratic(), s) for s in (0.5, 0.9, 1.1, 1.4))
    found = starts(equation, y)
    experiment = ParameterContinuation(equation, y, 1.0, found, "step", cases, "explicit", max_steps=400)
    rows = list(only_rows(experiment.run()))
    assert [row.diverged for row in rows] == [0, 0, 3, 3]
    assert [row.distinct for row in rows] == [1, 1, 0, 0]
    for row in rows:
        # A*A + α is 2 Id: κ is the factor itself, on both sides of the limit.
        assert row.factor == pytest.approx(row.expansion, abs=1e-9)
    assert list(only_rows(experiment.run(rows))) == rows
