"""From a study of the Unrolled page to its board; pure, no Streamlit."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from deqviz import domain
from deqviz.core.guarantee import Guarantee
from deqviz.core.registry import Choice
from deqviz.experiments._rows import panel, together
from deqviz.experiments.unrolled.training_run import TeachingRun
from deqviz.runtime.study import Study, StudySnapshot
from deqviz.ui.components.board.records import Board, Chart, Explanation, Row, Tile
from deqviz.ui.components.guarantees import named, verdict
from deqviz.ui.pages.unrolled.charts import (
    layer_charts,
    noise_charts,
    patch_charts,
    patch_tiles,
    shift_charts,
    strip_charts,
    strip_tiles,
    training_charts,
)
from deqviz.ui.pages.unrolled.setting import Setting, View
from deqviz.ui.shell.study_board import Progress, study_board

CLASSICAL = ("ISTA", "FISTA")
REASONS = {
    "envelope": "by summation, with the largest measured slack ζ: holds for every network with its own ζ"
}
"""For all rows together, whose own reasons name the numbers of one."""
_DOING: Mapping[View, str] = {
    "Layers": "layers",
    "Noise": "runs with injected noise",
    "Shift": "codes of shifted signals",
    "Training": "LASSO solutions, then training",
    "Pictures": "patches",
    "Inpainting": "flows",
}


def board(study: Study, setting: Setting) -> Board:
    """The study as it is now."""
    snapshot = study.snapshot()
    return study_board(
        study,
        snapshot,
        unit="steps" if setting.view == "Training" else "rows",
        progress=_trained(snapshot) if setting.view == "Training" else None,
        preparing="the networks",
        doing=_DOING[setting.view] if snapshot.state == "running" else "",
        charts=_charts(setting, snapshot),
        tiles=_tiles(setting, snapshot),
        guarantees=_guarantees(snapshot),
        explanation=_explanation(setting),
    )


def _charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    match setting.view:
        case "Layers":
            return layer_charts(setting, snapshot)
        case "Noise":
            return noise_charts(setting, snapshot)
        case "Shift":
            return shift_charts(setting, snapshot)
        case "Training":
            return training_charts(setting, snapshot)
        case "Pictures":
            return patch_charts(setting, snapshot)
        case "Inpainting":
            return strip_charts(setting, snapshot)


def _tiles(setting: Setting, snapshot: StudySnapshot) -> Iterator[Tile]:
    match setting.view:
        case "Pictures":
            return patch_tiles(setting, snapshot)
        case "Inpainting":
            return strip_tiles(setting, snapshot)
        case _:
            return iter(())


def _trained(snapshot: StudySnapshot) -> Progress | None:
    """Progress in training steps."""
    experiment: TeachingRun | None = snapshot.experiment("teaching")
    if experiment is None:
        return None
    whole = sum(teaching.steps for teaching in experiment.teachings)
    latest: dict[str, int] = {}
    for lesson in snapshot.lessons:
        latest[lesson.training] = max(latest.get(lesson.training, 0), lesson.step)
    done = sum(latest.values())
    left = (
        snapshot.seconds * (whole - done) / done
        if snapshot.state == "running" and done > whole // 50
        else None
    )
    return Progress(done, whole, left)


def _guarantees(snapshot: StudySnapshot) -> Iterator[Row]:
    """What is proved, over all rows; what was only trained for, network by network, and so judged."""
    for part, rows in zip(snapshot.parts, snapshot.rows, strict=True):
        if part.key in ("sweep", "plane"):
            continue
        for guarantee in panel(rows):
            if guarantee.claim in ("certified", "remark"):
                yield verdict(replace(guarantee, reason=REASONS.get(guarantee.key, guarantee.reason)))
        by_name: dict[tuple[str, str], list[Guarantee]] = {}
        for row_of in rows:
            for g in row_of.guarantees:
                # The classical iterations were asked for nothing but what is proved of them.
                if g.claim not in ("certified", "remark") and row_of.key[0] not in CLASSICAL:
                    by_name.setdefault((str(row_of.key[0]), g.key), []).append(g)
        for (name, _), of in by_name.items():
            yield verdict(named(together(list(enumerate(of, 1))), name))


_CODES = "y_ℓ = S(W₁y_ℓ₋₁ + W₂x, θ), ℓ = 1 … 10"
_WORDS: Mapping[View, tuple[str, str, str]] = {
    "Layers": (
        _CODES,
        "LISTA is ISTA with learned matrices in every layer, trained so that the last one returns the LASSO "
        "solution y* of ½‖x − Dy‖² + α‖y‖₁. The loss does not constrain the earlier layers, and in a plain "
        "network (U) most of them increase the distance to y*. The descent constraint c_ℓ ≤ 0 requires every "
        "layer to decrease the mean distance by the factor 1 − ε; it is trained by a primal-dual method "
        "(C0), and with noise injected into the layers (C). UN has the noise only, DSN deep supervision and "
        "noise.",
        "raise ε to 0.4: the shipped networks were trained with 0.2; see which still satisfy it.",
    ),
    "Noise": (
        _CODES,
        "The same white Gaussian noise is injected into the layers of every network. What makes a network "
        "robust: the descent constraint, or the noise in training? Compare noise without constraint (UN) and "
        "constraint without noise (C0).",
        "inject noise before layer 9 only: which network recovers in one layer?",
    ),
    "Shift": (
        _CODES,
        "Distribution shift: signals with more noise than in training, with their own LASSO solutions. How "
        "far is the last layer from them? Descent carries over up to a term that grows with the distance "
        "between the two distributions.",
        "compare ISTA: it is not trained, so it has no training distribution.",
    ),
    "Training": (
        "min_W max_{λ ≥ 0} ½E‖y_K − y*‖² + Σ λ_ℓ c_ℓ(W)",
        "Primal-dual training: gradient descent in the weights W, gradient ascent in the dual variables λ_ℓ. "
        "A dual variable increases while its constraint is violated, and decreases to 0 where the constraint "
        "is inactive.",
        "choose the gradient with ε = 0.05: its norm decreases at every layer, the distance to y* does not.",
    ),
    "Pictures": (
        "x ≈ Dy: 8 × 8 patches, 77 atoms, α = 1.5σ",
        "The same networks, trained on patches of images for a learned dictionary. All overlapping patches "
        "are coded in one batch; the codes of each layer give an image. The constraint concerns codes, not "
        "pixels, so early layers may have a lower PSNR than the noisy image; the plain network has no useful "
        "image before its last layer.",
        "show U instead of C: look at its ninth layer.",
    ),
    "Inpainting": (
        "x ← x + μ_ℓ A*(y − Ax), z = f_ℓ(x), x ← f_ℓ⁻¹(z/(1 + λ_ℓ))",
        "GLOW-Prox: five layers, each with a normalising flow of its own. A gradient step on the data term, "
        "then the proximal step of ½λ‖z‖² in the latent space of the flow, which is inverted exactly. With "
        "the constraints the latent norm decreases from layer to layer, on average over many images; as each "
        "flow may scale its latent variables, this says little about image quality, which is the same.",
        "raise the injected noise to ten times the training level.",
    ),
}


_WEIGHTS: Mapping[View, str] = {
    "Layers": "lista_plain",
    "Noise": "lista_plain",
    "Shift": "lista_plain",
    "Pictures": "lista_patch_plain",
    "Inpainting": "glow_prox",
}
"""The weights of a view: all of its networks saw the same. Those of "Training" are trained here."""


def _explanation(setting: Setting) -> Explanation:
    equation, text, hint = _WORDS[setting.view]
    if (key := _WEIGHTS.get(setting.view)) is None:
        return Explanation(equation, text, hint)
    image = {"Pictures": setting.picture, "Inpainting": setting.colour}.get(setting.view, "")
    level = setting.level / 255 if setting.view == "Pictures" else None
    operator = Choice("inpainting" if setting.view == "Inpainting" else "denoising")
    trained = domain.of_weights(key, operator, image, level)
    return Explanation(equation, f"{text} The weights: {trained.sentence}" if trained else text, hint)
