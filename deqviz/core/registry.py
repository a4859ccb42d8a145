"""Parameter specs read off dataclass annotations, and the registries built on them.

A field `width: Annotated[float, Range(0.3, 6.0, "Width", unit="px")] = 1.6` is the widget, the
validation, the URL, the generated test value and the line in the documentation.
"""

import dataclasses
import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, dataclass_transform, get_args, get_origin, get_type_hints

from deqviz.core.numbers import pretty
from deqviz.core.quoted import clipped, printable, quoted

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """A closed interval. `log` asks for a logarithmic slider, `advanced` hides it in the drawer.

    At its `implied` value a parameter has no widget: something else decides then.
    """

    low: float
    high: float
    label: str = ""
    log: bool = False
    unit: str = ""
    symbol: str = ""
    help: str = ""
    advanced: bool = False
    implied: float | None = None

    def __contains__(self, value: object) -> bool:
        """Whether `value` is a finite number inside; booleans are no numbers here."""
        return (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            # First: the limits compare with any integer, and only some of those have a float.
            and self.low <= value <= self.high
            and math.isfinite(value)
        )

    def __str__(self) -> str:
        """For messages: "0.3 … 6 px"."""
        return f"{pretty(self.low)} … {pretty(self.high)} {self.unit}".strip()


@dataclass(frozen=True)
class Text:
    """A short text that `parse` accepts; `parse` raises ValueError with a sentence for the user."""

    parse: Callable[[str], Any]
    label: str = ""
    help: str = ""
    max_length: int = 400
    advanced: bool = False

    def __contains__(self, value: object) -> bool:
        """Whether `value` is a text that parses."""
        if not isinstance(value, str) or len(value) > self.max_length:
            return False
        self.parse(value)
        return True

    def __str__(self) -> str:
        """For messages."""
        return f"a text of at most {self.max_length} characters"


@dataclass(frozen=True)
class Options:
    """Label and help for a Literal: `Annotated[Literal["a", "b"], Options("Mask")]`.

    `texts` says how an option reads on screen where its value, which stands in addresses, reads otherwise.
    """

    label: str = ""
    help: str = ""
    advanced: bool = False
    texts: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)


@dataclass(frozen=True)
class Choice:
    """A registered class and its parameters, as plain data."""

    key: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Pick:
    """The value is itself chosen from a registry: `Annotated[Solver, Pick("solver")]`."""

    kind: str
    label: str = ""
    help: str = ""
    advanced: bool = False

    def __contains__(self, value: object) -> bool:
        """Whether `value` names an entry of the registry; its parameters are checked when it is built."""
        return isinstance(value, Choice) and value.key in REGISTRIES[self.kind]

    def __str__(self) -> str:
        """For messages."""
        return f"one of {', '.join(REGISTRIES[self.kind].keys())}"


@dataclass(frozen=True)
class Param:
    """One tunable field: its name, type, default and domain."""

    name: str
    type: type
    default: Any
    domain: "Range | Text | Pick | tuple[str, ...] | None"
    label: str = ""
    help: str = ""
    advanced: bool = False
    texts: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)

    def text(self, value: Any) -> str:
        """How an option reads on screen."""
        return self.texts.get(value, value)

    def check(self, value: Any) -> Any:
        """`value` itself when it is legal, with an int made a float where the field is one.

        Raises ValueError with a sentence that names the field, the value and what is allowed.
        """
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            # An integer beyond all floats is refused below like any other number that is too large.
            value = float(value) if abs(value) <= sys.float_info.max else math.inf if value > 0 else -math.inf
        if self.type is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        right_type = isinstance(value, Choice if isinstance(self.domain, Pick) else self.type)
        if not right_type or (self.type is not bool and isinstance(value, bool)):
            raise ValueError(f"{self.label or self.name} must be {self.type.__name__}, not {quoted(value)}.")
        if self.domain is not None and value not in self.domain:
            allowed = " or ".join(self.domain) if isinstance(self.domain, tuple) else str(self.domain)
            raise ValueError(f"{self.label or self.name} is {quoted(value)}; allowed is {allowed}.")
        return value


def _as_choice(instance: object) -> Choice:
    """The choice that builds `instance`, a registered frozen dataclass."""
    for registry in REGISTRIES.values():
        for entry in registry:
            if entry.cls is type(instance):
                params: dict[str, Any] = {}
                for p in entry.params:
                    value = getattr(instance, p.name)
                    params[p.name] = _as_choice(value) if isinstance(p.domain, Pick) else value
                changed = {p.name: params[p.name] for p in entry.params if params[p.name] != p.default}
                return Choice(entry.key, changed)
    raise ValueError(f"{type(instance).__name__} is not registered")


def _param(f: "dataclasses.Field[Any]", hint: Any) -> Param | None:
    base, metadata = (get_args(hint)[0], hint.__metadata__) if hasattr(hint, "__metadata__") else (hint, ())
    spec = next((m for m in metadata if isinstance(m, Range | Text | Pick | Options)), None)
    label, text, advanced = (spec.label, spec.help, spec.advanced) if spec else ("", "", False)
    if isinstance(spec, Pick):
        return Param(f.name, base, _as_choice(f.default), spec, label, text, advanced)
    if isinstance(spec, Range | Text):
        return Param(f.name, base, f.default, spec, label, text, advanced)
    if get_origin(base) is Literal:
        texts: Mapping[str, str] = spec.texts if isinstance(spec, Options) else {}
        return Param(f.name, str, f.default, get_args(base), label, text, advanced, texts)
    if base is bool:
        return Param(f.name, bool, f.default, None, label, text, advanced)
    return None


def params_of(cls: type) -> tuple[Param, ...]:
    """The tunable fields of a dataclass: those with a Range, Text, Pick, Literal or bool."""
    hints = get_type_hints(cls, include_extras=True)
    params = (_param(f, hints[f.name]) for f in dataclasses.fields(cls))
    return tuple(p for p in params if p is not None)


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A registered class with its title, its parameters, and the family that menus list it under."""

    key: str
    title: str
    cls: type[T]
    params: tuple[Param, ...]
    family: str = ""

    @property
    def option(self) -> str:
        """The title in a menu, behind its family: "Unrolled · MoDL" of "MoDL (unrolled)".

        A title that begins with the family stays as it is.
        """
        if self.title.casefold().startswith(self.family.casefold()):
            return self.title
        return f"{self.family} · {self.title.removesuffix(f' ({self.family.lower()})')}"

    @property
    def summary(self) -> str:
        """The first sentence of the class's docstring."""
        return (inspect.getdoc(self.cls) or "").strip().split("\n\n")[0].replace("\n", " ")

    def validate(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters, defaults filled in, nested choices validated too.

        Raises ValueError for an unknown name or an illegal value.
        """
        unknown = sorted(params.keys() - {p.name for p in self.params})
        if unknown:
            names = ", ".join(p.name for p in self.params) or "none"
            raise ValueError(
                f"{self.title} has no parameter {clipped(printable(', '.join(unknown)))}; it has {names}."
            )
        values: dict[str, Any] = {}
        for p in self.params:
            value = p.check(params.get(p.name, p.default))
            if isinstance(p.domain, Pick):
                value = Choice(value.key, REGISTRIES[p.domain.kind][value.key].validate(value.params))
            values[p.name] = value
        return values

    def build(self, params: Mapping[str, Any], **context: Any) -> T:
        """The instance; `context` are the fields that are no parameters (the image space)."""
        values = self.validate(params)
        for p in self.params:
            if isinstance(p.domain, Pick):
                chosen: Choice = values[p.name]
                values[p.name] = REGISTRIES[p.domain.kind][chosen.key].build(chosen.params)
        return self.cls(**context, **values)


REGISTRIES: dict[str, "Registry[Any]"] = {}


def _is_own(cls: type) -> bool:
    """Whether a class is DEQViz's and of no package that adds to it."""
    return cls.__module__.partition(".")[0] == "deqviz"


class Registry(Generic[T]):
    """An ordered table of named classes."""

    def __init__(self, kind: str, families: tuple[str, ...] = ()) -> None:
        """Open the table of one kind, e.g. "operator"; `families` in the order in which menus list them."""
        self.kind = kind
        self.families = families
        self._entries: dict[str, Entry[T]] = {}
        REGISTRIES[kind] = self

    @dataclass_transform(frozen_default=True)
    def register(self, key: str, *, title: str, family: str = "") -> Callable[[type[T]], type[T]]:
        """Make the class a frozen dataclass and list it under `key`, which is also its file's name.

        `family` is one of the registry's families; menus list entries of any other, or of none, last. What
        DEQViz has itself takes its key back from a package that was imported first.
        """

        def add(cls: type[T]) -> type[T]:
            if key in self._entries and not (_is_own(cls) and not _is_own(self._entries[key].cls)):
                raise ValueError(f"{self.kind} {quoted(key)} is already registered")
            frozen = dataclass(frozen=True)(cls)
            self._entries.pop(key, None)
            self._entries[key] = Entry(key, title, frozen, params_of(frozen), family)
            return frozen

        return add

    def keys(self) -> tuple[str, ...]:
        """All keys, in the order of registration."""
        return tuple(self._entries)

    def menu(self) -> tuple[str, ...]:
        """All keys as a menu lists them: family by family, and in the order of registration within one."""
        places = {family: place for place, family in enumerate(self.families)}
        entries = sorted(self, key=lambda entry: places.get(entry.family, len(places)))
        return tuple(entry.key for entry in entries)

    def entries(self) -> dict[str, Entry[T]]:
        """A copy of the table, to compare with and to go back to."""
        return dict(self._entries)

    def restore(self, entries: Mapping[str, Entry[T]]) -> None:
        """Go back to a table of before: a module failed after it had registered, or taken away, something."""
        self._entries = dict(entries)

    def __getitem__(self, key: str) -> Entry[T]:
        """The entry of `key`; raises ValueError naming the known keys."""
        if key not in self._entries:
            raise ValueError(f"There is no {self.kind} {quoted(key)}; known are {', '.join(self._entries)}.")
        return self._entries[key]

    def __iter__(self) -> Iterator[Entry[T]]:
        """The entries, in the order of registration."""
        return iter(self._entries.values())

    def __contains__(self, key: object) -> bool:
        """Whether there is an entry of this key."""
        return key in self._entries

    def __len__(self) -> int:
        """The number of entries."""
        return len(self._entries)
