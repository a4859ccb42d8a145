"""Messages quote what somebody wrote, and never a page of it."""

import pytest

from deqviz.core import catalog  # noqa: F401  fills the registries
from deqviz.core.quoted import clipped, quoted
from deqviz.core.registry import REGISTRIES, Choice, Param
from deqviz.operators.kernel_blur import parse_kernel
from deqviz.scenario import Scenario
from deqviz.sweep.sweepfile import parse

PAGE = "0.123 " * 5000
KERNEL = ";".join(" ".join(["0.12345678901234567"] * 31) for _ in range(31))
PARAMS = [p for registry in REGISTRIES.values() for entry in registry for p in entry.params]


def test_what_is_short_is_quoted_as_it_is():
    assert quoted("camera") == "'camera'"
    assert quoted(1e9) == "1000000000.0"
    assert clipped("camera") == "camera"
    assert len(quoted(PAGE)) <= 62
    assert len(clipped(PAGE)) <= 63


@pytest.mark.parametrize("value", [PAGE, KERNEL + "x", [PAGE] * 3, {PAGE: PAGE}, 10**300])
def test_no_parameter_says_a_whole_text(value: object):
    for p in PARAMS:
        assert len(message(p, value)) < 500, p.name


def message(p: Param, value: object) -> str:
    with pytest.raises(ValueError, match=r"[a-z]") as caught:
        p.check(value)
    return str(caught.value)


def test_a_kernel_of_the_largest_side_with_all_its_digits_is_one():
    assert len(parse_kernel(KERNEL)) == 31
    text = Scenario(operator=Choice("kernel_blur", {"kernel": KERNEL})).validated().operator.params["kernel"]
    assert text == KERNEL


@pytest.mark.parametrize(
    "query",
    [
        {"operator": "kernel_blur", "operator.kernel": PAGE + "x"},
        {"operator": "kernel_blur", "operator.kernel": "1" * 9000},
        {"operator": PAGE},
        {"image": PAGE},
        {"seed": PAGE},
        {PAGE: "1"},
    ],
)
def test_no_link_is_quoted_whole(query: dict[str, str]):
    _, warnings = Scenario.from_query(query)
    assert warnings
    assert all(len(text) <= 403 for text in warnings)


@pytest.mark.parametrize(
    "text",
    [
        f'methods = ["{PAGE}"]',
        f'"{PAGE}" = 1',
        f'methods = [{{ key = "tv", "{PAGE}" = 1 }}]',
        f'methods = ["tv"]\npictures = ["{PAGE}"]',
        f'methods = ["tv"]\noperators = [{{ key = "kernel_blur", kernel = "{PAGE}x" }}]',
        f'methods = ["tv"]\nout = "{PAGE}"',
    ],
)
def test_no_sweep_file_is_quoted_whole(text: str):
    with pytest.raises(ValueError, match=r"[a-z]") as caught:
        parse(text)
    assert len(str(caught.value)) < 600
