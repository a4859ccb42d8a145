"""What the Noise page asks, as plain data: its parameters, its address and its presets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from deqviz import images
from deqviz.core.catalog import OPERATORS, REGULARIZERS
from deqviz.core.quoted import quoted
from deqviz.core.registry import Choice, Entry, Options, Range, params_of
from deqviz.core.streams import with_streams
from deqviz.experiments.equilibrium.model import Rotating
from deqviz.experiments.equilibrium.noise_sweep import Best, Discrepancy, Fixed, Power
from deqviz.runtime.limits import Demand, size_of
from deqviz.scenario import Reader, write_params
from deqviz.ui.shell.study_setting import StudySetting

MODEL, PICTURE = "model, five decades", "a picture"
SOURCE, PLAIN = "source condition holds", "the picture itself"
WHITE, WORST, POISSON = "white", "worst direction", "Poisson"

ROTATING = Entry("rotating", "Skew part (not conservative)", Rotating, params_of(Rotating))
RULES: Mapping[str, Entry[Any]] = {
    "power": Entry("power", "a priori: α = c δᵖ", Power, params_of(Power)),
    "best": Entry("best", "a priori: α = δ/‖w‖", Best, params_of(Best)),
    "fixed": Entry("fixed", "fixed α", Fixed, params_of(Fixed)),
    "discrepancy": Entry(
        "discrepancy", "a posteriori: discrepancy principle", Discrepancy, params_of(Discrepancy)
    ),
}


@dataclass(frozen=True)
class Setting(StudySetting):
    """One question of the page; equal settings give equal numbers."""

    problem: Annotated[
        Literal["model, five decades", "a picture"],
        Options(
            "Problem",
            texts={
                "model, five decades": "model problem",
                "a picture": "image",
            },
        ),
    ] = MODEL
    kernel: Annotated[
        int,
        Range(
            0,
            120,
            "Null space dimension",
            unit="of 160",
            help="Dimension of the null space of A in the model",
        ),
    ] = 0
    image: str = "camera"
    side: Annotated[Literal["64 px", "128 px"], Options("Image size (longer side)")] = "64 px"
    operator: Choice = Choice("gaussian_blur")
    regularizer: Choice = Choice("rotating")
    truth: Annotated[
        Literal["source condition holds", "the picture itself"],
        Options("Ground truth", texts={"the picture itself": "the image itself"}),
    ] = SOURCE
    element: Annotated[
        float,
        Range(
            1e-4,
            10.0,
            "Ground truth regularised with",
            log=True,
            symbol="α",
            help="x† is the equilibrium of the clean data at this α: R(x†) = A*w with w = (y − Ax†)/α",
        ),
    ] = 1e-2
    is_contrasted: Annotated[
        bool,
        Options(
            "Also without source condition",
            "The same sweep for a ground truth that violates the source condition",
        ),
    ] = True
    noise: Annotated[
        Literal["white", "worst direction", "Poisson"],
        Options(
            "Noise model", texts={"white": "white Gaussian", "worst direction": "adversarial (worst-case)"}
        ),
    ] = WORST
    levels: Annotated[
        int, Range(7, 49, "Noise levels", help="Noise levels from ‖e‖ = ‖Ax†‖/10 down, over six decades")
    ] = 19
    seeds: Annotated[int, Range(1, 8, "Seeds")] = 3
    rule: Choice = Choice("power")
    is_tent: Annotated[
        bool, Options("Order against p", "Eight more sweeps with α = cδ^p; theory: order min(p, 2 − p)")
    ] = True
    is_stability: Annotated[
        bool, Options("Stability", "Change of the equilibrium per change of the data, for every α")
    ] = True
    is_limit: Annotated[
        bool,
        Options(
            "Limit problem",
            "Distance to the solution of the limit problem for a ground truth without source condition",
        ),
    ] = True
    seed: Annotated[
        int,
        Range(0, 9999, "Seed", help="Of the model, its ground truth, the noise and the mask", advanced=True),
    ] = 0

    @property
    def is_model(self) -> bool:
        """Whether the problem is the model."""
        return self.problem == MODEL

    @property
    def has_source(self) -> bool:
        """Whether the truth of the main sweep satisfies the source condition."""
        return self.truth == SOURCE

    @property
    def has_limit(self) -> bool:
        """Whether the limit problem is posed: it needs the projection on ker A in closed form."""
        kind = OPERATORS[self.operator.key].cls.resolvent_kind
        return self.is_limit and (self.is_model or kind == "closed form")

    @property
    def demands(self) -> tuple[Demand, ...]:
        """The image size; the model problem has no image."""
        return () if self.is_model else (size_of(self, "side"),)

    def validated(self) -> "Setting":
        """The same with every default written out; raises ValueError with a sentence for what is wrong."""
        values: dict[str, Any] = {p.name: p.check(getattr(self, p.name)) for p in params_of(type(self))}
        images.check(self.image)
        for name, entries in choices(self.is_model).items():
            choice: Choice = getattr(self, name)
            if choice.key not in entries:
                raise ValueError(f"{quoted(choice.key)} does not fit here; known are {', '.join(entries)}.")
            values[name] = Choice(choice.key, entries[choice.key].validate(choice.params))
        setting = replace(self, **values)
        if setting.rule.key == "best" and not setting.has_source:
            raise ValueError("α = δ/‖w‖ needs a ground truth with a source condition: choose another rule.")
        if setting.is_model and setting.noise == POISSON:
            raise ValueError("Poisson noise needs non-negative data, and the model's data have both signs.")
        return setting

    @property
    def pixels(self) -> int:
        """The longer side."""
        return 64 if self.is_model else int(self.side.split()[0])

    def to_query(self) -> dict[str, str]:
        """What differs from the defaults, floats by `repr`, hence exact."""
        query: dict[str, str] = {}
        write_params(query, "", params_of(type(self)), {p: getattr(self, p) for p in self._plain})
        query = {name.removeprefix("."): text for name, text in query.items()}
        if self.image != Setting.image:
            query["image"] = self.image
        for name, entries in choices(self.is_model).items():
            choice: Choice = getattr(self, name)
            if choice.key != default(name, self.is_model):
                query[name] = choice.key
            write_params(query, name, entries[choice.key].params, choice.params)
        return with_streams(query, self.streams)

    @property
    def _plain(self) -> tuple[str, ...]:
        return tuple(p.name for p in params_of(type(self)))


def choices(is_model: bool) -> dict[str, Mapping[str, Entry[Any]]]:
    """What each choice can be; the learned networks want pictures, and the model is a row of numbers."""
    small = {key: REGULARIZERS[key] for key in ("quadratic", "smoothed_tv")}
    registered = {key: REGULARIZERS[key] for key in REGULARIZERS.menu()}
    return {
        "operator": {key: OPERATORS[key] for key in OPERATORS.menu()},
        "regularizer": {"rotating": ROTATING, **small} if is_model else registered,
        "rule": RULES,
    }


def default(name: str, is_model: bool) -> str:
    """The key of a choice that nobody made."""
    if name == "regularizer":
        return "rotating" if is_model else "contractive"
    choice: Choice = getattr(Setting(), name)
    return choice.key


def from_query(query: Mapping[str, str]) -> tuple[Setting, tuple[str, ...]]:
    """The setting of an address, and one sentence for everything in it that was refused."""
    reader = Reader(query)
    values: dict[str, Any] = {p.name: reader.value(p.name, p) for p in params_of(Setting)}
    values["streams"] = reader.streams
    values["image"] = reader.checked("image", Setting.image, images.check)
    is_model = values["problem"] == MODEL
    for name, entries in choices(is_model).items():
        key = reader.checked(name, default(name, is_model), _key_check(entries))
        values[name] = Choice(key, reader.params(name, entries[key].params))
    try:
        return Setting(**values).validated(), reader.warnings()
    except ValueError as error:
        fallback = Setting(**{**values, "truth": SOURCE, "noise": WHITE})
        message = f"{error} The link is opened with white noise and a ground truth that has one."
        return fallback.validated(), (message, *reader.warnings())


def _key_check(entries: Mapping[str, Entry[Any]]) -> Any:
    def check(key: str) -> None:
        if key not in entries:
            raise ValueError(f"There is no {quoted(key)} here; known are {', '.join(entries)}.")

    return check


PRESETS: Mapping[str, tuple[str, Setting]] = {
    "Source condition holds": (
        "R(x†) = A*w: convergence rate O(δ) of the Bregman distance, best at p = 1",
        Setting(),
    ),
    "Source condition violated": (
        "R(x†) has a component in the null space of A: the error does not vanish with the noise",
        Setting(truth=PLAIN, kernel=40, is_tent=False),
    ),
    "Not conservative (no potential)": (
        "L = 0.95: R is almost skew, and the rates hold all the same",
        Setting(regularizer=Choice("rotating", {"contraction": 0.95})),
    ),
    "A learned network on an image": (
        "The contractive network, a blur and an image that satisfies the source condition",
        Setting(
            problem=PICTURE,
            regularizer=Choice("contractive", {"contraction": 0.8}),
            noise=WHITE,
            levels=13,
            seeds=1,
            is_tent=False,
        ),
    ),
}
"""Settings worth a click: name, what to look at, the setting."""
