"""What somebody wrote, as messages quote it."""

import reprlib

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlong = 30


def clipped(text: str, most: int = 60) -> str:
    """The text, of a long one both ends."""
    return text if len(text) <= most else f"{text[: 2 * most // 3]} … {text[-(most // 3) :]}"


def quoted(value: object) -> str:
    """Its `repr`, of a long one both ends: a link, a file or a field may hold a page of text."""
    return _SHORT.repr(value)
