"""Rows of one name that were not measured alike, kept apart: no mean is over two tolerances or versions."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from deqviz.sweep.row import Measured

_NAMED = frozenset({"image", "operator", "noise", "seed"})
"""What of a scenario a row says in columns of its own, and means go over."""


def apart(rows: Iterable[Measured]) -> tuple[Measured, ...]:
    """The rows; a method is called by what differs where its settings are not those of its group's first row.

    The settings are all that decides a number and is in no name: the method's parameters, size, iterations,
    tolerance, the version of DEQViz, and the image, of which a name stands for the first one.
    """
    before, rows = (), tuple(rows)
    while rows != before:  # of a third kind the name is told in another pass
        before, rows = rows, tuple(_renamed(rows))
    return rows


def _renamed(rows: Iterable[Measured]) -> Iterator[Measured]:
    settings: dict[tuple[str, ...], Mapping[str, Any]] = {}
    images: dict[tuple[str, ...], str] = {}
    for row in rows:
        group = (row.operator, row.noise, row.method)
        image, own = _settings(row)
        first = settings.setdefault(group, own)
        other = (name for name in {**first, **own} if own.get(name) != first.get(name))
        differs = [f"{name.removeprefix('method.')} {_text(own.get(name))}" for name in other]
        if images.setdefault((*group, row.picture), image) != image:
            differs.append("another image of this name")
        yield replace(row, method=f"{row.method} ({', '.join(differs)})") if differs else row


def _settings(row: Measured) -> tuple[str, dict[str, Any]]:
    """The key of the image, and the settings by their names; only the version where the scenario is none."""
    try:
        plain = json.loads(row.scenario)
        own = {name: value for name, value in plain.items() if name not in _NAMED}
        return str(plain["image"]), {**dict(_flat(own)), "version": row.version}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "", {"version": row.version}


def _flat(plain: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every choice under its own name, its parameters under theirs."""
    for name, value in plain.items():
        if isinstance(value, dict) and "key" in value:
            yield name, value["key"]
            yield from ((f"{name}.{inner}", v) for inner, v in _flat(value.get("params", {})))
        else:
            yield name, value


def _text(value: Any) -> str:
    return "default" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
