"""From a study of the Noise page to its board; pure, no Streamlit."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from deqviz.core.guarantee import Guarantee
from deqviz.core.space import Image
from deqviz.experiments._rows import panel
from deqviz.experiments.equilibrium.gradient import GradientRow
from deqviz.experiments.equilibrium.noise_sweep import Fixed, NoiseSweep, Power, slope
from deqviz.runtime.logbook import to_bytes
from deqviz.runtime.study import Shot, Study
from deqviz.ui.components.board.records import Board, Explanation, Picture, Row, Tile
from deqviz.ui.components.board.verdicts import verdict
from deqviz.ui.components.run.protocol import number
from deqviz.ui.components.text import pretty
from deqviz.ui.pages.noise.charts import charts
from deqviz.ui.pages.noise.setting import Setting
from deqviz.ui.shell.study_board import study_board

_HINTS = {
    True: "let the truth be the picture itself and run again: the slope falls to almost nothing.",
    False: "choose a truth for which the source condition holds.",
}


def board(study: Study, setting: Setting) -> Board:
    """The study as it is now."""
    shot = study.snapshot()
    return study_board(
        study,
        shot,
        unit="equilibria",
        preparing="a truth with R(x†) = A*w" if setting.has_source else "the operator and the truth",
        charts=charts(setting, shot),
        tiles=_tiles(setting, shot),
        guarantees=_guarantees(shot),
        explanation=_explanation(setting, shot),
    )


def _tiles(setting: Setting, shot: Shot) -> Iterator[Tile]:
    sweep: NoiseSweep | None = shot.experiment("sweep")
    if setting.is_model or sweep is None:
        return
    held = "R(x†) = A*w" if setting.has_source else "the picture itself"
    yield Tile("truth", "Truth x†", to_bytes(sweep.truth.x), held)
    contrast: NoiseSweep | None = shot.experiment("contrast")
    if contrast is not None:
        yield Tile("contrast", "The picture", to_bytes(contrast.truth.x), "without a w")
    before, after = shot.view("kernel_truth", "band"), shot.view("kernel", "band")
    if before is None or after is None:
        return
    # One scale for both, grey is zero: only so can they be compared by eye. Rounding is not worth a look.
    most = max(float(before.abs().max()), float(after.abs().max()), 1e-6)
    yield Tile("kernel_truth", "P_{ker} R(x†)", _signed(before, most), f"norm {number(float(before.norm()))}")
    yield Tile("kernel", "P_{ker} R(x_{α})", _signed(after, most), f"norm {number(float(after.norm()))}")


def _signed(image: Image, most: float) -> Picture:
    shown = image[:, :1] if image.shape[1] == 2 else image  # the real part: a magnitude has no sign
    return (127.5 + 127.5 * (shown[0] / most).clamp(-1, 1)).round().byte().numpy()


def _guarantees(shot: Shot) -> Iterator[Row]:
    """What was tested on the rows, and of the broken truth what is void there."""
    for guarantee in (g for part in ("sweep", "band", "stability") for g in panel(shot.of(part))):
        # Five lines that are void for one and the same reason say no more than two.
        if guarantee.status != "void" or guarantee.key in ("bregman", "error", "upper", "ratio", "gain"):
            yield verdict(guarantee)
    broken: Sequence[Guarantee] = panel(shot.of("contrast"))
    for guarantee in broken[:1]:
        found = slope(shot.of("contrast"), "bregman")
        told = verdict(replace(guarantee, name="Bregman distance, source condition violated"))
        yield replace(told, measured="not applicable" if found is None else f"slope {found.slope:.2f}")


def _explanation(setting: Setting, shot: Shot) -> Explanation:
    sweep: NoiseSweep | None = shot.experiment("sweep")
    parts = [
        "Every point is an equilibrium, a picture at which the pull of the data and the pull of R cancel."
    ]
    if setting.has_source:
        parts.append(
            "When the truth satisfies R(x†) = A*w and α shrinks like the noise, the distance between "
            "reconstruction and truth shrinks at least as fast as the noise. Too little or too much "
            "smoothing loses the rate."
        )
    else:
        parts.append(
            "This truth was not made to satisfy R(x†) = A*w, so nothing is proved about a rate, and where "
            "R(x†) has a part that A cannot see, the error stays above a bound whatever the noise and α."
        )
    if sweep is not None and isinstance(sweep.rule, Fixed):
        parts.append("With α fixed the bias stays however small the noise.")
    parts += _turning(setting, shot)
    if sweep is not None and isinstance(sweep.rule, Power):
        factor, p = sweep.rule.factor, sweep.rule.exponent
        power = "δ" if p == 1 else f"δ^{{{p:.3g}}}"
        parts.append(f"Here α = {power}." if factor == 1 else f"Here α = {pretty(factor)} {power}.")
    if setting.is_stability:
        parts.append(
            "A change Δy of the data, however it points, moves the equilibrium by a distance D of at most "
            "‖Δy‖²/4α and, where c > 0, by at most ‖Δy‖/(2√(αc)): a small α costs stability."
        )
    return Explanation("A*(Ax − y) + αR(x) = 0", " ".join(parts), _HINTS[setting.has_source])


def _turning(setting: Setting, shot: Shot) -> Iterator[str]:
    """How far R is from a gradient, as measured at the truth."""
    if setting.regularizer.key == "rotating":
        yield "R rotates: it is the gradient of nothing, and no functional is being minimised."
    rows: Sequence[GradientRow] = shot.of("gradient")
    place = "At the truth" if setting.is_model else "At the truth, reduced to 32 px,"
    for row in rows:
        yield (
            f"{place} its derivative J has ‖J − Jᵀ‖/‖J‖ = {number(row.asymmetry)} ± {row.error:.1g} "
            f"by {row.probes} random probes, where a gradient has 0."
        )
