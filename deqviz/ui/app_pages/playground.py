"""Playground: why is it true?"""

from deqviz.ui.playground.page import render

render()
