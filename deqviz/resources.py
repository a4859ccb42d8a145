"""Where the files are that are no modules of the package: weights, images, lessons, the app, its settings.

A checkout has them beside the package, where people look for them; a wheel carries them inside, in `bundle`
(hatch_build.py puts them there). All of them may be read-only.
"""

from importlib.resources import files
from pathlib import Path
from typing import Final

# Streamlit, Pillow and child processes want files, not streams: an installation has to be unpacked anyway.
PACKAGE: Final = Path(str(files("deqviz")))
_BUNDLE: Final = PACKAGE / "bundle"
_IS_BUNDLED: Final = _BUNDLE.is_dir()
_ROOT: Final = _BUNDLE if _IS_BUNDLED else PACKAGE.parent

APP: Final = _ROOT / "app.py"
ASSETS: Final = _ROOT / "assets"
PRETRAINED: Final = _ROOT / "pretrained"
CITATION: Final = _ROOT / "CITATION.cff"
LICENCE: Final = _ROOT / "LICENSE"
# In a wheel not where Streamlit looks by itself: beside the app it would overrule a user's own ~/.streamlit.
SETTINGS: Final = _ROOT / ("streamlit.toml" if _IS_BUNDLED else ".streamlit/config.toml")
"""Streamlit's settings and theme."""
