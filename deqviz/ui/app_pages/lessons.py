"""The Lessons page: a plain script, as Streamlit wants it."""

from deqviz.ui.lessons import render

render()
