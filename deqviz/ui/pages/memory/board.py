"""From a study of the Memory page to its board; pure, no Streamlit."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deqviz.core.numbers import decibels, number
from deqviz.core.space import Image
from deqviz.experiments._rows import panel
from deqviz.experiments.memory.gradient_agreement import AgreementRow
from deqviz.experiments.memory.volume_runs import METHODS, RunRow
from deqviz.runtime.study import Study, StudySnapshot
from deqviz.ui.components.board.records import Board, Explanation, Row, Stack, Stacks
from deqviz.ui.components.guarantees import row_of, verdict
from deqviz.ui.pages.memory.charts import charts
from deqviz.ui.pages.memory.plan import missing_weights
from deqviz.ui.pages.memory.setting import Setting
from deqviz.ui.shell.study_board import study_board

GAIN = 5
_WORDS: Mapping[str, tuple[str, str]] = {
    "3D": ("Slice", "Cut through all slices"),
    "2D+time": ("Frame", "x-t profile"),
}


def board(study: Study, setting: Setting) -> Board:
    """The study as it is now."""
    snapshot = study.snapshot()
    return study_board(
        study,
        snapshot,
        preparing="computing the scan and the network",
        doing=_doing(snapshot),
        charts=charts(setting, snapshot),
        stacks=_stacks(setting, snapshot),
        guarantees=_guarantees(snapshot),
        explanation=_explanation(setting),
    )


def _doing(snapshot: StudySnapshot) -> str:
    """Which part is being measured, for rows that take long."""
    if snapshot.state != "running":
        return ""
    names = {
        "bytes": "activation memory",
        "runs": "reconstructions",
        "gradient": "gradients in double precision",
        "process": "peak RSS",
    }
    for part, rows in zip(snapshot.parts, snapshot.rows, strict=True):
        if len(rows) < len(part.experiment.cells):
            return names[part.key]
    return ""


def _stacks(setting: Setting, snapshot: StudySnapshot) -> Stacks | None:
    """Truth and reconstructions, as far as there are any."""
    truth = snapshot.view("truth", "runs")
    if truth is None:
        return None
    frame, cut = _WORDS[setting.dimension]
    mask = snapshot.view("mask", "runs")
    items = [Stack("truth", "Ground truth", _grey(truth), "magnitude")]
    if mask is not None:
        axes = "slices × rows" if setting.dimension == "3D" else "frames × rows"
        words = f"Mask, {axes}: {100 * float(mask.mean()):.0f} % sampled"
        items[0] = replace(items[0], extra=_grey(mask)[0], words=words)
    rows: dict[str, RunRow] = {r.method: r for r in snapshot.of("runs")}
    for method in METHODS:
        image = snapshot.view(method, "runs")
        if image is not None and method in rows:
            done = rows[method]
            steps = f", {done.iterations} iterations" if done.iterations else ""
            title = method[0].upper() + method[1:]
            items.append(Stack(method, title, _grey(image), f"{decibels(done.psnr)}{steps}", "truth"))
    return Stacks(frame, cut, tuple(items), GAIN, missing_weights(setting))


def _grey(image: Image) -> NDArray[np.uint8]:
    return (image.clamp(0, 1) * 255).round().byte().numpy()


def _guarantees(snapshot: StudySnapshot) -> Iterator[Row]:
    """What was tested on the rows, and what the network's run shows."""
    for part in ("bytes", "gradient", "process", "runs"):
        for guarantee in panel(snapshot.of(part)):
            if guarantee.claim != "estimated":
                yield verdict(guarantee)
    # What is estimated is row_of by its last or its worst row: no bound is kept or broken there.
    compared: tuple[AgreementRow, ...] = snapshot.of("gradient")
    for guarantee in compared[-1].guarantees[1:] if compared else ():
        note = f"relative error {number(compared[-1].error)} at K = {compared[-1].depth}"
        yield row_of(guarantee, note)
    grown = [g for r in snapshot.of("process") for g in r.guarantees]
    for guarantee in grown[-1:]:
        worst = max(g.measured for g in grown if isinstance(g.measured, float))
        yield row_of(guarantee, f"deviation at most {number(100 * worst)} %")


def _explanation(setting: Setting) -> Explanation:
    parts = [
        "Backpropagation through K unrolled iterations stores the activations of all of them. At a fixed "
        "point x = T(x) implicit differentiation needs one evaluation of T only, however many iterations led "
        "there: the adjoint is a fixed point itself. The backward pass of the data-consistency solve is the "
        "same solve, so coils and conjugate gradients store no activations.",
    ]
    if setting.has_pictures:
        parts.append(
            "The same scan is reconstructed; SENSE has the best of four regularisation parameters. Slices of "
            "this slab are in no training set, but other slices of the same head are."
            if setting.dimension == "3D"
            else "The same series is reconstructed; SENSE has the best of four regularisation parameters. A "
            "profile shows one row of all frames: motion appears as a wave, static tissue as straight lines."
        )
    return Explanation(
        "s = 4[(2 + (L − 1)c)P + (L − 1)cN] + 32N bytes",
        " ".join(parts)
        + " N is the number of grid cells, P that of the grid padded by one cell on each side.",
        "double the width: the slope doubles; double the coils: it stays.",
    )
