"""Memory: what does training hold, and for how long?"""

from deqviz.ui.memory import render

render()
