"""What the Training page asks, as plain data: its parameters, its address and its presets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from deqviz.core.registry import Options, Param, Range, params_of
from deqviz.core.streams import with_streams
from deqviz.experiments.losses.architectures import Architecture
from deqviz.experiments.losses.deep_equilibrium import Gradient, Proximal, Splitting
from deqviz.runtime.limits import Demand, count_of
from deqviz.scenario import Reader, write_params
from deqviz.ui.inputs.keys import some
from deqviz.ui.shell.study_setting import StudySetting

OBJECTIVES: Mapping[str, str] = {
    "untrained": "Untrained",
    "denoising": "Denoising",
    "range": "Range-condition loss L₀",
    "weighted": "Range-condition loss Lᵦ",
    "equilibrium": "End-to-end",
}
"""What N is trained by, in the order of the colours."""
ARCHITECTURES: Mapping[str, Architecture] = {
    "grad": Gradient(0.7, 0.4),
    "prox": Proximal(1.0),
    "admm": Splitting(3.0),
}
"""The deep equilibrium architectures, at steps that suit the blur they are trained on."""


@dataclass(frozen=True)
class Setting(StudySetting):
    """One question of the page; equal settings give equal numbers."""

    is_lab: Annotated[
        bool, Options("Compare training losses", "One small linear N, trained with each of the losses")
    ] = True
    objectives: tuple[str, ...] = tuple(OBJECTIVES)
    limit: Annotated[
        float,
        Range(
            0.0,
            0.99,
            "Bound of ‖N‖",
            symbol="L",
            help="Enforced after every training step; N is a contraction for L < 1",
        ),
    ] = 0.95
    beta: Annotated[
        float,
        Range(
            1e-6,
            1.0,
            "Weight of ‖w‖²",
            log=True,
            symbol="β",
            help="Lᵦ = E min_w ‖R(x) − A*w‖² + β‖w‖²; at β = 0 it is L₀ = E‖P_ker R(x)‖²",
        ),
    ] = 1e-2
    dimension: Annotated[
        int,
        Range(
            1, 32, "Dimension of the signals", help="Of 64; A has rank 40 and a null space of dimension 24"
        ),
    ] = 6
    steps: Annotated[
        int,
        Range(30, 400, "Training steps", help="End-to-end training takes a third of them: each costs more"),
    ] = 300
    architectures: tuple[str, ...] = tuple(ARCHITECTURES)
    is_depth: Annotated[
        bool, Options("Beyond the training depth", "Train equilibrium networks, then iterate further")
    ] = True
    depth: Annotated[
        int,
        Range(
            2,
            20,
            "Unrolled depth",
            symbol="K",
            help="Of the first architecture, with weights of its own in every iteration",
        ),
    ] = 10
    net_steps: Annotated[int, Range(10, 300, "Training steps of a network")] = 100
    is_adjoint: Annotated[
        bool,
        Options(
            "Truncated backward pass",
            "Gradient error when the adjoint iteration is truncated after K products",
        ),
    ] = True
    is_map: Annotated[
        bool,
        Options("Contraction region", "The (ε, η) plane: contraction factors and the published condition"),
    ] = True
    shown: Annotated[
        Literal["Grad", "Prox", "ADMM"],
        Options("Contraction map of DE-", "All three are computed: this chooses the one to show"),
    ] = "Prox"
    low: Annotated[
        float,
        Range(1e-3, 1.0, "Smallest eigenvalue of A*A", log=True, symbol="μ", help="The largest is ℓ = 1"),
    ] = 0.32
    seed: Annotated[
        int,
        Range(0, 9999, "Seed", help="Of A, the signals, the noise and the initial weights", advanced=True),
    ] = 0

    @property
    def demands(self) -> tuple[Demand, ...]:
        """The steps of those trainings that are used."""
        used = {"steps": self.is_lab, "net_steps": self.is_depth}
        return tuple(count_of(self, name) for name, is_used in used.items() if is_used)

    def validated(self) -> "Setting":
        """The same with every key checked; raises ValueError with a sentence for what is wrong."""
        values: dict[str, Any] = {p.name: p.check(getattr(self, p.name)) for p in params_of(type(self))}
        values["objectives"] = some("objective", OBJECTIVES)(",".join(self.objectives))
        values["architectures"] = some("architecture", ARCHITECTURES)(",".join(self.architectures))
        setting = replace(self, **values)
        if not (setting.is_lab or setting.is_depth or setting.is_adjoint or setting.is_map):
            raise ValueError("No experiment is selected: switch on one of the four.")
        return setting

    @property
    def drawn(self) -> str:
        """The name of the architecture whose map is drawn."""
        return f"DE-{self.shown}"

    @property
    def computation(self) -> "Setting":
        """What the numbers depend on: everything but the map that is drawn."""
        return replace(self, shown=Setting.shown)

    def to_query(self) -> dict[str, str]:
        """What differs from the defaults, floats by `repr`, hence exact."""
        query: dict[str, str] = {}
        own: tuple[Param, ...] = params_of(type(self))
        write_params(query, "", own, {p.name: getattr(self, p.name) for p in own})
        query, plain = {name.removeprefix("."): text for name, text in query.items()}, Setting()
        for name in ("objectives", "architectures"):
            if getattr(self, name) != getattr(plain, name):
                query[name] = ",".join(getattr(self, name))
        return with_streams(query, self.streams)


def from_query(query: Mapping[str, str]) -> tuple[Setting, tuple[str, ...]]:
    """The setting of an address, and one sentence for everything in it that was refused."""
    reader, plain = Reader(query), Setting()
    values: dict[str, Any] = {p.name: reader.value(p.name, p) for p in params_of(Setting)}
    values["streams"] = reader.streams
    for name, choices in (("objectives", OBJECTIVES), ("architectures", ARCHITECTURES)):
        parse = some(name.removesuffix("s"), choices)
        values[name] = parse(reader.checked(name, ",".join(getattr(plain, name)), parse))
    try:
        return Setting(**values).validated(), reader.warnings()
    except ValueError as error:
        fallback = Setting(**{**values, "is_lab": True}).validated()
        return fallback, (f"{error} The link is opened with the training losses.", *reader.warnings())


_NOTHING = Setting(is_lab=False, is_depth=False, is_adjoint=False, is_map=False)
PRESETS: Mapping[str, tuple[str, Setting]] = {
    "Training losses": (
        "One N, five losses: error plateau as δ → 0, and its bounds",
        replace(_NOTHING, is_lab=True),
    ),
    "Beyond the training depth": (
        "Equilibrium networks keep their PSNR; one unrolled for K iterations does not",
        replace(_NOTHING, is_depth=True),
    ),
    "Truncated backward pass": (
        "A truncated adjoint iteration: the gradient error is O(L^(K + 1))",
        replace(_NOTHING, is_adjoint=True),
    ),
    "Empty step-size range of DE-Prox": (
        "μ = 0.032: no step size η for which DE-Prox is certified to contract; compare DE-Grad",
        replace(_NOTHING, is_map=True, low=0.032),
    ),
    "All four": ("All experiments, in about twenty seconds", Setting()),
}
"""Settings worth a click: name, what to look at, the setting."""
