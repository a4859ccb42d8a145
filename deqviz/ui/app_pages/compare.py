"""The Compare page: a plain script, as Streamlit wants it."""

from deqviz.ui.pages.compare.page import render

render()
