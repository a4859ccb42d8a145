"""Unrolled: does every layer descend?"""

from deqviz.ui.pages.unrolled.page import render

render()
