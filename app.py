"""Entry point: `streamlit run app.py`, or `deqviz app`.

Streamlit imports this file once, for the server, and runs it for every visitor.
"""

import gc
import os

# Before torch is imported: its threads may spin for some microseconds while they wait for each other, then
# sleep. Without the limit a second busy process on the same cores slows every iteration several times;
# sleeping at once costs a quiet machine a third of its speed.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

import streamlit as st


@st.cache_resource(show_spinner=False)
def settle() -> None:
    """Once per process: what the imports made will live for ever, so no collection need look at it."""
    from deqviz.io import reader
    from deqviz.ui.shell import downloads, widget_states

    widget_states.guard()
    downloads.guard()
    gc.collect()
    gc.freeze()
    reader.warm()


def visit() -> None:
    """Draw the page of the address, below the bar that all pages share."""
    from deqviz.ui.pages import PAGES
    from deqviz.ui.shell import STYLE, address, session, share, teacher

    st.set_page_config(page_title="DEQViz", page_icon="🔬", layout="wide")
    settle()
    session.stay()
    st.html(STYLE)
    page = st.navigation([entry.link() for entry in PAGES], position="top", expanded=True)
    address.enter(page.title)
    # Boxes with fixed places, before the page and filled after it: what comes and goes in them moves nothing.
    bar, notice = st.container(key="share_bar"), st.container()
    page.run()
    with bar:
        share.show()
        address.tell()
    with notice:
        teacher.paint()


if __name__ == "__main__":
    visit()
else:
    from starlette.middleware import Middleware

    from deqviz.ui.pages import PAGES
    from deqviz.ui.shell.first_page import FirstPage
    from deqviz.ui.shell.server import MIDDLEWARE, greeting

    first = Middleware(FirstPage, name=PAGES[0].name)
    app = st.App(__file__, middleware=(*MIDDLEWARE, first), lifespan=greeting)
