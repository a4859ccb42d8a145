"""What a scenario is, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from deqviz import images, kspace
from deqviz.core.catalog import METHODS, NOISES, OPERATORS, REGULARIZERS
from deqviz.core.numbers import pretty
from deqviz.core.registry import REGISTRIES, Param, Pick, Range, params_of
from deqviz.scenario import Scenario


def describe(scenario: Scenario) -> str:
    """The scenario in a line: picture, operator, noise, method."""
    own = "your k-space" if kspace.is_key(scenario.image) else "your image"
    title = next((p.title for p in images.gallery() if p.key == scenario.image), own)
    method = METHODS[scenario.method.key].title
    regularizer = scenario.method.params.get("regularizer")
    if regularizer is not None:
        title_of_r = REGULARIZERS[regularizer.key].title
        method += f", {title_of_r[0].lower()}{title_of_r[1:]}"
    parts = (title, OPERATORS[scenario.operator.key].title, NOISES[scenario.noise.key].title, method)
    return " · ".join(parts)


def particulars(scenario: Scenario) -> str:
    """What of a scenario is not at its default, as its widgets call it: "Width s 2.5 px, Seed 3"."""
    parts = list(_changed(params_of(Scenario), vars(scenario)))
    for choice, registry in (
        (scenario.operator, OPERATORS),
        (scenario.noise, NOISES),
        (scenario.method, METHODS),
    ):
        parts += _changed(registry[choice.key].params, choice.params)
    return ", ".join(parts)


def _changed(specs: tuple[Param, ...], params: Mapping[str, Any]) -> Iterator[str]:
    for p in specs:
        value = params.get(p.name, p.default)
        if isinstance(p.domain, Pick):
            entry = REGISTRIES[p.domain.kind][value.key]
            # The regulariser stands in `describe`.
            if value.key != p.default.key and p.domain.kind != "regularizer":
                yield f"{p.label or p.name.capitalize()} {entry.title}"
            yield from _changed(entry.params, value.params)
        elif value != p.default:
            yield _text(p, value)


def _text(p: Param, value: Any) -> str:
    label, unit = p.label or p.name.capitalize(), ""
    if isinstance(p.domain, Range):
        label, unit = p.domain.label or label, p.domain.unit
        if p.domain.symbol and not label.endswith(p.domain.symbol):
            label += f" {p.domain.symbol}"
    if isinstance(value, bool):
        return f"{label} {'on' if value else 'off'}"
    text = pretty(value) if isinstance(value, int | float) else p.text(str(value))[:40]
    return f"{label} {text} {unit}".rstrip()
