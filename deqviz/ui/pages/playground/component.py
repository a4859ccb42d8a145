"""The playground: the equation in the plane, where everything that the theorems speak of can be seen.

The field and the level sets depend on the data by a shift alone, −A*y, so the browser moves them with the
hand; equilibria, trajectories and guarantees come from the package, some tens of milliseconds later.
"""

from collections.abc import Callable
from functools import partial

import streamlit as st

from deqviz.ui.components.commands import triggered
from deqviz.ui.components.frontend import Frontend
from deqviz.ui.components.plotly import plotly_packet, plotly_script
from deqviz.ui.components.run.records import Explanation
from deqviz.ui.pages.playground.protocol import Hand, pack, parse
from deqviz.ui.pages.playground.scene import Scene, Sweep
from deqviz.ui.pages.playground.setup import Setup

_FRONTEND = Frontend(
    "playground", "<div class='dqv dqp'></div>", "playground/index.js", "playground/style.css"
)

KEY = "playground"


def show(
    setup: Setup, scene: Scene, sweep: Sweep, explanation: Explanation, act: Callable[[Hand], object]
) -> None:
    """Draw the plane in place; `act` is called, before the fragment's body, for what a hand did there."""
    data = pack(setup, scene, sweep, explanation, ack=_heard(), plotly=plotly_script())
    _FRONTEND(key=KEY, data=data, on_hand_change=partial(_hear, act))
    if plotly_script() is None:  # Streamlit does not serve it: through the websocket then
        _FRONTEND(key=f"{KEY}_plotly", data=plotly_packet())


def _hear(act: Callable[[Hand], object]) -> None:
    """The state of the hand that came last counts, so nothing is lost when one overtakes another."""
    hand = parse(triggered(KEY, "hand"))
    if hand is not None and hand.number != _heard():
        st.session_state[f"_{KEY}_heard"] = hand.number
        act(hand)


def _heard() -> int:
    return st.session_state.get(f"_{KEY}_heard", 0)
