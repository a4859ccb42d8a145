"""What the Convergence page asks of monotone operator learning, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from deqviz import images
from deqviz.core.registry import Options, Range, params_of
from deqviz.core.streams import with_streams
from deqviz.regularizers.monotone import Version
from deqviz.runtime.limits import Demand, size_of
from deqviz.scenario import Reader, write_params
from deqviz.ui.shell.study_setting import StudySetting

QUESTION = "monotone operator learning"
"""The value of "question" in the address."""


@dataclass(frozen=True)
class MolSetting(StudySetting):
    """One question about networks whose monotonicity is certified, hoped for, or not asked for."""

    is_lasting: ClassVar[bool] = True

    image: str = "brain"
    side: Annotated[
        Literal["32 px", "64 px", "128 px"],
        Options(
            "Image size (longer side)",
            "Beyond the training depth; experiments in double precision use 32 px and 24 px",
        ),
    ] = "64 px"
    acceleration: Annotated[
        float, Range(2.0, 8.0, "Acceleration", symbol="R", help="1 of R Fourier coefficients is sampled")
    ] = 4.0
    version: Annotated[
        Version,
        Options(
            "Network",
            "Strict: Lip(H) ≤ 1 − m is certified. Approximate: only estimated. Unconstrained: no guarantee.",
        ),
    ] = "strict m = 0.1"
    is_steps: Annotated[
        bool,
        Options("Step-size limits", "Largest step size α under two hypotheses, and the stopping criterion"),
    ] = True
    is_breaker: Annotated[
        bool, Options("Uniqueness counterexample", "Two images that are both solutions of one problem")
    ] = True
    gain: Annotated[
        float,
        Range(
            0.5,
            3.0,
            "Lipschitz constant of the example",
            symbol="L",
            help="F(x) = x − L tanh(Gx) with a blur G is monotone for L ≤ 1",
        ),
    ] = 2.0
    other: str = "camera"
    is_panel: Annotated[
        bool, Options("Lipschitz constants", "Lower and upper bounds of Lip(H) for every network")
    ] = True
    is_depth: Annotated[
        bool,
        Options(
            "Beyond the training depth", "PSNR up to five times the 8 iterations of the unrolled networks"
        ),
    ] = True
    coils: Annotated[int, Range(1, 8, "Coils", advanced=True)] = 4
    seed: Annotated[
        int, Range(0, 9999, "Seed", help="Of the phase, the sampling pattern and the noise", advanced=True)
    ] = 0

    @property
    def demands(self) -> tuple[Demand, ...]:
        """The image size; no number of iterations can be chosen."""
        return (size_of(self, "side"),)

    def validated(self) -> "MolSetting":
        """The same with every value checked; raises ValueError with a sentence for what is wrong."""
        values = {p.name: p.check(getattr(self, p.name)) for p in params_of(type(self))}
        for image in (self.image, self.other):
            images.check(image)
        setting = replace(self, **values)
        if not (setting.is_steps or setting.is_breaker or setting.is_panel or setting.is_depth):
            raise ValueError("No experiment is selected: switch on one of the four.")
        if setting.is_breaker and setting.image == setting.other:
            raise ValueError("The counterexample needs two different images: choose another second one.")
        return setting

    @property
    def pixels(self) -> int:
        """The longer side of what is run beyond the training depth."""
        return int(self.side.split()[0])

    def to_query(self) -> dict[str, str]:
        """The question, and what differs from the defaults, floats by `repr`, hence exact."""
        query: dict[str, str] = {}
        own = params_of(type(self))
        write_params(query, "", own, {p.name: getattr(self, p.name) for p in own})
        query = {name.removeprefix("."): text for name, text in query.items()}
        for name in ("image", "other"):
            if getattr(self, name) != getattr(MolSetting(), name):
                query[name] = getattr(self, name)
        return with_streams({"question": QUESTION, **query}, self.streams)


def from_query(query: Mapping[str, str]) -> tuple[MolSetting, tuple[str, ...]]:
    """The setting of an address without its "question", and one sentence for everything that was refused."""
    # The question is part of what the link asks for: without a version it is an old one.
    reader, plain = Reader({"question": QUESTION, **query}, seen={"question"}), MolSetting()
    values: dict[str, Any] = {p.name: reader.value(p.name, p) for p in params_of(MolSetting)}
    values["streams"] = reader.streams
    for name in ("image", "other"):
        values[name] = reader.checked(name, getattr(plain, name), images.check)
    try:
        return MolSetting(**values).validated(), reader.warnings()
    except ValueError as error:
        names = ("is_steps", "is_breaker", "is_panel", "is_depth", "image", "other")
        fallback = replace(MolSetting(**values), **{name: getattr(plain, name) for name in names})
        return fallback.validated(), (f"{error} The link is opened with all four.", *reader.warnings())


_NOTHING = MolSetting(is_steps=False, is_breaker=False, is_panel=False, is_depth=False)
PRESETS: Mapping[str, tuple[str, MolSetting]] = {
    "Two step-size limits": (
        "MOL: the limit by Lip(H) ≤ 1 − m, the one by m alone, and a misleading stopping criterion",
        replace(_NOTHING, is_steps=True),
    ),
    "Two solutions of one problem": (
        "MOL: an F that is not monotone, and A, b for which two given images are both solutions",
        replace(_NOTHING, is_breaker=True),
    ),
    "Beyond the training depth": (
        "MOL: unrolled networks and equilibria, up to five times the trained iterations",
        replace(_NOTHING, is_depth=True, is_panel=True),
    ),
}
"""Settings worth a click: name, what to look at, the setting."""
