"""The Compare page: a plain script, as Streamlit wants it."""

from deqviz.ui.compare import render

render()
