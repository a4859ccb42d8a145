"""Entry point: `streamlit run app.py`, or `deqviz app`."""

import gc
import os

# Before torch is imported: its threads sleep instead of spinning while they wait for each other, or a
# second busy process on the same cores makes every iteration several times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import streamlit as st

from deqviz.ui import STYLE
from deqviz.ui.app_pages import FOLDER

st.set_page_config(page_title="DEQViz", page_icon="🔬", layout="wide")


@st.cache_resource(show_spinner=False)
def settle() -> None:
    """Once per process: what the imports made will live for ever, so no collection need look at it."""
    gc.collect()
    gc.freeze()


settle()
st.html(STYLE)
page = st.navigation(
    [st.Page(FOLDER / "reconstruct.py", title="Reconstruct", default=True)], position="hidden"
)
page.run()
