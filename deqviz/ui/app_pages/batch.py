"""The Batch page: a plain script, as Streamlit wants it."""

from deqviz.ui.pages.batch.page import render

render()
