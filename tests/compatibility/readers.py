"""What opens the links and files of earlier versions: the one place here that knows where a reader lives."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from deqviz.io import settings as settings_file
from deqviz.scenario import Scenario
from deqviz.sweep import command, sweepfile, table
from deqviz.ui.pages.batch import page as batch
from deqviz.ui.pages.batch import tables as batch_tables
from deqviz.ui.pages.compare import setting as compare_setting
from deqviz.ui.pages.convergence import page as convergence
from deqviz.ui.pages.deep_prior import page as prior
from deqviz.ui.pages.memory import page as memory
from deqviz.ui.pages.noise import page as noise
from deqviz.ui.pages.playground.setup import Setup
from deqviz.ui.pages.robustness import page as robustness
from deqviz.ui.pages.training import page as training
from deqviz.ui.pages.unrolled import page as unrolled
from deqviz.ui.shell import teacher
from tests.places import PATIENCE

Plain = dict[str, Any]
"""What JSON holds."""


@dataclass(frozen=True)
class Opened:
    """The setting of a link as plain data, what was refused, and the address that the page writes back."""

    setting: Plain
    complaints: tuple[str, ...]
    query: Mapping[str, str]


def _plain(setting: Any) -> Plain:
    return json.loads(json.dumps(asdict(setting)))


def _read(reader: Callable[[Mapping[str, str]], tuple[Any, tuple[str, ...]]]) -> Callable[[Plain], Opened]:
    def opened(query: Plain) -> Opened:
        setting, complaints = reader(query)
        return Opened(_plain(setting), complaints, setting.to_query())

    return opened


def _playground(query: Plain) -> Opened:
    setup, complaints = Setup.from_query(query)
    # Which regulariser it is stands in its class.
    return Opened({"r": setup.entry.key, **_plain(setup)}, complaints, setup.to_query())


def _lesson(query: Plain) -> Opened:
    def script() -> None:
        from deqviz.ui.pages.lessons import page as lessons

        lessons._open(lessons._lessons())

    at = AppTest.from_function(script, default_timeout=PATIENCE)
    for name, text in query.items():
        at.query_params[name] = text
    at.run()
    assert not at.exception, at.exception
    written = {name: text if isinstance(text, str) else text[-1] for name, text in at.query_params.items()}
    setting = {name: at.session_state[f"lesson.{name}"] for name in ("key", "view")}
    return Opened(setting, at.session_state["lesson.complaints"], written)


LINKS: Mapping[str, Callable[[Plain], Opened]] = {
    "reconstruct": _read(Scenario.from_query),
    "compare": _read(compare_setting.from_query),
    "batch": _read(batch.PAGE.read),
    "convergence": _read(convergence.PAGE.read),
    "noise": _read(noise.PAGE.read),
    "robustness": _read(robustness.PAGE.read),
    "training": _read(training.PAGE.read),
    "unrolled": _read(unrolled.PAGE.read),
    "deep_prior": _read(prior.PAGE.read),
    "memory": _read(memory.PAGE.read),
    "playground": _playground,
    "lessons": _lesson,
}
"""The page's word in the address, and what opens its query."""


def stored_part(found: Any, stored: Any) -> Any:
    """What is found without the fields that a later version has added: an old link cannot speak of them."""
    if isinstance(found, Mapping) and isinstance(stored, Mapping):
        return {name: stored_part(found[name], stored[name]) for name in stored if name in found}
    return found


def hidden(text: str) -> tuple[list[str], bool]:
    """The controls that `hide=…` hides, and whether every name was one."""
    names, is_clean = teacher.read(text)
    return list(names), is_clean


def settings(data: bytes) -> Plain:
    """A settings file of Reconstruct."""
    return _plain(Scenario.from_settings(settings_file.read(data)))


def sweep(path: Path) -> Plain:
    """A sweep file, with the digest of every cell: by it a row is found again."""
    found = sweepfile.read(path)
    return {
        "pictures": [shown.key for shown in found.pictures],
        "operators": [_plain(choice) for choice in found.operators],
        "noises": [_plain(choice) for choice in found.noises],
        "methods": [_plain(named) for named in found.methods],
        **{name: getattr(found, name) for name in ("size", "iterations", "tolerance", "backend", "workers")},
        "seeds": list(found.seeds),
        "out": found.out.name,
        "cells": [cell.id for cell in found.cells()],
    }


def rows(path: Path) -> list[Plain]:
    """A table, as `deqviz sweep` reads it before it goes on."""
    return [row.plain() for row in table.read(path)]


def rows_of_page(path: Path) -> list[Plain]:
    """The same as the Batch page opens it."""
    key = batch_tables.keep(path.read_bytes(), path.name)
    return [row.plain() for row in batch_tables.kept(key).rows]


def run_sweep(path: Path) -> int:
    """The exit status of `deqviz sweep`."""
    return command.main([str(path)])
