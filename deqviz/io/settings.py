"""Settings of a run as a file, from strangers: the JSON of a scenario and nothing else."""

import json
from pathlib import PurePath
from typing import Any

from deqviz.scenario import Scenario, check_picture

SUFFIX = "json"
MAX_BYTES = 64 * 2**10
"""A scenario has one or two kilobytes."""


def is_settings(name: str, data: bytes) -> bool:
    """Whether a file wants to be settings: by its name, or because it begins as a JSON object does."""
    return PurePath(name).suffix.lower() == f".{SUFFIX}" or data[:64].lstrip().startswith(b"{")


def read(data: bytes) -> Scenario:
    """The scenario of a file; raises ValueError, and nothing else, with one sentence for the person."""
    if len(data) > MAX_BYTES:
        raise ValueError("This is no settings file, which has some kilobytes: choose one saved by Settings.")
    try:
        found: Any = json.loads(data.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"This settings file is damaged in line {error.lineno}, character {error.colno}: save it again."
        ) from None
    except (ValueError, RecursionError):  # no text, a number of thousands of digits, brackets without end
        raise ValueError("This is no settings file: choose one saved by Settings.") from None
    if not isinstance(found, dict):
        raise ValueError("These are not the settings of a run: choose a file saved by Settings.")
    found.pop("deqviz", None)  # the version that wrote it
    if isinstance(picture := found.get("image"), str):
        _check(picture)
    try:
        return Scenario.from_json(json.dumps(found))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"These settings cannot be used: {_short(str(error))}") from None


def _short(said: str) -> str:
    """What is wrong, without the pages that a file may hold."""
    text = said.encode("utf-8", "replace").decode()
    return text if len(text) <= 200 else f"{text[:200]} …"


def _check(picture: str) -> None:
    """Raise ValueError where the settings are about a picture that somebody else, or an earlier day, had."""
    try:
        check_picture(picture)
    except ValueError:
        if not picture.startswith(("upload-", "kspace-")):
            return  # Scenario.from_json says what is known
        raise ValueError(
            "These settings are about an uploaded picture that is not kept here: upload it first, then the "
            "settings again."
        ) from None
