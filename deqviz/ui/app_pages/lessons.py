"""The Lessons page: a plain script, as Streamlit wants it."""

from deqviz.ui.pages.lessons.page import render

render()
