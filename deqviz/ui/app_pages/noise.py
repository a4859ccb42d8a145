"""Noise: what happens as the noise vanishes?"""

from deqviz.ui.noise import render

render()
