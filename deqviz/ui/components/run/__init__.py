"""The live view: one component that owns pictures, charts and controls and is updated in place.

How a page uses it, `view`, `pictures` and `frames` being its own way from a run to the records (that of the
app is `ui/pages/reconstruct/screen.py`) and `is_moving` telling whether it will change by itself:

    moved = is_moving()

    @st.fragment(run_every=0.1 if moved else None)
    def panel() -> None:
        live.show(view(), on_command=act)
        if is_moving() != moved:
            st.rerun()

    panel()
    live.show_pictures(pictures())
    if not moved:
        live.show_frames(frames())

The carriers of pictures and frames come after the panel: an element that appears before it would shift its
place, and Streamlit would take the component down and build it anew.

`on_command` is called before the fragment's body: the view built in the body already shows its effect,
and tells the browser which commands were heard. It is bound when the component is mounted, so it should
look the job up in the session state instead of closing over it.
"""

from collections.abc import Callable
from functools import partial

from deqviz.ui.components.commands import acknowledged, hear
from deqviz.ui.components.frontend import Frontend
from deqviz.ui.components.plotly import plotly_packet, plotly_script
from deqviz.ui.components.run.protocol import pack, parse_commands
from deqviz.ui.components.run.records import (
    Command,
    CommandName,
    Curve,
    Explanation,
    Frames,
    Path,
    Pictures,
    Row,
    Shade,
    State,
    Trajectory,
    View,
)

_FRONTEND = Frontend("run", "<div class='dqv'></div>", "run/index.js", "shared/style.css")


__all__ = [
    "Command",
    "CommandName",
    "Curve",
    "Explanation",
    "Frames",
    "Path",
    "Pictures",
    "Row",
    "Shade",
    "State",
    "Trajectory",
    "View",
    "show",
    "show_frames",
    "show_pictures",
]


def show_pictures(pictures: Pictures, key: str = "live_pictures") -> None:
    """Hand the browser what stays the same in a run; takes no room on the page.

    Call it in the script after the fragment that calls `show`, so that it is sent once per run.
    """
    _FRONTEND(key=key, data=pack(pictures))
    if plotly_script() is None:  # Streamlit does not serve it: through the websocket then
        _FRONTEND(key=f"{key}_plotly", data=plotly_packet())


def show_frames(frames: Frames, key: str = "live_frames") -> None:
    """Hand the browser the kept iterates, so that it can scrub without the server; takes no room.

    Call it after the fragment too, once a run is paused or over.
    """
    _FRONTEND(key=key, data=pack(frames))


def show(view: View, key: str = "live", on_command: Callable[[Command], object] | None = None) -> None:
    """Draw the view in place and call `on_command` for everything that was clicked since."""
    data = pack(view, ack=acknowledged(key), plotly=plotly_script())
    _FRONTEND(key=key, data=data, on_command_change=partial(hear, key, parse_commands, on_command))
