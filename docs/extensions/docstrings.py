"""Docstrings of this project as autodoc is to read them: plain text, with `code` between single backticks.

A formula such as A*A or |x| is no markup, so everything that reStructuredText would take for some is escaped.
"""

import re
from typing import Annotated, Any, get_args, get_origin

from sphinx.application import Sphinx
from sphinx.util.inspect import signature, stringify_signature

_CODE = re.compile(r"(`+)(.+?)\1")
_MARKUP = re.compile(r"([\\*|_`<>])")


def plain(text: str) -> str:
    """One line with its code spans as literals and everything else as it stands."""
    parts, end = [], 0
    for span in _CODE.finditer(text):
        # A literal must stand apart from the letters around it: "`weight`·ε".
        parts += [_escaped(text[end : span.start()]), rf"\ ``{span[2]}``\ "]
        end = span.end()
    return "".join([*parts, _escaped(text[end:])])


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text)


def _docstring(
    _app: Sphinx, _what: str, _name: str, _obj: object, _options: object, lines: list[str]
) -> None:
    # Code spans may go over the end of a line: a paragraph is one line here.
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines))
    lines[:] = "\n\n".join(plain(_joined(part)) for part in paragraphs).split("\n")


def _joined(paragraph: str) -> str:
    """The lines of a paragraph as one, but for the items of a list."""
    return re.sub(r"\n\s*(?![-*] )", " ", paragraph.strip())


def _signature(
    _app: Sphinx, what: str, _name: str, obj: Any, _options: object, text: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """Parameters without the specs of their widgets, which the page of keys and parameters has."""
    if what != "class" or text is None or "Annotated" not in text:
        return None
    found = signature(obj)
    bare = [p.replace(annotation=_bare(p.annotation)) for p in found.parameters.values()]
    return stringify_signature(found.replace(parameters=bare), unqualified_typehints=True), returns


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True}
