"""Reconstruct: what does this solver do to my picture?"""

from deqviz.ui.pages.reconstruct.page import render

render()
