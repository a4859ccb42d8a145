"""What the live view shows and what it asks for, as packets.

Three packets make a live view: Pictures (once per run), Frames (the kept iterates, when a run pauses or
ends) and View (ten times a second, only what changes). Numbers that are not finite become null.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, cast, get_args

import numpy as np
from numpy.typing import NDArray

from deqviz.glossary import address, tokens, value
from deqviz.ui.components.packets import finite, join
from deqviz.ui.components.run.records import (
    ENABLED,
    FINAL_POINTS,
    LIVE_POINTS,
    SPEEDS,
    Command,
    CommandName,
    Curve,
    Frames,
    Picture,
    Pictures,
    Row,
    Trajectory,
    View,
)

_NAMES: Final = get_args(CommandName)


def pack(packet: Pictures | Frames | View, **extra: str | int | None) -> bytes:
    """The packet as bytes; `extra` adds entries of the transport to the header."""
    match packet:
        case Pictures():
            head, blocks = _pictures(packet)
        case Frames():
            head, blocks = _frames(packet)
        case View():
            head, blocks = _view(packet)
    return join({**head, **extra}, blocks)


def parse_commands(value: object, heard: Collection[int]) -> tuple[Command, ...]:
    """The commands in what a browser sent whose numbers were not `heard`, in order.

    Whatever is not exactly a list of commands of the known names and values is left out.
    """
    sent = (command for entry in outbox(value) if (command := _command(entry)) is not None)
    return tuple(sorted((c for c in sent if c.number not in heard), key=lambda c: c.number))


def outbox(value: object) -> Sequence[object]:
    """The entries in what a browser sent, unchecked; not more than anybody can click."""
    sent = value.get("commands") if isinstance(value, Mapping) else None
    return sent[:32] if isinstance(sent, list) else ()


def envelope(entry: object, names: Sequence[str]) -> tuple[str, str, int] | None:
    """Name, run and number of a command, None for whatever is no command of these names."""
    if not isinstance(entry, Mapping):
        return None
    name, run, count = (entry.get(key) for key in ("name", "run", "number"))
    # bool is an int in Python; a browser that sends true for a number is not ours
    if not isinstance(name, str) or name not in names or not isinstance(run, str) or len(run) > 200:
        return None
    return (name, run, count) if type(count) is int and 0 < count < 2**53 else None


def packed(row: Row) -> list[Any]:
    """A line of the table for the browser: its texts, and of each symbol what the glossary says of it.

    A symbol is [start, stop, symbol, term, line, value or "", address or ""]; only its first place is given.
    """
    terms = {token.term: token for token in reversed(tokens(row.statement, row.paper)) if token.term}
    symbols = [
        [t.start, t.stop, t.text, term.term, term.line, value(t.text, row.reason), address(term) or ""]
        for term, t in sorted(terms.items(), key=lambda item: item[1].start)
    ]
    return [row.name, row.statement, row.status, row.numbers, row.reason, symbols]


def _pictures(p: Pictures) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    if p.truth is not None and p.truth.shape != p.measured.shape:
        raise ValueError(f"truth {p.truth.shape} and measured {p.measured.shape} are not of one size")
    head = {
        "kind": "pictures",
        "run": p.run,
        "low": finite(p.low),
        "high": finite(p.high),
        "measured_psnr": finite(p.measured_psnr),
        "measured_name": p.measured_name,
    }
    blocks = {"measured": checked(p.measured)}
    return head, blocks if p.truth is None else {"truth": checked(p.truth), **blocks}


def _frames(p: Frames) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    if len(p.k) != len(p.images):
        raise ValueError(f"{len(p.k)} numbers for {len(p.images)} frames")
    head = {"kind": "frames", "run": p.run, "k": [int(k) for k in p.k]}
    return head, {"frames": np.stack([checked(image) for image in p.images])} if p.images else {}


def _view(v: View) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    blocks = _columns(v)
    if v.iterate is not None:
        blocks["iterate"] = checked(v.iterate)
    head = {
        "kind": "view",
        "run": v.run,
        "state": v.state,
        "is_moving": v.is_moving,
        "k": v.k,
        "k_max": v.k_max,
        "message": v.message,
        "evaluations": v.evaluations,
        "rate": finite(v.rate),
        "residual": finite(v.residual),
        "psnr": finite(v.psnr),
        "error_max": finite(v.error_max),
        "speed": v.speed,
        "device": v.device,
        "method": v.method,
        "quality": [_curve(curve) for curve in v.quality],
        "guarantees": [packed(r) for r in v.guarantees],
        "explanation": [v.explanation.equation, v.explanation.text, v.explanation.hint]
        if v.explanation
        else None,
        "trajectory": _trajectory(v.trajectory, blocks) if v.trajectory else None,
        # for every state: the browser shows what a click will make of the run before the answer comes
        "enabled": ENABLED,
    }
    return head, blocks


def _columns(v: View) -> dict[str, NDArray[Any]]:
    """The columns as blocks "column:name", thinned where they are longer than a chart can show."""
    columns = {name: np.asarray(values, "<f4").ravel() for name, values in v.columns.items()}
    for curve in v.quality:
        if curve.column in columns and len(columns[curve.column]) != len(columns.get(curve.x, ())):
            raise ValueError(f"column {curve.column!r} is not as long as its x {curve.x!r}")
    limit = LIVE_POINTS if v.state == "running" else FINAL_POINTS
    return {f"column:{name}": values[kept(len(values), limit)] for name, values in columns.items()}


def kept(n: int, limit: int) -> slice | NDArray[np.intp]:
    """All indices, or `limit` of them: the first ones without a gap, the others evenly, the last for sure."""
    if n <= limit:
        return slice(None)
    first = limit // 10
    return np.concatenate([np.arange(first), np.linspace(first, n - 1, limit - first).astype(np.intp)])


def _trajectory(t: Trajectory, blocks: dict[str, NDArray[Any]]) -> dict[str, Any]:
    for i, path in enumerate(t.paths):
        stacked = np.stack([np.asarray(axis, "<f4").ravel() for axis in (path.a, path.b, path.k)])
        blocks[f"path:{i}"] = stacked
    if t.shade:
        for name in ("a", "b", "z"):
            blocks[f"shade:{name}"] = np.asarray(getattr(t.shade, name), "<f4")
    return {
        "paths": [path.label for path in t.paths],
        "limit": None if t.limit is None else [finite(c) for c in t.limit],
        "shade": t.shade is not None,
        "axis": t.axis,
    }


def _curve(c: Curve) -> list[Any]:
    return [c.column, c.label, c.axis, c.x, c.log, finite(c.baseline), c.baseline_label]


def checked(image: Picture) -> Picture:
    """The picture itself; raises ValueError for what is none."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"a picture is uint8 of 1 or 3 channels, not {image.dtype} {image.shape}")
    return image


def _command(entry: object) -> Command | None:
    header = envelope(entry, _NAMES)
    if header is None or not isinstance(entry, Mapping):
        return None
    (name, run, count), value = header, entry.get("value")
    if name == "speed" and (type(value) is not int or value not in SPEEDS):
        return None
    return Command(
        cast(CommandName, name), run, count, value if name == "speed" and type(value) is int else 0
    )
