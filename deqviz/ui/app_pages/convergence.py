"""Convergence: is the limit unique, and how fast do we get there?"""

from deqviz.ui.pages.convergence.page import render

render()
