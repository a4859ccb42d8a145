"""What installed packages add: each names modules in entry-point groups, and they register themselves."""

import importlib
import inspect
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions
from math import isfinite
from pathlib import PurePath
from typing import Any

from deqviz.core.catalog import METHODS, NOISES, OPERATORS, REGULARIZERS, SOLVERS, fill
from deqviz.core.operator import ForwardModel
from deqviz.core.quoted import clipped, printable, quoted, text_of
from deqviz.core.records import Method, Noise, Solver
from deqviz.core.registry import REGISTRIES, Entry, Param, Pick, Range, Registry
from deqviz.core.regularizer import Regularizer

GROUPS: Mapping[str, tuple[Registry[Any], type]] = {
    "deqviz.operators": (OPERATORS, ForwardModel),
    "deqviz.noises": (NOISES, Noise),
    "deqviz.solvers": (SOLVERS, Solver),
    "deqviz.regularizers": (REGULARIZERS, Regularizer),
    "deqviz.methods": (METHODS, Method),
}
"""The entry-point groups, in the order in which they are read; with the registry and the class of each."""

PATIENCE = 5.0
"""Seconds after which a module that is still being imported is told on the terminal."""

_LOG = logging.getLogger("deqviz")
_KEY = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Plugin:
    """One module that a package added: `package` is its name and version, `keys` what it registered."""

    package: str
    kind: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class _Scan:
    plugins: tuple[Plugin, ...]
    failures: tuple[str, ...]


def load() -> None:
    """Import the modules that installed packages name; the first call does it, later ones do nothing.

    A module that cannot be imported, or whose classes cannot be used, leaves no trace in the registries: its
    failure is one sentence of `failures`, and a warning of the logger "deqviz", hence on a terminal.
    """
    _scanned()


def plugins() -> tuple[Plugin, ...]:
    """What was added, in the order of the groups."""
    return _scanned().plugins


def failures() -> tuple[str, ...]:
    """One sentence, naming the package, for each module that could not be added."""
    return _scanned().failures


_importing: list[str] = []
"""The package whose module is being imported, which may ask for the others."""


def _scanned() -> _Scan:
    return _Scan((), ()) if _importing else _scan()


@cache
def _scan() -> _Scan:
    # First, for a module that fails is taken back with all that came with it.
    fill()
    offers, failed = _offers()
    added: list[Plugin] = []
    for group, (registry, _) in GROUPS.items():
        ours = ((package, point) for package, point in offers if point.group == group)
        for package, point in sorted(ours, key=lambda offer: (offer[0], offer[1].value)):
            try:
                with _all_or_nothing() as before, _watched(package):
                    keys = _added(point, registry, before)
            # A package of somebody else may fail in any way, also by leaving the program.
            except BaseException as error:
                failed.append(f"The package {package} adds no {registry.kind}: {_message(error)}")
                _LOG.warning(failed[-1])
            else:
                added.append(Plugin(package, registry.kind, keys))
    return _Scan(tuple(added), tuple(failed))


def _offers() -> tuple[list[tuple[str, EntryPoint]], list[str]]:
    """The entry points of our groups, each with its package; and a sentence for each damaged package.

    Package by package, where `importlib.metadata.entry_points` gives up at the first damaged file of any.
    """
    offers: list[tuple[str, EntryPoint]] = []
    failed: list[str] = []
    seen = set[str]()
    for dist in distributions():
        folder = printable(_folder(dist))
        name = folder.partition("-")[0].lower()
        if name and name in seen:  # an older copy further down the path
            continue
        seen.add(name)
        try:
            points = [point for point in dist.entry_points if point.group in GROUPS]
            # The other file is opened for our own alone, as there are hundreds.
            package = f"{dist.name} {dist.version}" if points and dist.name else folder
        except Exception:
            failed.append(
                f"The package {folder} adds nothing, for its metadata is damaged: install it again."
            )
            _LOG.warning(failed[-1])
        else:
            offers += [(printable(package), point) for point in points]
    return offers, failed


def _folder(dist: Distribution) -> str:
    """The name of a package and its version, as its folder of metadata is called; no file need be read."""
    path = PurePath(str(getattr(dist, "_path", "")))
    return (path if path.suffix else path.parent).stem  # an egg's is called EGG-INFO


@contextmanager
def _watched(package: str) -> Iterator[None]:
    """Say which package it is where importing takes long: nobody waits without knowing for what."""
    sentence = f"The package {package} takes long to import. Ctrl-C goes on without it."
    timer = threading.Timer(PATIENCE, _LOG.warning, (sentence,))
    timer.daemon = True
    _importing.append(package)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _importing.pop()


_Entries = Mapping[Registry[Any], Mapping[str, Entry[Any]]]


def _added(point: EntryPoint, registry: Registry[Any], before: _Entries) -> tuple[str, ...]:
    """The keys that the module of `point` registered; raises ValueError for what cannot be used."""
    module = importlib.import_module(point.module).__name__
    for table, entries in before.items():
        if lost := [key for key, entry in entries.items() if table.entries().get(key) is not entry]:
            raise ValueError(f"it takes the {table.kind} {clipped(', '.join(lost))} away")
    # A module may register more than its group says, and more than one group may name it.
    for other, base in GROUPS.values():
        own = _of(module, other)
        for entry in other:
            if entry in own or entry.key not in before[other]:
                _check(entry, base)
    if not (keys := tuple(entry.key for entry in _of(module, registry))):
        raise ValueError(f"its module {module} registers none")
    return keys


def _of(module: str, registry: Registry[Any]) -> list[Entry[Any]]:
    return [entry for entry in registry if f"{entry.cls.__module__}.".startswith(f"{module}.")]


def _check(entry: Entry[Any], base: type) -> None:
    """Raise ValueError, or anything else, for a class that menus, addresses or runs would stumble over."""
    name = entry.cls.__name__
    if not isinstance(entry.key, str) or not _KEY.fullmatch(entry.key):
        raise ValueError(f"the key {quoted(entry.key)} is no lower-case word for an address")
    if not _is_line(entry.title) or not entry.title or not _is_line(entry.family):
        raise ValueError(f"title and family of {name} are no short texts")
    if not issubclass(entry.cls, base):
        raise ValueError(f"{name} is no {base.__name__}")
    if inspect.isabstract(entry.cls):
        raise ValueError(f"{name} lacks {', '.join(sorted(entry.cls.__abstractmethods__))}")
    if base is Method:
        for text in ("equation", "hint", "ending"):
            if not isinstance(getattr(entry.cls, text, None), str):
                raise ValueError(f"{name} lacks {text}")
    for param in entry.params:
        _check_param(param, name)
    given = {"image"} if base is ForwardModel else set[str]()
    for f in fields(entry.cls):
        is_set = f.default is not MISSING or f.default_factory is not MISSING or f.name in given
        if f.init and not is_set:
            raise ValueError(f"{name} cannot be built: its field {f.name} has no default")
    entry.validate({})
    if not given:
        entry.build({})


def _check_param(param: Param, name: str) -> None:
    """Raise ValueError unless a widget can be made of it."""
    own, domain = f"{name}.{param.name}", param.domain
    texts = [param.label, *param.texts.values()]
    if isinstance(domain, Range):
        texts += [domain.unit, domain.symbol]
        ends = (domain.low, domain.high)
        if not all(isinstance(end, int | float) and isfinite(end) for end in ends) or ends[0] >= ends[1]:
            raise ValueError(f"{own} has no range")
        if domain.log and domain.low <= 0:
            raise ValueError(f"{own} begins at {domain.low:g}, where there is no logarithm")
    if isinstance(domain, Pick) and domain.kind not in REGISTRIES:
        raise ValueError(f"{own} is chosen from {quoted(domain.kind)}, which there is not")
    if isinstance(domain, tuple):
        texts += domain
    if not all(map(_is_line, texts)) or not isinstance(param.help, str):
        raise ValueError(f"{own} has a label, an option or a unit that is no short text")


def _is_line(text: object) -> bool:
    return isinstance(text, str) and len(text) <= 200 and printable(text) == text


@contextmanager
def _all_or_nothing() -> Iterator[_Entries]:
    """Take back what was registered, or taken away, inside when an exception leaves it."""
    kinds = dict(REGISTRIES)
    before = {registry: registry.entries() for registry in kinds.values()}
    try:
        yield before
        if kinds != REGISTRIES:
            raise ValueError("it opens a registry of its own")
    except BaseException:
        REGISTRIES.clear()
        REGISTRIES.update(kinds)
        for registry, entries in before.items():
            registry.restore(entries)
        raise


def _message(error: BaseException) -> str:
    """The error as the end of one sentence, on one line and not longer than a line."""
    if isinstance(error, KeyboardInterrupt):
        return "it was interrupted while it was imported."
    text = printable(" ".join(text_of(error).split())).rstrip(".") or "it left no message"
    text = text if len(text) <= 200 else f"{text[:199]}…"
    return f"{text}." if isinstance(error, ValueError) else f"{type(error).__name__}, {text}."
