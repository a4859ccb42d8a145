"""Memory: what does training hold, and for how long?"""

from deqviz.ui.pages.memory.page import render

render()
