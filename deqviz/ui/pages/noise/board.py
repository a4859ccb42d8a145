"""From a study of the Noise page to its board; pure, no Streamlit."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from deqviz import domain
from deqviz.core.catalog import REGULARIZERS
from deqviz.core.guarantee import Guarantee, is_void
from deqviz.core.numbers import number
from deqviz.core.space import Image
from deqviz.experiments._rows import panel
from deqviz.experiments.equilibrium.gradient import GradientRow
from deqviz.experiments.equilibrium.noise_sweep import Fixed, NoiseSweep, Power, slope
from deqviz.runtime.logbook import to_bytes
from deqviz.runtime.study import Study, StudySnapshot
from deqviz.ui.components.board.records import Board, Explanation, Picture, Row, Tile
from deqviz.ui.components.guarantees import verdict
from deqviz.ui.pages.noise.charts import charts, power
from deqviz.ui.pages.noise.setting import Setting
from deqviz.ui.shell.study_board import study_board

_HINTS = {
    True: "choose the image itself as ground truth and run again: the order drops to almost 0.",
    False: "choose a ground truth for which the source condition holds.",
}
_PARTS = ("sweep", "band", "limit", "stability")
_SAID = ("bregman", "error", "upper", "limit_distance", "limit", "ratio", "gain")
"""The guarantees that are shown where they are void, too."""


def board(study: Study, setting: Setting) -> Board:
    """The study as it is now."""
    snapshot = study.snapshot()
    return study_board(
        study,
        snapshot,
        unit="equilibria",
        preparing="computing a ground truth with R(x†) = A*w"
        if setting.has_source
        else "computing the operator norm and the constants",
        charts=charts(setting, snapshot),
        tiles=_tiles(setting, snapshot),
        guarantees=_guarantees(snapshot),
        explanation=_explanation(setting, snapshot),
    )


def _tiles(setting: Setting, snapshot: StudySnapshot) -> Iterator[Tile]:
    sweep: NoiseSweep | None = snapshot.experiment("sweep")
    if setting.is_model or sweep is None:
        return
    note = "R(x†) = A*w" if setting.has_source else "the image itself"
    yield Tile("truth", "Ground truth x†", to_bytes(sweep.truth.x), note)
    contrast: NoiseSweep | None = snapshot.experiment("contrast")
    if contrast is not None:
        yield Tile(
            "contrast",
            "Ground truth without source condition",
            to_bytes(contrast.truth.x),
            "no w with R(x†) = A*w",
        )
    limit = snapshot.view("limit", "limit")
    if limit is not None:
        yield Tile(
            "limit", "Solution x° of the limit problem", to_bytes(limit), "Ax° = y, P_{ker A} R(x°) = 0"
        )
    before, after = snapshot.view("kernel_truth", "band"), snapshot.view("kernel", "band")
    if before is None or after is None:
        return
    # One scale for both, grey is zero: only so can they be compared by eye. Rounding is not worth a look.
    most = max(float(before.abs().max()), float(after.abs().max()), 1e-6)
    yield Tile(
        "kernel_truth", "P_{ker A} R(x†)", _signed(before, most), f"norm {number(float(before.norm()))}"
    )
    yield Tile("kernel", "P_{ker A} R(x_{α})", _signed(after, most), f"norm {number(float(after.norm()))}")


def _signed(image: Image, most: float) -> Picture:
    shown = image[:, :1] if image.shape[1] == 2 else image  # the real part: a magnitude has no sign
    return (127.5 + 127.5 * (shown[0] / most).clamp(-1, 1)).round().byte().numpy()


def _guarantees(snapshot: StudySnapshot) -> Iterator[Row]:
    """What was tested on the rows, and of the broken truth what is void there."""
    for guarantee in (g for part in _PARTS for g in panel(snapshot.of(part))):
        # Five lines that are void for one and the same reason say no more than two.
        if not is_void(guarantee.claim) or guarantee.key in _SAID:
            yield verdict(guarantee)
    contrast: Sequence[Guarantee] = panel(snapshot.of("contrast"))
    for guarantee in contrast[:1]:
        fit = slope(snapshot.of("contrast"), "bregman")
        verdict_row = verdict(replace(guarantee, name="Bregman distance, source condition violated"))
        yield replace(verdict_row, numbers="no value" if fit is None else f"order {fit.slope:.2f}")


def _explanation(setting: Setting, snapshot: StudySnapshot) -> Explanation:
    sweep: NoiseSweep | None = snapshot.experiment("sweep")
    parts = ["Every point is an equilibrium: the data-fidelity and the regularisation term balance."]
    if setting.has_source:
        parts.append(
            "When the ground truth satisfies the source condition R(x†) = A*w and α ∝ δ, the Bregman "
            "distance between reconstruction and ground truth is O(δ). Under- and over-regularisation lose "
            "the rate."
        )
    else:
        parts.append(
            "This ground truth need not satisfy R(x†) = A*w, so no convergence rate is proved, and where "
            "R(x†) has a component in the null space of A, the error stays above a bound for every δ and α."
        )
    if sweep is not None and isinstance(sweep.rule, Fixed):
        parts.append("With fixed α the regularisation error (bias) remains however small the noise.")
    parts += _turning(setting, snapshot)
    if sweep is not None and isinstance(sweep.rule, Power):
        parts.append(f"Here α = {power(sweep.rule)}.")
    if setting.has_limit:
        parts.append(
            "Where c > 0, equilibria converge without any source condition as α → 0 and δ²/α → 0, at no "
            "rate that holds for all x†: to the solution x° of Ax = y for which P_{ker A} R(x°) = 0."
        )
    if setting.is_stability:
        parts.append(
            "A perturbation Δy of the data, in any direction, moves the equilibrium by a Bregman distance "
            "D ≤ ‖Δy‖²/4α and, where c > 0, by ‖Δx‖ ≤ ‖Δy‖/(2√(αc)): a small α costs stability."
        )
    if not setting.is_model:
        R = REGULARIZERS[setting.regularizer.key]
        trained = domain.of_regularizer(setting.regularizer, setting.operator, setting.image)
        parts.append(domain.sentences([(R.title, trained)]))
    return Explanation("A*(Ax − y) + αR(x) = 0", " ".join(parts), _HINTS[setting.has_source])


def _turning(setting: Setting, snapshot: StudySnapshot) -> Iterator[str]:
    """How far R is from a gradient, as measured at the truth."""
    if setting.regularizer.key == "rotating":
        yield "R has a skew part: it is not conservative (no potential), and no functional is minimised."
    rows: Sequence[GradientRow] = snapshot.of("gradient")
    place = "At the ground truth" if setting.is_model else "At the ground truth, reduced to 32 px,"
    for row in rows:
        yield (
            f"{place} its Jacobian J has ‖J − Jᵀ‖/‖J‖ = {number(row.asymmetry)} ± {row.error:.1g} "
            f"by {row.probes} random probes, where a gradient field has 0."
        )
