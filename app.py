"""Entry point: `streamlit run app.py`, or `deqviz app`."""

import gc
import os

# Before torch is imported: its threads may spin for some microseconds while they wait for each other, then
# sleep. Without the limit a second busy process on the same cores slows every iteration several times;
# sleeping at once costs a quiet machine a third of its speed.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

import streamlit as st

from deqviz.ui import STYLE
from deqviz.ui.app_pages import FOLDER
from deqviz.ui.shell import address, share, teacher

st.set_page_config(page_title="DEQViz", page_icon="🔬", layout="wide")


@st.cache_resource(show_spinner=False)
def settle() -> None:
    """Once per process: what the imports made will live for ever, so no collection need look at it."""
    gc.collect()
    gc.freeze()


settle()
st.html(STYLE)
# In the order of the bar at the top, one line for each page.
page = st.navigation(
    [
        st.Page(FOLDER / "reconstruct.py", title="Reconstruct", default=True),
        st.Page(FOLDER / "compare.py", title="Compare"),
        st.Page(FOLDER / "batch.py", title="Batch"),
        st.Page(FOLDER / "convergence.py", title="Convergence"),
        st.Page(FOLDER / "noise.py", title="Noise"),
        st.Page(FOLDER / "robustness.py", title="Robustness"),
        st.Page(FOLDER / "training.py", title="Training"),
        st.Page(FOLDER / "unrolled.py", title="Unrolled"),
        st.Page(FOLDER / "deep_prior.py", title="Deep prior"),
        st.Page(FOLDER / "memory.py", title="Memory"),
        st.Page(FOLDER / "playground.py", title="Playground"),
        st.Page(FOLDER / "lessons.py", title="Lessons"),
        st.Page(FOLDER / "about.py", title="About"),
    ],
    position="top",
    expanded=True,
)
address.enter(page.title)
# Boxes with fixed places, before the page and filled after it: what comes and goes in them moves nothing.
bar, notice = st.container(key="share_bar"), st.container()
page.run()
with bar:
    share.show()
    address.tell()
with notice:
    teacher.paint()
