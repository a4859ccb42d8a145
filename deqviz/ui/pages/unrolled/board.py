"""From a study of the Unrolled page to its board; pure, no Streamlit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from deqviz.core.guarantee import Guarantee
from deqviz.experiments._rows import panel
from deqviz.experiments.unrolled.training_run import TeachingRun
from deqviz.runtime.study import Shot, Study
from deqviz.ui.components.board.records import Board, Chart, Explanation, Row, Tile
from deqviz.ui.components.board.verdicts import named, verdict
from deqviz.ui.components.run.protocol import number, row
from deqviz.ui.pages.unrolled.charts import layer_charts
from deqviz.ui.pages.unrolled.image_charts import patch_charts, patch_tiles, strip_charts, strip_tiles
from deqviz.ui.pages.unrolled.noise_charts import noise_charts, shift_charts
from deqviz.ui.pages.unrolled.setting import Setting, View
from deqviz.ui.pages.unrolled.training_charts import training_charts
from deqviz.ui.shell.study_board import Progress, study_board

CLASSICAL = ("ISTA", "FISTA")
REASONS = {
    "envelope": "by summation, with the worst slack ζ that was measured: true of every network with its own"
}
"""For all rows together, whose own reasons name the numbers of one."""
_DOING: Mapping[View, str] = {
    "Layers": "layers",
    "Noise": "runs with noise",
    "Shift": "codes of moved signals",
    "Training": "codes to learn from, then training",
    "Pictures": "patches",
    "Inpainting": "flows",
}


def board(study: Study, setting: Setting) -> Board:
    """The study as it is now."""
    shot = study.snapshot()
    return study_board(
        study,
        shot,
        unit="steps" if setting.view == "Training" else "rows",
        progress=_trained(shot) if setting.view == "Training" else None,
        preparing="the networks",
        doing=_DOING[setting.view] if shot.state == "running" else "",
        charts=_charts(setting, shot),
        tiles=_tiles(setting, shot),
        guarantees=_guarantees(shot),
        explanation=_explanation(setting),
    )


def _charts(setting: Setting, shot: Shot) -> Iterator[Chart]:
    match setting.view:
        case "Layers":
            return layer_charts(setting, shot)
        case "Noise":
            return noise_charts(setting, shot)
        case "Shift":
            return shift_charts(setting, shot)
        case "Training":
            return training_charts(setting, shot)
        case "Pictures":
            return patch_charts(setting, shot)
        case "Inpainting":
            return strip_charts(setting, shot)


def _tiles(setting: Setting, shot: Shot) -> Iterator[Tile]:
    match setting.view:
        case "Pictures":
            return patch_tiles(setting, shot)
        case "Inpainting":
            return strip_tiles(setting, shot)
        case _:
            return iter(())


def _trained(shot: Shot) -> Progress | None:
    """Progress in training steps."""
    experiment: TeachingRun | None = shot.experiment("teaching")
    if experiment is None:
        return None
    whole = sum(teaching.steps for teaching in experiment.teachings)
    latest: dict[str, int] = {}
    for lesson in shot.lessons:
        latest[lesson.training] = max(latest.get(lesson.training, 0), lesson.step)
    done = sum(latest.values())
    left = shot.seconds * (whole - done) / done if shot.state == "running" and done > whole // 50 else None
    return Progress(done, whole, left)


def _guarantees(shot: Shot) -> Iterator[Row]:
    """What is proved, over all rows; what was only trained for, network by network."""
    for part, rows in zip(shot.parts, shot.rows, strict=True):
        if part.key in ("sweep", "plane"):
            continue
        for guarantee in panel(rows):
            if guarantee.status == "certified":
                yield verdict(replace(guarantee, reason=REASONS.get(guarantee.key, guarantee.reason)))
        found: dict[tuple[str, str], list[Guarantee]] = {}
        for row_of in rows:
            for g in row_of.guarantees:
                # The classical iterations were asked for nothing but what is proved of them.
                if g.status != "certified" and row_of.key[0] not in CLASSICAL:
                    found.setdefault((str(row_of.key[0]), g.key), []).append(g)
        for (name, _), of in found.items():
            yield _observed(name, of)


def _observed(name: str, found: Sequence[Guarantee]) -> Row:
    """How often an inequality was seen to hold that nobody proved."""
    last = found[-1]
    told = row(named(last, name))
    if last.status == "void":
        return told
    kept = sum(g.holds is True for g in found)
    shares = [
        g.measured / g.predicted
        for g in found
        if isinstance(g.predicted, float) and isinstance(g.measured, float) and g.predicted > 0
    ]
    closest = f", closest {number(max(shares))}" if shares else ""
    return replace(told, measured=f"{kept} of {len(found)} below{closest}")


_CODES = "y_l = S(W₁y_l₋₁ + W₂x, θ), l = 1 … 10"
_WORDS: Mapping[View, tuple[str, str, str]] = {
    "Layers": (
        _CODES,
        "LISTA is ISTA with free matrices in every layer, trained so that the last one returns the minimiser "
        "y* of ½‖x − Dy‖² + α‖y‖₁. Nothing asks the layers before to come nearer, and a plain network (U) "
        "mostly leads away until its last layer jumps. The constraint c_l ≤ 0 asks every layer, on average, "
        "to take the share ε of the distance away; primal-dual steps train it (C0), together with noise on "
        "what layers see (C). UN has the noise alone, DSN a loss on every layer.",
        "raise ε to 0.4: the shipped networks were asked for 0.2, and the table says who still keeps it.",
    ),
    "Noise": (
        _CODES,
        "The same white noise falls on what the layers of every network are given. What makes a network "
        "robust: the constraint, or the noise in its training? The plain network with noise (UN) and the "
        "constraint without (C0) tell them apart.",
        "put noise before layer 9 only: who has learned to mend in one layer?",
    ),
    "Shift": (
        _CODES,
        "Signals with more noise than any in training, and the codes solved anew for them: how far is the "
        "last layer from the new code? Descent carries over up to a term that grows with the distance "
        "between the two laws of signals.",
        "look at ISTA: it has learned nothing, so nothing can be taken from it.",
    ),
    "Training": (
        "min_W max_{λ ≥ 0} ½E‖y_L − y*‖² + Σ λ_l c_l(W)",
        "Every step moves the weights down and the duals λ_l up where a constraint is broken. A dual is the "
        "price of its constraint: it rises until the layer pays, and falls back to 0 once it would descend "
        "anyway.",
        "choose the gradient with ε = 0.05: its norm falls at every layer, the distance to y* does not.",
    ),
    "Pictures": (
        "x ≈ Dy: 8 × 8 patches, 77 atoms, α = 1.5σ",
        "The same networks, trained on patches of pictures for a learned dictionary. All overlapping patches "
        "are coded at once; each layer's codes make a picture. The constraint speaks of codes and not of "
        "pixels, so that early layers may look worse than what they were given; but the plain network has "
        "no picture before its last layer.",
        "show U instead of C: what does its ninth layer make of the picture?",
    ),
    "Inpainting": (
        "x ← x + μ_l A*(y − Ax), z = f_l(x), x ← f_l⁻¹(z/(1 + λ_l))",
        "GLOW-Prox: five layers, each with a normalising flow of its own. A step towards the data, then the "
        "proximal step of ½λ‖z‖² in the flow's latent space; the flow is inverted exactly. With the "
        "constraints the latents shrink from layer to layer, on average over many pictures; each flow may "
        "choose the scale of its latents, so that this alone says little of the picture, which is as good "
        "either way.",
        "raise the noise to ten times that of the training.",
    ),
}


def _explanation(setting: Setting) -> Explanation:
    return Explanation(*_WORDS[setting.view])
