"""The About page: a plain script, as Streamlit wants it."""

from deqviz.ui.pages.about.page import render

render()
