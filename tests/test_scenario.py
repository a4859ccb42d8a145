"""A run as plain data: URL, JSON and back, bit for bit; damaged links still open."""

import dataclasses
import json
import re

import pytest
import torch

from deqviz import images
from deqviz.core.records import Problem
from deqviz.core.registry import Choice
from deqviz.core.space import magnitude
from deqviz.io import settings
from deqviz.scenario import METHODS, OPERATORS, Scenario

SMALL = Scenario(size=48)


def changed() -> Scenario:
    inner = {
        "weight": 0.1 + 0.2,
        "regularizer": Choice("quadratic"),
        "solver": Choice("picard", {"damping": 1 / 3}),
    }
    return Scenario(
        image="coins",
        size=64,
        operator=Choice("gaussian_blur", {"width": 2.3456789012345}),
        noise=Choice("gaussian", {"std": 0.1 / 3}),
        method=Choice("equilibrium", inner),
        seed=7,
        iterations=33,
        tolerance=1e-4,
    ).validated()


@pytest.mark.parametrize("scenario", [Scenario().validated(), changed()], ids=["default", "changed"])
def test_url_and_json_restore_exactly(scenario):
    restored, complaints = Scenario.from_query(scenario.to_query())
    assert complaints == ()
    assert restored == scenario
    assert Scenario.from_json(scenario.to_json()) == scenario


def test_the_default_has_an_empty_url():
    assert Scenario().validated().to_query() == {}


@pytest.mark.parametrize("key", OPERATORS.keys())
@pytest.mark.parametrize("method", METHODS.keys())
def test_every_pair_survives_the_url(key, method):
    scenario = Scenario(operator=Choice(key), method=Choice(method)).validated()
    assert Scenario.from_query(scenario.to_query()) == (scenario, ())


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ({"operator": "../etc/passwd"}, "no operator"),
        ({"image": "../../secret"}, "no image"),
        ({"image": "upload-0000"}, "upload it again"),
        ({"operator.width": "1e9"}, "allowed is"),
        ({"operator.width": "nan"}, "must be|allowed is"),
        ({"operator.width": "wide"}, "must be a number"),
        ({"seed": "1.5"}, "must be a number"),
        ({"seed": "-1"}, "allowed is"),
        ({"iterations": "10000000"}, "allowed is"),
        ({"method": "magic"}, "no method"),
        ({"method.solver": "magic"}, "no solver"),
        ({"colour": "green"}, "unknown and was ignored"),
    ],
)
def test_a_damaged_link_opens_and_says_what_was_wrong(query, part):
    scenario, complaints = Scenario.from_query(query)
    assert scenario == Scenario().validated()
    assert len(complaints) == 1
    assert re.search(part, complaints[0])


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"seed": "x"}', '{"secret": 1}', '{"operator": 3}', '{"size": 1}']
)
def test_bad_settings_raise_a_sentence(text):
    with pytest.raises(ValueError, match=r"[a-z]{3}"):
        Scenario.from_json(text)


DAMAGED = (
    "[" * 5000,
    '{"operator":' * 5000,
    '{"size": 1' + "0" * 400 + "}",
    '{"tolerance": -1' + "0" * 400 + "}",
    '{"seed": ' + "9" * 9000 + "}",
    '{"streams": 1' + "0" * 400 + "}",
    '{"tolerance": NaN}',
    '{"tolerance": 1e999}',
    '{"noise": {"key": "gaussian", "params": {"std": 1' + "0" * 400 + "}}}",
    '{"operator": {"key": "gaussian_blur", "params": {"\\u001b[2J": 1}}}',
    '{"operator": {"key": "\\u001b[2J", "params": []}}',
    '{"operator": {"key": "kernel_blur", "params": {"kernel": "\\u0000"}}}',
    '{"image": "\\ud800\\u0000"}',
    "\x00",
)


@pytest.mark.parametrize("text", DAMAGED, ids=lambda text: text[:40])
def test_damaged_settings_are_told_in_one_sentence(text):
    """As a text and as a file, whatever a machine or a person made of it."""
    for read in (Scenario.from_json, lambda text: Scenario.from_settings(settings.read(text.encode()))):
        with pytest.raises(ValueError, match=r"[a-z]{3}") as caught:
            read(text)
        message = str(caught.value)
        assert message.isprintable()
        assert len(message) < 500
        assert not re.search("Exceeds|recursion|codec|too large to convert", message)


def test_a_settings_file_is_measured_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settings.json, "loads", lambda text: pytest.fail("parsed"))
    with pytest.raises(ValueError, match="which has some kilobytes"):
        settings.read(b"[" * (settings.MAX_BYTES + 1))


def test_a_settings_file_with_a_byte_order_mark_is_one():
    data = b"\xef\xbb\xbf" + Scenario(size=64).to_json().encode()
    assert settings.is_settings("a", data)
    assert Scenario.from_settings(settings.read(data)).size == 64
    with pytest.raises(ValueError, match="This is no settings file"):
        settings.read(Scenario().to_json().encode("utf-16"))


@pytest.mark.parametrize("text", ["9" * 400, "9" * 9000, "-" + "9" * 400, "1e999", "nan", "\x00", "\x1b[2J"])
def test_numbers_of_a_link_that_are_none_are_told(text):
    names = ("seed", "size", "tolerance", "v", "operator.width", "noise.std", "method.weight")
    scenario, warnings = Scenario.from_query({"v": "2", **{name: text for name in names}})
    assert scenario == Scenario().validated()
    assert len(warnings) == len(names)
    assert all(warning.isprintable() and len(warning) < 500 for warning in warnings)


def test_same_scenario_same_numbers():
    first, second = SMALL.problem(SMALL.truth()), SMALL.problem(SMALL.truth())
    assert torch.equal(first.data, second.data)
    other = dataclasses.replace(SMALL, seed=1)
    assert not torch.equal(first.data, other.problem(other.truth()).data)


def test_the_global_generator_is_untouched():
    before = torch.get_rng_state()
    SMALL.problem(SMALL.truth())
    next(SMALL.run())
    assert torch.equal(before, torch.get_rng_state())


def test_a_problem_holds_no_truth():
    """Law 4: a method is handed operator, data and noise level, and there is no field for more."""
    assert [f.name for f in dataclasses.fields(Problem)] == ["operator", "data", "noise"]
    truth = SMALL.truth()
    problem = SMALL.problem(truth)
    held = [v for v in vars(problem.operator).values() if isinstance(v, torch.Tensor)]
    assert not any(v.shape == truth.shape and torch.equal(v, truth) for v in held)


def test_the_json_is_plain():
    assert json.loads(changed().to_json())["operator"]["params"]["width"] == 2.3456789012345


def test_operators_on_complex_pictures_get_a_phase_from_the_seed():
    plain = dataclasses.replace(SMALL, image="astronaut", operator=Choice("parallel_mri")).validated()
    truth = plain.truth()
    assert truth.shape == (1, 2, 48, 48)
    grey = dataclasses.replace(SMALL, image="astronaut", operator=Choice("denoising")).validated().truth()
    torch.testing.assert_close(magnitude(truth), grey.mean(1, keepdim=True), rtol=0, atol=1e-6)
    assert torch.equal(truth, plain.truth())
    other = dataclasses.replace(plain, seed=1).truth()
    assert not torch.equal(truth, other)
    torch.testing.assert_close(magnitude(truth), magnitude(other), rtol=0, atol=1e-6)


def test_the_phase_is_drawn_from_other_numbers_than_the_noise():
    scenario = dataclasses.replace(SMALL, operator=Choice("parallel_mri"), seed=5).validated()
    picture = images.scaled(images.load(SMALL.image), 48)
    same = images.with_phase(picture, torch.Generator().manual_seed(5))
    assert not torch.allclose(scenario.truth(), same, atol=1e-2)


def test_a_problem_comes_with_the_truth_that_it_was_made_from():
    problem, truth = SMALL.posed()
    assert truth is not None
    assert torch.equal(truth, SMALL.truth())
    assert torch.equal(problem.data, SMALL.problem(SMALL.truth()).data)
