"""Rows of one name that were not measured alike, kept apart: no mean is over two tolerances or versions."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from deqviz.core.quoted import clipped, printable
from deqviz.sweep.row import Measured

_NAMED = frozenset({"image", "operator", "noise", "seed"})
"""What of a scenario a row says in columns of its own, and means go over."""


def apart(rows: Iterable[Measured]) -> tuple[Measured, ...]:
    """The rows; a method is called by what differs where its settings are not those of its group's first row.

    The settings are all that decides a number and is in no name: the method's parameters, size, iterations,
    tolerance, the version of DEQViz, and the image, of which a name stands for the first one.
    """
    firsts: dict[tuple[str, ...], Mapping[str, Any]] = {}
    images: dict[tuple[str, ...], str] = {}

    def fits(row: Measured, image: str, own: Mapping[str, Any]) -> bool:
        """Whether the row is of one kind with those of its name before it."""
        group = (row.operator, row.noise, row.method)
        is_same = firsts.setdefault(group, own) == own
        return is_same and images.setdefault((*group, row.picture), image) == image

    known = [(row, *_settings(row)) for row in rows]
    are_first = [fits(*one) for one in known]
    return tuple(
        row if is_first else _renamed(row, image, own, firsts[row.operator, row.noise, row.method], fits)
        for (row, image, own), is_first in zip(known, are_first, strict=True)
    )


def _renamed(
    row: Measured, image: str, own: Mapping[str, Any], first: Mapping[str, Any], fits: Callable[..., bool]
) -> Measured:
    other = [name for name in {**first, **own} if own.get(name) != first.get(name)]
    differs = [f"{name.removeprefix('method.')} {_text(own.get(name))}" for name in other]
    if own == first:
        differs.append("another image of this name")
    said = clipped(printable(", ".join(differs)), 200)
    # A third kind that reads like the second has a digest: to look for free names costs its square.
    for end in ("", f", {_digest(own)}", f", {_digest([own, image])}"):
        called = replace(row, method=f"{row.method} ({said}{end})")
        if fits(called, image, own):
            break
    return called


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:6]


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
            yield name, _flattened(value["key"])
            yield from ((f"{name}.{inner}", v) for inner, v in _flat(value.get("params", {})))
        else:
            yield name, _flattened(value)


def _flattened(value: Any) -> Any:
    """What is nested as a text: to compare and to write those of a stranger later may go too deep."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def _text(value: Any) -> str:
    return "default" if value is None else f"{value:.4g}" if isinstance(value, float) else clipped(str(value))
