"""The view of a comparison: pictures side by side, the race, the table and the search, in one component."""

from collections.abc import Callable
from functools import partial

from deqviz.ui.components.commands import acknowledged, hear
from deqviz.ui.components.compare.protocol import pack, parse_commands
from deqviz.ui.components.compare.records import Command, Frames, View
from deqviz.ui.components.frontend import Frontend
from deqviz.ui.components.plotly import plotly_packet, plotly_script
from deqviz.ui.components.run.records import Pictures

_FRONTEND = Frontend("compare", "<div class='dqv dqc'></div>", "compare/index.js", "compare/style.css")

__all__ = ["show", "show_frames", "show_pictures"]

KEY = "compare"


def show(view: View, on_command: Callable[[Command], object] | None = None) -> None:
    """Draw the view in place and call `on_command` for everything that was clicked since."""
    data = pack(view, ack=acknowledged(KEY), plotly=plotly_script())
    _FRONTEND(key=KEY, data=data, on_command_change=partial(hear, KEY, parse_commands, on_command))


def show_pictures(pictures: Pictures) -> None:
    """Hand the browser the truth and the data; takes no room. Call it after the fragment of `show`."""
    _FRONTEND(key=f"{KEY}_pictures", data=pack(pictures))
    if plotly_script() is None:  # Streamlit does not serve it: through the websocket then
        _FRONTEND(key=f"{KEY}_plotly", data=plotly_packet())


def show_frames(frames: Frames) -> None:
    """Hand the browser the kept iterates of all runs, so that it can scrub without the server."""
    _FRONTEND(key=f"{KEY}_frames", data=pack(frames))
