"""A sweep file: lists of images, degradations, noises, methods and seeds, and where the cells are run."""

import itertools
import math
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from deqviz import images
from deqviz.core.quoted import clipped, printable, quoted
from deqviz.core.registry import Choice, params_of
from deqviz.core.streams import VERSION, check_streams
from deqviz.core.terminal import because
from deqviz.scenario import METHODS, NOISES, OPERATORS, Scenario, check_picture
from deqviz.sweep import pictures
from deqviz.sweep.pictures import Shown
from deqviz.sweep.row import Cell, label

Backend = Literal["loky", "threading", "dask", "ray"]

MOST = 100_000
"""Cells of one sweep: each is a row of about 600 bytes."""
BYTES = 16 * 2**20
"""The largest file."""
DOTS = 10**8
"""Of every line squared: parsing them takes some seconds."""
TITLE = 200
"""Letters of the longest title of a method."""
_OWN = {p.name: p for p in params_of(Scenario)}
_KEYS = (
    "pictures",
    "operators",
    "noises",
    "methods",
    "seeds",
    "size",
    "iterations",
    "tolerance",
    "out",
    "backend",
    "workers",
    "address",
    "streams",
)


@dataclass(frozen=True)
class Named:
    """A method under the name that it has in the table."""

    title: str
    choice: Choice


@dataclass(frozen=True)
class Sweep:
    """Every image with every degradation, noise, method and seed; `workers` 0 is one for each core."""

    pictures: tuple[Shown, ...]
    operators: tuple[Choice, ...]
    noises: tuple[Choice, ...]
    methods: tuple[Named, ...]
    seeds: tuple[int, ...] = (0,)
    size: int = Scenario.size
    iterations: int = 1000
    tolerance: float = 1e-5
    out: Path = Path("sweep.parquet")
    backend: Backend = "loky"
    workers: int = 0
    address: str = ""
    streams: int = VERSION

    @property
    def count(self) -> int:
        """The number of cells."""
        parts = (self.pictures, self.operators, self.noises, self.methods, self.seeds)
        count = 1
        for part in parts:
            count *= len(part)
        return count

    def cells(self) -> tuple[Cell, ...]:
        """All cells, each once, images outermost; raises ValueError where the parts do not fit together."""
        _few(self.count)
        cells: dict[str, Cell] = {}
        for shown in self.pictures:
            shown.keep()
            for cell in self._of(shown):
                cells.setdefault(cell.id, cell)
        return tuple(cells.values())

    def _of(self, shown: Shown) -> Iterator[Cell]:
        for operator, noise, method, seed in itertools.product(
            self.operators, self.noises, self.methods, self.seeds
        ):
            scenario = Scenario(
                shown.key,
                self.size,
                operator,
                noise,
                method.choice,
                seed,
                self.iterations,
                self.tolerance,
                self.streams,
            )
            yield Cell(scenario.validated(), shown.title, method.title, shown.pixels)


def read(path: Path) -> Sweep:
    """The sweep of a TOML file, everything in it checked; relative paths are seen from its folder.

    Raises ValueError with one sentence that names the line or the key.
    """
    try:
        with path.open("rb") as file:
            data = file.read(BYTES + 1)
    except FileNotFoundError:
        raise ValueError(f"There is no file {path}.") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {because(error)}.") from None
    except ValueError:  # no path has a NUL
        raise ValueError(f"There is no file {quoted(str(path))}.") from None
    if len(data) > BYTES:
        raise ValueError(f"{path.name} is too large for a sweep: {BYTES // 2**20} MB is the most.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not written in UTF-8: save it so.") from None
    try:
        return parse(text, path.parent, path.stem)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None


def parse(text: str, folder: Path = Path(), name: str = "sweep") -> Sweep:
    """The sweep of a text; see `read`. Without `out` it is written to "<name>.parquet" in `folder`."""
    try:
        return _sweep(_loaded(text), folder, name)
    except RecursionError:
        raise ValueError("Its entries lie too deep in one another for a sweep.") from None


def _loaded(text: str) -> Mapping[str, Any]:
    # A key of n names takes as long as n²: those of people have a handful.
    if sum(line.count(".") ** 2 for line in text.splitlines()) > DOTS:
        raise ValueError("A line of it has too many dots for a sweep: give pictures by * and not one by one.")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"This is not TOML: {clipped(str(error), 200)}.") from None
    except ValueError:
        raise ValueError("A number in it has thousands of digits.") from None


def _sweep(plain: Mapping[str, Any], folder: Path, name: str) -> Sweep:
    if unknown := sorted(plain.keys() - set(_KEYS)):
        raise ValueError(f"There is no key {quoted(unknown[0])}; known are {', '.join(_KEYS)}.")
    shown = [one for key in _some(plain, "pictures", str, [Scenario.image]) for one in _pictures(key, folder)]
    entries = {kind: _entries(plain, kind, default) for kind, default in _DEFAULTS.items()}
    seeds = _some(plain, "seeds", int, [0])
    # Before anything is multiplied out, and before an image is read.
    _few(math.prod((len(shown), len(seeds), *(sum(map(_combinations, of)) for of in entries.values()))))
    choices = {kind: _choices(kind, of) for kind, of in entries.items()}
    sweep = Sweep(
        operators=_unique([c for _, c in choices["operators"]]),
        noises=_unique([c for _, c in choices["noises"]]),
        methods=_named(choices["methods"]),
        seeds=_unique([_checked("seeds", "seed", seed) for seed in seeds]),
        size=_checked("size", "size", plain.get("size", Sweep.size)),
        iterations=_checked("iterations", "iterations", plain.get("iterations", Sweep.iterations)),
        tolerance=_checked("tolerance", "tolerance", plain.get("tolerance", Sweep.tolerance)),
        out=folder / _text(plain, "out", f"{name}.parquet"),
        streams=plain.get("streams", 1),
        pictures=_titled(_unique([pictures.read(one) if isinstance(one, Path) else one for one in shown])),
    )
    check_streams(sweep.streams)
    return placed(
        sweep,
        backend=plain.get("backend"),
        workers=plain.get("workers"),
        address=plain.get("address"),
    )


def _few(count: int) -> None:
    """Raise ValueError for more cells than a sweep has."""
    if count > MOST:
        raise ValueError(f"These are {quoted(count)} cells, and {MOST} is the most: split the file.")


def placed(sweep: Sweep, *, backend: Any = None, workers: Any = None, address: Any = None) -> Sweep:
    """The same sweep run elsewhere; raises ValueError for a place that there is not. None changes nothing."""
    backend = sweep.backend if backend is None else backend
    workers = sweep.workers if workers is None else workers
    address = sweep.address if address is None else address
    if backend not in get_args(Backend):
        raise ValueError(f"backend is {quoted(backend)}; allowed is {' or '.join(get_args(Backend))}.")
    if type(workers) is not int or not 0 <= workers <= 4096:
        raise ValueError(f"workers is {quoted(workers)}; allowed is 0 … 4096, and 0 means one for each core.")
    if not isinstance(address, str):
        raise ValueError(f"address must be a text such as 'tcp://host:8786', not {quoted(address)}.")
    if backend == "dask" and not address:
        raise ValueError("backend 'dask' needs the address of its scheduler, e.g. 'tcp://host:8786'.")
    if address and backend not in ("dask", "ray"):
        raise ValueError(f"address belongs to the backends dask and ray, not to {quoted(backend)}.")
    return replace(sweep, backend=backend, workers=workers, address=address)


def _pictures(key: str, folder: Path) -> Sequence[Shown | Path]:
    """One of the gallery under its title, or files."""
    try:
        check_picture(key)
    except ValueError as error:
        if not (Path(key).suffix or "*" in key):
            raise ValueError(f"pictures: {error}") from None
        return pictures.files_of(folder, key)
    return [Shown(key, next((p.title for p in images.gallery() if p.key == key), key))]


def _titled(pictures: Sequence[Shown]) -> tuple[Shown, ...]:
    """Each with a title of its own: two files of one name in two folders are told apart by their pixels."""
    count = Counter(shown.title for shown in pictures)
    return tuple(
        replace(shown, title=f"{shown.title} {shown.key.removeprefix('upload-')[:6]}")
        if count[shown.title] > 1 and shown.pixels is not None
        else shown
        for shown in pictures
    )


def _entries(plain: Mapping[str, Any], name: str, default: str | None) -> list[Any]:
    """One list of the file, its keys as tables."""
    entries = plain.get(name, [default] if default else [])
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{name} must be a list with at least one entry, such as [[{name}]] with a key.")
    return [{"key": entry} if isinstance(entry, str) else entry for entry in entries]


def _combinations(entry: Any) -> int:
    """How many choices an entry is: its lists multiplied; one that is wrong counts as one."""
    if isinstance(entry, dict):
        return math.prod(map(_combinations, entry.values()))
    return max(1, len(entry)) if isinstance(entry, list) else 1


def _choices(name: str, entries: Sequence[Any]) -> list[tuple[str, Choice]]:
    """The entries of one list with their titles, each list of values in them taken apart."""
    registry = {"operators": OPERATORS, "noises": NOISES, "methods": METHODS}[name]
    choices: list[tuple[str, Choice]] = []
    for n, body in enumerate(entries, 1):
        if not isinstance(body, dict):
            raise ValueError(f"{name}, entry {n}: expected a key or a table, not {quoted(body)}.")
        try:
            title = body.get("title", "")
            if not isinstance(title, str) or (title and name != "methods"):
                raise ValueError("a title is a text, and only methods have one")
            if len(title) > TITLE:
                raise ValueError(f"a title has at most {TITLE} letters, unlike {quoted(title)}")
            rest = {k: v for k, v in body.items() if k != "title"}
            for choice, details in _apart(rest):
                valid = Choice(choice.key, registry[choice.key].validate(choice.params))
                own = printable(f"{title} ({details})" if title and details else title)
                choices.append((own or label(_KIND[name], valid), valid))
        except ValueError as error:
            message = str(error)
            raise ValueError(f"{name}, entry {n}: {message}{'' if message.endswith('.') else '.'}") from None
    return choices


_DEFAULTS: Mapping[str, str | None] = {"operators": "gaussian_blur", "noises": "gaussian", "methods": None}
_KIND: Mapping[str, Literal["operator", "noise", "method"]] = {
    "operators": "operator",
    "noises": "noise",
    "methods": "method",
}


def _apart(body: Mapping[str, Any]) -> Iterator[tuple[Choice, str]]:
    """One choice for each combination of the values that are listed, and what tells it from the others."""
    key = body.get("key")
    if not isinstance(key, str):
        raise ValueError(f"it needs a key, not {quoted(dict(body))}")
    names = [name for name in body if name != "key"]
    options: list[list[tuple[Any, str]]] = []
    for name in names:
        value = body[name]
        if isinstance(value, dict):
            options.append(list(_apart(value)))
        elif isinstance(value, list):
            if not value:
                raise ValueError(f"{name} lists no value")
            options.append([(v, f"{name} {v if isinstance(v, str) else quoted(v)}") for v in value])
        else:
            options.append([(value, "")])
    for combination in itertools.product(*options):
        details = ", ".join(text for _, text in combination if text)
        yield Choice(key, {name: value for name, (value, _) in zip(names, combination, strict=True)}), details


def _named(choices: Sequence[tuple[str, Choice]]) -> tuple[Named, ...]:
    methods = tuple(Named(title, choice) for title, choice in dict(choices).items())
    if len(methods) < len(choices):
        (duplicate, _), *_ = Counter(title for title, _ in choices).most_common(1)
        raise ValueError(f"methods: {quoted(duplicate)} is there twice: give each its own title.")
    return methods


def _checked(where: str, name: str, value: Any) -> Any:
    try:
        return _OWN[name].check(value)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _some(plain: Mapping[str, Any], name: str, kind: Callable[..., Any], default: list[Any]) -> list[Any]:
    values = plain.get(name, default)
    if not isinstance(values, list) or not values or any(type(v) is not kind for v in values):
        what = "texts" if kind is str else "whole numbers"
        raise ValueError(f"{name} must be a list of {what}, not {quoted(values)}.")
    return values


def _text(plain: Mapping[str, Any], name: str, default: str) -> str:
    value = plain.get(name, default)
    if not isinstance(value, str) or not value.endswith(".parquet") or printable(value) != value:
        raise ValueError(f"{name} must be a text that ends in .parquet, not {quoted(value)}.")
    return value


def _unique(values: Sequence[Any]) -> tuple[Any, ...]:
    """Each once, in their order; choices, which cannot be hashed, by their text."""
    return tuple({repr(value) if isinstance(value, Choice) else value: value for value in values}.values())
