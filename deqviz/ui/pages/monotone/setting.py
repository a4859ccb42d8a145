"""What the Convergence page asks of monotone operator learning, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from deqviz import images
from deqviz.core.registry import Options, Range, params_of
from deqviz.regularizers.monotone import Version
from deqviz.scenario import Reader, write_params

QUESTION = "monotone operator learning"
"""The value of "question" in the address."""


@dataclass(frozen=True)
class MolSetting:
    """One question about networks whose monotonicity is certified, hoped for, or not asked for."""

    image: str = "brain"
    side: Annotated[
        Literal["32 px", "64 px", "128 px"],
        Options("Size", "Beyond the training depth; what needs many digits is done at 32 px, the pair at 24"),
    ] = "64 px"
    acceleration: Annotated[
        float, Range(2.0, 8.0, "Acceleration", symbol="R", help="1 of R Fourier coefficients is measured")
    ] = 4.0
    version: Annotated[
        Version,
        Options(
            "Network",
            "Strict: Lip(H) ≤ 1 − m is certified. Approximate: only estimated. Unconstrained: no promise.",
        ),
    ] = "strict m = 0.1"
    is_steps: Annotated[
        bool, Options("Step limits", "How long α may be, for two hypotheses, and when to stop")
    ] = True
    is_breaker: Annotated[bool, Options("Uniqueness breaker", "Two pictures that both solve one problem")] = (
        True
    )
    gain: Annotated[
        float,
        Range(
            0.5,
            3.0,
            "Gain of the example",
            symbol="L",
            help="F(x) = x − L tanh(Gx) with a blur G is monotone for L ≤ 1",
        ),
    ] = 2.0
    other: str = "camera"
    is_panel: Annotated[
        bool, Options("Lipschitz panel", "Lip(H) from below and from above, for every network")
    ] = True
    is_depth: Annotated[
        bool, Options("Beyond the training depth", "PSNR to five times the 8 iterations of unrolled networks")
    ] = True
    coils: Annotated[int, Range(1, 8, "Coils", advanced=True)] = 4
    seed: Annotated[
        int, Range(0, 9999, "Seed", help="Draws the phase, the pattern and the noise", advanced=True)
    ] = 0

    def validated(self) -> "MolSetting":
        """The same with every value checked; raises ValueError with a sentence for what is wrong."""
        values = {p.name: p.check(getattr(self, p.name)) for p in params_of(type(self))}
        for image in (self.image, self.other):
            images.check(image)
        found = replace(self, **values)
        if not (found.is_steps or found.is_breaker or found.is_panel or found.is_depth):
            raise ValueError("Nothing is asked: switch on one of the four questions.")
        if found.is_breaker and found.image == found.other:
            raise ValueError("The breaker needs two different pictures: choose another second one.")
        return found

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
        return {"question": QUESTION, **query}


def from_query(query: Mapping[str, str]) -> tuple[MolSetting, tuple[str, ...]]:
    """The setting of an address without its "question", and one sentence for everything that was refused."""
    reader, plain = Reader(query), MolSetting()
    values: dict[str, Any] = {p.name: reader.value(p.name, p) for p in params_of(MolSetting)}
    for name in ("image", "other"):
        values[name] = reader.checked(name, getattr(plain, name), images.check)
    try:
        return MolSetting(**values).validated(), reader.complaints()
    except ValueError as error:
        names = ("is_steps", "is_breaker", "is_panel", "is_depth", "image", "other")
        spared = replace(MolSetting(**values), **{name: getattr(plain, name) for name in names})
        return spared.validated(), (f"{error} The link is opened with all four.", *reader.complaints())


_NOTHING = MolSetting(is_steps=False, is_breaker=False, is_panel=False, is_depth=False)
PRESETS: Mapping[str, tuple[str, MolSetting]] = {
    "Two limits of the step": (
        "MOL: what a certified network allows, what its m alone would, and a stopping rule that misleads",
        replace(_NOTHING, is_steps=True),
    ),
    "Two pictures, one problem": (
        "MOL: an F that is not monotone, and an A and b for which two given pictures both solve",
        replace(_NOTHING, is_breaker=True),
    ),
    "Past the training depth": (
        "MOL: unrolled networks and equilibria, to five times the iterations that were trained",
        replace(_NOTHING, is_depth=True, is_panel=True),
    ),
}
"""Settings worth a click: name, what to look at, the setting."""
