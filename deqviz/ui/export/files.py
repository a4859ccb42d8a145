"""The files that a run is taken away in: pictures, arrays, tables, settings. No Streamlit in here.

Pictures are those of the live view to the byte; arrays are those of the run in full precision.
"""

import csv
import io
import json
import math
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deqviz import __version__
from deqviz.core.space import Image
from deqviz.io.pixels import Pixels
from deqviz.io.pixels import png as pixels_png
from deqviz.runtime.export_record import Record
from deqviz.scenario import Scenario

GAINS = (1, 2, 4, 8, 16)
"""What errors are multiplied by, as in the live view."""
KEPT_BYTES = 64 * 2**20
"""Of kept iterates in one file of arrays: all at 256 × 256 in grey, some where pictures are larger."""

# Black, brown, orange, white in equal steps of lightness: `frontend/pixels.js` has the same ten.
HEAT = (
    "000000",
    "2a0c02",
    "521803",
    "7d2603",
    "a93905",
    "d15212",
    "ec7a37",
    "f7a775",
    "fcd2b5",
    "ffffff",
)


def stem(scenario: Scenario) -> str:
    """How the names of all files of a run begin: deqviz-camera-gaussian_blur-equilibrium."""
    image = scenario.image.partition("-")[0]
    return f"deqviz-{image}-{scenario.operator.key}-{scenario.method.key}"


def png(pixels: Pixels, about: str = "") -> bytes:
    """The image as 8-bit PNG, every pixel exact; `about` goes into its comment."""
    return pixels_png(pixels, software=f"DEQViz {__version__}", comment=about)


def error_pixels(pixels: Pixels, truth: Pixels, gain: int) -> Pixels:
    """|x − truth|·gain on the fixed scale of the live view, 3 × h × w; in colour the worst channel counts."""
    worst = np.abs(pixels.astype(np.int16) - truth).max(0)
    return np.moveaxis(_hot()[np.minimum(worst * gain, 255)], 2, 0)


def _hot() -> NDArray[np.uint8]:
    """The 256 colours of the scale, between the ten as the browser rounds them: halves go up."""
    knots = np.array([[int(word[c : c + 2], 16) for c in (0, 2, 4)] for word in HEAT], np.float64)
    at = np.arange(256) / 255 * (len(knots) - 1)
    i = np.minimum(at.astype(int), len(knots) - 2)
    between = knots[i] + (at - i)[:, None] * (knots[i + 1] - knots[i])
    return np.floor(between + 0.5).astype(np.uint8)


def pictures(record: Record, k: int, gain: int) -> dict[str, Pixels]:
    """The pictures of iterate k as they are shown, by name; no truth and no error where nobody knows it."""
    setup = record.snapshot.setup
    assert setup is not None  # a record is of a run whose problem was built
    shown = next(f.pixels for f in record.frames if f.k == k)
    images = {f"k{k}": shown, "measured": setup.measured}
    if setup.truth is not None:
        images["truth"] = setup.truth
        images[f"k{k}-error-x{gain}"] = error_pixels(shown, setup.truth, gain)
    return images


def pictures_file(record: Record, k: int, gain: int) -> bytes:
    """All of `pictures` as PNG, and the settings, in one ZIP."""
    scenario, file = record.scenario, io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # stored: a PNG is compressed already
        for name, pixels in pictures(record, k, gain).items():
            archive.writestr(f"{stem(scenario)}-{name}.png", png(pixels, scenario.to_json()))
        archive.writestr(f"{stem(scenario)}.json", settings(scenario))
    return file.getvalue()


def arrays(record: Record) -> bytes:
    """The run as NPZ, in the precision in which it was computed.

    `x` (the newest iterate), `truth`, `measured` (the picture of the data), each c × h × w; `y`, the data in
    its own shape; of every iterate `k`, `residual`, `gap`, `psnr`, `evaluations`, and `objective` and the
    method's own curves where it has some; `kept`, n × c × h × w, with their numbers `kept_k`, fewer where all
    took more than 64 MB; `ssim` with `ssim_k`; `settings`, a text. NaN stands where a number is unknown.
    """
    snapshot, path = record.snapshot, record.path
    names, rows = table(record)
    columns = {
        name: np.array([math.nan if v is None else v for v in values])
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }
    kept = path[:: -max(1, math.ceil(len(path) * path[-1][1].nbytes / KEPT_BYTES))][::-1]
    with torch.no_grad():
        measured = record.problem.operator.baseline(record.problem.data)
    entries: dict[str, Any] = {
        "x": _bare(path[-1][1]),
        "y": _bare(record.problem.data),
        "measured": _bare(measured),
        **({} if record.truth is None else {"truth": _bare(record.truth)}),
        **{name.replace(" ", "_"): values for name, values in columns.items() if name != "ssim"},
        "kept_k": np.array([k for k, _ in kept]),
        "kept": np.stack([_bare(x) for _, x in kept]),
        "ssim_k": np.array(sorted(snapshot.ssim), int),
        "ssim": np.array([snapshot.ssim[k] for k in sorted(snapshot.ssim)]),
        "settings": np.array(settings(record.scenario)),
    }
    for name in ("k", "evaluations"):
        entries[name] = entries[name].astype(int)
    file = io.BytesIO()
    np.savez(file, **entries)
    return file.getvalue()


def _bare(x: Image | torch.Tensor) -> np.ndarray:
    """Without the axis of the batch, which is of one."""
    return x.detach().cpu().numpy()[0]


def table(record: Record) -> tuple[tuple[str, ...], list[tuple[float | None, ...]]]:
    """The names of the columns and a row for every iterate; None where a number was not computed."""
    snapshot = record.snapshot
    own = tuple(snapshot.marks[-1].scalars)
    has_objective = snapshot.marks[0].objective is not None
    judged = ("psnr", "ssim") if record.truth is not None else ()
    names = ("k", "evaluations", "residual", "gap", *judged, *(("objective",) if has_objective else ()), *own)
    rows: list[tuple[float | None, ...]] = []
    for mark, quality in zip(snapshot.marks, snapshot.psnr, strict=True):
        decibels = None if math.isnan(quality) else quality
        rows.append(
            (
                mark.k,
                mark.evaluations,
                mark.residual,
                mark.gap,
                *((decibels, snapshot.ssim.get(mark.k)) if judged else ()),
                *((mark.objective,) if has_objective else ()),
                *(mark.scalars.get(name) for name in own),
            )
        )
    return names, rows


def numbers(record: Record) -> bytes:
    """`table` as CSV; what is unknown stays empty."""
    names, rows = table(record)
    return to_csv(names, rows).encode()


def to_csv(names: Sequence[str], rows: Sequence[Sequence[float | None]]) -> str:
    """Comma-separated text, every number exact."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(names)
    writer.writerows(rows)
    return file.getvalue()


def settings(scenario: Scenario) -> str:
    """The scenario as JSON for people, a line for each field, with the version that wrote it."""
    return json.dumps({"deqviz": __version__, **json.loads(scenario.to_json())}, indent=1, ensure_ascii=False)
