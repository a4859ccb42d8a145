"""Entry point: `streamlit run app.py`, or `deqviz app`."""

import gc

import streamlit as st

from deqviz.ui.app_pages import FOLDER

st.set_page_config(page_title="DEQViz", page_icon="🔬", layout="wide")


@st.cache_resource(show_spinner=False)
def settle() -> None:
    """Once per process: what the imports made will live for ever, so no collection need look at it."""
    gc.collect()
    gc.freeze()


settle()
page = st.navigation([st.Page(FOLDER / "reconstruct.py", title="Reconstruct", default=True)], position="hidden")
page.run()
