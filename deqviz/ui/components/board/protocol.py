"""The board as bytes, and what a browser asks of it; packets as in `ui/live/protocol.py`. No Streamlit.

The lines are the blocks "series:i:j", line j of chart i with the rows x, y and, for a band, its lower edge;
the pictures are "tile:i", the volumes and films "stack:i", with "extra:i" below. `frontend/board.js` reads
what `pack` writes.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final, cast, get_args

import numpy as np
from numpy.typing import NDArray

from deqviz.ui.components.board.records import (
    ENABLED,
    POINTS,
    Axis,
    Board,
    Chart,
    Command,
    CommandName,
    Series,
    Stack,
    Stacks,
)
from deqviz.ui.components.packets import finite, join
from deqviz.ui.components.run.protocol import checked, envelope, kept, outbox, packed

_NAMES: Final = get_args(CommandName)


def pack(board: Board, **extra: str | int | None) -> bytes:
    """The board as bytes; `extra` adds entries of the transport.

    Raises ValueError for a line whose columns differ in length, for a band without a lower edge, and for a
    stack that is none.
    """
    blocks: dict[str, NDArray[Any]] = {}
    for i, chart in enumerate(board.charts):
        for j, series in enumerate(chart.series):
            blocks[f"series:{i}:{j}"] = _block(chart, series)
    for i, tile in enumerate(board.tiles):
        blocks[f"tile:{i}"] = checked(tile.pixels)
    for i, stack in enumerate(board.stacks.items if board.stacks else ()):
        blocks[f"stack:{i}"] = _frames(stack)
        if stack.extra is not None:
            blocks[f"extra:{i}"] = checked(stack.extra)
    head: dict[str, Any] = {
        "kind": "board",
        "run": board.run,
        "state": board.state,
        "done": board.done,
        "total": board.total,
        "unit": board.unit,
        "seconds": finite(board.seconds),
        "left": finite(board.left),
        "message": board.message,
        "charts": [_chart(chart) for chart in board.charts],
        "tiles": [[tile.key, tile.title, tile.note] for tile in board.tiles],
        "stacks": _stacks(board.stacks) if board.stacks else None,
        "guarantees": [packed(r) for r in board.guarantees],
        "explanation": [board.explanation.equation, board.explanation.text, board.explanation.hint]
        if board.explanation
        else None,
        "csv": board.csv,
        "json": board.json,
        # for every state: the browser shows what a click will make of it before the answer comes
        "enabled": ENABLED,
    }
    return join({**head, **extra}, blocks)


def parse_commands(value: object, heard: Collection[int]) -> tuple[Command, ...]:
    """The commands in what a browser sent whose numbers were not `heard`, in order, and nothing else."""
    envelopes = (envelope(entry, _NAMES) for entry in outbox(value))
    commands = (Command(cast(CommandName, c[0]), c[1], c[2]) for c in envelopes if c is not None)
    return tuple(sorted((c for c in commands if c.number not in heard), key=lambda c: c.number))


def _chart(chart: Chart) -> dict[str, Any]:
    return {
        "key": chart.key,
        "title": chart.title,
        "x": _axis(chart.x),
        "y": _axis(chart.y),
        "series": [[s.name, s.role, s.style] for s in chart.series],
        "note": chart.note,
        "formula": chart.formula,
        "sentence": chart.sentence,
        "equal": chart.is_equal,
    }


def _stacks(stacks: Stacks) -> list[Any]:
    shapes = {stack.key: stack.pixels.shape for stack in stacks.items}
    for stack in stacks.items:
        if stack.other and shapes.get(stack.other) != stack.pixels.shape:
            raise ValueError(f"{stack.key!r} has no {stack.other!r} of its shape beside it")
    items = [[s.key, s.title, s.note, s.other, s.words] for s in stacks.items]
    return [stacks.frame, stacks.cut, stacks.gain, stacks.note, items]


def _frames(stack: Stack) -> NDArray[Any]:
    shape = stack.pixels.shape
    if stack.pixels.dtype != np.uint8 or len(shape) != 4 or shape[1] != 1 or 0 in shape:
        raise ValueError(f"a stack is uint8 of n × 1 × h × w, not {stack.pixels.dtype} {shape}")
    return stack.pixels


def _axis(axis: Axis) -> list[Any]:
    return [axis.title, axis.log, finite(axis.low), finite(axis.high), axis.is_nominal]


def _block(chart: Chart, series: Series) -> NDArray[Any]:
    columns: list[Sequence[float] | NDArray[Any]] = [series.x, series.y]
    if series.low is not None:
        columns.append(series.low)
    rows = [np.asarray(column, np.float64).ravel() for column in columns]
    if len({len(row) for row in rows}) > 1:
        lengths = ", ".join(str(len(row)) for row in rows)
        raise ValueError(f"{series.name!r} of {chart.key!r} has columns of {lengths} points")
    if (series.style == "band") != (series.low is not None):
        raise ValueError(f"{series.name!r} of {chart.key!r}: a band, and only a band, has a lower edge")
    values = np.stack(rows)[:, kept(len(rows[0]), POINTS)]
    # What is no number leaves a gap; so does what float32 cannot hold.
    values = np.where(np.abs(values) < np.finfo(np.float32).max, values, np.nan)
    return values.astype("<f4")
