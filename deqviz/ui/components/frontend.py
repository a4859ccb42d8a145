"""Our own components of the page: where their JavaScript and CSS lie, and how Streamlit gets to know them."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from streamlit.components.v2 import component

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer


@dataclass(frozen=True)
class Frontend:
    """One component: its name in deqviz/pyproject.toml, its markup, and its files in deqviz/ui/frontend.

    Without a shadow root by default: Plotly puts its style sheet into the document's head.
    """

    name: str
    html: str
    js: str
    css: str
    isolate_styles: bool = False

    def __call__(self, *, key: str, data: object, **events: Any) -> Any:
        """Draw it in its place; `events` are Streamlit's `on_<trigger>_change`."""
        return _registered(self)(key=key, data=data, **events)


@cache
def _registered(own: Frontend) -> "ComponentRenderer":
    """Register once per process, when it is first drawn."""
    return component(
        f"deqviz.{own.name}", html=own.html, css=own.css, js=own.js, isolate_styles=own.isolate_styles
    )
