"""One spec, many readers: validation, nested choices, messages."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from deqviz.core.catalog import REGULARIZERS
from deqviz.core.registry import REGISTRIES, Choice, Options, Pick, Range, Registry, Text, params_of
from deqviz.scenario import METHODS, OPERATORS


def integer_rows(text: str) -> list[int]:
    try:
        return [int(v) for v in text.split()]
    except ValueError:
        raise ValueError("Rows are whole numbers separated by spaces.") from None


@pytest.fixture
def registry():
    engines: Registry[object] = Registry("engine")
    cars: Registry[object] = Registry("car")

    @engines.register("petrol", title="Petrol")
    class Petrol:
        """Burns."""

        power: Annotated[float, Range(1, 100, "Power", unit="kW")] = 50.0

    @engines.register("electric", title="Electric")
    class Electric:
        """Hums."""

        range: Annotated[int, Range(1, 900, "Range")] = 400

    @cars.register("van", title="Van")
    class Van:
        """Carries.

        More text.
        """

        engine: Annotated[object, Pick("engine", "Engine")] = Petrol()
        doors: Annotated[int, Range(2, 5, "Doors")] = 4
        colour: Annotated[Literal["red", "blue"], Options("Colour")] = "red"
        is_new: bool = False
        plate: Annotated[str, Text(integer_rows, "Plate", max_length=10)] = "1 2"

    yield cars
    del REGISTRIES["engine"], REGISTRIES["car"]


def test_defaults_and_nested_defaults_are_filled_in(registry):
    values = registry["van"].validate({})
    assert values == {
        "engine": Choice("petrol", {"power": 50.0}),
        "doors": 4,
        "colour": "red",
        "is_new": False,
        "plate": "1 2",
    }


def test_builds_nested_choices(registry):
    van = registry["van"].build({"engine": Choice("electric", {"range": 300}), "doors": 3.0})
    assert (van.engine.range, van.doors) == (300, 3)
    assert type(van.doors) is int


def test_summary_is_the_first_sentence(registry):
    assert registry["van"].summary == "Carries."


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"doors": 9}, "Doors is 9; allowed is 2 … 5"),
        ({"doors": 2.5}, "Doors must be int"),
        ({"doors": True}, "Doors must be int"),
        ({"doors": float("nan")}, "Doors must be int"),
        ({"colour": "green"}, "allowed is red or blue"),
        ({"is_new": 1}, "must be bool"),
        ({"wheels": 4}, "has no parameter wheels; it has engine"),
        ({"engine": "petrol"}, "Engine must be"),
        ({"engine": Choice("steam")}, "one of petrol, electric"),
        ({"engine": Choice("petrol", {"power": 1e9})}, "Power is 1000000000.0"),
        ({"engine": Choice("petrol", {"power": float("inf")})}, "Power is inf"),
        ({"plate": "x"}, "whole numbers"),
        ({"plate": "1 " * 30}, "at most 10 characters"),
    ],
)
def test_what_is_wrong_is_named(registry, params, message):
    with pytest.raises(ValueError, match=message):
        registry["van"].validate(params)


def test_an_int_is_a_legal_float(registry):
    van = registry["van"].build({"engine": Choice("petrol", {"power": 3})})
    assert type(van.engine.power) is float


def test_keys_are_unique_and_unknown_keys_name_the_known_ones(registry):
    with pytest.raises(ValueError, match="already registered"):
        registry.register("van", title="Again")(type("Again", (), {}))
    with pytest.raises(ValueError, match="known are van"):
        registry["lorry"]


def test_a_menu_lists_family_by_family_and_what_has_none_last():
    tools: Registry[object] = Registry("tool", ("Saws", "Hammers"))
    try:
        for key, family in (("mallet", "Hammers"), ("level", ""), ("jigsaw", "Saws"), ("sledge", "Hammers")):
            tools.register(key, title=key.capitalize(), family=family)(type(key, (), {}))
        assert tools.menu() == ("jigsaw", "mallet", "sledge", "level")
        assert tools.keys() == ("mallet", "level", "jigsaw", "sledge")
        assert [tools[key].option for key in tools.menu()] == [
            "Saws · Jigsaw",
            "Hammers · Mallet",
            "Hammers · Sledge",
            "Level",
        ]
        # A family is named once.
        for key, title in (("ball", "Hammers with a ball"), ("claw", "Claw (hammers)")):
            tools.register(key, title=title, family="Hammers")(type(key, (), {}))
        assert tools["ball"].option == "Hammers with a ball"
        assert tools["claw"].option == "Hammers · Claw"
    finally:
        del REGISTRIES["tool"]


def test_an_option_may_read_otherwise_than_its_value():
    @dataclass(frozen=True)
    class Car:
        tyre: Annotated[Literal["w", "s"], Options("Tyre", texts={"w": "winter"})] = "s"

    (tyre,) = params_of(Car)
    assert [tyre.text(value) for value in ("w", "s")] == ["winter", "s"]
    assert tyre.check("w") == "w"


@pytest.mark.parametrize("registry", [OPERATORS, METHODS, REGULARIZERS], ids=lambda r: r.kind)
def test_everything_that_is_shipped_belongs_to_a_family_and_no_family_is_empty(registry):
    assert {entry.family for entry in registry} == set(registry.families)
