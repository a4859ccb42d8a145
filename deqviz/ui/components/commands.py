"""Commands from a component: each is acted on once, in the order in which they were clicked."""

from collections.abc import Callable, Sequence
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


def hear(key: str, parse: Callable[[object, int], Sequence[C]], act: Callable[[C], object] | None) -> None:
    """Act once on every command that the trigger carries, oldest first.

    The browser repeats a command until it is acknowledged: Streamlit keeps only the latest trigger
    of a name between two runs, and three quick steps must stay three.
    """
    sent = st.session_state.get(key, {}).get("command")
    for command in parse(sent, acknowledged(key)):
        st.session_state[f"_{key}_heard"] = command.number
        if act is not None:
            act(command)


def acknowledged(key: str) -> int:
    """The number of the last command that was heard from the component of this key."""
    return st.session_state.get(f"_{key}_heard", 0)
