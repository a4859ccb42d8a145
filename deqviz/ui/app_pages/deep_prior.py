"""Deep prior: how wide is wide enough?"""

from deqviz.ui.prior import render

render()
