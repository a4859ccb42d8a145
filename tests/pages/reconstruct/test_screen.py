"""From a run to the words of the transport line, without a browser."""

import dataclasses
import math

import pytest
import torch

from deqviz.core.records import Scalars
from deqviz.diagnostics.trajectory import plane
from deqviz.experiments.probe import Landscape, Probe
from deqviz.runtime.job import Job
from deqviz.runtime.run_snapshot import RunSnapshot, State
from deqviz.scenario import Scenario
from deqviz.ui.components.run.records import ENABLED
from deqviz.ui.pages.reconstruct import screen


def snapshot(state: State, *probes: Probe, k: int = 20, rate: float = 0.0, message: str = "") -> RunSnapshot:
    marks = (Scalars(k=k, residual=0.1, gap=0.1, evaluations=k),)
    return RunSnapshot(state, message, marks, (math.nan,), {}, None, (), rate, probes, None)


def message(now: RunSnapshot, iterations: int = 500) -> str:
    job = Job(Scenario(iterations=iterations).validated())
    return screen.view(job, now, "", (), 0).message


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0.0, ""),  # before the second iterate nothing is known
        (200.0, ""),
        (100.0, "at most 5 s left"),
        (12.0, "at most 40 s left"),
        (8.1, "at most 1 min left"),
        (1.0, "at most 8 min left"),
        (0.05, "at most 3 h left"),
    ],
)
def test_a_long_run_says_how_long_it_still_takes(rate: float, text: str):
    level = dataclasses.replace(snapshot("running", rate=rate), marks=falling(1.0))
    assert message(level) == text
    assert message(dataclasses.replace(level, state="paused")) == ""
    assert message(snapshot("running", rate=rate)) == "", "of one iterate nothing follows"


def falling(factor: float, count: int = 21) -> tuple[Scalars, ...]:
    return tuple(Scalars(k=k, residual=factor**k, gap=1.0, evaluations=k) for k in range(count))


@pytest.mark.parametrize(
    ("factor", "steps", "is_most"),
    [
        (10**-0.1, 40, False),  # 10⁻² after 20 steps, 10⁻⁶ after 60
        (0.999, 480, True),  # the iterations end it before
        (1.0, 480, True),
        (1.01, 480, True),
    ],
)
def test_the_slope_of_the_residual_says_how_long_a_run_takes(factor: float, steps: int, is_most: bool):
    assert screen.steps_left(falling(factor), 1e-6, 500) == (steps, is_most)


def test_a_run_on_its_way_to_the_tolerance_is_about_as_long_as_that():
    now = dataclasses.replace(snapshot("running", rate=1.0), marks=falling(10**-0.1))
    assert message(now) == "about 40 s left"


def test_checks_are_no_end_and_say_how_far_they_are():
    view = screen.view(Job(Scenario().validated()), snapshot("checking"), "", (), 0)
    assert view.state == "checking"
    assert {"stop", "reset", "speed"} <= set(ENABLED[view.state])
    x = torch.zeros(1, 1, 4, 4)
    start = Probe("start-zero", "from zero", None, ((0, x), (10, x)))
    said = message(snapshot("checking", start, message="Arrived."))
    assert said == "Arrived. Checking the guarantees: from zero, iteration 10 of about 20 …"
    gap = torch.tensor([[1.0, math.nan], [1.0, 1.0]])
    land = Landscape(plane([x, x + 1, x + 2], x), (0.0, 1.0), gap)
    assert "residual on the plane, 75 %" in message(
        snapshot("checking", start, Probe("landscape", "residual on the plane", None, (), land))
    )


def test_a_run_that_is_built_says_what_is_prepared():
    view = screen.view(Job(Scenario().validated()), snapshot("preparing"), "", (), 0)
    assert view.state == "preparing"
    assert view.message == "Gaussian blur: computing the operator norm and the constants"
