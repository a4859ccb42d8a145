"""What a lesson may say about numbers: conditions on them, and places in a text for them. Pure.

A name is "here.limits" or "tried.limits": a quantity of the first view, or of the one under "Try this".
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from deqviz.core.numbers import number
from deqviz.core.quoted import quoted

Numbers = Mapping[str, float]
"""What was measured, by names with their view."""

VIEWS: Final = ("here", "tried")
_NAME: Final = r"[a-z]+\.[a-z]\w*"
_PLAIN: Final = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
_TERM: Final = (
    rf"(?:(?P<{{0}}_factor>{_PLAIN})\s*\*\s*)?(?:(?P<{{0}}_name>{_NAME})|(?P<{{0}}_plain>{_PLAIN}))"
)
_CLAUSE: Final = re.compile(
    rf"\s*{_TERM.format('left')}\s*(?P<sign><=|>=|==|<|>)\s*{_TERM.format('right')}\s*", re.ASCII
)
_PLACE: Final = re.compile(rf"\{{({_NAME})\}}", re.ASCII)
_SIGNS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Term:
    """A number, or a factor times a quantity."""

    factor: float
    name: str = ""

    def value(self, numbers: Numbers) -> float:
        """What it is now; KeyError where the quantity was not measured."""
        return self.factor * numbers[self.name] if self.name else self.factor


@dataclass(frozen=True, slots=True)
class Condition:
    """Comparisons that must all hold, e.g. "tried.limits > 1 and here.limits == 1"."""

    text: str
    clauses: tuple[tuple[Term, str, Term], ...]

    @classmethod
    def read(cls, text: str) -> "Condition":
        """Raises ValueError with a sentence for what is no comparison."""
        clauses: list[tuple[Term, str, Term]] = []
        for part in re.split(r"\band\b", text):
            match = _CLAUSE.fullmatch(part)
            if match is None:
                raise ValueError(
                    f"{quoted(part.strip())} is no comparison; write e.g. here.limits == 1, "
                    "or tried.slope < 0.7 * here.slope, joined by and."
                )
            clauses.append((_term(match, "left"), match["sign"], _term(match, "right")))
        return cls(text, tuple(clauses))

    @property
    def names(self) -> tuple[str, ...]:
        """The quantities that it speaks of."""
        return tuple(term.name for left, _, right in self.clauses for term in (left, right) if term.name)

    def holds(self, numbers: Numbers) -> bool:
        """Whether the numbers say so; KeyError where one was not measured."""
        return all(
            _SIGNS[sign](left.value(numbers), right.value(numbers)) for left, sign, right in self.clauses
        )


def _term(match: re.Match[str], side: str) -> Term:
    factor = float(match[f"{side}_factor"] or 1)
    plain = match[f"{side}_plain"]
    return Term(factor * float(plain)) if plain else Term(factor, match[f"{side}_name"])


def places(text: str) -> Iterator[str]:
    """The names in braces, "{here.limits}"; braces of formulas hold no dot between two words."""
    yield from _PLACE.findall(text)


def filled(text: str, numbers: Numbers) -> str:
    """The text with its numbers, three digits of each and whole ones whole; KeyError as above."""

    def value_text(match: re.Match[str]) -> str:
        value = numbers[match[1]]
        is_whole = value == round(value) and abs(value) < 1e6
        return f"{round(value):,}".replace("-", "−") if is_whole else number(value)

    return _PLACE.sub(value_text, text)
