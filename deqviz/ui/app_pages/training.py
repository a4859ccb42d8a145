"""Training: what should R be trained by?"""

from deqviz.ui.pages.training.page import render

render()
