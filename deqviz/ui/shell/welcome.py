"""The hint for a first visit: three sentences above the live view, until this browser has said "Got it"."""

import streamlit as st

from deqviz.ui.components.frontend import Frontend

_FRONTEND = Frontend(
    "welcome",
    '<div class="deqviz-welcome" role="note" aria-label="Welcome"></div>',
    "shell/welcome.js",
    "shell/welcome.css",
)

FIRST = "uniqueness"
"""The lesson that the hint leads to."""
SENTENCES = (
    "DEQViz reconstructs an image from incomplete data while you watch, and holds what theory promises "
    "against every iteration.",
    "Change anything at the side, press Space to pause, and drag the slider to look back.",
    "Lesson 1 says in six minutes what an equilibrium is, and when there is only one.",
)
LINK = "Lesson 1"


def hint(lessons: st.Page) -> None:
    """Show the hint with a link to the page of lessons; call it in a fixed place, in every run of the script.

    The browser alone knows and decides whether it is seen. So it is always mounted, and what is below never
    changes its place.
    """
    with st.container(key="welcome", horizontal=True, vertical_alignment="center"):
        _FRONTEND(key="welcome_hint", data={"sentences": list(SENTENCES)})
        st.page_link(lessons, label=LINK, query_params={"lesson": FIRST})
