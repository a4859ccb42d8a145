"""Keys of a shelf as an address writes them: "a", or several as "a,b"."""

from collections.abc import Callable, Container, Iterable
from typing import Protocol, runtime_checkable


@runtime_checkable
class Shelf(Container[str], Iterable[str], Protocol):
    """Anything that holds keys and lists them."""


def known(name: str, shelf: Shelf) -> Callable[[str], None]:
    """A check of one key; it raises ValueError with a sentence for a key that is not there."""

    def check(key: str) -> None:
        if key not in shelf:
            raise ValueError(f"There is no {name} {key!r} here; known are {', '.join(shelf)}.")

    return check


def some(name: str, shelf: Shelf) -> Callable[[str], tuple[str, ...]]:
    """A reader of "a,b": each of the shelf, once, and at least one; the order is kept."""

    def parse(text: str) -> tuple[str, ...]:
        keys = [key for key in text.split(",") if key]
        for key in keys:
            known(name, shelf)(key)
        if not keys:
            raise ValueError(f"At least one {name} is needed.")
        return tuple(dict.fromkeys(keys))

    return parse
