"""The About page: a plain script, as Streamlit wants it."""

from deqviz.ui.about import render

render()
