"""Unrolled: does every layer descend?"""

from deqviz.ui.unrolled import render

render()
