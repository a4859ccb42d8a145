"""The Batch page: a plain script, as Streamlit wants it."""

from deqviz.ui.batch import render

render()
