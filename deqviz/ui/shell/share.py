"""The control at the right of the top bar: copies the address of the page, or a teacher's link of it."""

from functools import cache
from typing import TYPE_CHECKING

from streamlit.components.v2 import component

from deqviz.ui.shell import teacher

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer


def show() -> None:
    """Draw the control; call it for every page, in a fixed place. It reads the rest off the browser."""
    _component()(key="share", data={"hidden": list(teacher.hidden()), "most": teacher.MOST})


@cache
def _component() -> "ComponentRenderer":
    return component(
        "deqviz.share",
        html="<div class='dqs'></div>",
        css="share.css",
        js="share.js",
        isolate_styles=False,
    )
