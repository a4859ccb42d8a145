"""From a study of the Memory page to its board; pure, no Streamlit."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deqviz.core.space import Image
from deqviz.experiments._rows import panel
from deqviz.experiments.volume_runs import METHODS, RunRow
from deqviz.ui.board.records import Board, Explanation, Row, Stack, Stacks, Tile
from deqviz.ui.board.verdicts import verdict
from deqviz.ui.live.protocol import number, row
from deqviz.ui.memory_charts import charts
from deqviz.ui.memory_plan import missing_weights
from deqviz.ui.memory_setting import Setting
from deqviz.ui.study import Shot, Study

GAIN = 5
_WORDS: Mapping[str, tuple[str, str]] = {
    "3D": ("Slice", "Cut through all slices"),
    "2D+time": ("Frame", "x-t profile"),
}


def board(study: Study, setting: Setting) -> Board:
    """The study as it is now."""
    shot = study.snapshot()
    return Board(
        study.id,
        shot.state,
        shot.done,
        shot.total,
        unit="rows",
        seconds=shot.seconds,
        left=shot.left,
        message=shot.message or ("the scan and the network" if shot.state == "preparing" else _doing(shot)),
        charts=tuple(charts(setting, shot)),
        tiles=tuple(_tiles(setting, shot)),
        stacks=_stacks(setting, shot),
        guarantees=tuple(_guarantees(shot)),
        explanation=_explanation(setting),
        csv=study.text("csv"),
        json=study.text("json"),
    )


def _doing(shot: Shot) -> str:
    """Which part is being measured, for rows that take long."""
    if shot.state != "running":
        return ""
    names = {
        "bytes": "saved bytes",
        "runs": "reconstructions",
        "gradient": "gradients in double precision",
        "process": "a process of its own",
    }
    for part, rows in zip(shot.parts, shot.rows, strict=True):
        if len(rows) < len(part.experiment.cells):
            return names[part.key]
    return ""


def _stacks(setting: Setting, shot: Shot) -> Stacks | None:
    """Truth and reconstructions, as far as there are any."""
    truth = shot.view("truth", "runs")
    if truth is None:
        return None
    frame, cut = _WORDS[setting.dimension]
    items = [Stack("truth", "Truth", _grey(truth), "magnitude")]
    found: dict[str, RunRow] = {r.method: r for r in shot.of("runs")}
    for method in METHODS:
        seen = shot.view(method, "runs")
        if seen is not None and method in found:
            done = found[method]
            steps = f", {done.iterations} iterations" if done.iterations else ""
            items.append(Stack(method, method, _grey(seen), f"{done.psnr:.2f} dB{steps}", "truth"))
    return Stacks(frame, cut, tuple(items), GAIN, missing_weights(setting))


def _tiles(setting: Setting, shot: Shot) -> Iterator[Tile]:
    mask = shot.view("mask", "runs")
    if mask is not None:
        axes = "slices × rows" if setting.dimension == "3D" else "frames × rows"
        share = float(mask.mean())
        yield Tile("mask", "Mask", _grey(mask)[0], f"{axes}, {100 * share:.0f} % measured")


def _grey(image: Image) -> NDArray[np.uint8]:
    return (image.clamp(0, 1) * 255).round().byte().numpy()


def _guarantees(shot: Shot) -> Iterator[Row]:
    """What was tested on the rows, and what the network's run shows."""
    for part in ("bytes", "gradient", "process", "runs"):
        for guarantee in panel(shot.of(part)):
            if guarantee.key == "agreement":
                last = shot.of(part)[-1]
                told = f"relative error {number(last.error)} at K = {last.depth}"
                yield replace(row(guarantee), measured=told)
            elif guarantee.key == "process":
                worst = max((g.measured for r in shot.of(part) for g in r.guarantees), default=0.0)
                yield replace(row(guarantee), measured=f"at most {number(100 * worst)} % off")
            else:
                yield verdict(guarantee)


def _explanation(setting: Setting) -> Explanation:
    parts = [
        "A network of K unrolled iterations keeps what every one of them will need on the way back. At a fixed "
        "point x = T(x) the gradient needs one graph of T only, however many steps led there: its adjoint is a "
        "fixed point itself. The solve of the data step is one operation whose backward step is the same solve, "
        "so coils and conjugate gradients keep nothing.",
    ]
    if setting.has_pictures:
        parts.append(
            "Below, the same scan is reconstructed; SENSE has the best of four weights. Slices of this slab are "
            "in no training set, but other slices of the same head are."
            if setting.dimension == "3D"
            else "Below, the same film is reconstructed; SENSE has the best of four weights. A profile shows one "
            "row of all frames: what beats is a wave there, and what stands still is straight."
        )
    return Explanation(
        "s = 4[(2 + (L − 1)c)P + (L − 1)cN] + 24N bytes",
        " ".join(parts) + " N are the cells, P those of the grid padded by one cell on each side.",
        "double the width, and the slope doubles; double the coils, and nothing happens.",
    )
