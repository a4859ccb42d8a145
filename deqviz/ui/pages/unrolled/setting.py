"""What the Unrolled page asks, as plain data: its parameters, its address and its presets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from deqviz.core.registry import Options, Range, params_of
from deqviz.core.streams import with_streams
from deqviz.learning.descent import Descent, Form, Merit
from deqviz.learning.primal_dual import Teaching
from deqviz.learning.problems import TEACHINGS
from deqviz.runtime.limits import Demand, count_of
from deqviz.scenario import Reader, check_picture, write_params
from deqviz.ui.inputs import drawn_mask
from deqviz.ui.inputs.drawn_mask import FIRST
from deqviz.ui.inputs.keys import some
from deqviz.ui.shell.study_setting import StudySetting

View = Literal["Layers", "Noise", "Shift", "Training", "Pictures", "Inpainting"]

RIVALS: Mapping[str, str] = {
    "plain": "U: plain",
    "noise": "UN: noise",
    "descent": "C0: descent",
    "descent_noise": "C: both",
    "deep": "DSN: deep, noise",
    "coupled": "LISTA-CP",
    "analytic": "ALISTA",
}
"""The shipped networks, in the order of their colours."""
FIVE = tuple(TEACHINGS)
"""Those that differ in their training alone."""
SHORT: Mapping[str, str] = {key: title.split(":")[0] for key, title in RIVALS.items()}
LAYERS = 10
"""Of every shipped network."""
IMAGE_SIDES: Mapping[View, int] = {"Pictures": 128, "Inpainting": 64}
"""Pixels along the longer side of the images, where there are any: the flows were trained for 64."""


@dataclass(frozen=True)
class Setting(StudySetting):
    """One question of the page; equal settings give equal numbers."""

    is_lasting: ClassVar[bool] = True

    view: Annotated[
        View,
        Options(
            "Experiment",
            "Descent by layer; injected noise; distribution shift; training; images",
            texts={
                "Layers": "Descent by layer",
                "Noise": "Injected noise",
                "Shift": "Distribution shift",
                "Pictures": "Image denoising",
            },
        ),
    ] = "Layers"
    rivals: tuple[str, ...] = FIVE
    rate: Annotated[
        float,
        Range(
            0.01,
            0.9,
            "Required decrease per layer",
            symbol="ε",
            help="The shipped networks were trained with 0.2",
        ),
    ] = 0.2
    risk: Annotated[
        float,
        Range(0.0, 0.5, "Failure probability", symbol="δ", help="Of a constraint on unseen signals"),
    ] = 0.05
    bound: Annotated[
        float,
        Range(
            0.1, 30.0, "Upper bound of the merit", symbol="M", log=True, help="Where a constraint is violated"
        ),
    ] = 10.0
    deviation: Annotated[
        float,
        Range(
            0.01,
            1.0,
            "Injected noise std",
            symbol="σ",
            log=True,
            help="Of every entry of the input of a layer",
        ),
    ] = 0.1
    before: Annotated[
        int, Range(0, LAYERS, "Only before layer ℓ", help="From 2 on; 0: before all layers")
    ] = 0
    shift: Annotated[
        float,
        Range(
            0.0,
            1.0,
            "Shift",
            symbol="p",
            help="Signals x + pη with white Gaussian η, and their LASSO solutions",
        ),
    ] = 0.3
    merit: Annotated[Merit, Options("Merit function", "Distance to y*, gradient norm, or objective")] = (
        "distance"
    )
    form: Annotated[Form, Options("Form of the constraint", "Neither of the first two implies the other")] = (
        "difference of means"
    )
    is_noisy: Annotated[
        bool, Options("Noise in training", "As in the paper, on all layers but the first")
    ] = True
    steps: Annotated[int, Range(100, 10_000, "Training steps", log=True)] = 3000
    dual_rate: Annotated[
        float, Range(1e-4, 1.0, "Dual step size", symbol="η", log=True, help="λ ← max(λ + ηc, 0)")
    ] = 1e-2
    is_rival: Annotated[bool, Options("Also without constraints", "Same network, signals and steps")] = True
    is_at_ista: Annotated[
        bool,
        Options("Initialise at ISTA", "Instead of small random weights: then every layer descends already"),
    ] = False
    picture: str = "camera"
    colour: str = "astronaut"
    level: Annotated[float, Range(5.0, 60.0, "Noise std σ", unit="/255", help="Trained for 10 to 50")] = 25.0
    shown: Annotated[
        Literal["U", "UN", "C0", "C"],
        Options("Show images of", "All are computed: this chooses the one to show; no C0 for patches"),
    ] = "C"
    hole: Annotated[
        Literal["centre", "boxes", "strokes", "pixels", "painted"],
        Options("Mask", "Missing pixels: a square, boxes, strokes, random ones, or painted by hand"),
    ] = "centre"
    mask: str = FIRST
    factor: Annotated[
        float, Range(0.0, 20.0, "Injected noise", unit="× training", help="Directions of norm 1/ℓ")
    ] = 0.0
    seed: Annotated[
        int, Range(0, 9999, "Seed", help="Of signals, initial codes, noise and random mask", advanced=True)
    ] = 0

    @property
    def demands(self) -> tuple[Demand, ...]:
        """The steps of a training, or the size that the images of the networks have."""
        if self.view == "Training":
            return (count_of(self, "steps"),)
        side = IMAGE_SIDES.get(self.view)
        return () if side is None else (Demand("side", "the image size", side, side),)

    def validated(self) -> "Setting":
        """The same with every key checked; raises ValueError with a sentence for what is wrong."""
        values: dict[str, Any] = {p.name: p.check(getattr(self, p.name)) for p in params_of(type(self))}
        values["rivals"] = some("network", RIVALS)(",".join(self.rivals))
        check_picture(self.picture)
        check_picture(self.colour)
        drawn_mask.check(self.mask)
        if self.before == 1:
            raise ValueError("The input y₀ of layer 1 is noise itself: choose 0 or a later layer.")
        return replace(self, **values)

    @property
    def teachings(self) -> tuple[Teaching, ...]:
        """What is trained on the screen."""
        shared = {"steps": self.steps, "dual_rate": self.dual_rate}
        constrained = Teaching(
            "constrained", Descent(self.merit, self.form, self.rate), self.is_noisy, **shared
        )
        return (constrained, *((Teaching("plain", **shared),) if self.is_rival else ()))

    @property
    def computation(self) -> "Setting":
        """What the numbers depend on: of other views nothing, of curves against s or p not the marked one."""
        fields: Mapping[View, tuple[str, ...]] = {
            "Layers": ("rivals", "rate"),
            "Noise": ("rivals", "before", "deviation"),
            "Shift": ("rivals", "rate", "shift"),
            "Training": (
                "merit",
                "form",
                "rate",
                "is_noisy",
                "steps",
                "dual_rate",
                "is_rival",
                "is_at_ista",
            ),
            "Pictures": ("rivals", "picture", "level"),
            "Inpainting": ("colour", "hole", "factor", *(("mask",) if self.hole == "painted" else ())),
        }
        kept = {name: getattr(self, name) for name in fields[self.view]}
        return replace(Setting(), view=self.view, seed=self.seed, **kept)

    def to_query(self) -> dict[str, str]:
        """What differs from the defaults, floats by `repr`, hence exact."""
        query: dict[str, str] = {}
        own, plain = params_of(type(self)), Setting()
        write_params(query, "", own, {p.name: getattr(self, p.name) for p in own})
        query = {name.removeprefix("."): text for name, text in query.items()}
        if self.rivals != plain.rivals:
            query["rivals"] = ",".join(self.rivals)
        for name in ("picture", "colour", "mask"):
            if getattr(self, name) != getattr(plain, name):
                query[name] = getattr(self, name)
        return with_streams(query, self.streams)


def from_query(query: Mapping[str, str]) -> tuple[Setting, tuple[str, ...]]:
    """The setting of an address, and one sentence for everything in it that was refused."""
    reader, plain = Reader(query), Setting()
    values: dict[str, Any] = {p.name: reader.value(p.name, p) for p in params_of(Setting)}
    values["streams"] = reader.streams
    parse = some("network", RIVALS)
    values["rivals"] = parse(reader.checked("rivals", ",".join(plain.rivals), parse))
    for name in ("picture", "colour"):
        values[name] = reader.checked(name, getattr(plain, name), check_picture)
    values["mask"] = reader.checked("mask", plain.mask, drawn_mask.check)
    try:
        return Setting(**values).validated(), reader.warnings()
    except ValueError as error:
        fallback = Setting(**{**values, "before": 0}).validated()
        return fallback, (f"{error} The link is opened with noise before all layers.", *reader.warnings())


PRESETS: Mapping[str, tuple[str, Setting]] = {
    "Every layer descends": (
        "Five ways to train one network: with the constraint every layer decreases the distance",
        Setting(),
    ),
    "LISTA-CP and ALISTA": (
        "Weights coupled by D, and two parameters per layer: structure instead of a constraint",
        Setting(rivals=("plain", "descent_noise", "coupled", "analytic")),
    ),
    "Noise or constraint?": (
        "Ablation: robustness by noise in training, and by the constraint",
        Setting(view="Noise"),
    ),
    "Noise before one layer": (
        "Noise before layer 9 only: which network recovers in one layer?",
        Setting(view="Noise", before=9, deviation=0.3),
    ),
    "Distribution shift": (
        "Noisier signals than in training, with their own LASSO solutions",
        Setting(view="Shift"),
    ),
    "Live training": (
        "3,000 steps of LISTA with its constraints: slacks, dual variables, and the distance by layer",
        Setting(view="Training"),
    ),
    "Descent of the gradient norm": (
        "ε = 0.05 for the gradient norm: it decreases from layer to layer, the distance to y* need not",
        Setting(view="Training", merit="gradient", form="mean of ratios", rate=0.05, is_rival=False),
    ),
    "Patch-based denoising": (
        "The same networks on 8 × 8 patches with a learned dictionary, an image for every layer",
        Setting(view="Pictures"),
    ),
    "Inpainting": ("GLOW-Prox: a normalising flow in every layer", Setting(view="Inpainting")),
    "Inpainting with injected noise": (
        "Injected noise of ten times the training level",
        Setting(view="Inpainting", hole="strokes", factor=10.0),
    ),
}
"""Settings worth a click: name, what to look at, the setting."""
