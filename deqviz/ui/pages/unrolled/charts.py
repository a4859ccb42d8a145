"""The charts and images of the Unrolled page from the rows of its study; pure, no Streamlit."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from skimage.measure import find_contours

from deqviz.core.numbers import decibels, number, pretty
from deqviz.experiments.unrolled.inpainting_strip import InpaintingStrip
from deqviz.experiments.unrolled.inpainting_strip import StripRow as HoleRow
from deqviz.experiments.unrolled.layer_descent import LayerRow
from deqviz.experiments.unrolled.layer_noise import NoiseRow
from deqviz.experiments.unrolled.layer_shift import ShiftRow
from deqviz.experiments.unrolled.patch_strip import NOISY, SOLVED, PatchStrip, StripRow
from deqviz.experiments.unrolled.planar_unrolling import PlanarUnrolling, PointRow
from deqviz.experiments.unrolled.training_run import Taught
from deqviz.learning.descent import envelope, stationarity, steepest
from deqviz.runtime.logbook import to_bytes
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import COLOURS, Axis, Chart, Role, Series, Style, Tile, gaps
from deqviz.ui.pages.unrolled.setting import LAYERS, SHORT, Setting

FAR = 40
"""Layers for which the theorem is drawn: it speaks of a limit that no trained network reaches."""
RISING = 1.0
"""d_ℓ/d_{ℓ−1} from which a layer increases the distance."""
# Two families of LISTA share the last colour; ALISTA is dashed.
_ROLES: Mapping[str, Role] = dict(zip(SHORT.values(), (*COLOURS, COLOURS[-1]), strict=True))


def _role_of(title: str) -> Role:
    """The colour of a network, neutral for the classical iterations."""
    return _ROLES.get(title, "truth")


def _titles_of(rows: Sequence[Any]) -> tuple[str, ...]:
    """Who has rows, in their order."""
    return tuple(dict.fromkeys(row.rival for row in rows))


def _lines(
    rows: Sequence[Any], x: Callable[[Any], float], y: Callable[[Any], float | None]
) -> Iterator[Series]:
    """One line for each rival; the classical iterations are drawn without points."""
    for title in _titles_of(rows):
        own = [row for row in rows if row.rival == title]
        role = _role_of(title)
        style = "both" if role != "truth" else "dotted"
        if title in ("FISTA", SHORT["analytic"]):
            style = "dashed"
        yield Series(title, [x(row) for row in own], gaps(map(y, own)), role, style)


def layer_charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """All cards of the first view."""
    rows: tuple[LayerRow, ...] = snapshot.of("layers")
    yield distances(rows, setting.rate)
    yield ratios(rows, setting.rate)
    yield _objectives(rows)
    yield _gradients(rows)
    yield _falls(rows)
    yield _theorem(setting, rows)
    yield _plane(snapshot.experiment("plane"), snapshot.of("plane"))


def distances(rows: Sequence[LayerRow], rate: float, note: str = "2,000 test signals") -> Chart:
    """E‖y_l − y*‖ and the envelope."""
    drawn = list(_lines(rows, _layer, lambda row: row.distance))
    first = next((row.start for row in rows), None)
    if first is not None:
        line = envelope(first, rate, 0.0, LAYERS).tolist()
        drawn.append(Series("(1 − ε)^{ℓ} d_{0}", list(range(LAYERS + 1)), line, "predicted", "dashed"))
    return Chart(
        "distance",
        "Distance to the LASSO solution",
        Axis("layer ℓ", low=0, high=LAYERS),
        Axis("d_{ℓ} = E‖y_{ℓ} − y*‖", log=True),
        tuple(drawn),
        note=note,
        formula="c_{ℓ} ≤ 0 for all ℓ ⟹ d_{ℓ} ≤ (1 − ε)^{ℓ} d_{0}",
        sentence=_stopped(rows),
    )


def _stopped(rows: Sequence[LayerRow]) -> str:
    """What is there after half of the layers, and at the end."""
    half = LAYERS // 2
    parts = []
    for title in _titles_of(rows):
        at = {row.layer: row.distance for row in rows if row.rival == title}
        if _role_of(title) != "truth" and half in at and LAYERS in at:
            parts.append(f"{title} {number(at[half])} → {number(at[LAYERS])}")
    if not parts:
        return "y* is the LASSO solution of each signal; every run starts at the same random y₀."
    return f"After layer {half} → after the last layer: {', '.join(parts)}."


def ratios(rows: Sequence[LayerRow], rate: float) -> Chart:
    """What each layer leaves of the distance."""
    drawn = list(_lines([row for row in rows if row.layer], _layer, lambda row: row.ratio))
    drawn.append(Series("1 − ε", [1, LAYERS], [1 - rate] * 2, "predicted", "dashed"))
    text = ", ".join(
        _risen(title, [row for row in rows if row.rival == title])
        for title in _titles_of(rows)
        if _role_of(title) != "truth"
    )
    return Chart(
        "ratio",
        "Contraction factor per layer",
        Axis("layer ℓ", low=1, high=LAYERS),
        Axis("d_{ℓ}/d_{ℓ−1}", low=0),
        tuple(drawn),
        note="> 1: increase",
        formula="constraint: d_{ℓ} ≤ (1 − ε) d_{ℓ−1}",
        sentence=f"Layers with ratio > 1, of {LAYERS}: {text}." if text else "",
    )


def _risen(title: str, own: Sequence[LayerRow]) -> str:
    """At how many layers the distance rises, and the worst slack: "U 5 (ζ = 1.22)"."""
    count = sum((row.ratio or 0.0) > RISING for row in own)
    excess = own[-1].excess
    return f"{title} {count}" + ("" if excess is None else f" (ζ = {number(excess)})")


def _objectives(rows: Sequence[LayerRow]) -> Chart:
    drawn = list(_lines(rows, _layer, lambda row: row.objective - row.optimum))
    styles: dict[str, Style] = {"ISTA": "dotted", "FISTA": "dashed"}
    for title, style in styles.items():
        own = [row for row in rows if row.rival == title and row.sublinear is not None]
        name = f"bound of {title}"
        if own:
            y = [row.sublinear or math.nan for row in own]
            drawn.append(Series(name, [row.layer for row in own], y, "predicted", style))
    return Chart(
        "objective",
        "Objective above its minimum",
        Axis("layer ℓ", low=0, high=LAYERS),
        Axis("E f(y_{ℓ}) − E f(y*)", log=True),
        tuple(drawn),
        note="bounds: ISTA and FISTA",
        formula="f(y) = ½‖x − Dy‖² + α‖y‖₁",
        sentence="The bounds are proved for ISTA and FISTA, not for trained networks.",
    )


def _gradients(rows: Sequence[LayerRow]) -> Chart:
    """The gradient of the smooth part, which is not 0 at y*: no constraint can ask for less."""
    networks = [row for row in rows if _role_of(row.rival) != "truth"]
    drawn = list(_lines(networks, _layer, lambda row: row.gradient))
    start = next((row for row in networks if row.layer == 0), None)
    sentence = "A decreasing gradient norm does not imply y → y*: its value at y* is not 0."
    if start is not None:
        floor = start.gradient_floor
        drawn.append(Series("at y*", [0, LAYERS], [floor] * 2, "truth", "dotted"))
        most = steepest(start.gradient, floor, LAYERS)
        sentence = (
            f"{LAYERS} layers that end there can have at most ε = {number(most)} each: more is infeasible."
        )
    return Chart(
        "gradient",
        "Gradient norm of the smooth part",
        Axis("layer ℓ", low=0, high=LAYERS),
        Axis("E‖D*(Dy_{ℓ} − x)‖", log=True),
        tuple(drawn),
        formula="ε_{max} = 1 − (m*/m_{0})^{1/K}",
        sentence=sentence,
    )


def _falls(rows: Sequence[LayerRow]) -> Chart:
    drawn = _lines([row for row in rows if row.layer], _layer, lambda row: 100 * (row.falls or 0.0))
    return Chart(
        "falls",
        "Share of signals with decrease",
        Axis("layer ℓ", low=1, high=LAYERS),
        Axis("%", low=0, high=105),
        tuple(drawn),
        formula="share with ‖y_{ℓ} − y*‖ < ‖y_{ℓ−1} − y*‖",
        sentence="The constraint concerns the mean: the distance may increase for single signals.",
    )


def _theorem(setting: Setting, rows: Sequence[LayerRow]) -> Chart:
    """The bound of the theorem, and how far below it the measured mean is."""
    candidates = [row for row in rows if row.rival == "C"] or [
        row for row in rows if _role_of(row.rival) != "truth"
    ]
    excess = max((max(row.excess or 0.0, 0.0) for row in candidates), default=0.0)
    first = next((row.start for row in candidates), setting.bound)
    line = stationarity(first, setting.rate, excess, setting.risk, setting.bound, FAR)
    radius = (excess + setting.risk * setting.bound / (1 - setting.risk)) / setting.rate
    drawn = [
        Series("bound", list(range(FAR + 1)), line.tolist(), "predicted", "dashed"),
        Series("radius", [0, FAR], [radius] * 2, "predicted", "dotted"),
    ]
    if candidates:
        title = candidates[0].rival
        own = [row for row in candidates if row.rival == title]
        drawn.append(
            Series(
                f"{title}, measured",
                [_layer(row) for row in own],
                [row.distance for row in own],
                _role_of(title),
            )
        )
    return Chart(
        "theorem",
        "Bound of the theorem with δ and M",
        Axis("layers", low=0, high=FAR),
        Axis("E‖y_{ℓ} − y*‖", log=True),
        tuple(drawn),
        note=f"δ = {pretty(setting.risk)}, M = {pretty(setting.bound)}, ζ = {number(excess)}",
        formula="ρ^{ℓ}d_{0} + ((1 − δ)ζ + δM)(1 − ρ^{ℓ})/(1 − ρ), ρ = (1 − δ)(1 − ε)",
        sentence=f"An upper bound; its limit is (ζ + δM/(1 − δ))/ε = {number(radius)}.",
    )


def _layer(row: LayerRow) -> float:
    return row.layer


def _plane(experiment: PlanarUnrolling | None, rows: Sequence[PointRow]) -> Chart:
    """The ways of one signal through the contours of its objective."""
    drawn: list[Series] = []
    shown_rows = [row for row in rows if row.signal == 0]
    names = {"U, in the plane": ("U", "start-1"), "C, in the plane": ("C", "start-4")}
    if experiment is not None and shown_rows:
        drawn.append(_contours(experiment, shown_rows))
        y = experiment.test_set.solution[0]
        drawn.append(Series("y*", [float(y[0])], [float(y[1])], "measured", "points"))
    for title in _titles_of(shown_rows):
        own = [row for row in shown_rows if row.rival == title]
        name, role = names.get(title, (title, "truth"))
        x, y = [row.first for row in own], [row.second for row in own]
        drawn.append(Series(name, x, y, "truth" if role == "truth" else _role_of(name)))
    ends = [f"{names.get(t, (t, ''))[0]} {number(_last(shown_rows, t))}" for t in _titles_of(shown_rows)]
    layers = 0 if experiment is None else experiment.layers
    return Chart(
        "plane",
        "Two atoms: iterates in the plane",
        Axis("y_{1}"),
        Axis("y_{2}"),
        tuple(drawn),
        note="trained live",
        formula="dotted: level sets of f(y) = ½‖x − Dy‖² + α‖y‖₁",
        sentence=f"Distance to y* after {layers} layers: {', '.join(ends)}." if ends else "",
    )


def _last(rows: Sequence[PointRow], title: str) -> float:
    return max((row for row in rows if row.rival == title), key=lambda row: row.layer).distance


def _contours(experiment: PlanarUnrolling, rows: Sequence[PointRow]) -> Series:
    """Level sets through some of the points, closed curves with gaps between them."""
    x, y = [row.first for row in rows], [row.second for row in rows]
    margin = 0.15 * max(max(x) - min(x), max(y) - min(y), 1.0)
    across = np.linspace(min(x) - margin, max(x) + margin, 80)
    up = np.linspace(min(y) - margin, max(y) + margin, 80)
    points = torch.tensor(np.stack(np.meshgrid(across, up), -1).reshape(-1, 2), dtype=torch.float32)
    signal = experiment.test_set.x[:1].expand(len(points), -1)
    f = experiment.problem.objective(points, signal).reshape(80, 80).numpy()
    low = float(f.min())
    px: list[float] = []
    py: list[float] = []
    for share in (0.01, 0.04, 0.1, 0.2, 0.35, 0.55, 0.8):
        for curve in find_contours(f, low + share * (float(f.max()) - low)):
            px += [*np.interp(curve[::2, 1], range(80), across).tolist(), math.nan]
            py += [*np.interp(curve[::2, 0], range(80), up).tolist(), math.nan]
    return Series("", px, py, "truth", "dotted")


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
            _lines(
                [row for row in ends if row.deviation], lambda row: row.deviation, lambda row: row.distance
            )
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
        tuple(_lines(at, lambda row: row.layer, lambda row: row.distance)),
        note=where,
        sentence="Output of each layer, before the next noise.",
    )
    yield Chart(
        "mended",
        f"Share of signals with decrease, σ = {s:g}",
        Axis("layer ℓ", low=1, high=LAYERS),
        Axis("%", low=0, high=105),
        tuple(_lines(at, lambda row: row.layer, lambda row: 100 * row.falls)),
        formula="output nearer to y* than the noisy input",
        sentence="A layer that removes the noise decreases the distance for nearly all signals.",
    )


def _best(ends: Sequence[NoiseRow], s: float) -> str:
    at = {row.rival: row.distance for row in ends if row.deviation == s}
    if not at:
        return "Each point is a run of all layers on the same signals with the same noise."
    text = ", ".join(f"{title} {number(value)}" for title, value in at.items())
    return f"At σ = {s:g}: {text}."


def _gains(ends: Sequence[NoiseRow], s: float) -> Chart:
    """The attribution: how many times nearer than the plain network each of them is."""
    plain = {row.deviation: row.distance for row in ends if row.rival == "U"}
    others = [
        row
        for row in ends
        if row.rival not in ("U", "ISTA") and row.deviation and row.deviation in plain and row.distance > 0
    ]
    drawn = list(_lines(others, lambda row: row.deviation, lambda row: plain[row.deviation] / row.distance))
    if others:
        x = [min(row.deviation for row in others), max(row.deviation for row in others)]
        drawn.append(Series("U", x, [1.0, 1.0], _role_of("U"), "dashed"))
    at = {row.rival: plain[s] / row.distance for row in others if row.deviation == s}
    names = {
        "UN": "noise only",
        "C0": "constraint only",
        "C": "both",
        "DSN": "deep supervision and noise",
    }
    text = ", ".join(f"{names[t]} × {number(v)}" for t, v in at.items() if t in names)
    return Chart(
        "gain",
        "Robustness relative to the plain network (ablation)",
        Axis("injected noise std σ", log=True),
        Axis("d_{K}(U)/d_{K}", low=0),
        tuple(drawn),
        note="above 1: better than the plain network U",
        formula="E‖y_{K} − y*‖ of U divided by that of each network",
        sentence=f"At σ = {s:g}: {text}."
        if text
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
        tuple(_lines(rows, p, lambda row: row.distance)),
        note="LASSO solved for the shifted signals",
        sentence=_at(rows, setting.shift),
    )
    yield Chart(
        "above",
        "Objective above its minimum",
        axis,
        Axis("E f(y_{K}) − E f(y*)", log=True),
        tuple(_lines(rows, p, lambda row: row.objective - row.optimum)),
        formula="both for the shifted signal",
        sentence="Stronger noise makes the codes denser than in training.",
    )
    yield _shifted_slacks(rows)
    yield Chart(
        "drift",
        "Change of the LASSO solution",
        axis,
        Axis("E‖y*(x + pη) − y*(x)‖"),
        tuple(_drift(rows)),
        formula="M·d(𝒟, 𝒟̃) for the merit ‖y − y*‖",
        sentence=_growth(rows),
    )


def _shifted_slacks(rows: Sequence[ShiftRow]) -> Chart:
    networks = [row for row in rows if _role_of(row.rival) != "truth"]
    drawn = list(_lines(networks, lambda row: row.shift, lambda row: row.excess))
    network = "C" if "C" in _titles_of(networks) else next(iter(_titles_of(networks)), "")
    own = [row for row in networks if row.rival == network]
    bound = [max(row.unshifted, 0.0) + (2 - row.rate) * row.drift for row in own]
    drawn.append(Series(f"bound for {network}", [row.shift for row in own], bound, "predicted", "dashed"))
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
    by_shift = {row.shift: row.drift for row in rows}
    yield Series("measured", list(by_shift), list(by_shift.values()), "measured")


def _growth(rows: Sequence[ShiftRow]) -> str:
    points = sorted({(row.shift, row.drift) for row in rows})
    steps = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(points) if b[0] > a[0]]
    return f"Per unit of p: between {number(min(steps))} and {number(max(steps))}." if steps else ""


def _at(rows: Sequence[ShiftRow], p: float) -> str:
    at = {row.rival: row.distance for row in rows if row.shift == p}
    if not at:
        return "The signals and initial codes are the same at every p."
    return f"At p = {p:g}: {', '.join(f'{title} {number(v)}' for title, v in at.items())}."


STRIP = (1, 3, 5, 7, 9, 10)
"""Layers whose pictures are shown."""
TRAININGS: Mapping[str, str] = {
    "U": "plain",
    "UN": "noise only",
    "C0": "constraints only",
    "C": "constraints and noise",
}
"""The trainings of the flows, by the names that LISTA's have here."""
_NAMES = {training: name for name, training in TRAININGS.items()}
_DEPTH = 5


def patch_charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """PSNR against the layer."""
    rows: tuple[StripRow, ...] = snapshot.of("patches")
    drawn = list(_lines([row for row in rows if row.layer], lambda row: row.layer, lambda row: row.psnr))
    at = {row.rival: row.psnr for row in rows if not row.layer}
    styles: tuple[tuple[str, Role], ...] = ((NOISY, "error"), (SOLVED, "predicted"))
    for name, role in styles:
        if name in at:
            drawn.append(Series(name, [1, LAYERS], [at[name]] * 2, role, "dashed"))
    ends = {row.rival: row.psnr for row in rows if row.layer == LAYERS}
    text = ", ".join(f"{title} {value:.2f}" for title, value in ends.items())
    return iter(
        (
            Chart(
                "psnr",
                "PSNR by layer",
                Axis("layer ℓ", low=1, high=LAYERS),
                Axis("PSNR (dB)"),
                tuple(drawn),
                note=f"σ = {setting.level:g}/255",
                formula="each patch: x ≈ Dy_{K}, averaged where patches overlap",
                sentence=f"PSNR (dB) after the last layer: {text}; with the LASSO solution {at[SOLVED]:.2f}."
                if text and SOLVED in at
                else "All 8 × 8 patches of the image are coded in one batch.",
            ),
        )
    )


def patch_tiles(setting: Setting, snapshot: StudySnapshot) -> Iterator[Tile]:
    """The noisy picture, some layers of the chosen network, the LASSO, the truth."""
    experiment: PatchStrip | None = snapshot.experiment("patches")
    if experiment is None:
        return
    images = {view.row: view.image for view in snapshot.views}
    psnr = {row.key: row.psnr for row in snapshot.of("patches")}

    def tile(row: tuple[str, int], title: str) -> Iterator[Tile]:
        if row in images and row in psnr:
            yield Tile(f"{row[0]}{row[1]}", title, to_bytes(images[row]), decibels(psnr[row]))

    yield from tile((NOISY, 0), "Noisy image")
    names = [rival.title for rival in experiment.rivals]
    shown = setting.shown if setting.shown in names else names[-1]
    for layer in STRIP:
        yield from tile((shown, layer), f"{shown}, layer {layer}")
    yield from tile((SOLVED, 0), "LASSO solution")
    yield Tile("truth", "Ground truth", to_bytes(experiment.truth))


def strip_charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """Quality, latent norm and gradient by layer, and quality against noise."""
    rows: tuple[HoleRow, ...] = snapshot.of("strip")
    at = [row for row in rows if row.factor == setting.factor and row.training in _NAMES]
    yield _quality(setting, rows, at)
    yield _strip_layers(
        "latent", "Norm of the latent variables", "E‖z_{ℓ}‖", at, "z ← z/(1 + λ) on every level", _shrink(at)
    )
    yield _strip_layers(
        "gradient",
        "Gradient norm of the objective",
        "E‖∇_{x}f‖",
        [row for row in at if row.layer],
        "f = 100‖y − Ax‖² + ½‖z‖²",
        "0 at layer 0, where x₀ = y; constraints begin at layer 2.",
    )
    ends = [*snapshot.of("sweep"), *rows]
    ends = sorted((row for row in ends if row.layer == _DEPTH), key=lambda row: row.factor)
    ends = [row for row in ends if row.training in _NAMES and row.factor > 0]
    yield Chart(
        "factor",
        "Noise injected into the layers",
        Axis("noise level / training noise level", log=True),
        Axis("PSNR on the missing pixels (dB)"),
        tuple(_strip_lines(ends, "factor", "psnr")),
        formula="x ← x + k·η/(ℓ‖η‖)",
        sentence="The networks differ in training noise and in the constraint: which has more effect?",
    )


def _quality(setting: Setting, rows: Sequence[HoleRow], at: Sequence[HoleRow]) -> Chart:
    drawn = list(_strip_lines(at, "layer", "psnr"))
    plain = {row.training: row.psnr for row in rows if row.training not in _NAMES}
    roles: Mapping[str, Role] = {"mean fill": "error", "biharmonic": "predicted"}
    for name, value in plain.items():
        drawn.append(Series(name, [0, _DEPTH], [value] * 2, roles.get(name, "truth"), "dashed"))
    ends = ", ".join(f"{_NAMES[row.training]} {row.psnr:.2f}" for row in at if row.layer == _DEPTH)
    others = ", ".join(f"{name} {value:.2f}" for name, value in plain.items())
    return Chart(
        "hole",
        "PSNR on the missing pixels by layer",
        Axis("layer ℓ", low=0, high=_DEPTH),
        Axis("PSNR on the missing pixels (dB)"),
        tuple(drawn),
        note=f"{setting.hole}, noise × {setting.factor:g}",
        sentence=f"PSNR (dB) at the last layer: {ends}. Without training: {others}." if ends else "",
    )


def _strip_layers(
    key: str, title: str, axis: str, rows: Sequence[HoleRow], formula: str, sentence: str
) -> Chart:
    return Chart(
        key,
        title,
        Axis("layer ℓ", low=0, high=_DEPTH),
        Axis(axis, log=True),
        tuple(_strip_lines([row for row in rows if getattr(row, key) is not None], "layer", key)),
        formula=formula,
        sentence=sentence,
    )


def _strip_lines(rows: Sequence[HoleRow], x: str, y: str) -> Iterator[Series]:
    for name, training in TRAININGS.items():
        own = [row for row in rows if row.training == training]
        if own:
            values = [float(getattr(row, y)) for row in own]
            yield Series(name, [float(getattr(row, x)) for row in own], values, _role_of(name))


def _shrink(rows: Sequence[HoleRow]) -> str:
    """At how many layers the latents shrink."""
    parts: list[str] = []
    for name, training in TRAININGS.items():
        pairs = [row for row in rows if row.training == training and row.latent_before is not None]
        if pairs:
            fall = sum((row.latent or 0.0) < (row.latent_before or 0.0) for row in pairs)
            parts.append(f"{name} {fall} of {len(pairs)}")
    return (
        f"Layers with decrease: {', '.join(parts)}."
        if parts
        else "The proximal step shrinks every level of the flow."
    )


def strip_tiles(setting: Setting, snapshot: StudySnapshot) -> Iterator[Tile]:
    """The data, every layer of the chosen training, biharmonic filling, the truth."""
    experiment: InpaintingStrip | None = snapshot.experiment("strip")
    if experiment is None:
        return
    data = snapshot.view("data", "strip")
    if data is not None:
        yield Tile(
            "data",
            "Masked image",
            to_bytes(data),
            f"{100 * float(1 - experiment.mask.mean()):.0f} % of the pixels missing",
        )
    training = TRAININGS[setting.shown]
    quality = {row.key: row.psnr for row in snapshot.of("strip")}
    images = {view.row: view.image for view in snapshot.views if view.name == "picture"}
    for layer in range(1, _DEPTH + 1):
        key = (training, setting.factor, layer)
        if key in images and key in quality:
            title = f"{setting.shown}, layer {layer}"
            yield Tile(
                f"layer{layer}", title, to_bytes(images[key]), f"{number(quality[key])} dB on missing pixels"
            )
    key = ("biharmonic", 0.0, 0)
    if key in images and key in quality:
        yield Tile(
            "biharmonic", "Biharmonic", to_bytes(images[key]), f"{number(quality[key])} dB on missing pixels"
        )
    yield Tile("truth", "Ground truth", to_bytes(experiment.truth))


SHOWN = (1, 2, 4, 6, 8, 10)
"""Layers whose slack and dual are drawn: there are as many colours."""
ROLES: dict[str, Role] = {"constrained": "start-4", "plain": "start-1"}


def training_charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """Loss, slacks and duals as they move, and what the layers have learned."""
    lessons = [lesson for lesson in snapshot.lessons if isinstance(lesson, Taught)]
    constrained = [lesson for lesson in lessons if lesson.training == "constrained"]
    yield _losses(lessons)
    yield _slacks(constrained, setting)
    yield _duals(constrained)
    yield _products(constrained)
    rows: tuple[LayerRow, ...] = snapshot.of("teaching")
    yield _learned("distance", "Distance to the LASSO solution", "E‖y_{ℓ} − y*‖", rows)
    yield _learned("gradient", "Gradient norm of the smooth part", "E‖D*(Dy_{ℓ} − x)‖", rows)


def _losses(lessons: Sequence[Taught]) -> Chart:
    drawn: list[Series] = []
    for name, role in ROLES.items():
        own = [lesson for lesson in lessons if lesson.training == name]
        drawn.append(Series(name, [t.step for t in own], [t.loss for t in own], role, "line"))
    return Chart(
        "loss",
        "Training loss",
        Axis("training step"),
        Axis("½E‖y_{K} − y*‖²", log=True),
        tuple(line for line in drawn if len(line.x)),
        note="on the batch of 256 signals",
        formula="min_{W} max_{λ ≥ 0} ½E‖y_{K} − y*‖² + Σ_{ℓ} λ_{ℓ}c_{ℓ}(W)",
        sentence="A plateau, then a drop: the layers begin to cooperate.",
    )


def _of_layers(lessons: Sequence[Taught], name: str) -> Iterator[Series]:
    for role, layer in zip(COLOURS, SHOWN, strict=True):
        values = [getattr(t, name) for t in lessons]
        y = [v[layer - 1] if layer <= len(v) else math.nan for v in values]
        yield Series(f"ℓ = {layer}", [t.step for t in lessons], y, role, "line")


def _slacks(lessons: Sequence[Taught], setting: Setting) -> Chart:
    last = lessons[-1].slacks if lessons else ()
    kept = sum(c <= 0 for c in last)
    drawn = list(_of_layers(lessons, "slacks"))
    if lessons:
        drawn.append(Series("", [lessons[0].step, lessons[-1].step], [0.0, 0.0], "truth", "dotted"))
    return Chart(
        "slacks",
        "Constraint slack",
        Axis("training step"),
        Axis("c_{ℓ}"),
        tuple(drawn),
        note=f"{setting.merit}, {setting.form}",
        formula=_FORMULAS[setting.form],
        sentence=f"{kept} of {len(last)} are satisfied on this batch; largest slack {number(max(last))}."
        if last
        else "A constraint is satisfied where its slack is not positive.",
    )


_FORMULAS = {
    "difference of means": "c_{ℓ} = E m_{ℓ} − (1 − ε) E m_{ℓ−1}",
    "mean of ratios": "c_{ℓ} = E[m_{ℓ}/m_{ℓ−1}] − (1 − ε)",
    "ratio of means": "c_{ℓ} = E m_{ℓ}/E m_{ℓ−1} − (1 − ε)",
}


def _duals(lessons: Sequence[Taught]) -> Chart:
    last = lessons[-1].duals if lessons else ()
    return Chart(
        "duals",
        "Dual variables",
        Axis("training step"),
        Axis("λ_{ℓ}", low=0),
        tuple(_of_layers(lessons, "duals")),
        note="increase exactly while c_{ℓ} > 0",
        formula="λ_{ℓ} ← max(λ_{ℓ} + ηc_{ℓ}, 0)",
        sentence=f"Largest dual variable: {number(max(last))}."
        if last
        else "The multiplier of each constraint: 0 where it is inactive.",
    )


def _products(lessons: Sequence[Taught]) -> Chart:
    """Complementary slackness: at a saddle point λ_l c_l = 0."""
    y = [max(abs(d * c) for d, c in zip(t.duals, t.slacks, strict=True)) for t in lessons if t.slacks]
    return Chart(
        "complementary",
        "Complementary slackness",
        Axis("training step"),
        Axis("max_{ℓ} |λ_{ℓ}c_{ℓ}|", log=True),
        (Series("measured", [t.step for t in lessons if t.slacks], y, "measured", "line"),),
        formula="0 at a saddle point",
        sentence="It decreases as the dual variables of inactive constraints go to 0.",
    )


def _learned(name: str, title: str, axis: str, rows: Sequence[LayerRow]) -> Chart:
    drawn: list[Series] = []
    parts: list[str] = []
    for network in _titles_of(rows):
        own = [row for row in rows if row.rival == network]
        y = [float(getattr(row, name)) for row in own]
        drawn.append(Series(network, [row.layer for row in own], y, ROLES.get(network, "iterate")))
        rises = sum(b > a for a, b in pairwise(y))
        parts.append(f"{network} at {rises}")
    return Chart(
        name,
        f"{title} after training",
        Axis("layer ℓ", low=0, high=LAYERS),
        Axis(axis, log=True),
        tuple(drawn),
        note="1,000 test signals",
        sentence=f"Layers with increase: {', '.join(parts)} of {LAYERS} layers."
        if parts
        else "Computed after training.",
    )
