"""What installed packages add: each names modules in entry-point groups, and they register themselves."""

import importlib
import inspect
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from deqviz.core.catalog import METHODS, NOISES, OPERATORS, REGULARIZERS, SOLVERS
from deqviz.core.operator import ForwardModel
from deqviz.core.quoted import quoted
from deqviz.core.records import Method, Noise, Solver
from deqviz.core.registry import REGISTRIES, Entry, Registry
from deqviz.core.regularizer import Regularizer

GROUPS: Mapping[str, tuple[Registry[Any], type]] = {
    "deqviz.operators": (OPERATORS, ForwardModel),
    "deqviz.noises": (NOISES, Noise),
    "deqviz.solvers": (SOLVERS, Solver),
    "deqviz.regularizers": (REGULARIZERS, Regularizer),
    "deqviz.methods": (METHODS, Method),
}
"""The entry-point groups, in the order in which they are read; with the registry and the class of each."""

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
    _scan()


def plugins() -> tuple[Plugin, ...]:
    """What was added, in the order of the groups."""
    return _scan().plugins


def failures() -> tuple[str, ...]:
    """One sentence, naming the package, for each module that could not be added."""
    return _scan().failures


@cache
def _scan() -> _Scan:
    every = entry_points()
    added: list[Plugin] = []
    failed: list[str] = []
    for group, (registry, _) in GROUPS.items():
        for point in sorted(every.select(group=group), key=lambda p: (_package(p), p.value)):
            try:
                with _all_or_nothing():
                    added.append(Plugin(_package(point), registry.kind, _added(point, registry)))
            # A package of somebody else may fail in any way, also by leaving the program.
            except (Exception, SystemExit) as error:
                failed.append(f"The package {_package(point)} adds no {registry.kind}: {_message(error)}")
                _LOG.warning(failed[-1])
    return _Scan(tuple(added), tuple(failed))


def _added(point: EntryPoint, registry: Registry[Any]) -> tuple[str, ...]:
    """The keys that the module of `point` registered; raises ValueError for what cannot be used."""
    module = importlib.import_module(point.module).__name__
    # A module may register more than its group says, and more than one group may name it.
    for other, base in GROUPS.values():
        for entry in _of(module, other):
            _check(entry, base)
    if not (keys := tuple(entry.key for entry in _of(module, registry))):
        raise ValueError(f"its module {module} registers none")
    return keys


def _of(module: str, registry: Registry[Any]) -> list[Entry[Any]]:
    return [entry for entry in registry if f"{entry.cls.__module__}.".startswith(f"{module}.")]


def _check(entry: Entry[Any], base: type) -> None:
    name = entry.cls.__name__
    if not _KEY.fullmatch(entry.key):
        raise ValueError(f"the key {quoted(entry.key)} is no lower-case word for an address")
    if not issubclass(entry.cls, base):
        raise ValueError(f"{name} is no {base.__name__}")
    if inspect.isabstract(entry.cls):
        raise ValueError(f"{name} lacks {', '.join(sorted(entry.cls.__abstractmethods__))}")
    if base is Method and not isinstance(getattr(entry.cls, "equation", None), str):
        raise ValueError(f"{name} lacks equation")
    entry.validate({})


@contextmanager
def _all_or_nothing() -> Iterator[None]:
    """Take back what was registered inside when an exception leaves it."""
    before = {registry: registry.keys() for registry in REGISTRIES.values()}
    try:
        yield
    except BaseException:
        for registry, keys in before.items():
            registry.keep_only(keys)
        raise


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _message(error: BaseException) -> str:
    """The error as the end of one sentence, on one line and not longer than a line."""
    text = " ".join(str(error).split()).rstrip(".") or "it left no message"
    text = text if len(text) <= 200 else f"{text[:199]}…"
    return f"{text}." if isinstance(error, ValueError) else f"{type(error).__name__}, {text}."
