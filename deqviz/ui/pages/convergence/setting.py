"""What the Convergence page asks, as plain data: its parameters, its address and its presets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from deqviz import images
from deqviz.core.catalog import OPERATORS, REGULARIZERS
from deqviz.core.registry import Choice, Entry, Options, Param, Range, params_of
from deqviz.core.streams import with_streams
from deqviz.experiments.equilibrium.uniqueness import Route, routes
from deqviz.runtime.limits import Demand, count_of, size_of
from deqviz.scenario import Reader, write_params
from deqviz.ui.inputs.keys import key_check, some
from deqviz.ui.shell.study_setting import StudySetting

THREE, OVER_L, OVER_STEP = "L, three equilibria", "L, this picture", "step, this picture"
STARTS: Mapping[str, str] = {
    "zero": "Zero",
    "data": "Direct inversion",
    "noise": "Noise",
    "another": "Another image",
    "mine": "Your image",
}
"""The starts by their keys, in their order."""
ROUTES: Mapping[str, Route] = {route.key: route for route in routes()}
"""The ways to the equilibrium by their keys, in their order."""
USUAL = 0.8
"""L where nobody chose it: with less contraction the explicit runs take longer than one likes to wait."""


def _entry(entry: Entry[Any]) -> Entry[Any]:
    params = (replace(p, default=USUAL) if p.name == "contraction" else p for p in entry.params)
    return replace(entry, params=tuple(params))


CHOICES: Mapping[str, Mapping[str, Entry[Any]]] = {
    "operator": {key: OPERATORS[key] for key in OPERATORS.menu()},
    "regularizer": {key: _entry(REGULARIZERS[key]) for key in REGULARIZERS.menu()},
}
"""What each choice can be."""


@dataclass(frozen=True)
class Setting(StudySetting):
    """One question of the page; equal settings give equal numbers, but for the seconds of the race."""

    image: str = "camera"
    side: Annotated[Literal["16 px", "32 px", "64 px"], Options("Image size (longer side)")] = "32 px"
    operator: Choice = Choice("inpainting")
    regularizer: Choice = Choice("contractive")
    weight: Annotated[float, Range(1e-3, 10.0, "Regularisation parameter α", log=True, symbol="α")] = 1.0
    splitting: Annotated[
        Literal["implicit", "explicit"],
        Options("Splitting", "The fixed-point map that Anderson, Broyden and conjugate gradients accelerate"),
    ] = "implicit"
    step: Annotated[
        float,
        Range(
            0.05,
            1.95,
            "Step size (explicit)",
            symbol="τ",
            help="As a fraction of the largest certified step size; above 1 nothing is certified",
        ),
    ] = 0.5
    starts: tuple[str, ...] = ("zero", "data", "noise", "another")
    another: str = "coins"
    mine: str = ""
    solvers: tuple[str, ...] = tuple(ROUTES)
    crossing: Annotated[
        Literal["L, three equilibria", "L, this picture", "step, this picture"],
        Options(
            "Parameter continuation",
            "Past the limit of the theorem: L of the example A = [1, 0], R₂ = x₂ − L tanh x₂, or here",
            texts={"L, this picture": "L, this image", "step, this picture": "step, this image"},
        ),
    ] = THREE
    is_race: Annotated[
        bool, Options("Solver comparison", "Six solvers from one starting point, by evaluations and by time")
    ] = True
    is_gradient: Annotated[
        bool,
        Options(
            "Is R conservative (a gradient field)?", "Asymmetry of the Jacobian and circulation of each R"
        ),
    ] = True
    max_steps: Annotated[int, Range(20, 1000, "Max. iterations", log=True, advanced=True)] = 200
    seed: Annotated[int, Range(0, 9999, "Seed", help="Of the noise and the masks", advanced=True)] = 0

    @property
    def demands(self) -> tuple[Demand, ...]:
        """The image size and the iterations of every run."""
        return size_of(self, "side"), count_of(self, "max_steps")

    def validated(self) -> "Setting":
        """The same with every default written out; raises ValueError with a sentence for what is wrong."""
        values: dict[str, Any] = {p.name: p.check(getattr(self, p.name)) for p in params_of(type(self))}
        for image in (self.image, self.another, self.mine):
            if image:
                images.check(image)
        for name, choices in CHOICES.items():
            choice: Choice = getattr(self, name)
            key_check(name, choices)(choice.key)
            values[name] = Choice(choice.key, choices[choice.key].validate(choice.params))
        values["starts"] = some("start", STARTS)(",".join(self.starts))
        values["solvers"] = some("solver", ROUTES)(",".join(self.solvers))
        setting = replace(self, **values)
        if setting.crossing == OVER_L and "contraction" not in setting.regularizer.params:
            raise ValueError(
                "L is a constant of the contractive network: choose that regulariser, or another parameter."
            )
        return setting

    @property
    def pixels(self) -> int:
        """The longer side."""
        return int(self.side.split()[0])

    @property
    def used_starts(self) -> tuple[str, ...]:
        """The starts without a picture of the user's that is not there."""
        return tuple(key for key in self.starts if key != "mine" or self.mine)

    def to_query(self) -> dict[str, str]:
        """What differs from the defaults, floats by `repr`, hence exact."""
        query: dict[str, str] = {}
        own: tuple[Param, ...] = params_of(type(self))
        write_params(query, "", own, {p.name: getattr(self, p.name) for p in own})
        query, plain = {name.removeprefix("."): text for name, text in query.items()}, Setting()
        for name in ("image", "another", "mine"):
            if getattr(self, name) != getattr(plain, name):
                query[name] = getattr(self, name)
        for name in ("starts", "solvers"):
            if getattr(self, name) != getattr(plain, name):
                query[name] = ",".join(getattr(self, name))
        for name, choices in CHOICES.items():
            choice: Choice = getattr(self, name)
            if choice.key != getattr(plain, name).key:
                query[name] = choice.key
            write_params(query, name, choices[choice.key].params, choice.params)
        return with_streams(query, self.streams)


def from_query(query: Mapping[str, str]) -> tuple[Setting, tuple[str, ...]]:
    """The setting of an address, and one sentence for everything in it that was refused."""
    reader, plain = Reader(query), Setting()
    values: dict[str, Any] = {p.name: reader.value(p.name, p) for p in params_of(Setting)}
    values["streams"] = reader.streams
    for name in ("image", "another"):
        values[name] = reader.checked(name, getattr(plain, name), images.check)
    values["mine"] = reader.checked("mine", "", lambda key: images.check(key) if key else None)
    for name, all_of in (("starts", STARTS), ("solvers", ROUTES)):
        parse = some(name.removesuffix("s"), all_of)
        values[name] = parse(reader.checked(name, ",".join(getattr(plain, name)), parse))
    for name, choices in CHOICES.items():
        key = reader.checked(name, getattr(plain, name).key, key_check(name, choices))
        values[name] = Choice(key, reader.params(name, choices[key].params))
    try:
        return Setting(**values).validated(), reader.warnings()
    except ValueError as error:
        fallback = Setting(**{**values, "crossing": THREE}).validated()
        return fallback, (
            f"{error} The link is opened with the example of three equilibria.",
            *reader.warnings(),
        )


PRESETS: Mapping[str, tuple[str, Setting]] = {
    "Unique limit from all starts": (
        "L = 0.8: every start and every solver converges to one fixed point, at the certified rate or faster",
        Setting(),
    ),
    "L > 1: no contraction": (
        "L = 1.05: nothing is certified, runs diverge, and for L > 1 the example has three fixed points",
        Setting(
            side="16 px",
            operator=Choice("fourier"),
            regularizer=Choice("contractive", {"contraction": 1.05}),
            is_race=False,
            is_gradient=False,
        ),
    ),
    "Not conservative (no potential)": (
        "R is no gradient, so no functional is minimised, and the fixed point is unique all the same",
        Setting(side="16 px", regularizer=Choice("contractive", {"contraction": 0.95}), is_race=False),
    ),
    "Step size beyond the limit": (
        "An explicit step size beyond its limit: these runs diverge, the implicit ones do not",
        Setting(
            operator=Choice("gaussian_blur"),
            regularizer=Choice("quadratic"),
            weight=0.1,
            step=1.1,
            solvers=("explicit", "implicit", "anderson"),
            crossing=OVER_STEP,
            is_race=False,
            is_gradient=False,
        ),
    ),
}
"""Settings worth a click: name, what to look at, the setting."""
