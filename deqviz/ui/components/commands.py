"""Commands from a component: each is acted on once, in the order in which they were clicked."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import streamlit as st


@runtime_checkable
class Numbered(Protocol):
    """A command of any component."""

    @property
    def number(self) -> int:
        """Grows from click to click."""
        ...


C = TypeVar("C", bound=Numbered)


REMEMBERED = 256
"""Numbers of commands that are remembered; a browser sends at most 32 that are unanswered."""


def hear(
    key: str,
    parse: Callable[[object, Collection[int]], Sequence[C]],
    act: Callable[[C], object] | None,
) -> None:
    """Act once on every command that the trigger carries, oldest first.

    The browser repeats a command until it is acknowledged: Streamlit keeps only the latest trigger
    of a name between two runs, and three quick steps must stay three. What was heard is told by its number
    alone and not by its size: after a command with the largest number of all the next click must count.
    """
    for command in parse(triggered(key, "command"), _heard(key)):
        st.session_state[f"_{key}_heard"] = (*_heard(key), command.number)[-REMEMBERED:]
        if act is not None:
            act(command)


def triggered(key: str, name: str) -> object:
    """What the component of this key sent under the name of a trigger; None where it sent nothing."""
    state = st.session_state.get(key)
    return state.get(name) if isinstance(state, Mapping) else None


def acknowledged(key: str) -> int:
    """The number of the last command that was heard from the component of this key."""
    heard = _heard(key)
    return heard[-1] if heard else 0


def _heard(key: str) -> tuple[int, ...]:
    return st.session_state.get(f"_{key}_heard", ())
