"""The domain of trained weights: for what they were trained, as plain data of their card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Domain:
    """What a training saw, in words and as what can be compared with a problem.

    `operators` by their keys, each with the ranges, or the options, of its parameters; empty where none was
    part of it, as for denoisers, which are used behind any operator on real images. `images` are kinds of the
    gallery, empty where any will do; `noise` is the largest standard deviation, `level` the range of σ_d.
    """

    trained_for: str
    operators: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict)
    images: Sequence[str] = ()
    noise: float | None = None
    level: Sequence[float] | None = None
