"""Limits of this server for one visitor, read from the environment once."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache

from deqviz.core.quoted import quoted
from deqviz.scenario import Scenario

PREFIX = "DEQVIZ_"


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
            kind = int if isinstance(field.default, int) else float
            try:
                value = kind(text)
            except ValueError:
                value = 0
            if not 0 < value < math.inf:
                whole = "a whole number above 0" if kind is int else "a number above 0"
                raise ValueError(f"{name} must be {whole}, not {quoted(text)}.")
            values[field.name] = value
        return cls(**values)  # type: ignore[arg-type]

    def rejection(self, scenario: Scenario) -> str | None:
        """A sentence that says what to choose instead where a run is larger than this server allows."""
        if scenario.size > self.side:
            request = f"{scenario.size} px along the longer side"
            return f"This server runs images of at most {self.side} px, not {request}: choose a smaller one."
        if scenario.iterations > self.iterations:
            request = f"not {scenario.iterations}: choose fewer under Advanced."
            return f"This server runs at most {self.iterations} iterations, {request}"
        return None


@cache
def limits() -> Limits:
    """Those of this process."""
    return Limits.read(os.environ)
