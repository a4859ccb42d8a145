"""Robustness: how much can a small change of the data hurt?"""

from deqviz.ui.robustness import render

render()
