"""Noise: what happens as the noise vanishes?"""

from deqviz.ui.pages.noise.page import render

render()
