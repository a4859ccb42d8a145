"""What somebody wrote, as messages quote it."""

import reprlib
import unicodedata


class _Short(reprlib.Repr):
    """Long texts by both ends, and whole numbers that Python refuses to write down in words."""

    def repr_int(self, x: int, level: int) -> str:
        """Its digits; beyond 4300 there are none."""
        try:
            return super().repr_int(x, level)
        except ValueError:
            return "a number of thousands of digits"


_SHORT = _Short()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlong = 30

_OBEYED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of what a terminal obeys or cannot write: controls, directions, halves of pairs, line ends."""


def clipped(text: str, most: int = 60) -> str:
    """The text, of a long one both ends."""
    return text if len(text) <= most else f"{text[: 2 * most // 3]} … {text[-(most // 3) :]}"


def brief(error: BaseException, most: int = 200) -> str:
    """What an error says on one line, of much both ends; the name of its kind where it says nothing."""
    return clipped(" ".join(text_of(error).split()), most) or type(error).__name__


def text_of(error: BaseException) -> str:
    """The text of an error, which may be of a package: nothing where its own way to write it fails."""
    try:
        return str(error)
    except BaseException:
        return ""


def capitalised(text: str) -> str:
    """The text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def quoted(value: object) -> str:
    """Its `repr`, of a long one both ends: a link, a file or a field may hold a page of text."""
    return _SHORT.repr(value)


def printable(text: str) -> str:
    r"""One line for a terminal: what it would obey is written out, such as \x1b, \n or \u202e."""
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in _OBEYED else c for c in text
    )


def named(file: str) -> str:
    """The name of a file in a message: on one line, and of a long one both ends."""
    return clipped(printable(file))
