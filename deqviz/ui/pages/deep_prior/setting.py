"""What the Deep prior page asks, as plain data: its parameters, its address and its presets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from deqviz import images
from deqviz.core.registry import Entry, Options, Param, Range, params_of
from deqviz.core.streams import with_streams
from deqviz.experiments.deep_prior.prior_family import PriorFamily
from deqviz.runtime.limits import Demand, count_of
from deqviz.scenario import OPERATORS, Reader, write_params
from deqviz.ui.inputs.keys import key_check
from deqviz.ui.shell.study_setting import StudySetting

GAUSSIAN, ORTHONORMAL = "Gaussian", "orthonormal"
THEORY = ("is_phase", "is_run", "is_recovery", "is_momentum")
SIDE = 64
"""Pixels along the longer side of the image; one torch thread is the fastest there."""
VIEWS = (*THEORY, "is_picture")
"""The questions; at least one is asked."""
CHOICES: Mapping[str, Entry[Any]] = {
    key: OPERATORS[key]
    for key in OPERATORS.menu()
    if not getattr(OPERATORS[key].cls, "complex_pictures", False)
}
"""What can be done to a grey picture."""


@dataclass(frozen=True)
class Setting(StudySetting):
    """One question of the page; equal settings give equal numbers."""

    is_lasting: ClassVar[bool] = True

    activation: Annotated[Literal["tanh", "sigmoid", "softplus"], Options("Activation φ")] = "tanh"
    unknowns: Annotated[int, Range(4, 100, "Unknowns", symbol="n", help="x† has n entries")] = 40
    rows: Annotated[
        Literal["orthonormal", "Gaussian"],
        Options(
            "Measurement ensemble",
            "Rows of A. Orthonormal: AA* = Id, which needs m ≤ n. Gaussian: all entries N(0, 1)",
        ),
    ] = ORTHONORMAL
    is_unit: Annotated[bool, Options("‖x†‖ = 1", "Otherwise the entries of x† are N(0, 1)")] = True
    is_centred: Annotated[
        bool,
        Options(
            "Centred initialisation",
            "Units in pairs of opposite sign: g = 0 initially, and the width k is even",
        ),
    ] = True
    noise: Annotated[
        float,
        Range(0.0, 0.3, "Noise", symbol="±", help="Uniform in every measurement; the phase diagram has none"),
    ] = 0.03
    is_phase: Annotated[
        bool, Options("Phase diagram", "For which m and k does gradient descent interpolate the data?")
    ] = True
    draws: Annotated[int, Range(4, 48, "Draws per cell")] = 24
    is_both: Annotated[
        bool,
        Options(
            "Train both layers", "Train V too: there is no interpolation threshold, and R′, R are not defined"
        ),
    ] = False
    is_run: Annotated[
        bool, Options("Residual decay", "The residual and its certified envelope at one width")
    ] = True
    measured: Annotated[int, Range(1, 60, "Measurements", symbol="m")] = 10
    width: Annotated[int, Range(1, 8192, "Width", symbol="k", help="Hidden units; even if centred")] = 2048
    rule: Annotated[
        Literal["flow", "gradient descent"],
        Options(
            "Optimiser",
            "Gradient descent is certified where 2R′ < R, gradient flow where R′ < R",
            texts={"flow": "gradient flow"},
        ),
    ] = "flow"
    steps: Annotated[int, Range(40, 440, "Steps", help="Step size 1/ℓ; half of it for the gradient flow")] = (
        120
    )
    is_recovery: Annotated[
        bool,
        Options(
            "Recovery error split", "Null-space and noise part of the error, and the Landweber iteration"
        ),
    ] = True
    is_momentum: Annotated[
        bool, Options("Step size and momentum", "Large steps and momentum on m of 20 unknowns, A Gaussian")
    ] = False
    rank: Annotated[int, Range(2, 20, "Measurements of 20", symbol="m")] = 14
    longest: Annotated[
        float,
        Range(1.0, 4.0, "Largest step size", unit="1/L", help="L is the largest eigenvalue of the kernel"),
    ] = 2.2
    is_picture: Annotated[
        bool, Options("Deep image prior", "An untrained convolutional network; not covered by the theorem")
    ] = False
    image: str = "camera"
    operator: str = "denoising"
    sigma: Annotated[float, Range(0.01, 0.3, "Noise std", symbol="σ", log=True)] = 0.1
    network: Annotated[
        Literal["skip", "decoder", "deep decoder"],
        Options(
            "Network",
            "Skip: hourglass with skip connections. Decoder: upsampling. Deep decoder: 1 × 1 convolutions",
        ),
    ] = "skip"
    iterations: Annotated[
        int,
        Range(50, 450, "Iterations", help="The run does not stop early: the stopping rules are only marked"),
    ] = 400
    jitter: Annotated[
        float,
        Range(0.0, 0.1, "Input noise", help="New in every iteration: the PSNR peak is later and flatter"),
    ] = 0.0
    window: Annotated[
        int,
        Range(
            2, 100, "Window", symbol="W", help="Iterates over which the variance rule computes the variance"
        ),
    ] = 30
    patience: Annotated[
        int,
        Range(
            5,
            200,
            "Patience",
            symbol="P",
            help="The variance rule stops after so many iterations without a smaller variance",
        ),
    ] = 75
    is_impedance: Annotated[
        bool, Options("Impedance", "The same network fitted to the image, and to noise: four more runs")
    ] = True
    seed: Annotated[
        int,
        Range(0, 9999, "Seed", help="Of A, its mask, x†, noise and initial weights", advanced=True),
    ] = 0

    @property
    def demands(self) -> tuple[Demand, ...]:
        """The steps of the run, the size and the iterations of the deep image prior, where they are used."""
        run = (count_of(self, "steps"),) if self.is_run else ()
        size = Demand("side", "the image size", SIDE, SIDE)
        return (*run, size, count_of(self, "iterations")) if self.is_picture else run

    @property
    def is_theory(self) -> bool:
        """Whether anything is asked of the two-layer network."""
        return any(getattr(self, name) for name in THEORY)

    @property
    def is_orthonormal(self) -> bool:
        """AA* = Id."""
        return self.rows == ORTHONORMAL

    @property
    def family(self) -> PriorFamily:
        """The problems and networks, with their noise."""
        return PriorFamily(
            self.unknowns,
            self.activation,
            self.is_orthonormal,
            self.is_unit,
            self.is_centred,
            self.noise,
            self.seed,
        )

    def validated(self) -> "Setting":
        """The same with every value checked; raises ValueError with a sentence for what is wrong."""
        setting = replace(self, **{p.name: p.check(getattr(self, p.name)) for p in params_of(type(self))})
        if not any(getattr(setting, name) for name in VIEWS):
            raise ValueError("No experiment is selected: switch on one.")
        images.check(setting.image)
        key_check("operator", CHOICES)(setting.operator)
        if setting.is_run:
            setting.family.check(setting.measured, setting.width)
        return setting

    def to_query(self) -> dict[str, str]:
        """What differs from the defaults, floats by `repr`, hence exact."""
        query: dict[str, str] = {}
        own: tuple[Param, ...] = params_of(type(self))
        write_params(query, "", own, {p.name: getattr(self, p.name) for p in own})
        query = {name.removeprefix("."): text for name, text in query.items()}
        for name in ("image", "operator"):
            if getattr(self, name) != getattr(Setting, name):
                query[name] = getattr(self, name)
        return with_streams(query, self.streams)


def from_query(query: Mapping[str, str]) -> tuple[Setting, tuple[str, ...]]:
    """The setting of an address, and one sentence for everything in it that was refused."""
    reader = Reader(query)
    values: dict[str, Any] = {p.name: reader.value(p.name, p) for p in params_of(Setting)}
    values["streams"] = reader.streams
    values["image"] = reader.checked("image", Setting.image, images.check)
    values["operator"] = reader.checked("operator", Setting.operator, key_check("operator", CHOICES))
    try:
        return Setting(**values).validated(), reader.warnings()
    except ValueError as error:
        names = (*VIEWS, "unknowns", "measured", "width", "rows", "is_centred")
        fallback = replace(Setting(**values), **{name: getattr(Setting, name) for name in names})
        message = f"{error} The link is opened with the default experiments and sizes."
        return fallback.validated(), (message, *reader.warnings())


_NOTHING = Setting(is_phase=False, is_run=False, is_recovery=False)
_RUN = replace(_NOTHING, is_run=True)
_PAPER = replace(_NOTHING, is_phase=True, rows=GAUSSIAN, is_unit=False, is_centred=False)
PRESETS: Mapping[str, tuple[str, Setting]] = {
    "Certified decay": (
        "Softplus, k = 4096: R′ < R holds in every draw, so every residual stays below its envelope",
        replace(_RUN, activation="softplus", width=4096),
    ),
    "No certificate: small width": (
        "k = 64: nothing is certified, and gradient descent interpolates the data all the same",
        replace(_RUN, width=64, is_centred=False, rule="gradient descent"),
    ),
    "NTK rate violated": (
        "Sigmoid, k = 32: residuals exceed the rate of the initial NTK, so that rate is no bound",
        replace(_RUN, activation="sigmoid", width=32, is_centred=False, rule="gradient descent", steps=400),
    ),
    "Gaussian problems": (
        "A and x† Gaussian, tanh: zero loss is attainable from k = 2.96 m on, and certified far beyond",
        _PAPER,
    ),
    "Softplus and Wendel's law": (
        "Zero loss is attainable where y is in the cone of k random columns: Wendel's law, half at k = 2m",
        replace(_PAPER, activation="softplus"),
    ),
    "Train both layers": (
        "V is trained too: one hidden unit suffices, no interpolation threshold",
        replace(_PAPER, is_both=True),
    ),
    "Early-stopping bound 2‖ε‖": (
        "When the clean data are fitted to 2‖ε‖, when that is certified, and the recovery error",
        replace(_RUN, noise=0.1, is_recovery=True),
    ),
    "Deep image prior": (
        "An untrained convolutional network: semiconvergence of the PSNR, two stopping rules, impedance",
        replace(_NOTHING, is_picture=True),
    ),
    "Catapult": (
        "Three times the usual step size: the residual grows first, and converges all the same",
        replace(_NOTHING, is_momentum=True, longest=3.0),
    ),
    "All four theory experiments": (
        "The default experiments, and step size and momentum",
        Setting(is_momentum=True),
    ),
}
"""Settings worth a click: name, what to look at, the setting."""
