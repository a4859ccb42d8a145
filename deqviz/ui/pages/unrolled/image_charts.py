"""The charts and tiles of the Unrolled page on whole pictures; pure, no Streamlit."""

from collections.abc import Iterator, Mapping, Sequence

from deqviz.experiments.unrolled.inpainting_strip import InpaintingStrip
from deqviz.experiments.unrolled.inpainting_strip import StripRow as HoleRow
from deqviz.experiments.unrolled.patch_strip import NOISY, SOLVED, PatchStrip, StripRow
from deqviz.runtime.logbook import to_bytes
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import Axis, Chart, Role, Series, Tile
from deqviz.ui.components.run.protocol import number
from deqviz.ui.pages.unrolled.charts import lines, role_of
from deqviz.ui.pages.unrolled.setting import LAYERS, Setting

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
    drawn = list(lines([row for row in rows if row.layer], lambda row: row.layer, lambda row: row.psnr))
    at = {row.rival: row.psnr for row in rows if not row.layer}
    styles: tuple[tuple[str, Role], ...] = ((NOISY, "error"), (SOLVED, "predicted"))
    for name, role in styles:
        if name in at:
            drawn.append(Series(name, [1, LAYERS], [at[name]] * 2, role, "dashed"))
    ends = {row.rival: row.psnr for row in rows if row.layer == LAYERS}
    told = ", ".join(f"{title} {value:.2f}" for title, value in ends.items())
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
                sentence=f"PSNR (dB) after the last layer: {told}; with the LASSO solution {at[SOLVED]:.2f}."
                if told and SOLVED in at
                else "All 8 × 8 patches of the image are coded in one batch.",
            ),
        )
    )


def patch_tiles(setting: Setting, snapshot: StudySnapshot) -> Iterator[Tile]:
    """The noisy picture, some layers of the chosen network, the LASSO, the truth."""
    experiment: PatchStrip | None = snapshot.experiment("patches")
    if experiment is None:
        return
    seen = {view.row: view.image for view in snapshot.views}
    psnr = {row.key: row.psnr for row in snapshot.of("patches")}

    def tile(row: tuple[str, int], title: str) -> Iterator[Tile]:
        if row in seen and row in psnr:
            yield Tile(f"{row[0]}{row[1]}", title, to_bytes(seen[row]), f"{psnr[row]:.2f} dB")

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
    yield _layers(
        "latent", "Norm of the latent variables", "E‖z_{ℓ}‖", at, "z ← z/(1 + λ) on every level", _shrink(at)
    )
    yield _layers(
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
        tuple(_lines(ends, "factor", "psnr")),
        formula="x ← x + k·η/(ℓ‖η‖)",
        sentence="The networks differ in training noise and in the constraint: which has more effect?",
    )


def _quality(setting: Setting, rows: Sequence[HoleRow], at: Sequence[HoleRow]) -> Chart:
    drawn = list(_lines(at, "layer", "psnr"))
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


def _layers(key: str, title: str, axis: str, rows: Sequence[HoleRow], formula: str, sentence: str) -> Chart:
    return Chart(
        key,
        title,
        Axis("layer ℓ", low=0, high=_DEPTH),
        Axis(axis, log=True),
        tuple(_lines([row for row in rows if getattr(row, key) is not None], "layer", key)),
        formula=formula,
        sentence=sentence,
    )


def _lines(rows: Sequence[HoleRow], x: str, y: str) -> Iterator[Series]:
    for name, training in TRAININGS.items():
        own = [row for row in rows if row.training == training]
        if own:
            values = [float(getattr(row, y)) for row in own]
            yield Series(name, [float(getattr(row, x)) for row in own], values, role_of(name))


def _shrink(rows: Sequence[HoleRow]) -> str:
    """At how many layers the latents shrink."""
    told: list[str] = []
    for name, training in TRAININGS.items():
        pairs = [row for row in rows if row.training == training and row.latent_before is not None]
        if pairs:
            fall = sum((row.latent or 0.0) < (row.latent_before or 0.0) for row in pairs)
            told.append(f"{name} {fall} of {len(pairs)}")
    return (
        f"Layers with decrease: {', '.join(told)}."
        if told
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
            "Measurements",
            to_bytes(data),
            f"{100 * float(1 - experiment.mask.mean()):.0f} % of the pixels missing",
        )
    training = TRAININGS[setting.shown]
    quality = {row.key: row.psnr for row in snapshot.of("strip")}
    seen = {view.row: view.image for view in snapshot.views if view.name == "picture"}
    for layer in range(1, _DEPTH + 1):
        key = (training, setting.factor, layer)
        if key in seen and key in quality:
            title = f"{setting.shown}, layer {layer}"
            yield Tile(
                f"layer{layer}", title, to_bytes(seen[key]), f"{number(quality[key])} dB on missing pixels"
            )
    key = ("biharmonic", 0.0, 0)
    if key in seen and key in quality:
        yield Tile(
            "biharmonic", "Biharmonic", to_bytes(seen[key]), f"{number(quality[key])} dB on missing pixels"
        )
    yield Tile("truth", "Ground truth", to_bytes(experiment.truth))
