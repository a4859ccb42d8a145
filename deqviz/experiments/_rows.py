"""Rows, progress and files of all experiments; no row is computed twice."""

import csv
import hashlib
import io
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

import torch

from deqviz.core.guarantee import Curve, Guarantee, Point, is_void
from deqviz.core.replacement import replacement
from deqviz.core.space import Image

Key = tuple[float | int | str, ...]


class Row(ABC):
    """One measured cell of an experiment: plain numbers, and the theorems that speak of them."""

    __slots__ = ()

    @property
    @abstractmethod
    def key(self) -> Key:
        """Which cell this is; exact, so that a file can be gone on with."""

    @property
    @abstractmethod
    def guarantees(self) -> tuple[Guarantee, ...]:
        """Each inequality; its allowance is what the solve of this very row may add."""

    @property
    def holds(self) -> bool:
        """Whether no certified inequality is violated."""
        return all(g.status != "violated" for g in self.guarantees if g.claim == "certified")

    def plain(self) -> dict[str, float | int | str | bool | None]:
        """The fields, and of each inequality `bound`, `holds`, `slack` = 1 − value/bound, and `allowance`."""
        values: dict[str, float | int | str | bool | None] = asdict(self)  # pyright: ignore[reportArgumentType]
        for g in self.guarantees:
            values[f"bound.{g.key}"] = None if g.bound is None else g.bound.number
            values[f"holds.{g.key}"] = g.holds if g.claim == "certified" else None
            values[f"slack.{g.key}"] = slack(g)
            values[f"allowance.{g.key}"] = None if isinstance(g.allowance, Curve) else g.allowance
        return values


R = TypeVar("R", bound=Row)


def slack(g: Guarantee) -> float | None:
    """1 − value/bound: the share of the bound that is left; None where there is nothing to compare."""
    above, below = (None if q is None else q.number for q in (g.bound, g.value))
    if above is None or below is None or not 0 < above < math.inf or not math.isfinite(below):
        return None
    return 1 - below / above


@dataclass(frozen=True, slots=True)
class Progress(Generic[R]):
    """How far an experiment has come; `row` is None between rows.

    One comes after every iteration, so that whoever pulls can stop at any time. `views` are images that
    belong to the row, for a row that was just computed.
    """

    done: int
    total: int
    row: R | None = None
    views: Mapping[str, Image] = field(default_factory=dict)


class Experiment(ABC, Generic[R]):
    """Many equilibria of one question, as a generator of rows; subclasses are frozen dataclasses."""

    revision: ClassVar[int] = 1
    """Raised where a column comes to mean something else: files of before are not gone on with."""

    @property
    @abstractmethod
    def row_type(self) -> type[R]:
        """The class of the rows."""

    @property
    @abstractmethod
    def cells(self) -> tuple[Key, ...]:
        """The keys of all rows, in their order."""

    @abstractmethod
    def run(self, old_rows: Sequence[R] = ()) -> Iterator[Progress[R]]:
        """The rows, those of `old_rows` as they are; nothing is computed for them."""

    @property
    def settings(self) -> str:
        """A digest of everything that the rows depend on; images and maps by a few of their digits."""
        text = repr(_written(self)) + (f" {self.revision}" if self.revision > 1 else "")
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _written(value: Any) -> Any:
    """Plain data for the digest; of a tensor six digits of two norms, which no machine's rounding changes."""
    if isinstance(value, torch.Tensor):
        flat = value.detach().flatten().to("cpu", torch.complex128)
        ramp = torch.linspace(1, 2, len(flat), dtype=torch.float64)
        return (*value.shape, f"{float(flat.norm()):.5e}", f"{float((ramp * flat).norm()):.5e}")
    if is_dataclass(value) and not isinstance(value, type):
        return (type(value).__name__, *((f.name, _written(getattr(value, f.name))) for f in fields(value)))
    if isinstance(value, tuple | list):
        return tuple(_written(v) for v in value)
    return repr(value)


def only_rows(stream: Iterable[Progress[R]]) -> Iterator[R]:
    """The rows of a run, without the progress between them."""
    return (p.row for p in stream if p.row is not None)


def recorded(experiment: Experiment[R], path: Path) -> Iterator[Progress[R]]:
    """Run `experiment`, with the rows that `path` has left out, and write every new one before it is yielded.

    `path` ends in .csv or .json. It is replaced as a whole each time, so that a run that is closed or killed
    leaves a file that can be read and gone on with. Raises ValueError, before anything is computed, when
    the file holds rows of other settings.
    """
    old_rows = read(experiment, path) if path.exists() else ()
    rows: dict[Key, R] = {row.key: row for row in old_rows}
    order = {key: n for n, key in enumerate(experiment.cells)}
    if not rows.keys() <= order.keys():
        raise ValueError(_foreign(experiment, path))
    stream = experiment.run(old_rows)
    try:
        for progress in stream:
            if progress.row is not None and progress.row.key not in rows:
                rows[progress.row.key] = progress.row
                write(experiment, sorted(rows.values(), key=lambda r: order[r.key]), path)
            yield progress
    finally:
        if hasattr(stream, "close"):
            stream.close()  # pyright: ignore[reportAttributeAccessIssue]


def to_text(experiment: Experiment[R], rows: Sequence[R], form: Literal["csv", "json"]) -> str:
    """The rows as a table with one head line, or as a JSON object; numbers by `repr`, hence exact."""
    settings = experiment.settings
    plain = [{"settings": settings, **row.plain()} for row in rows]
    if form == "json":
        body = {"experiment": type(experiment).__name__, "settings": settings, "rows": plain}
        return json.dumps(body, indent=1, ensure_ascii=False) + "\n"
    text = io.StringIO()
    # Rows at which a run ends may carry one inequality more.
    names = list(dict.fromkeys(name for row in plain for name in row))
    names = names or ["settings", *(f.name for f in _fields(experiment.row_type))]
    table = csv.DictWriter(text, names, lineterminator="\n")
    table.writeheader()
    table.writerows(plain)
    return text.getvalue()


def write(experiment: Experiment[R], rows: Sequence[R], path: Path) -> None:
    """Put the rows into `path` in one act: at no time is there half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = to_text(experiment, rows, _form(path))
    with replacement(path) as file:
        file.write(text.encode())


def read(experiment: Experiment[R], path: Path) -> tuple[R, ...]:
    """The rows of a file; raises ValueError for one of another experiment, other settings, or damaged."""
    settings, form = experiment.settings, _form(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        plain = json.loads(text)["rows"] if form == "json" else _table(text)
        if all(row["settings"] == settings for row in plain):
            return tuple(_row(experiment.row_type, row) for row in plain)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError, csv.Error):
        raise ValueError(_foreign(experiment, path)) from None
    raise ValueError(f"{path.name} holds rows of other settings: choose another file.")


def _table(text: str) -> list[dict[str, Any]]:
    """The lines of a CSV file; raises KeyError for one with another head, even without a line below."""
    table = csv.DictReader(io.StringIO(text))
    if table.fieldnames and "settings" not in table.fieldnames:
        raise KeyError("settings")
    return list(table)


def _foreign(experiment: Experiment[Any], path: Path) -> str:
    return f"{path.name} is no file of {type(experiment).__name__}, or damaged: choose another one."


def _form(path: Path) -> Literal["csv", "json"]:
    match path.suffix:
        case ".csv":
            return "csv"
        case ".json":
            return "json"
        case _:
            raise ValueError(f"Rows are written as .csv or .json, not as {path.name!r}.")


def _fields(row_type: type[Row]) -> tuple[Any, ...]:
    return fields(row_type)  # pyright: ignore[reportArgumentType]


def _row(row_type: type[R], plain: Mapping[str, Any]) -> R:
    hints = get_type_hints(row_type)
    # A field with a default is younger than some files.
    there = (f for f in _fields(row_type) if f.name in plain or f.default is MISSING)
    return row_type(**{f.name: _value(plain[f.name], hints[f.name]) for f in there})


def _value(entry: Any, hint: Any) -> Any:
    """`entry`, a text or already a number, as the type of its field."""
    if NoneType in (options := get_args(hint)):
        hint = next(t for t in options if t is not NoneType)
        if entry is None or entry == "":
            return None
    if hint in (float, int):
        # int(3.7) is 3, and float(True) is 1.
        if isinstance(entry, bool) or (hint is int and isinstance(entry, float)):
            raise ValueError("this is no number of this column")
        return hint(entry)
    if not isinstance(entry, str) or (get_origin(hint) is Literal and entry not in get_args(hint)):
        raise ValueError("this is no text of this column")
    return entry


def panel(rows: Sequence[Row]) -> tuple[Guarantee, ...]:
    """The inequalities of all rows together, k counting the rows; one that is void in any row says why."""
    merged: dict[str, list[tuple[int, Guarantee]]] = {}
    for k, row in enumerate(rows):
        for g in row.guarantees:
            merged.setdefault(g.key, []).append((k, g))
    return tuple(together(entries) for entries in merged.values())


_WEAKNESS = {name: n for n, name in enumerate(("certified", "stated", "estimated", "remark"))}


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def together(entries: Sequence[tuple[int, Guarantee]]) -> Guarantee:
    """One inequality at several k as one with curves, claimed as in the weakest row that claims it."""
    weakest = max((g for _, g in entries), key=lambda g: _WEAKNESS.get(g.claim, len(_WEAKNESS)))
    deciding = [(k, g) for k, g in entries if not is_void(g.claim) and g.holds is not None]
    claiming = [(k, g) for k, g in deciding if g.claim != "remark"] or deciding
    points = [(k, point, g) for k, g in claiming for point in g.points]
    if not points:
        return replace(weakest, bound=None, value=None, allowance=0.0)
    # One that is violated lends its sides, so that it stays so beside others.
    speaks = max((g for _, _, g in points), key=lambda g: (g.holds is False, _WEAKNESS[g.claim]))
    assert speaks.bound is not None
    assert speaks.value is not None

    def curve(part: Callable[[Point], float]) -> Curve:
        return Curve([k for k, _, _ in points], [part(point) for _, point, _ in points])

    return replace(
        speaks,
        reason=weakest.reason
        if len(points) == len(entries)
        else f"{_rows(len(entries) - len(points))} left out: {weakest.reason}",
        bound=replace(speaks.bound, of=curve(lambda p: p.bound)),
        value=replace(speaks.value, of=curve(lambda p: p.value)),
        allowance=curve(lambda p: p.allowance),
    )


@dataclass(frozen=True, slots=True)
class Fit:
    """A straight line through log(quantity) against log(δ), for low ≤ δ ≤ high.

    `spread` is the root mean square of its misfit, in decades. A description, not a bound.
    """

    slope: float
    low: float
    high: float
    count: int
    spread: float


def fit(points: Iterable[tuple[float, float]], low: float = 0.0, high: float = math.inf) -> Fit | None:
    """The least-squares slope of log v against log δ over the points (δ, v) of the range; None below three δ.

    `low` and `high` of the result are the ends of what was really used.
    """
    used = [(d, v) for d, v in points if low * (1 - 1e-9) <= d <= high * (1 + 1e-9) and d > 0 and v > 0]
    if len({d for d, _ in used}) < 3:
        return None
    xs, ys = [math.log10(d) for d, _ in used], [math.log10(v) for _, v in used]
    x0, y0 = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = sum((x - x0) * (y - y0) for x, y in zip(xs, ys, strict=True)) / sum((x - x0) ** 2 for x in xs)
    misfit = [y - y0 - slope * (x - x0) for x, y in zip(xs, ys, strict=True)]
    spread = math.sqrt(sum(m * m for m in misfit) / len(misfit))
    return Fit(slope, min(d for d, _ in used), max(d for d, _ in used), len(used), spread)
