"""The domain of trained weights: for what they were trained, as plain data of their card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
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

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Domain":
        """The domain of a card; raises ValueError or TypeError for what is none."""
        domain = cls(**plain)
        ranges = [allowed for of in domain.operators.values() for allowed in of.values()]
        is_whole = (
            isinstance(domain.trained_for, str)
            and _are_texts(domain.images)
            and all(_are_texts(allowed) or _is_interval(allowed) for allowed in ranges)
            and (domain.level is None or _is_interval(domain.level))
            and (domain.noise is None or _is_interval([0.0, domain.noise]))
        )
        if not is_whole:
            raise ValueError("this is no domain")
        return domain


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _is_interval(ends: Any) -> bool:
    return (
        isinstance(ends, list)
        and len(ends) == 2
        and all(isinstance(end, int | float) and isfinite(end) for end in ends)
        and ends[0] <= ends[1]
    )
