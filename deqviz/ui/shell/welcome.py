"""The hint for a first visit: three sentences above the live view, until this browser has said "Got it"."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.components.v2 import component

from deqviz.ui.app_pages import FOLDER

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

FIRST = "uniqueness"
"""The lesson that the hint leads to."""
SENTENCES = (
    "DEQViz reconstructs a picture from incomplete data while you watch, and holds what theory promises "
    "against every iteration.",
    "Change anything at the side, press Space to pause, and drag the slider to look back.",
    "Lesson 1 says in six minutes what an equilibrium is, and when there is only one.",
)
LINK = "Lesson 1"

_HERE = Path(__file__).parent


@cache
def _component() -> "ComponentRenderer":
    """Register once per process."""
    return component(
        "deqviz_welcome",
        html='<div class="deqviz-welcome" role="note" aria-label="Welcome"></div>',
        css=(_HERE / "welcome.css").read_text(),
        js=(_HERE / "welcome.js").read_text(),
        isolate_styles=False,
    )


def hint() -> None:
    """Show the hint; call it in a fixed place of the home page, in every run of the script.

    The browser alone knows and decides whether it is seen. So it is always mounted, and what is below never
    changes its place.
    """
    with st.container(key="welcome", horizontal=True, vertical_alignment="center"):
        _component()(key="welcome_hint", data={"sentences": list(SENTENCES)})
        st.page_link(FOLDER / "lessons.py", label=LINK, query_params={"lesson": FIRST})
