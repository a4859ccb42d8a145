"""Robustness: how much can a small change of the data hurt?"""

from deqviz.ui.pages.robustness.page import render

render()
