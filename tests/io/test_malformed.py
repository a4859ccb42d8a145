"""Bad guests: files and addresses that nobody should send give one sentence each, and never more."""

import dataclasses
import functools
import importlib
import json
import os
import pkgutil
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import deqviz.ui
from deqviz.core.catalog import METHODS, NOISES, OPERATORS
from deqviz.core.registry import Choice
from deqviz.scenario import Scenario
from deqviz.ui.pages import PAGES
from deqviz.ui.pages.reconstruct import form
from deqviz.ui.shell.study_page import SettingPage
from tests.io.malformed import files
from tests.pages.journey import switch
from tests.places import PATIENCE, ROOT


def check_sentence(text: str, longest: int) -> None:
    assert text.endswith(".")
    assert text[0].isupper() or not text[0].isalpha() or text.startswith("kspace")
    # `plain` parts addresses with word joiners, so that no browser makes links of them.
    assert text.replace("\u2060", "").isprintable()
    assert len(text) <= longest
    assert "Traceback" not in text


# ---------------------------------------------------------------- files


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], Path]:
    """What one process made of every file."""
    folder, work = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("work")
    for name, data in files():
        (folder / name).write_bytes(data)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.io.malformed", str(folder)]
    done = subprocess.run(command, env=environment, cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()], work


def test_every_file_is_read_or_refused_with_a_sentence(uploads: tuple) -> None:
    rows, work = uploads
    seen = Counter((row["how"], row["what"]) for row in rows)
    assert len({row["name"] for row in rows}) >= 200
    # Some are good after all: rare modes, and files with something behind their end.
    assert seen["picture", "read"] >= 30
    assert seen["k-space", "read"] >= 5
    assert seen["kind", "read"] == len(rows) / 3
    for row in rows:
        assert row["what"] in ("read", "refused"), row
        if row["what"] == "refused":
            check_sentence(row["text"], 200)
    # What was pickled inside was not executed.
    assert not list(work.iterdir())


def test_reading_stays_small(uploads: tuple) -> None:
    """In memory; how long the slowest file takes is a row of benchmarks/uploads.py."""
    rows, _ = uploads
    worst = max(rows, key=lambda row: row["grown"])
    assert worst["grown"] < 500, worst


# ---------------------------------------------------------------- addresses

Query = dict[str, str]
Reader = Callable[[Query], tuple[Any, tuple[str, ...]]]

NASTY = (
    "",
    " ",
    "nan",
    "inf",
    "-inf",
    "-1",
    "0",
    "1e999",
    "-1e-400",
    "1_0",
    " 5 ",
    "0x10",
    "٣",
    "5.0000000000000000000001",
    "True",
    "true",
    "None",
    "[]",
    "{}",
    "../../etc/passwd",
    "upload-0123456789abcdef",
    "kspace-0123456789abcdef",
    "upload-",
    "<script>alert(1)</script>",
    "'; drop table runs; --",
    "%00",
    "a\0b",
    "two\nlines.",
    "**bold** [x](y) $x$ :red[x]",
    "é🔬\u202e\ud800",
    ",,,",
    ";",
    "9" * 400,
    "-" + "9" * 4000,
    "9" * 5000,
    "x" * 20_000,
    "a," * 2000,
    "picard",
    "tv",
    "camera",
)
"""Values that somebody may write into an address."""


@functools.cache
def readers() -> dict[str, tuple[Reader, list[Query]]]:
    """Every function of the app that reads an address, found in its modules, and addresses to spoil."""
    found: dict[str, tuple[Reader, list[Query]]] = {}
    for info in pkgutil.walk_packages(deqviz.ui.__path__, "deqviz.ui."):
        module = importlib.import_module(info.name)
        presets = [setting for _, setting in getattr(module, "PRESETS", {}).values()]
        for thing in vars(module).values():
            if isinstance(thing, SettingPage):
                found[f"{info.name}:{thing.page}"] = (
                    thing.read,
                    _addresses([s for _, s in thing.presets.values()]),
                )
            elif getattr(thing, "__module__", None) == info.name and hasattr(thing, "from_query"):
                found[f"{info.name}:{thing.__name__}"] = thing.from_query, _addresses(presets)
            elif getattr(thing, "__name__", "") == "from_query" and thing.__module__ == info.name:
                found[info.name] = thing, _addresses(presets)
    found["scenario"] = Scenario.from_query, _addresses([s for _, s in form.PRESETS.values()] + _scenarios())
    return found


def _scenarios() -> list[Scenario]:
    """One for each entry of each registry that an address can name."""
    made = [Scenario(method=Choice(entry.key)) for entry in METHODS]
    made += [Scenario(operator=Choice(entry.key)) for entry in OPERATORS]
    made += [Scenario(noise=Choice(entry.key)) for entry in NOISES]
    return made


def _addresses(settings: list[Any]) -> list[Query]:
    """The address of each setting, and all fields of the first one written out."""
    checked = [s.validated() if hasattr(s, "validated") else s for s in settings]
    queries = [setting.to_query() for setting in checked]
    plain = {f.name: str(getattr(s, f.name)) for s in checked[:1] for f in dataclasses.fields(s)}
    return [*queries, plain, {}]


def spoiled(valid: list[Query], draw: random.Random) -> Query:
    """One of the addresses with up to six things changed, some of them into those of another one."""
    query = dict(draw.choice(valid))
    for _ in range(draw.randint(1, 6)):
        names = sorted(query) or ["size"]
        name = draw.choice(names)
        value = query.get(name, "1")
        at = draw.randrange(len(value) + 1)
        match draw.randrange(12):
            case 0 | 1 | 2:
                query[name] = draw.choice(NASTY)
            case 3:
                query[name] = value[:at] + draw.choice("0-.,;eé\0 ") + value[at:]
            case 4:
                query[name] = value[:at]
            case 5:
                query[name] = query.get(draw.choice(names), "")
            case 6:
                query[draw.choice((f"{name}.", f"{name}.{name}", name.upper(), *NASTY))] = value
            case 7 | 8 | 9:
                # Each is legal; together they may contradict each other.
                query |= dict([draw.choice(list(draw.choice(valid).items()) or [("seed", "1")])])
            case 10:
                query[f"{name}.{draw.choice(('solver', 'weight', 'step', 'sigma'))}"] = draw.choice(NASTY)
            case _:
                query.pop(name, None)
    return query


COUNT = 600


@functools.cache
def mutated(seed: int = 6) -> list[tuple[str, Reader, Query]]:
    """Spoiled addresses, each page in its turn."""
    draw, known = random.Random(seed), sorted(readers().items())
    turns = (known[n % len(known)] for n in range(COUNT))
    return [(name, read, spoiled(valid, draw)) for name, (read, valid) in turns]


def test_every_page_is_found() -> None:
    names = {name.rpartition(":")[2].rpartition(".")[2] for name in readers()}
    pages = {"convergence", "noise", "robustness", "training", "unrolled", "memory", "Setup", "scenario"}
    assert pages <= names


def test_a_spoiled_address_opens_with_sentences() -> None:
    complained = 0
    for name, read, query in mutated():
        try:
            setting, complaints = read(query)
        except Exception as error:
            pytest.fail(f"{name} {query!r:.600}: {type(error).__name__}: {error!s:.300}")
        if hasattr(setting, "validated"):
            assert setting == setting.validated(), (name, query)
        # And its own address is one: what is on the screen can be sent on.
        assert read(setting.to_query())[0] == setting, (name, query)
        for text in complaints:
            check_sentence(text, 400)
        assert len(complaints) <= 12
        complained += bool(complaints)
    assert complained > COUNT / 2


# ---------------------------------------------------------------- the app itself

PICTURE = "![a](http://192.0.2.1/a.png)"
NAMES = {"scenario": "reconstruct", "Setup": "playground"}


def visits(page: str) -> list[Query]:
    """Two spoiled addresses of this page, as a browser can send them; where none is read, nasty ones."""
    own = [query for name, _, query in mutated(7) if NAMES.get(last := name.rpartition(":")[2], last) == page]
    anything = [
        {"image": NASTY[26], NASTY[23]: "9" * 400},
        {"lesson": "../x", "run": "**a** [b](c)", "": "x"},
    ]
    sent = [q for q in own if "\ud800" not in "".join((*q, *q.values()))]
    return [q for q in (*sent, *anything) if q][:2]


@pytest.mark.parametrize("page", [page.name for page in PAGES])
def test_the_page_opens_from_a_spoiled_address(page: str) -> None:
    for query in visits(page):
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=PATIENCE)
        for name, value in query.items():
            at.query_params[name] = value
        at.query_params[PICTURE] = PICTURE
        switch(at, page).run()
        runs = dict(at.session_state.studies) if "studies" in at.session_state else {}
        for run in (*runs.values(), *([at.session_state.job] if "job" in at.session_state else [])):
            run.stop()
        assert not at.exception, (query, at.exception)
        assert at.markdown or at.title or at.get("html"), "an empty page"
        for said in (*at.warning, *at.error):
            check_sentence(said.value, 600)
            # Messages are Markdown: an image in one would be fetched from wherever the link says.
            assert not re.search(r"(?<!\\)\[", said.value)
