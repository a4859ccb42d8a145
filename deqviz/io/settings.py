"""Uploaded settings of a run: the JSON of a scenario and nothing else.

Unlike other uploads they are read in the server: Python's own JSON takes 64 kB in some milliseconds, gives up
on brackets without end and on numbers of thousands of digits, and has no code that damaged bytes could break.
"""

import codecs
import json
from pathlib import PurePath
from typing import Any

from deqviz.io.budget import FileError

SUFFIX = "json"
NONE = "This is no settings file: choose one saved by Settings."
MAX_BYTES = 64 * 2**10
"""Looked at before anything is parsed; a scenario has one or two kilobytes."""


def is_settings(name: str, data: bytes) -> bool:
    """Whether a file wants to be settings: it begins as a JSON object does, or as a text and is called so.

    A name alone makes no settings of an image.
    """
    begin = data[:64].removeprefix(codecs.BOM_UTF8).lstrip()
    is_text = not begin or (begin.isascii() and b"\0" not in begin)
    return begin.startswith(b"{") or (is_text and is_called_so(name))


def is_called_so(name: str) -> bool:
    """Whether a name is that of settings."""
    return PurePath(name).suffix.lower() == f".{SUFFIX}"


def read(data: bytes) -> dict[str, Any]:
    """The fields of a scenario, not yet checked; raises FileError, and nothing else, with one sentence."""
    if len(data) > MAX_BYTES:
        raise FileError("This is no settings file, which has some kilobytes: choose one saved by Settings.")
    try:
        settings: Any = json.loads(data.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise FileError(
            f"This settings file is damaged in line {error.lineno}, character {error.colno}: save it again."
        ) from None
    except (ValueError, RecursionError):  # no text, a number of thousands of digits, brackets without end
        raise FileError(NONE) from None
    if not isinstance(settings, dict):
        raise FileError("These are not the settings of a run: choose a file saved by Settings.")
    settings.pop("deqviz", None)  # the version that wrote it
    return settings
