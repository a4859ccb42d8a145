"""The strip of this session's runs below the live view, and two of them side by side."""

import math
from typing import Any

from deqviz.io.pixels import data_url
from deqviz.runtime.job import Job
from deqviz.ui.components.commands import triggered
from deqviz.ui.components.frontend import Frontend
from deqviz.ui.shell import address, session
from deqviz.ui.shell.descriptions import describe, particulars
from deqviz.ui.shell.history import Entry, History

_FRONTEND = Frontend("history", "<div class='dqv dqh'></div>", "shell/history.js", "shell/history.css")

KEY = "history_strip"


def show(history: History, current: Job) -> None:
    """Draw the strip; call it once per script run, below the live view and in a fixed place."""
    history.refresh(current)
    data = {
        "runs": [_card(entry, current) for entry in reversed(history.entries)],
        "pins": [_pinned(entry) for entry in history.pinned],
    }
    _FRONTEND(key=KEY, data=data, on_command_change=_hear)


def _hear() -> None:
    """Carry out what was clicked; called before the script runs."""
    act(triggered(KEY, "command"))


def act(command: object) -> None:
    """Go back to a run, or pin it: {"name": "open" or "pin", "run": its id}; anything else does nothing."""
    if not isinstance(command, dict) or not isinstance(command.get("run"), str):
        return
    history = session.history()
    entry = history.find(command["run"])
    if entry is None:
        return
    match command.get("name"):
        case "open":
            history.want(entry)
            address.ask("reconstruct", entry.scenario.to_query())
        case "pin":
            history.pin(entry)


def _summary(entry: Entry) -> dict[str, Any]:
    """What is said of a run, small or pinned."""
    return {
        "id": entry.id,
        "number": entry.number,
        "words": describe(entry.scenario),
        "particulars": particulars(entry.scenario),
        "state": entry.look.state,
        "k": entry.look.k,
        "psnr": _finite(entry.look.psnr),
    }


def _card(entry: Entry, current: Job) -> dict[str, Any]:
    return {
        **_summary(entry),
        "picture": _source(entry.look.thumbnail),
        "current": entry.job is current,
        "kept": entry.job is not None,
        "pinned": bool(entry.pinned),
    }


def _pinned(entry: Entry) -> dict[str, Any]:
    return {
        **_summary(entry),
        "residual": _finite(entry.look.residual),
        "evaluations": entry.look.evaluations,
        "size": list(entry.look.size),
        "picture": _source(entry.look.picture),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _source(png: bytes) -> str:
    return data_url(png, "png") if png else ""
