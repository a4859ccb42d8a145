"""The view of a comparison: pictures side by side, the race, the table and the search, in one component."""

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

from streamlit.components.v2 import component

from deqviz.ui import live
from deqviz.ui.compare_view.protocol import pack, parse_commands
from deqviz.ui.compare_view.records import Command, Frames, View
from deqviz.ui.live.assets import plotly_script
from deqviz.ui.live.records import Pictures

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

__all__ = ["show", "show_frames", "show_pictures"]

KEY = "compare"


def show(view: View, on_command: Callable[[Command], object] | None = None) -> None:
    """Draw the view in place and call `on_command` for everything that was clicked since."""
    data = pack(view, ack=live.acknowledged(KEY), plotly=plotly_script())
    _component()(key=KEY, data=data, on_command_change=partial(live.hear, KEY, parse_commands, on_command))


def show_pictures(pictures: Pictures) -> None:
    """Hand the browser the truth and the data; takes no room. Call it after the fragment of `show`."""
    _component()(key=f"{KEY}_pictures", data=pack(pictures))
    if plotly_script() is None:  # Streamlit does not serve it: through the websocket then
        _component()(key=f"{KEY}_plotly", data=live.plotly_packet())


def show_frames(frames: Frames) -> None:
    """Hand the browser the kept iterates of all runs, so that it can scrub without the server."""
    _component()(key=f"{KEY}_frames", data=pack(frames))


@cache
def _component() -> "ComponentRenderer":
    # no shadow root: Plotly puts its style sheet into the document's head
    return component(
        "deqviz.compare",
        html="<div class='dqv dqc'></div>",
        css="compare.css",
        js="compare.js",
        isolate_styles=False,
    )
