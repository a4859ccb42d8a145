"""What the Robustness page asks, as plain data: its parameters, its address and its presets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from deqviz import domain
from deqviz.core.catalog import METHODS, NOISES, OPERATORS
from deqviz.core.registry import Choice, Options, Range, params_of
from deqviz.core.streams import with_streams
from deqviz.experiments.robustness.attack import Budget, NamedMethod
from deqviz.runtime.limits import Demand, count_of, size_of
from deqviz.scenario import Reader, Scenario, check_picture, write_params
from deqviz.ui.inputs.keys import key_check, some
from deqviz.ui.shell.study_setting import StudySetting

OWN = "own"
_MOL: Mapping[str, tuple[str, str]] = {
    "mol": ("MOL, strict m = 0.1", "strict m = 0.1"),
    "mol_02": ("MOL, strict m = 0.02", "strict m = 0.02"),
    "mol_30": ("MOL, strict m = 0.3", "strict m = 0.3"),
    "mol_lr": ("MOL, approximate", "approximate"),
    "mol_free": ("MOL, unconstrained", "unconstrained"),
}
APPROXIMATE = "mol_lr"
STRICT = tuple(key for key, (_, version) in _MOL.items() if version.startswith("strict"))
"""Which keys are compared where both are among the methods."""
_OTHERS: Mapping[str, tuple[str, Choice]] = {
    "modl": ("MoDL (unrolled)", Choice("modl")),
    "admm_net": ("ADMM-Net (unrolled)", Choice("admm_net")),
    "unet": ("U-Net after SENSE", Choice("unet")),
    "contractive": ("Equilibrium, contractive", Choice("equilibrium")),
    "tv": ("Total variation", Choice("tv")),
    "pnp_fbs": ("Plug-and-play FBS", Choice("pnp_fbs")),
    "pnp_hqs": ("Plug-and-play HQS", Choice("pnp_hqs")),
    "iterated_tikhonov": ("Iterated Tikhonov", Choice("iterated_tikhonov")),
    "baseline": ("Direct inversion", Choice("baseline")),
}
TITLES: Mapping[str, str] = {
    "sense": "SENSE (Tikhonov)",
    **{key: title for key, (title, _) in _MOL.items()},
    **{key: title for key, (title, _) in _OTHERS.items()},
    OWN: "Custom method",
}
"""The methods by their keys, in their order."""
_SHORT: Mapping[str, str] = {
    "sense": "SENSE",
    "mol": "MOL m = 0.1",
    "mol_02": "MOL m = 0.02",
    "mol_30": "MOL m = 0.3",
    "mol_lr": "MOL approx.",
    "mol_free": "MOL unconstr.",
    "modl": "MoDL",
    "admm_net": "ADMM-Net",
    "unet": "U-Net",
    "contractive": "Equilibrium",
    "tv": "TV",
    "pnp_fbs": "PnP FBS",
    "pnp_hqs": "PnP HQS",
    "iterated_tikhonov": "It. Tikhonov",
    "baseline": "Direct",
    OWN: "Custom",
}
_PICKS: Mapping[str, Any] = {"operator": OPERATORS, "noise": NOISES, OWN: METHODS}
MOST = 6
"""Methods at most: there are as many colours."""


@dataclass(frozen=True)
class Setting(StudySetting):
    """One question of the page; equal settings give equal numbers."""

    image: str = "brain"
    side: Annotated[Literal["64 px", "96 px", "128 px"], Options("Image size (longer side)")] = "64 px"
    operator: Choice = Choice("parallel_mri")
    noise: Choice = Choice("gaussian")
    methods: tuple[str, ...] = ("sense", "mol", "mol_lr", "modl")
    own: Choice = Choice("equilibrium")
    weight: Annotated[
        float,
        Range(1e-4, 1.0, "Regularisation parameter of SENSE", log=True, symbol="α", help="(A*A + α)x = A*y"),
    ] = 0.02
    levels: Annotated[
        int,
        Range(
            2,
            9,
            "Perturbation sizes ε",
            help="Number of sizes ε = ‖δ‖/‖y‖, from 0.5 % to 10 % on a logarithmic scale",
        ),
    ] = 4
    restarts: Annotated[
        int,
        Range(
            1, 8, "Restarts", help="One from the direction of the local Lipschitz constant, the others random"
        ),
    ] = 3
    steps: Annotated[
        int,
        Range(
            1, 40, "Gradient-ascent steps", help="At most; the ascent stops when the gain no longer increases"
        ),
    ] = 8
    shown: Annotated[int, Range(1, 9, "Show images for size", help="1 is the smallest ε")] = 3
    seed: Annotated[
        int, Range(0, 9999, "Seed", help="Of noise, mask, phase and random perturbations", advanced=True)
    ] = 0

    @property
    def demands(self) -> tuple[Demand, ...]:
        """The image size and the steps of the attack."""
        return size_of(self, "side"), count_of(self, "steps")

    def validated(self) -> "Setting":
        """The same with every default written out; raises ValueError with a sentence for what is wrong."""
        values: dict[str, Any] = {p.name: p.check(getattr(self, p.name)) for p in params_of(type(self))}
        values["methods"] = some("method", TITLES)(",".join(self.methods))
        if len(values["methods"]) > MOST:
            raise ValueError(f"A comparison takes at most {MOST} methods: remove some.")
        values[OWN] = Choice(self.own.key, METHODS[self.own.key].validate(self.own.params))
        scenario = self.scenario.validated()
        if not scenario.is_judged:
            raise ValueError("Undersampled k-space has no ground truth: choose an image.")
        return replace(self, **values, operator=scenario.operator, noise=scenario.noise)

    @property
    def pixels(self) -> int:
        """The longer side."""
        return int(self.side.split()[0])

    @property
    def scenario(self) -> Scenario:
        """The problem, as the other pages have it."""
        return Scenario(self.image, self.pixels, self.operator, self.noise, seed=self.seed)

    @property
    def sizes(self) -> tuple[float, ...]:
        """‖δ‖/‖y‖ of the sweep."""
        return tuple(0.005 * 20.0 ** (k / (self.levels - 1)) for k in range(self.levels))

    @property
    def shown_size(self) -> float:
        """That of which the pictures are shown."""
        return self.sizes[min(self.shown, self.levels) - 1]

    @property
    def budget(self) -> Budget:
        """As many draws as restarts."""
        return Budget(self.restarts, self.steps, max(3, self.restarts), 8)

    @property
    def contestants(self) -> tuple[NamedMethod, ...]:
        """The methods, built."""
        return tuple(self._contestant(key) for key in self.methods)

    def _contestant(self, key: str) -> NamedMethod:
        choice = self._choice(key)
        return NamedMethod(key, self.title(key), METHODS[choice.key].build(choice.params))

    def _choice(self, key: str) -> Choice:
        if key in _MOL:
            return Choice("mol", {"version": _MOL[key][1]})
        if key in _OTHERS:
            return _OTHERS[key][1]
        return self.own if key == OWN else Choice("tikhonov", {"weight": self.weight})

    def use(self, key: str) -> domain.Use | None:
        """What the weights of a method were trained for."""
        return domain.use(replace(self.scenario, method=self._choice(key)))

    def title(self, key: str) -> str:
        """Of one of the methods."""
        return METHODS[self.own.key].title if key == OWN else TITLES[key]

    def modulus(self, key: str) -> str:
        """The s of s‖Δx‖² + ‖AΔx‖² ≤ ⟨AΔx, δ⟩ in the letters of a method."""
        return {"mol": "m/λ", "equilibrium": "αc"}.get(self._choice(key).key, "α")

    def short(self, key: str) -> str:
        """The same for a line with little room."""
        return _SHORT[key]

    @property
    def computation(self) -> "Setting":
        """Which images are looked at decides about no number."""
        return replace(self, shown=1)

    def to_query(self) -> dict[str, str]:
        """What differs from the defaults, floats by `repr`, hence exact."""
        query: dict[str, str] = {}
        own, plain = params_of(type(self)), Setting()
        write_params(query, "", own, {p.name: getattr(self, p.name) for p in own})
        query = {name.removeprefix("."): text for name, text in query.items()}
        if self.image != plain.image:
            query["image"] = self.image
        if self.methods != plain.methods:
            query["methods"] = ",".join(self.methods)
        for name, choices in _PICKS.items():
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
    values["image"] = reader.checked("image", plain.image, check_picture)
    parse = some("method", TITLES)
    values["methods"] = parse(reader.checked("methods", ",".join(plain.methods), parse))
    for name, choices in _PICKS.items():
        key = reader.checked(name, getattr(plain, name).key, key_check(name, choices.keys()))
        values[name] = Choice(key, reader.params(name, choices[key].params))
    try:
        return Setting(**values).validated(), reader.warnings()
    except ValueError as error:
        fallback = Setting(**{**values, "image": plain.image, "methods": plain.methods}).validated()
        message = f"{error} The link is opened with the default image and methods."
        return fallback, (message, *reader.warnings())


PRESETS: Mapping[str, tuple[str, Setting]] = {
    "MRI, four methods": (
        "SENSE, MOL certified and unconstrained, and an unrolled network: which has the largest gain?",
        Setting(),
    ),
    "Robustness against PSNR": (
        "MOL with m = 0.3, 0.1 and 0.02: a smaller m raises the PSNR and the Lipschitz bound",
        Setting(methods=("mol_30", "mol", "mol_02")),
    ),
    "A blur": (
        "Equilibrium, total variation and plug-and-play on a blurred image: one has a certified bound",
        Setting(
            image="camera",
            operator=Choice("gaussian_blur"),
            methods=("contractive", "tv", "pnp_hqs"),
            levels=3,
            restarts=2,
            shown=2,
        ),
    ),
}
"""Settings worth a click: name, what to look at, the setting."""
