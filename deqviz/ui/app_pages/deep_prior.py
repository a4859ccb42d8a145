"""Deep prior: how wide is wide enough?"""

from deqviz.ui.pages.deep_prior.page import render

render()
