"""The charts of the Unrolled page on noise between layers and on other signals; pure, no Streamlit."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from deqviz.experiments.unrolled.layer_noise import NoiseRow
from deqviz.experiments.unrolled.layer_shift import ShiftRow
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import Axis, Chart, Series
from deqviz.ui.components.run.protocol import number
from deqviz.ui.pages.unrolled.charts import lines, role_of, titles_of
from deqviz.ui.pages.unrolled.setting import LAYERS, Setting


def noise_charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """All cards of the view on noise."""
    rows: tuple[NoiseRow, ...] = snapshot.of("noise")
    s = setting.deviation
    at = [row for row in rows if row.deviation == s]
    where = "before every layer" if not setting.before else f"before layer {setting.before} only"
    ends = [row for row in rows if row.layer == LAYERS]
    yield Chart(
        "final",
        "Distance to the LASSO solution against injected noise",
        Axis("injected noise std σ", log=True),
        Axis("E‖y_{K} − y*‖", log=True),
        tuple(
            lines([row for row in ends if row.deviation], lambda row: row.deviation, lambda row: row.distance)
        ),
        note=where,
        formula="y_{ℓ} ← y_{ℓ} + ση, η ~ N(0, Id)",
        sentence=_best(ends, s),
    )
    yield _gains(ends, s)
    yield Chart(
        "profile",
        f"Distance to the LASSO solution by layer, σ = {s:g}",
        Axis("layer ℓ", low=1, high=LAYERS),
        Axis("E‖y_{ℓ} − y*‖", log=True),
        tuple(lines(at, lambda row: row.layer, lambda row: row.distance)),
        note=where,
        sentence="Output of each layer, before the next noise.",
    )
    yield Chart(
        "mended",
        f"Share of signals with decrease, σ = {s:g}",
        Axis("layer ℓ", low=1, high=LAYERS),
        Axis("%", low=0, high=105),
        tuple(lines(at, lambda row: row.layer, lambda row: 100 * row.falls)),
        formula="output nearer to y* than the noisy input",
        sentence="A layer that removes the noise decreases the distance for nearly all signals.",
    )


def _best(ends: Sequence[NoiseRow], s: float) -> str:
    at = {row.rival: row.distance for row in ends if row.deviation == s}
    if not at:
        return "Each point is a run of all layers on the same signals with the same noise."
    told = ", ".join(f"{title} {number(value)}" for title, value in at.items())
    return f"At σ = {s:g}: {told}."


def _gains(ends: Sequence[NoiseRow], s: float) -> Chart:
    """The attribution: how many times nearer than the plain network each of them is."""
    plain = {row.deviation: row.distance for row in ends if row.rival == "U"}
    others = [
        row
        for row in ends
        if row.rival not in ("U", "ISTA") and row.deviation and row.deviation in plain and row.distance > 0
    ]
    drawn = list(lines(others, lambda row: row.deviation, lambda row: plain[row.deviation] / row.distance))
    if others:
        x = [min(row.deviation for row in others), max(row.deviation for row in others)]
        drawn.append(Series("U", x, [1.0, 1.0], role_of("U"), "dashed"))
    at = {row.rival: plain[s] / row.distance for row in others if row.deviation == s}
    names = {
        "UN": "noise only",
        "C0": "constraint only",
        "C": "both",
        "DSN": "deep supervision and noise",
    }
    told = ", ".join(f"{names[t]} × {number(v)}" for t, v in at.items() if t in names)
    return Chart(
        "gain",
        "Robustness relative to the plain network (ablation)",
        Axis("injected noise std σ", log=True),
        Axis("d_{K}(U)/d_{K}", low=0),
        tuple(drawn),
        note="above 1: better than the plain network U",
        formula="E‖y_{K} − y*‖ of U divided by that of each network",
        sentence=f"At σ = {s:g}: {told}."
        if told
        else "Choose U and others: the ablation needs the plain network.",
    )


def shift_charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """All cards of the view on other signals."""
    rows: tuple[ShiftRow, ...] = snapshot.of("shift")
    axis = Axis("shift p: x + pη")

    def p(row: ShiftRow) -> float:
        return row.shift

    yield Chart(
        "moved",
        "Distance to the LASSO solution of the shifted signal",
        axis,
        Axis("E‖y_{K} − y*(x + pη)‖", log=True),
        tuple(lines(rows, p, lambda row: row.distance)),
        note="LASSO solved for the shifted signals",
        sentence=_at(rows, setting.shift),
    )
    yield Chart(
        "above",
        "Objective above its minimum",
        axis,
        Axis("E f(y_{K}) − E f(y*)", log=True),
        tuple(lines(rows, p, lambda row: max(row.objective - row.optimum, 1e-9))),
        formula="both for the shifted signal",
        sentence="Stronger noise makes the codes denser than in training.",
    )
    yield _slacks(rows)
    yield Chart(
        "drift",
        "Change of the LASSO solution",
        axis,
        Axis("E‖y*(x + pη) − y*(x)‖"),
        tuple(_drift(rows)),
        formula="M·d(𝒟, 𝒟̃) for the merit ‖y − y*‖",
        sentence=_growth(rows),
    )


def _slacks(rows: Sequence[ShiftRow]) -> Chart:
    networks = [row for row in rows if role_of(row.rival) != "truth"]
    drawn = list(lines(networks, lambda row: row.shift, lambda row: row.excess))
    mine = "C" if "C" in titles_of(networks) else next(iter(titles_of(networks)), "")
    own = [row for row in networks if row.rival == mine]
    bound = [max(row.unshifted, 0.0) + (2 - row.rate) * row.drift for row in own]
    drawn.append(Series(f"bound for {mine}", [row.shift for row in own], bound, "predicted", "dashed"))
    return Chart(
        "slack",
        "Largest constraint slack ζ",
        Axis("shift p: x + pη"),
        Axis("ζ = max_{ℓ} d_{ℓ} − (1 − ε)d_{ℓ−1}"),
        tuple(drawn),
        note="ζ ≤ 0: every layer satisfies the constraint",
        formula="ζ(p) ≤ ζ(0) + (2 − ε) M d(𝒟, 𝒟̃)",
        sentence="The theorem takes the worst case over all y; the layers meet only some of them.",
    )


def _drift(rows: Sequence[ShiftRow]) -> Iterator[Series]:
    seen = {row.shift: row.drift for row in rows}
    yield Series("measured", list(seen), list(seen.values()), "measured")


def _growth(rows: Sequence[ShiftRow]) -> str:
    seen = sorted({(row.shift, row.drift) for row in rows})
    steps = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(seen) if b[0] > a[0]]
    return f"Per unit of p: between {number(min(steps))} and {number(max(steps))}." if steps else ""


def _at(rows: Sequence[ShiftRow], p: float) -> str:
    at = {row.rival: row.distance for row in rows if row.shift == p}
    if not at:
        return "The signals and initial codes are the same at every p."
    return f"At p = {p:g}: {', '.join(f'{title} {number(v)}' for title, v in at.items())}."
