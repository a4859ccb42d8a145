"""What lies beside the package in the repository goes into its folder `bundle` in a wheel.

An editable install gets none of it: deqviz.resources finds the files where they are.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLE = {
    "app.py": "app.py",
    "assets": "assets",
    "pretrained": "pretrained",
    ".streamlit/config.toml": "streamlit.toml",
    "CITATION.cff": "CITATION.cff",
    "LICENSE": "LICENSE",
}


class Bundle(BuildHookInterface):
    """Hatchling's force-include, but for wheels alone: that of pyproject.toml copies into editables too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files to Hatchling."""
        if version == "standard":
            build_data["force_include"] |= {kept: f"deqviz/bundle/{name}" for kept, name in BUNDLE.items()}
