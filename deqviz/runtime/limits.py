"""Limits of this server for one visitor, read from the environment once.

Every task says what it demands, and the worker, through which all of them go, asks `Limits.rejection`: no
page, study, link or search has a limit of its own, and none can forget it.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Literal

from deqviz.core.quoted import quoted
from deqviz.core.registry import Param, Range, params_of
from deqviz.scenario import Scenario

PREFIX = "DEQVIZ_"
_WHOLE = re.compile(r"[0-9]{1,15}")
_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
"""Digits of ASCII alone: `int` and `float` also read ٤, 1_0, " 4 ", 1e3 and inf."""


@dataclass(frozen=True)
class Demand:
    """A number that a task asks for and a server limits, under the label of its widget.

    `limit` is the limit that it falls under, `least` the smallest value that can be chosen instead.
    """

    limit: Literal["side", "iterations"]
    label: str
    value: int
    least: int = 1


def size_of(record: object, name: str) -> Demand:
    """The image size of a setting: a field that is a number of pixels, or one of the texts "64 px", …"""
    p, value = _spec(record, name), getattr(record, name)
    if isinstance(p.domain, tuple):
        sizes = {text: int(text.split()[0]) for text in p.domain}
        return Demand("side", p.label or name, sizes[value], min(sizes.values()))
    return _counted("side", p, value)


def count_of(record: object, name: str) -> Demand:
    """A number of iterations, or of steps of a training, of a setting."""
    return _counted("iterations", _spec(record, name), getattr(record, name))


def demands_of(scenario: Scenario) -> tuple[Demand, ...]:
    """What a run of a scenario demands."""
    return size_of(scenario, "size"), count_of(scenario, "iterations")


def _spec(record: object, name: str) -> Param:
    return next(p for p in params_of(type(record)) if p.name == name)


def _counted(limit: Literal["side", "iterations"], p: Param, value: int) -> Demand:
    assert isinstance(p.domain, Range)
    return Demand(limit, p.domain.label or p.name, value, int(p.domain.low))


@dataclass(frozen=True)
class Limits:
    """The caps of a server; the defaults are those of a machine that its owner uses alone.

    `slots` visitors compute at a time, each for `lease` seconds before the next in line comes; `queue` is
    the longest line, `runs` how many things one of them may have going on. `seconds` is the computing that
    one run may take, `side` and `iterations` bound what is asked for. Each is set by its name in capitals
    behind DEQVIZ_, e.g. DEQVIZ_SECONDS=120.
    """

    slots: int = 4
    lease: float = 10.0
    queue: int = 100
    runs: int = 24
    seconds: float = 3600.0
    side: int = 512
    iterations: int = 20000

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Limits":
        """The limits of an environment; raises ValueError naming the variable that is no positive number."""
        values: dict[str, float] = {}
        for field in fields(cls):
            name = f"{PREFIX}{field.name.upper()}"
            if (text := environment.get(name)) is None:
                continue
            form, kind = (_WHOLE, int) if isinstance(field.default, int) else (_DECIMAL, float)
            value = kind(text) if form.fullmatch(text) else 0
            if not value:
                whole = "a whole number above 0" if kind is int else "a number above 0"
                raise ValueError(f"{name} must be {whole}, not {quoted(text)}.")
            values[field.name] = value
        return cls(**values)  # type: ignore[arg-type]

    def rejection(self, demands: Iterable[Demand]) -> str | None:
        """A sentence that says what to choose instead where a task is larger than this server allows."""
        for demand in demands:
            most: int = getattr(self, demand.limit)
            unit, less = (" px", "less") if demand.limit == "side" else ("", "fewer")
            if demand.value <= most:
                continue
            allowed = f"This server allows at most {most}{unit or ' iterations'}, and {demand.label} is"
            if demand.least > most:
                return f"{allowed} at least {demand.least}{unit} here: run `deqviz app` on your own computer."
            return f"{allowed} {demand.value}{unit}: choose {most}{unit} or {less}."
        return None


@cache
def limits() -> Limits:
    """Those of this process."""
    return Limits.read(os.environ)
