"""Keys of choices as an address writes them: "a", or several as "a,b"."""

from collections.abc import Callable, Container, Iterable
from typing import Protocol, runtime_checkable

from deqviz.core.quoted import quoted


@runtime_checkable
class Choices(Container[str], Iterable[str], Protocol):
    """Anything that holds keys and lists them."""


def key_check(name: str, choices: Choices) -> Callable[[str], None]:
    """A check of one key; it raises ValueError with a sentence for a key that is not there."""

    def check(key: str) -> None:
        if key not in choices:
            raise ValueError(f"There is no {name} {quoted(key)} here; known are {', '.join(choices)}.")

    return check


def some(name: str, choices: Choices) -> Callable[[str], tuple[str, ...]]:
    """A reader of "a,b": each of the choices, once, and at least one; the order is kept."""

    def parse(text: str) -> tuple[str, ...]:
        keys = [key for key in text.split(",") if key]
        for key in keys:
            key_check(name, choices)(key)
        if not keys:
            raise ValueError(f"At least one {name} is needed.")
        return tuple(dict.fromkeys(keys))

    return parse
