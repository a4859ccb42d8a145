"""The board: one component that shows an experiment as it fills, updated in place.

How a page uses it, `view()` being its own way from a study to a `Board` and `is_moving()` telling whether
the board will change by itself:

    moved = is_moving()

    @st.fragment(run_every=0.15 if moved else None)
    def panel() -> None:
        board.show(view(), on_command=act)
        if is_moving() != moved:
            st.rerun()

    panel()

`on_command` is called before the fragment's body, so that the board built there already shows its effect. It
is bound when the component is mounted: it should look the study up in the session, not close over it.
"""

from collections.abc import Callable
from functools import partial

import streamlit as st

from deqviz.ui.components.board.protocol import pack, parse_commands
from deqviz.ui.components.board.records import (
    Axis,
    Board,
    Chart,
    Command,
    CommandName,
    Explanation,
    Role,
    Row,
    Series,
    Stack,
    Stacks,
    State,
    Style,
    Tile,
)
from deqviz.ui.components.commands import acknowledged, hear
from deqviz.ui.components.frontend import Frontend
from deqviz.ui.components.plotly import plotly_packet, plotly_script

_FRONTEND = Frontend("board", "<div class='dqv dqb'></div>", "board/index.js", "shared/style.css")

__all__ = [
    "Axis",
    "Board",
    "Chart",
    "Command",
    "CommandName",
    "Explanation",
    "Role",
    "Row",
    "Series",
    "Stack",
    "Stacks",
    "State",
    "Style",
    "Tile",
    "show",
]


def show(board: Board, key: str = "board", on_command: Callable[[Command], object] | None = None) -> None:
    """Draw the board in place and call `on_command` for everything that was clicked since."""
    data = pack(board, ack=acknowledged(key), plotly=plotly_script())
    _FRONTEND(key=key, data=data, on_command_change=partial(hear, key, parse_commands, on_command))
    if plotly_script() is None:
        _supply_plotly(key, is_at_rest=board.csv is not None)


def _supply_plotly(key: str, *, is_at_rest: bool) -> None:
    """Send plotly.js, five megabytes, through the websocket: once, and again when nothing else is sent."""
    if is_at_rest or not st.session_state.get(f"_{key}_supplied"):
        st.session_state[f"_{key}_supplied"] = True
        _FRONTEND(key=f"{key}_plotly", data=plotly_packet())
