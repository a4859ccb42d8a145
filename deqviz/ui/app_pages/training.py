"""Training: what should R be trained by?"""

from deqviz.ui.training import render

render()
