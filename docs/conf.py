"""How `make docs` builds the site: Sphinx with furo and MyST, strictly, and without a request to the network.

docs/adr/0009-sphinx-furo-myst.md says why these.
"""

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))
_THEME = tomllib.loads((HERE.parent / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
_PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "DEQViz"
author = copyright = "DEQViz developers"
version = release = _PROJECT["version"]
language = "en-GB"

extensions = ["myst_parser", "sphinx.ext.autodoc", "filled", "docstrings", "indices", "offline"]
exclude_patterns = ["screenshots/*.py", "extensions"]
# What is copied to the site as it is; the pictures are found by the pages that show them.
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme = "furo"
html_title = f"DEQViz {release}"
html_show_sourcelink = False
html_copy_source = False
# Formulas are Unicode; typographic quotes would turn x' into something else.
smartquotes = False
# A block without a language is a command, a tree of files or a configuration.
highlight_language = "none"

# The colours of the app.
html_theme_options = {
    f"{shade}_css_variables": {
        "color-brand-primary": _THEME[shade]["primaryColor"],
        "color-brand-content": _THEME[shade]["primaryColor"],
        "color-brand-visited": _THEME[shade]["primaryColor"],
        "color-background-primary": _THEME[shade]["backgroundColor"],
        "color-background-secondary": _THEME[shade]["secondaryBackgroundColor"],
    }
    for shade in ("light", "dark")
}

myst_enable_extensions = ["attrs_inline", "deflist"]
myst_heading_anchors = 3

# Nobody writes types as comments any more, and looking for them in every source takes a tenth of the build.
autodoc_use_type_comments = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
toc_object_entries = False
