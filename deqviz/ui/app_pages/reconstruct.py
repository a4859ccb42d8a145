"""Reconstruct: what does this solver do to my picture?"""

from deqviz.ui.reconstruct import render

render()
