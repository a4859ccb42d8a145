"""One cell of a batch: its scenario as plain data, and its measured numbers."""

import hashlib
import json
import sys
from dataclasses import dataclass, field, fields, replace
from types import NoneType
from typing import Any, Literal, get_args

import torch

from deqviz import images
from deqviz.core.guarantee import Guarantee
from deqviz.core.quoted import quoted
from deqviz.core.registry import REGISTRIES, Choice, Param, Pick
from deqviz.experiments._rows import Key, Row
from deqviz.scenario import METHODS, NOISES, OPERATORS, Scenario

State = Literal["arrived", "ended", "limit", "diverged", "refused", "failed"]
"""At the tolerance; at a direct method's end; out of iterations; diverged; not possible; broken off."""

MEASURED: frozenset[State] = frozenset({"arrived", "ended", "limit"})
"""The states with an image that counts."""


@dataclass(frozen=True)
class Cell:
    """One run to be made, under the names that it has in the batch.

    `pixels` are those of an image that is not in the gallery, for a process that has never seen it.
    """

    scenario: Scenario
    picture: str
    method: str
    pixels: torch.Tensor | None = field(default=None, compare=False, repr=False)

    @property
    def id(self) -> str:
        """The same for equal scenarios, whatever their names: results are found again by it.

        The version is none of it: what it means for the numbers stands in the operator.
        """
        plain = replace(self.scenario, streams=1).to_json()
        return hashlib.sha256(plain.encode()).hexdigest()[:16]

    def keep_picture(self) -> None:
        """Make the image known to this process."""
        if self.pixels is not None:
            images.keep(self.pixels, self.scenario.image.removeprefix("upload-"))


@dataclass(frozen=True, slots=True)
class Measured(Row):
    """A cell and its numbers, None where there are none.

    `level` is the noise's standard deviation per entry of the data, `data_psnr` that of the back-projected
    data, `seconds` those of the iterations alone, on one thread. `guarantee` is the main theorem of the
    method and `status` what it says here.
    """

    cell: str
    picture: str
    operator: str
    noise: str
    level: float | None
    method: str
    seed: int
    state: State
    reason: str
    psnr: float | None
    ssim: float | None
    data_psnr: float | None
    residual: float | None
    iterations: int
    evaluations: int
    seconds: float
    guarantee: str
    status: str
    version: str
    scenario: str

    @classmethod
    def of(cls, plain: Any) -> "Measured":
        """The row of plain data out of a file; raises ValueError with the middle of a sentence about it."""
        if not isinstance(plain, dict) or plain.keys() != {f.name for f in fields(cls)}:
            raise ValueError("a line is no row")
        row = cls(**{f.name: _checked(f.name, f.type, plain[f.name]) for f in fields(cls)})
        if min(row.iterations, row.evaluations, row.seconds) < 0:
            raise ValueError("a count is negative")
        return row.retitled()

    def retitled(self) -> "Measured":
        """Under today's titles of its operator and noise, so that rows of all versions stand in one group.

        Its scenario says which they are; where that cannot be read, e.g. of a plugin, the row stays as it is.
        """
        try:
            fields = json.loads(self.scenario)
            scenario = Scenario.from_json(json.dumps({name: fields[name] for name in ("operator", "noise")}))
        except (ValueError, TypeError, KeyError, RecursionError):
            return self
        operator, noise = label("operator", scenario.operator), label("noise", scenario.noise)
        return replace(self, operator=operator, noise=noise)

    @property
    def key(self) -> Key:
        """The cell."""
        return (self.cell,)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """None of its own: the status of the method's is a column."""
        return ()

    @property
    def gain(self) -> float | None:
        """PSNR above that of the data."""
        if self.psnr is None or self.data_psnr is None:
            return None
        return self.psnr - self.data_psnr


def _checked(name: str, kind: Any, value: Any) -> Any:
    """The value of one column as its type."""
    if value is None:
        if NoneType in get_args(kind):
            return None
        raise ValueError(f"a {name!r} is missing")
    if kind is State:
        if value not in get_args(State):
            raise ValueError(f"there is no state {quoted(value)}")
    elif kind is str:
        # Half of a pair, which JSON can hold, is in no file.
        if not isinstance(value, str) or value.encode(errors="replace").decode() != value:
            raise ValueError(f"a {name!r} is no text")
    elif isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        raise ValueError(f"a {name!r} is no number")
    elif kind is int:
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"a {name!r} has more than 64 bits")
    elif not abs(value) <= sys.float_info.max:
        raise ValueError(f"a {name!r} is no finite number")
    else:
        return float(value)
    return value


def label(kind: Literal["operator", "noise", "method"], choice: Choice) -> str:
    """The title of a choice and its numbers: "Gaussian blur (width 1.6)".

    Of a method, and of what is advanced, only the numbers that differ from the defaults.
    """
    registry = {"operator": OPERATORS, "noise": NOISES, "method": METHODS}[kind]
    entry = registry[choice.key]
    details = ", ".join(_details(entry.params, choice, is_full=kind != "method"))
    return f"{entry.title} ({details})" if details else entry.title


def _details(params: tuple[Param, ...], choice: Choice, *, is_full: bool) -> list[str]:
    details: list[str] = []
    for p in params:
        value = choice.params.get(p.name, p.default)
        if isinstance(p.domain, Pick):
            if value.key != p.default.key:
                details.append(value.key)
            details += _details(REGISTRIES[p.domain.kind][value.key].params, value, is_full=False)
        elif value != p.default or (is_full and not p.advanced):
            details.append(f"{p.name} {_text(value)}")
    return details


def _text(value: object) -> str:
    """A value in a title; of a long one, e.g. a kernel, its begin and digest: titles tell groups apart."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return text if len(text) <= 60 else f"{text[:40]} … {digest}"
