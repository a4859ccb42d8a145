"""plotly.js: the repository holds no copy, the plotly wheel ships one, and Streamlit serves it from there.

An asset folder of a component is the only folder of an installed package that Streamlit serves; hence a
component of that name which nobody mounts. Nothing is written: the packages may be read-only.
"""

from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from deqviz.ui.components.packets import pack_script

_SCRIPT: Final = "plotly.min.js"
_COMPONENT: Final = "plotly"


def plotly_source() -> Path:
    """The plotly.min.js of the installed wheel, found without importing plotly."""
    spec = find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the plotly package is not installed")
    return Path(spec.submodule_search_locations[0]) / "package_data" / _SCRIPT


@cache
def plotly_script() -> str | None:
    """The address of plotly.js below the one of all components; None where Streamlit has no such service.

    It carries the version, so that no browser keeps the script of another wheel.
    """
    try:
        from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
        from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest

        # Resolved, because Streamlit serves no link that leads out of the folder.
        folder, number = plotly_source().resolve().parent, version("plotly")
        manifest = ComponentManifest("deqviz", number, [ComponentConfig(_COMPONENT, folder.name)])
        get_bidi_component_manager().register_from_manifest(manifest, folder.parent)
    except (ImportError, AttributeError, TypeError):
        # Streamlit documents none of this: the script comes through the websocket where it has changed.
        return None
    return f"deqviz.{_COMPONENT}/{_SCRIPT}?v={number}"


@cache
def plotly_packet() -> bytes:
    """plotly.js itself, for a browser that cannot fetch it."""
    return pack_script(plotly_source().read_bytes())
