"""What the Compare page asks, as plain data: one problem, two to six methods, its address and its presets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from deqviz.core.catalog import METHODS, NOISES, OPERATORS, REGULARIZERS
from deqviz.core.numbers import pretty
from deqviz.core.registry import REGISTRIES, Choice, Options, Param, Pick, params_of
from deqviz.core.streams import with_streams
from deqviz.runtime.limits import Demand, demands_of
from deqviz.scenario import Reader, Scenario, check_picture, write_params
from deqviz.ui.shell.study_setting import StudySetting

LEAST, MOST = 2, 6
"""Methods of one comparison; there are six colours."""
_PLAIN = Scenario()
_RIDGE = Choice("equilibrium", {"regularizer": Choice("convex_ridge")})
_OLD_METHODS = (Choice("equilibrium"), Choice("mol"), Choice("tv"), Choice("modl"))
"""The default ones of links without a version: MoDL is trained for MRI, and the default is a blur."""
_PICKS: Mapping[str, Any] = {"operator": OPERATORS, "noise": NOISES}
_TITLES: Mapping[str, str] = {"baseline": "Direct inversion", "pnp_fbs": "PnP FBS", "pnp_hqs": "PnP HQS"}
_SHORT: Mapping[str, str] = {
    "contractive": "contractive",
    "convex_ridge": "convex ridge",
    "monotone": "monotone",
    "quadratic": "quadratic",
    "smoothed_tv": "smoothed TV",
}


@dataclass(frozen=True)
class Setting(StudySetting):
    """Several methods on the same data; equal settings give equal numbers on the same device."""

    image: str = _PLAIN.image
    size: int = _PLAIN.size
    operator: Choice = _PLAIN.operator
    noise: Choice = _PLAIN.noise
    seed: int = _PLAIN.seed
    iterations: int = _PLAIN.iterations
    tolerance: float = _PLAIN.tolerance
    is_checked: Annotated[
        bool,
        Options(
            "Check the guarantees",
            help="After each run: other starting points and perturbed measurements. Takes longer",
        ),
    ] = False
    methods: tuple[Choice, ...] = (Choice("equilibrium"), Choice("mol"), Choice("tv"), _RIDGE)

    def validated(self) -> "Setting":
        """The same with every default written out; raises ValueError with a sentence for what is wrong."""
        if not LEAST <= len(self.methods) <= MOST:
            raise ValueError(f"A comparison has two to six methods, not {len(self.methods)}.")
        methods = tuple(Choice(c.key, METHODS[c.key].validate(c.params)) for c in self.methods)
        scenario = self.scenario(0).validated()
        values = {name: getattr(scenario, name) for name in ("size", "seed", "iterations", "tolerance")}
        return replace(self, **values, methods=methods, operator=scenario.operator, noise=scenario.noise)

    def scenario(self, i: int) -> Scenario:
        """The run of method i."""
        problem = (self.image, self.size, self.operator, self.noise)
        return Scenario(*problem, self.methods[i], self.seed, self.iterations, self.tolerance)

    @property
    def demands(self) -> tuple[Demand, ...]:
        """Those of every run."""
        return demands_of(self.scenario(0))

    def with_methods(self, methods: tuple[Choice, ...]) -> "Setting":
        """The same problem for other methods."""
        return replace(self, methods=methods)

    def to_query(self) -> dict[str, str]:
        """What differs from the defaults, floats by `repr`; methods as m1, m2, … with "m1.weight" below."""
        query: dict[str, str] = {}
        plain = Setting()
        for p in PARAMS:
            if getattr(self, p.name) != p.default:
                query[p.name] = repr(getattr(self, p.name))
        if self.image != plain.image:
            query["image"] = self.image
        for name, choices in _PICKS.items():
            choice: Choice = getattr(self, name)
            if choice.key != getattr(plain, name).key:
                query[name] = choice.key
            write_params(query, name, choices[choice.key].params, choice.params)
        if _filled(self.methods) != _filled(_default_methods(self.streams)):
            for i, choice in enumerate(self.methods, 1):
                query[f"m{i}"] = choice.key
                write_params(query, f"m{i}", METHODS[choice.key].params, choice.params)
        return with_streams(query, self.streams)


PARAMS: tuple[Param, ...] = (*params_of(Scenario), *params_of(Setting))
"""The plain parameters of a setting: those of a scenario, and its own."""


def _filled(methods: tuple[Choice, ...]) -> tuple[Choice, ...]:
    return tuple(Choice(c.key, METHODS[c.key].validate(c.params)) for c in methods)


def from_query(query: Mapping[str, str]) -> tuple[Setting, tuple[str, ...]]:
    """The setting of an address, and one sentence for everything in it that was refused."""
    reader, plain = Reader(query), Setting()
    values: dict[str, Any] = {p.name: reader.value(p.name, p) for p in PARAMS}
    values["streams"] = reader.streams
    values["image"] = reader.checked("image", plain.image, check_picture)
    for name, choices in _PICKS.items():
        key = reader.checked(name, getattr(plain, name).key, choices.__getitem__)
        values[name] = Choice(key, reader.params(name, choices[key].params))
    methods, notes = _methods(reader)
    try:
        setting = Setting(**values, methods=methods).validated()
        return setting, (*notes, *reader.warnings())
    except ValueError as error:
        fallback = Setting(**{**values, "image": plain.image}, methods=methods).validated()
        return fallback, (
            f"{error} The link is opened with the usual image.",
            *notes,
            *reader.warnings(),
        )


def _default_methods(streams: int) -> tuple[Choice, ...]:
    return _OLD_METHODS if streams == 1 else Setting.methods


def _methods(reader: Reader) -> tuple[tuple[Choice, ...], tuple[str, ...]]:
    """The methods m1 … m6 that are there; the default ones when there are none, or one alone."""
    choices: list[Choice] = []
    for name in (f"m{i}" for i in range(1, MOST + 1)):
        if name in reader.query:
            key = reader.checked(name, Setting.methods[0].key, METHODS.__getitem__)
            choices.append(Choice(key, reader.params(name, METHODS[key].params)))
    if len(choices) >= LEAST:
        return tuple(choices), ()
    notes = ("A comparison needs two methods: the default ones are used.",) if choices else ()
    return _default_methods(reader.streams), notes


def names(setting: Setting) -> tuple[str, ...]:
    """What each method is called here: its title, its regulariser, and what tells it from its namesakes."""
    methods = _filled(setting.methods)
    titles = [_name(choice) for choice in methods]
    labels = []
    for i, (title, choice) in enumerate(zip(titles, methods, strict=True)):
        twins = [methods[j] for j, other in enumerate(titles) if other == title and j != i]
        differing = _differing(choice, twins)
        # Where all of a kind are namesakes, what they share need not be said again: captions are short.
        is_alone = all(t == title for t, c in zip(titles, methods, strict=True) if c.key == choice.key)
        labels.append(f"{_title(choice) if is_alone else title}, {differing}" if differing else title)
    return tuple(
        f"{t} ({labels[:i].count(t) + 1})" if labels.count(t) > 1 else t for i, t in enumerate(labels)
    )


def _title(choice: Choice) -> str:
    return _TITLES.get(choice.key, re.split(r" \(|, ", METHODS[choice.key].title)[0])


def _name(choice: Choice) -> str:
    """The title, and the regulariser or the denoiser in it."""
    title = _title(choice)
    regularizer = choice.params.get("regularizer")
    if isinstance(regularizer, Choice):
        title += f", {_SHORT.get(regularizer.key, REGULARIZERS[regularizer.key].title.lower())}"
    denoiser = choice.params.get("denoiser")
    return f"{title}, {denoiser}" if isinstance(denoiser, str) else title


def _differing(choice: Choice, twins: list[Choice]) -> str:
    """The first two parameters in which a method differs from its namesakes."""
    params = flat(METHODS[choice.key].params, choice)
    others = [flat(METHODS[twin.key].params, twin) for twin in twins]
    parts = [
        f"{sign} = {pretty(value) if isinstance(value, float) else value}"
        for path, (sign, value) in params.items()
        if any(other.get(path, (sign, value))[1] != value for other in others)
    ]
    return ", ".join(parts[:2])


def flat(
    specs: tuple[Param, ...], choice: Choice, path: tuple[str, ...] = ()
) -> dict[tuple[str, ...], tuple[str, Any]]:
    """Symbol and value of every parameter by its path, nested choices included."""
    values: dict[tuple[str, ...], tuple[str, Any]] = {}
    for p in specs:
        value, place = choice.params.get(p.name, p.default), (*path, p.name)
        sign = getattr(p.domain, "symbol", "") or (p.label or p.name).lower()
        if isinstance(p.domain, Pick):
            values[place] = (sign, value.key)
            values |= flat(REGISTRIES[p.domain.kind][value.key].params, value, place)
        else:
            values[place] = (sign, value)
    return values


PRESETS: Mapping[str, tuple[str, Setting]] = {
    "Five methods on a blur": (
        "Three equilibria, total variation and Tikhonov: which is best, which is fastest?",
        Setting(
            methods=(
                Choice("equilibrium"),
                Choice("mol"),
                Choice("tv"),
                _RIDGE,
                Choice("tikhonov", {"weight": 0.02}),
            )
        ),
    ),
    "Certified and uncertified": (
        "A contractive equilibrium and a network without Lipschitz constraint: compare the guarantees",
        Setting(
            size=128,
            iterations=60,
            methods=(
                Choice("equilibrium"),
                Choice("pnp_fbs", {"denoiser": "unconstrained"}),
                Choice("pnp_hqs", {"denoiser": "unconstrained"}),
            ),
        ),
    ),
    "MRI: four networks": (
        "Four coils, acceleration R = 4: a monotone equilibrium, two unrolled networks, a U-Net",
        Setting(
            image="brain",
            size=128,
            operator=Choice("parallel_mri"),
            methods=(Choice("mol"), Choice("modl"), Choice("admm_net"), Choice("unet")),
        ),
    ),
    "Inpainting": (
        "Half of the pixels are missing; direct inversion fills them with the mean",
        Setting(
            size=128,
            iterations=1000,
            operator=Choice("inpainting"),
            methods=(Choice("equilibrium"), Choice("mol"), Choice("tv"), Choice("baseline")),
        ),
    ),
    "One method, four parameters": (
        "The same equilibrium with α from 0.005 to 0.3: too small keeps the noise, too large the blur",
        Setting(
            size=128,
            methods=tuple(Choice("equilibrium", {"weight": w}) for w in (0.005, 0.02, 0.08, 0.3)),
        ),
    ),
}
"""Settings worth a click: name, what to look at, the setting."""
