"""What the Noise page asks, as plain data: its parameters, its address and its presets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from deqviz import images
from deqviz.core.catalog import OPERATORS, REGULARIZERS
from deqviz.core.registry import Choice, Entry, Options, Range, params_of
from deqviz.experiments.equilibrium.model import Rotating
from deqviz.experiments.equilibrium.noise_sweep import Best, Discrepancy, Fixed, Power
from deqviz.scenario import Reader, write_params

MODEL, PICTURE = "model, five decades", "a picture"
SOURCE, PLAIN = "source condition holds", "the picture itself"
WHITE, WORST, POISSON = "white", "worst direction", "Poisson"

ROTATING = Entry("rotating", "Rotating (no gradient)", Rotating, params_of(Rotating))
RULES: Mapping[str, Entry[Any]] = {
    "power": Entry("power", "α = c δᵖ", Power, params_of(Power)),
    "best": Entry("best", "α = δ/‖w‖", Best, params_of(Best)),
    "fixed": Entry("fixed", "α fixed", Fixed, params_of(Fixed)),
    "discrepancy": Entry("discrepancy", "discrepancy principle", Discrepancy, params_of(Discrepancy)),
}


@dataclass(frozen=True)
class Setting:
    """One question of the page; equal settings give equal numbers."""

    problem: Annotated[Literal["model, five decades", "a picture"], Options("Problem")] = MODEL
    kernel: Annotated[
        int, Range(0, 120, "Null space", unit="of 160", help="How many directions the model cannot see")
    ] = 0
    image: str = "camera"
    side: Annotated[Literal["64 px", "128 px"], Options("Size")] = "64 px"
    operator: Choice = Choice("gaussian_blur")
    regularizer: Choice = Choice("rotating")
    truth: Annotated[Literal["source condition holds", "the picture itself"], Options("Truth")] = SOURCE
    element: Annotated[
        float,
        Range(
            1e-4,
            10.0,
            "Truth smoothed with",
            log=True,
            symbol="α",
            help="x† is the equilibrium of the clean data at this α: R(x†) = A*w with w = (y − Ax†)/α",
        ),
    ] = 1e-2
    is_contrasted: Annotated[
        bool, Options("Beside it, the condition broken", "The same sweep for a truth without a w")
    ] = True
    noise: Annotated[Literal["white", "worst direction", "Poisson"], Options("Kind")] = WORST
    levels: Annotated[int, Range(7, 49, "Levels", help="From ‖e‖ = ‖Ax†‖/10 down over six decades")] = 19
    seeds: Annotated[int, Range(1, 8, "Seeds")] = 3
    rule: Choice = Choice("power")
    is_tent: Annotated[
        bool, Options("Slopes over p", "Eight more sweeps with α = cδ^p: the tent min(p, 2 − p)")
    ] = True
    is_stability: Annotated[
        bool, Options("Stability", "How far a change of the data moves the equilibrium, for every α")
    ] = True
    seed: Annotated[
        int, Range(0, 9999, "Seed", help="Draws the model, its truth and the first noise", advanced=True)
    ] = 0

    @property
    def is_model(self) -> bool:
        """Whether the problem is the model."""
        return self.problem == MODEL

    @property
    def has_source(self) -> bool:
        """Whether the truth of the main sweep satisfies the source condition."""
        return self.truth == SOURCE

    def validated(self) -> "Setting":
        """The same with every default written out; raises ValueError with a sentence for what is wrong."""
        values: dict[str, Any] = {p.name: p.check(getattr(self, p.name)) for p in params_of(type(self))}
        images.check(self.image)
        for name, shelf in shelves(self.is_model).items():
            choice: Choice = getattr(self, name)
            if choice.key not in shelf:
                raise ValueError(f"{choice.key!r} does not fit here; known are {', '.join(shelf)}.")
            values[name] = Choice(choice.key, shelf[choice.key].validate(choice.params))
        found = replace(self, **values)
        if found.rule.key == "best" and not found.has_source:
            raise ValueError("α = δ/‖w‖ needs a truth with a source condition: choose another rule.")
        if found.is_model and found.noise == POISSON:
            raise ValueError("Poisson noise counts photons, and the model's data have both signs.")
        return found

    def to_query(self) -> dict[str, str]:
        """What differs from the defaults, floats by `repr`, hence exact."""
        query: dict[str, str] = {}
        write_params(query, "", params_of(type(self)), {p: getattr(self, p) for p in self._plain})
        query = {name.removeprefix("."): text for name, text in query.items()}
        if self.image != Setting.image:
            query["image"] = self.image
        for name, shelf in shelves(self.is_model).items():
            choice: Choice = getattr(self, name)
            if choice.key != default(name, self.is_model):
                query[name] = choice.key
            write_params(query, name, shelf[choice.key].params, choice.params)
        return query

    @property
    def _plain(self) -> tuple[str, ...]:
        return tuple(p.name for p in params_of(type(self)))


def shelves(is_model: bool) -> dict[str, Mapping[str, Entry[Any]]]:
    """What each choice can be; the learned networks want pictures, and the model is a row of numbers."""
    small = {key: REGULARIZERS[key] for key in ("quadratic", "smoothed_tv")}
    registered = {entry.key: entry for entry in REGULARIZERS}
    return {
        "operator": {entry.key: entry for entry in OPERATORS},
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
    values["image"] = reader.checked("image", Setting.image, images.check)
    is_model = values["problem"] == MODEL
    for name, shelf in shelves(is_model).items():
        key = reader.checked(name, default(name, is_model), _known(shelf))
        values[name] = Choice(key, reader.params(name, shelf[key].params))
    try:
        return Setting(**values).validated(), reader.complaints()
    except ValueError as error:
        spared = Setting(**{**values, "truth": SOURCE, "noise": WHITE})
        said = f"{error} The link is opened with white noise and a truth that has one."
        return spared.validated(), (said, *reader.complaints())


def _known(shelf: Mapping[str, Entry[Any]]) -> Any:
    def check(key: str) -> None:
        if key not in shelf:
            raise ValueError(f"There is no {key!r} here; known are {', '.join(shelf)}.")

    return check


PRESETS: Mapping[str, tuple[str, Setting]] = {
    "Source condition holds": (
        "R(x†) = A*w: the distance shrinks with the noise, best at p = 1",
        Setting(),
    ),
    "Broken on purpose": (
        "Nobody chose this truth for the rate, and part of it lies where A sees nothing: the error stays",
        Setting(truth=PLAIN, kernel=40, is_tent=False),
    ),
    "Not a gradient": (
        "L = 0.95: almost nothing but rotation, and the rates hold all the same",
        Setting(regularizer=Choice("rotating", {"contraction": 0.95})),
    ),
    "A learned network on a picture": (
        "The contractive network, a blur and a picture that satisfies the source condition",
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
