"""What the Unrolled page asks, as plain data: its parameters, its address and its presets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from deqviz.core.registry import Options, Range, params_of
from deqviz.learning.descent import Descent, Form, Merit
from deqviz.learning.primal_dual import Teaching
from deqviz.learning.problems import TEACHINGS
from deqviz.scenario import Reader, check_picture, write_params
from deqviz.ui.inputs import drawn_mask
from deqviz.ui.inputs.drawn_mask import FIRST
from deqviz.ui.inputs.keys import some

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


@dataclass(frozen=True)
class Setting:
    """One question of the page; equal settings give equal numbers."""

    view: Annotated[
        View,
        Options("View", "What the layers do; noise between them; other signals; training; pictures"),
    ] = "Layers"
    rivals: tuple[str, ...] = FIVE
    rate: Annotated[
        float,
        Range(0.01, 0.9, "Descent asked of a layer", symbol="ε", help="The shipped ones were asked for 0.2"),
    ] = 0.2
    risk: Annotated[
        float,
        Range(0.0, 0.5, "Risk", symbol="δ", help="With which a constraint may fail on unseen signals"),
    ] = 0.05
    bound: Annotated[
        float, Range(0.1, 30.0, "Bound of the merit", symbol="M", log=True, help="Where a constraint fails")
    ] = 10.0
    deviation: Annotated[
        float,
        Range(0.01, 1.0, "Noise", symbol="s", log=True, help="Added to every entry of what a layer is given"),
    ] = 0.1
    before: Annotated[int, Range(0, LAYERS, "Only before layer", help="From 2 on; 0: before all of them")] = 0
    shift: Annotated[
        float, Range(0.0, 1.0, "Shift", symbol="p", help="Signals x + pη with η white, codes solved anew")
    ] = 0.3
    merit: Annotated[
        Merit, Options("What must fall", "The distance to y*, a gradient's length, or the objective")
    ] = "distance"
    form: Annotated[Form, Options("In which sense", "Neither of the first two follows from the other")] = (
        "difference of means"
    )
    is_noisy: Annotated[
        bool, Options("Noise in training", "The rule of the paper, on all layers but one")
    ] = True
    steps: Annotated[int, Range(100, 10_000, "Training steps", log=True)] = 3000
    dual_rate: Annotated[
        float, Range(1e-4, 1.0, "Dual step", symbol="η", log=True, help="λ ← max(λ + ηc, 0)")
    ] = 1e-2
    is_rival: Annotated[
        bool, Options("A plain one beside it", "The same network, signals and steps, no constraint")
    ] = True
    is_at_ista: Annotated[
        bool, Options("Begin at ISTA", "Instead of small random weights: then descent comes by itself")
    ] = False
    picture: str = "camera"
    colour: str = "astronaut"
    level: Annotated[
        float, Range(5.0, 60.0, "Noise of the picture", unit="/255", help="Trained for 10 to 50")
    ] = 25.0
    shown: Annotated[
        Literal["U", "UN", "C0", "C"],
        Options("Pictures of", "All are measured: this only chooses whose are shown; no C0 for patches"),
    ] = "C"
    hole: Annotated[
        Literal["centre", "boxes", "strokes", "pixels", "painted"],
        Options("Lost pixels", "A square, boxes, strokes of a pen, single ones, or what you paint"),
    ] = "centre"
    mask: str = FIRST
    factor: Annotated[
        float, Range(0.0, 20.0, "Noise on the layers", unit="× training", help="Directions of norm 1/l")
    ] = 0.0
    seed: Annotated[int, Range(0, 9999, "Seed", help="Draws signals, starts and noise", advanced=True)] = 0

    def validated(self) -> "Setting":
        """The same with every key checked; raises ValueError with a sentence for what is wrong."""
        values: dict[str, Any] = {p.name: p.check(getattr(self, p.name)) for p in params_of(type(self))}
        values["rivals"] = some("network", RIVALS)(",".join(self.rivals))
        check_picture(self.picture)
        check_picture(self.colour)
        drawn_mask.check(self.mask)
        if self.before == 1:
            raise ValueError("Layer 1 is given y₀, which is noise itself: choose 0 or a later layer.")
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
    def asked(self) -> "Setting":
        """What the numbers depend on: of other views nothing, of curves against s or p not the marked one."""
        mine: Mapping[View, tuple[str, ...]] = {
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
        kept = {name: getattr(self, name) for name in mine[self.view]}
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
        return query


def from_query(query: Mapping[str, str]) -> tuple[Setting, tuple[str, ...]]:
    """The setting of an address, and one sentence for everything in it that was refused."""
    reader, plain = Reader(query), Setting()
    values: dict[str, Any] = {p.name: reader.value(p.name, p) for p in params_of(Setting)}
    parse = some("network", RIVALS)
    values["rivals"] = parse(reader.checked("rivals", ",".join(plain.rivals), parse))
    for name in ("picture", "colour"):
        values[name] = reader.checked(name, getattr(plain, name), check_picture)
    values["mask"] = reader.checked("mask", plain.mask, drawn_mask.check)
    try:
        return Setting(**values).validated(), reader.complaints()
    except ValueError as error:
        spared = Setting(**{**values, "before": 0}).validated()
        return spared, (f"{error} The link is opened with noise before all layers.", *reader.complaints())


PRESETS: Mapping[str, tuple[str, Setting]] = {
    "Every layer descends": (
        "Five ways of training one network: with the constraint every layer comes nearer, without it few do",
        Setting(),
    ),
    "LISTA-CP and ALISTA": (
        "Matrices coupled by D, and two numbers a layer: structure instead of a constraint",
        Setting(rivals=("plain", "descent_noise", "coupled", "analytic")),
    ),
    "Noise or constraint?": (
        "How much of the robustness comes from the noise in training, and how much from the constraint",
        Setting(view="Noise"),
    ),
    "One layer is hit": (
        "Noise before layer 9 only: who is left with one layer to mend it?",
        Setting(view="Noise", before=9, deviation=0.3),
    ),
    "Other signals": ("Noisier signals than any in training, codes solved anew", Setting(view="Shift")),
    "Train it here": (
        "3,000 steps of LISTA with its constraints: slacks, duals, and what every layer learned",
        Setting(view="Training"),
    ),
    "The gradient falls, the distance does not": (
        "ε = 0.05 of the gradient: its norm falls from layer to layer, the distance to y* need not",
        Setting(view="Training", merit="gradient", form="mean of ratios", rate=0.05, is_rival=False),
    ),
    "A picture, patch by patch": (
        "The same networks on 8 × 8 patches with a learned dictionary, every layer a picture",
        Setting(view="Pictures"),
    ),
    "Fill a hole": ("GLOW-Prox: a normalising flow in every layer", Setting(view="Inpainting")),
    "Strokes and noise": (
        "Noise of ten times the training's size on what the layers are given",
        Setting(view="Inpainting", hole="strokes", factor=10.0),
    ),
}
"""Settings worth a click: name, what to look at, the setting."""
