"""What the live view shows and what it asks for, as plain records; no Streamlit in here.

A packet is `[u32 length of the header][JSON header][pad to 4][blocks]`, little endian. The header names
its blocks as `[name, type, shape, offset]`, offset counted from the end of the padded header; types are
"u8" and "f4". `frontend/protocol.js` reads what `pack` writes, and `unpack` reads it back for the tests.

Three packets make a live view: Pictures (once per run), Frames (the kept iterates, when a run pauses or
ends) and View (ten times a second, only what changes). Numbers that are not finite become null.
"""

import json
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray

from deqviz.core.guarantee import Curve as GuaranteeCurve
from deqviz.core.guarantee import Guarantee, Lamp

State = Literal["idle", "queued", "running", "paused", "done", "stopped", "diverged", "error"]
CommandName = Literal["play", "pause", "step", "stop", "reset", "speed"]
Picture: TypeAlias = NDArray[np.uint8]
"""(channels, height, width) with one or three channels; 0 and 255 stand for `Pictures.low` and `high`."""

Numbers: TypeAlias = Sequence[float] | NDArray[np.floating] | NDArray[np.integer]

SPEEDS: Final = (0, 10, 3, 1)
"""Iterations per second that may be asked for; 0 is as fast as possible."""
LIVE_POINTS: Final = 2000
"""Longest column sent while a run is going on; longer ones are thinned."""
FINAL_POINTS: Final = 20000
"""Longest column sent otherwise."""
FLOOR: Final = 1e-16
"""What a logarithmic axis shows for zero and below."""

_NAMES: Final = get_args(CommandName)
_ENABLED: Final[Mapping[State, tuple[CommandName, ...]]] = {
    "idle": ("play", "step", "speed"),
    "queued": ("stop", "speed"),
    "running": ("pause", "step", "stop", "reset", "speed"),
    "paused": ("play", "step", "stop", "reset", "speed"),
    "done": ("reset", "speed"),
    "stopped": ("reset", "speed"),
    "diverged": ("reset", "speed"),
    "error": ("reset", "speed"),
}


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a run that never change.

    `low` and `high` are the values that 0 and 255 stand for: the readout under the pointer uses them.
    """

    run: str
    truth: Picture
    measured: Picture
    low: float = 0.0
    high: float = 1.0
    measured_psnr: float | None = None
    measured_note: str = ""


@dataclass(frozen=True, slots=True)
class Frames:
    """Kept iterates of a run, in ascending k; the browser adds them to those that it saw live."""

    run: str
    k: Sequence[int]
    images: Sequence[Picture]


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of the charts: `column` against `x`, both names in `View.columns`.

    `baseline` is a horizontal dotted line, e.g. the PSNR of the measured data.
    """

    column: str
    label: str
    axis: str
    x: str = "k"
    log: bool = False
    baseline: float | None = None
    baseline_label: str = "measured data"


@dataclass(frozen=True, slots=True)
class Path:
    """One start's way through the plane of the two main directions."""

    label: str
    a: Numbers
    b: Numbers
    k: Numbers


@dataclass(frozen=True, slots=True)
class Shade:
    """log₁₀ of the residual on a grid: z[i, j] belongs to (a[j], b[i])."""

    a: Numbers
    b: Numbers
    z: NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Where the iterates go; the first path is the run's own and carries the cursor.

    The coordinates are drawn as they come: the caller has already taken the logarithm of the radius.
    """

    paths: tuple[Path, ...]
    limit: tuple[float, float] | None = None
    shade: Shade | None = None
    axis: str = "two main directions of the run, log radius"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the guarantee table; `statement` may hold _{sub} and ^{sup} marks."""

    name: str
    statement: str
    lamp: Lamp
    measured: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The card "What am I looking at?"; `equation` may hold _{sub} and ^{sup} marks."""

    equation: str
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """Everything that may change while a run goes on.

    Known columns, sent as float32 and as long as "k" unless a Curve names another x: residual, psnr,
    error_max, evaluations fill the numbers of a scrubbed iterate; "predicted" against "predicted_k" is
    the dashed bound in the residual chart; every other column is drawn when a Curve of `quality` names it.
    `k_max` is None for a run without a planned end. `iterate` is None until there is one.
    `enabled` replaces what `state` allows by itself.
    """

    run: str
    state: State
    k: int = 0
    k_max: int | None = None
    message: str = ""
    evaluations: int | None = None
    rate: float | None = None
    residual: float | None = None
    psnr: float | None = None
    error_max: float | None = None
    speed: int = 0
    device: str = ""
    method: str = ""
    iterate: Picture | None = None
    columns: Mapping[str, Numbers] = field(default_factory=dict)
    quality: tuple[Curve, ...] = ()
    residual_label: str = "‖T(x) − x‖ / ‖T(x)‖"
    trajectory: Trajectory | None = None
    guarantees: tuple[Row, ...] = ()
    explanation: Explanation | None = None
    enabled: tuple[CommandName, ...] | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asked for; `run` is the run then on the screen, `number` grows from click to click."""

    name: CommandName
    run: str
    number: int
    value: int = 0


def pack(packet: Pictures | Frames | View, **extra: str | int | None) -> bytes:
    """The packet as bytes; `extra` adds entries of the transport to the header."""
    match packet:
        case Pictures():
            head, blocks = _pictures(packet)
        case Frames():
            head, blocks = _frames(packet)
        case View():
            head, blocks = _view(packet)
    return _join({**head, **extra}, blocks)


def pack_script(source: bytes) -> bytes:
    """A script that the browser cannot fetch from the component's own folder."""
    return _join({"kind": "script"}, {"script": np.frombuffer(source, np.uint8)})


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The header and the blocks of a packet: the mirror image of `frontend/protocol.js`."""
    (length,) = struct.unpack_from("<I", data)
    head = json.loads(data[4 : 4 + length])
    base = 4 + length + (-length) % 4
    kinds = {"u8": np.uint8, "f4": np.dtype("<f4")}
    blocks = {}
    for name, kind, shape, offset in head["blocks"]:
        flat = np.frombuffer(data, kinds[kind], math.prod(shape), base + offset)
        blocks[name] = flat.reshape(shape)
    return head, blocks


def parse_commands(value: object, after: int) -> tuple[Command, ...]:
    """The commands in what a browser sent that are newer than `after`, in order.

    Whatever is not exactly a list of commands of the known names and values is left out.
    """
    if not isinstance(value, Mapping) or not isinstance(sent := value.get("commands"), list):
        return ()
    found = [command for entry in sent[:32] if (command := _command(entry)) and command.number > after]
    return tuple(sorted(found, key=lambda command: command.number))


def row(guarantee: Guarantee) -> Row:
    """The guarantee as a line of the table, its numbers as text."""
    measured, predicted = _last(guarantee.measured), _last(guarantee.predicted)
    unit = f" {guarantee.unit}" if guarantee.unit else ""
    parts = []
    if measured is not None:
        parts.append(f"measured {number(measured)}{unit}")
    if predicted is not None:
        parts.append(f"predicted ≤ {number(predicted)}{unit}")
    text = ", ".join(parts) or ("not applicable" if guarantee.lamp == "void" else "nothing measured yet")
    return Row(guarantee.name, guarantee.statement, guarantee.lamp, text, guarantee.reason)


def number(value: float) -> str:
    """Three significant digits the way the page writes them: 0.812, 15.8, 4.1·10⁻⁶."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞" if value < 0 else "not a number"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -3 <= exponent < 5:
        return f"{value:.{max(0, 2 - exponent)}f}".replace("-", "−")
    digits = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value / 10.0**exponent:.1f}·10{digits}".replace("-", "−")


def _pictures(p: Pictures) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    if p.truth.shape != p.measured.shape:
        raise ValueError(f"truth {p.truth.shape} and measured {p.measured.shape} are not of one size")
    head = {
        "kind": "pictures",
        "run": p.run,
        "low": _number(p.low),
        "high": _number(p.high),
        "measured_psnr": _number(p.measured_psnr),
        "measured_note": p.measured_note,
    }
    return head, {"truth": _picture(p.truth), "measured": _picture(p.measured)}


def _frames(p: Frames) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    if len(p.k) != len(p.images):
        raise ValueError(f"{len(p.k)} numbers for {len(p.images)} frames")
    head = {"kind": "frames", "run": p.run, "k": [int(k) for k in p.k]}
    return head, {"frames": np.stack([_picture(image) for image in p.images])} if p.images else {}


def _view(v: View) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    blocks = _columns(v)
    if v.iterate is not None:
        blocks["iterate"] = _picture(v.iterate)
    head = {
        "kind": "view",
        "run": v.run,
        "state": v.state,
        "k": v.k,
        "k_max": v.k_max,
        "message": v.message,
        "evaluations": v.evaluations,
        "rate": _number(v.rate),
        "residual": _number(v.residual),
        "psnr": _number(v.psnr),
        "error_max": _number(v.error_max),
        "speed": v.speed,
        "device": v.device,
        "method": v.method,
        "residual_label": v.residual_label,
        "quality": [_curve(curve) for curve in v.quality],
        "guarantees": [[r.name, r.statement, r.lamp, r.measured, r.reason] for r in v.guarantees],
        "explanation": [v.explanation.equation, v.explanation.text, v.explanation.hint]
        if v.explanation
        else None,
        "trajectory": _trajectory(v.trajectory, blocks) if v.trajectory else None,
        "enabled": list(_ENABLED[v.state] if v.enabled is None else v.enabled),
    }
    return head, blocks


def _columns(v: View) -> dict[str, NDArray[Any]]:
    """The columns as blocks "column:name", thinned where they are longer than a chart can show."""
    columns = {name: np.asarray(values, "<f4").ravel() for name, values in v.columns.items()}
    for curve in v.quality:
        if curve.column in columns and len(columns[curve.column]) != len(columns.get(curve.x, ())):
            raise ValueError(f"column {curve.column!r} is not as long as its x {curve.x!r}")
    limit = LIVE_POINTS if v.state == "running" else FINAL_POINTS
    return {f"column:{name}": values[_kept(len(values), limit)] for name, values in columns.items()}


def _kept(n: int, limit: int) -> slice | NDArray[np.intp]:
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
        "limit": None if t.limit is None else [_number(c) for c in t.limit],
        "shade": t.shade is not None,
        "axis": t.axis,
    }


def _curve(c: Curve) -> list[Any]:
    return [c.column, c.label, c.axis, c.x, c.log, _number(c.baseline), c.baseline_label]


def _picture(image: Picture) -> Picture:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"a picture is uint8 of 1 or 3 channels, not {image.dtype} {image.shape}")
    return image


def _join(head: dict[str, Any], blocks: Mapping[str, NDArray[Any]]) -> bytes:
    table, parts, offset = [], [], 0
    for name, values in blocks.items():
        body = np.ascontiguousarray(values).tobytes()
        pad = (-len(body)) % 4
        table.append([name, "u8" if values.dtype == np.uint8 else "f4", values.shape, offset])
        parts += (body, bytes(pad))
        offset += len(body) + pad
    text = json.dumps({**head, "blocks": table}, allow_nan=False, separators=(",", ":")).encode()
    return b"".join([struct.pack("<I", len(text)), text, bytes((-len(text)) % 4), *parts])


def _command(entry: object) -> Command | None:
    if not isinstance(entry, Mapping):
        return None
    name, run, count, value = (entry.get(key) for key in ("name", "run", "number", "value"))
    # bool is an int in Python; a browser that sends true for a number is not ours
    if name not in _NAMES or not isinstance(run, str) or len(run) > 200:
        return None
    if type(count) is not int or not 0 < count < 2**53:
        return None
    if name == "speed" and (type(value) is not int or value not in SPEEDS):
        return None
    return Command(
        cast(CommandName, name), run, count, value if name == "speed" and type(value) is int else 0
    )


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _last(value: GuaranteeCurve | float | None) -> float | None:
    if isinstance(value, GuaranteeCurve):
        return _last_finite(value.values)
    return value


def _last_finite(values: Iterable[float]) -> float | None:
    return next((float(v) for v in reversed(list(values)) if math.isfinite(v)), None)
