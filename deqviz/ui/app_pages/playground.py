"""Playground: why is it true?"""

from deqviz.ui.pages.playground.page import render

render()
