"""The build fails where a page would ask another machine for a script, a style, a font or an image."""

import re
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

_LOADED = (
    # What a browser fetches by itself; a link that somebody must click is none of it.
    re.compile(
        r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\ssrc=[\"']?((?:https?:)?//[^\s\"'>]+)", re.I
    ),
    re.compile(
        r"<link\b(?![^>]*\brel=[\"']?(?:canonical|author|license))[^>]*?\shref=[\"']?((?:https?:)?//[^\s\"'>]+)",
        re.I,
    ),
    re.compile(r"url\(\s*[\"']?((?:https?:)?//[^\s\"')]+)", re.I),
    re.compile(r"@import\s+[\"']((?:https?:)?//[^\"']+)", re.I),
)


def requests(text: str) -> Iterator[str]:
    """The addresses of other machines that HTML or CSS makes a browser fetch."""
    for pattern in _LOADED:
        yield from pattern.findall(text)


def _check(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    files = (file for kind in ("html", "css", "svg") for file in sorted(Path(app.outdir).rglob(f"*.{kind}")))
    asked = [
        f"{file.relative_to(app.outdir)}: {url}"
        for file in files
        for url in requests(file.read_text("utf-8"))
    ]
    if asked:
        raise ExtensionError("The site would ask other machines:\n" + "\n".join(asked))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True}
