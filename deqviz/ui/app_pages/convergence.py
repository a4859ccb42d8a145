"""Convergence: is the limit unique, and how fast do we get there?"""

from deqviz.ui.convergence import render

render()
