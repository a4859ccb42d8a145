"""The comparison as bytes, and what a browser asks of it; packets as in `ui/live/protocol.py`. No Streamlit.

The blocks of lane i are "iterate:i" and "column:i:name", those of the search "tune"; of kept iterates
"frames:i". `frontend/compare.js` reads what `pack` writes.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from deqviz.ui.components.compare.records import (
    ENABLED,
    NAMES,
    Command,
    CommandName,
    Frames,
    Lane,
    Tune,
    View,
)
from deqviz.ui.components.packets import finite, join
from deqviz.ui.components.run import protocol as live
from deqviz.ui.components.run.protocol import checked, envelope, kept, outbox, packed
from deqviz.ui.components.run.records import FINAL_POINTS, Pictures

POINTS: Final = 800
"""Longest column of a lane sent while runs go on; longer ones are thinned."""


def pack(packet: View | Frames | Pictures, **extra: str | int | None) -> bytes:
    """The packet as bytes; `extra` adds entries of the transport.

    Raises ValueError for columns of one lane that are not of one length.
    """
    match packet:
        case Pictures():
            return live.pack(packet, **extra)
        case Frames():
            head, blocks = _frames(packet)
        case View():
            head, blocks = _view(packet)
    return join({**head, **extra}, blocks)


def parse_commands(value: object, heard: Collection[int]) -> tuple[Command, ...]:
    """The commands in what a browser sent whose numbers were not `heard`, in order, and nothing else."""
    sent = (command for entry in outbox(value) if (command := _command(entry)) is not None)
    return tuple(sorted((c for c in sent if c.number not in heard), key=lambda c: c.number))


def _command(entry: object) -> Command | None:
    header = envelope(entry, NAMES)
    if header is None or not isinstance(entry, Mapping):
        return None
    (name, run, count), value = header, entry.get("value")
    if name == "tune" and (type(value) is not int or not 0 <= value < 1000):
        return None
    return Command(cast(CommandName, name), run, count, value if name == "tune" and type(value) is int else 0)


def _frames(packet: Frames) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    blocks = {
        f"frames:{i}": np.stack([checked(image) for image in images])
        for i, (_, _, images) in enumerate(packet.runs)
        if len(images)
    }
    return {"kind": "frames", "runs": [[run, [int(k) for k in ks]] for run, ks, _ in packet.runs]}, blocks


def _view(v: View) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    blocks: dict[str, NDArray[Any]] = {}
    limit = POINTS if v.state == "running" else FINAL_POINTS
    for i, lane in enumerate(v.lanes):
        blocks |= _lane_blocks(i, lane, limit)
    if v.tune is not None:
        blocks["tune"] = np.stack([np.asarray(v.tune.values, "<f4"), np.asarray(v.tune.psnr, "<f4")])
    head = {
        "kind": "view",
        "run": v.run,
        "state": v.state,
        "k_max": v.k_max,
        "message": v.message,
        "device": v.device,
        "lanes": [_lane(lane) for lane in v.lanes],
        "tunables": [[t.lane, t.label, t.symbol, t.log, finite(t.value), t.range] for t in v.tunables],
        "tune": _tune(v.tune) if v.tune else None,
        "csv": v.csv,
        "json": v.json,
        # for every state: the browser shows what a click will make of it before the answer comes
        "enabled": ENABLED,
    }
    return head, blocks


def _lane(lane: Lane) -> dict[str, Any]:
    return {
        "run": lane.run,
        "name": lane.name,
        "state": lane.state,
        "message": lane.message,
        "k": lane.k,
        "evaluations": lane.evaluations,
        "seconds": finite(lane.seconds),
        "residual": finite(lane.residual),
        "psnr": finite(lane.psnr),
        "ssim": finite(lane.ssim),
        "status": lane.status,
        "headline": lane.headline,
        "guarantees": [packed(r) for r in lane.guarantees],
        "trained": lane.trained,
        "outside": lane.is_outside,
    }


def _lane_blocks(i: int, lane: Lane, limit: int) -> dict[str, NDArray[Any]]:
    columns = {name: np.asarray(values, "<f4").ravel() for name, values in lane.columns.items()}
    for name, values in columns.items():
        along = "ssim_k" if name.startswith("ssim") else "k"
        if len(values) != len(columns.get(along, ())):
            raise ValueError(f"column {name!r} of {lane.name!r} is not as long as its {along!r}")
    blocks = {f"column:{i}:{name}": values[kept(len(values), limit)] for name, values in columns.items()}
    return blocks if lane.iterate is None else {**blocks, f"iterate:{i}": checked(lane.iterate)}


def _tune(tune: Tune) -> dict[str, Any]:
    return {
        "index": tune.index,
        "state": tune.state,
        "done": tune.done,
        "total": tune.total,
        "best": tune.best,
        "message": tune.message,
        "csv": tune.csv,
    }
