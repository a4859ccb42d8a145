"""One seed draws noise, mask and phase from streams of their own; old links and files keep the old ones."""

import json
import math
from dataclasses import replace

import pytest
import torch

from deqviz.core.catalog import OPERATORS
from deqviz.core.registry import Choice
from deqviz.core.space import Space
from deqviz.core.streams import FOLLOWS, stream
from deqviz.scenario import Scenario
from deqviz.sweep.row import Cell
from deqviz.sweep.sweepfile import parse
from deqviz.ui.pages.batch.setting import Setting as Batch
from deqviz.ui.pages.compare.setting import Setting as Compare
from deqviz.ui.pages.convergence.setting import Setting as Convergence
from deqviz.ui.pages.deep_prior.setting import Setting as DeepPrior
from deqviz.ui.pages.memory.setting import Setting as Memory
from deqviz.ui.pages.monotone.setting import MolSetting
from deqviz.ui.pages.noise.setting import Setting as Noise
from deqviz.ui.pages.robustness.setting import Setting as Robustness
from deqviz.ui.pages.training.setting import Setting as Training
from deqviz.ui.pages.unrolled.setting import Setting as Unrolled

MASKED = [entry.key for entry in OPERATORS if any(p.default == FOLLOWS for p in entry.params)]
POINTS = Choice("fourier", {"pattern": "points"})
SETTINGS = (Batch, Compare, Convergence, DeepPrior, Memory, MolSetting, Noise, Robustness, Training, Unrolled)


def noise_energy(operator: Choice, seeds: range) -> tuple[float, int]:
    """The mean of ‖e‖²/(m σ²) over the seeds, and the number of normal numbers in it."""
    total, count = 0.0, 0
    for seed in seeds:
        own = {**operator.params, "seed": seed} if "seed" in operator.params else operator.params
        scenario = Scenario(operator=Choice(operator.key, own), noise=Choice("gaussian", {"std": 0.5}))
        problem, truth = replace(scenario, size=96, seed=seed).posed()
        A = problem.operator
        assert truth is not None
        total += float((problem.data - A(truth)).abs().double().square().sum()) / 0.5**2
        count += A.codomain.size if A.measured is None else int(A.measured.sum())
    return total / count, count


@pytest.mark.parametrize("operator", [*map(Choice, MASKED), POINTS], ids=lambda choice: choice.key)
def test_the_noise_has_its_size_where_something_is_measured(operator: Choice):
    energy, count = noise_energy(operator, range(6))
    # Four standard deviations of a mean of χ², at its largest, that of real numbers.
    assert abs(energy - 1) < 4 * math.sqrt(2 / count)


def test_of_equal_seeds_it_had_not():
    energy, _ = noise_energy(Choice("fourier", {"pattern": "points", "seed": 0}), range(6))
    assert energy > 1.03


@pytest.mark.parametrize("key", MASKED)
def test_the_seed_draws_the_mask(key: str):
    first, second = (Scenario(size=48, operator=Choice(key), seed=seed) for seed in (0, 1))
    x = first.truth()
    assert not torch.equal(first.problem(x).operator(x), second.problem(x).operator(x))


@pytest.mark.parametrize("key", MASKED)
def test_a_link_and_a_file_without_a_version_keep_their_numbers(key: str):
    link, warnings = Scenario.from_query({"operator": key, "size": "48", "seed": "3"})
    file = Scenario.from_json(json.dumps({"operator": {"key": key}, "size": 48, "seed": 3}))
    assert (warnings, file) == ((), link)
    truth = link.truth()
    space = Space(tuple(truth.shape[1:]), truth.dtype)
    A = OPERATORS[key].build({"seed": 0}, image=space)
    assert torch.equal(link.problem(truth).operator(truth), A(truth))
    assert "v" not in link.to_query()
    assert "streams" not in json.loads(link.to_json())
    assert Scenario.from_query(link.to_query())[0] == link


@pytest.mark.parametrize("key", MASKED)
def test_what_is_written_now_says_its_version(key: str):
    scenario = Scenario(operator=Choice(key), seed=3).validated()
    assert scenario.to_query()["v"] == "2"
    assert json.loads(scenario.to_json())["streams"] == 2
    assert Scenario.from_query(scenario.to_query()) == (scenario, ())
    assert Scenario.from_json(scenario.to_json()) == scenario


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.__module__.split(".")[-2])
def test_every_page_writes_it(setting: type):
    changed = replace(setting().validated(), **({"seed": 5} if hasattr(setting, "seed") else {}))
    assert changed.to_query()["v"] == "2"


@pytest.mark.parametrize("version", ["3", "0", "two", "², "])
def test_an_unknown_version_is_said(version: str):
    scenario, warnings = Scenario.from_query({"v": version})
    assert scenario == Scenario().validated()
    assert len(warnings) == 1
    assert "random streams" in warnings[0]


def test_a_cell_is_known_by_its_numbers_and_not_by_its_version():
    old = Scenario(operator=Choice("inpainting"), streams=1).validated()
    assert Cell(old, "", "").id == Cell(replace(old, streams=2), "", "").id
    assert Cell(old, "", "").id != Cell(Scenario(operator=Choice("inpainting")).validated(), "", "").id


def test_a_sweep_file_keeps_the_old_streams_unless_it_says_more():
    text = 'operators = ["inpainting"]\nmethods = ["tikhonov"]\n'
    (old,), (new,) = parse(text).cells(), parse(f"streams = 2\n{text}").cells()
    assert old.scenario.operator.params["seed"] == 0
    assert new.scenario.operator.params["seed"] == FOLLOWS


def test_streams_of_one_seed_differ():
    assert len({stream(seed, name) for seed in range(100) for name in ("mask", "noise")}) == 200
