"""What the Memory page asks, as plain data: its parameters, its address and its presets."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from deqviz.core.registry import Options, Range, params_of
from deqviz.core.streams import with_streams
from deqviz.experiments.memory.scan import Dimension, Scan
from deqviz.runtime.limits import Demand, count_of
from deqviz.scenario import Reader, write_params
from deqviz.ui.shell.study_setting import StudySetting

Size = Literal["small", "medium", "large"]

SHAPES: Mapping[Dimension, Mapping[Size, tuple[int, ...]]] = {
    "2D": {"small": (64, 64), "medium": (128, 128), "large": (256, 256)},
    "3D": {"small": (8, 36, 30), "medium": (10, 54, 45), "large": (20, 108, 90)},
    "2D+time": {"small": (8, 32, 32), "medium": (12, 48, 48), "large": (20, 96, 96)},
}
"""Rows and columns; before them slices or frames."""
FEW = 3500
"""Cells at most of the scan on which the gradients are compared: it is halved along every axis until then."""


@dataclass(frozen=True)
class Setting(StudySetting):
    """One question of the page; equal settings give equal numbers."""

    dimension: Annotated[
        Dimension,
        Options(
            "Scan", "A slice, a volume, or a dynamic (2D + time) series; the network convolves over all axes"
        ),
    ] = "2D"
    size: Annotated[
        Size, Options("Size", "2D: 64², 128², 256². 3D: 8 to 20 slices of a head. 2D+time: 8 to 20 frames")
    ] = "medium"
    coils: Annotated[
        int, Range(1, 16, "Coils", help="The data-consistency solve stores no activations of them")
    ] = 8
    acceleration: Annotated[
        float, Range(1.0, 8.0, "Acceleration", symbol="R", help="1 of R coefficients is sampled")
    ] = 4.0
    width: Annotated[
        Literal["8", "16", "32", "64"], Options("Width c", "Channels between the network's convolutions")
    ] = "32"
    layers: Annotated[int, Range(2, 8, "Layers", symbol="L", help="Convolutions of the network")] = 5
    iterations: Annotated[
        int,
        Range(
            5,
            80,
            "Iterations",
            symbol="K",
            help="Unrolled iterations, and iterations of the forward and backward solve",
        ),
    ] = 40
    is_fresh: Annotated[
        bool, Options("Peak RSS of a new process", "Cross-check: resident memory of a new process")
    ] = True
    is_gradient: Annotated[
        bool,
        Options(
            "Gradient agreement", "Unrolled and implicit gradient, in double precision on a smaller scan"
        ),
    ] = True
    is_run: Annotated[
        bool, Options("Reconstruct", "Volumes and dynamic series: zero-filled, SENSE and MOL")
    ] = True
    margin: Annotated[
        float,
        Range(
            0.02,
            0.5,
            "Margin",
            symbol="m",
            help="Monotonicity margin of the strict network: Lip(H) ≤ 1 − m",
            advanced=True,
        ),
    ] = 0.1
    seed: Annotated[int, Range(0, 9999, "Seed", help="Of filters, mask, phase and noise", advanced=True)] = 0

    @property
    def scan(self) -> Scan:
        """The scan, on the CPU."""
        return Scan(
            self.dimension,
            SHAPES[self.dimension][self.size],
            int(self.width),
            self.layers,
            self.coils,
            self.acceleration,
            self.margin,
            self.seed,
        )

    @property
    def demands(self) -> tuple[Demand, ...]:
        """The longest axis of the scan, and the iterations."""
        least = min(max(shape) for shape in SHAPES[self.dimension].values())
        return Demand("side", "Size", max(self.scan.shape), least), count_of(self, "iterations")

    @property
    def small_scan(self) -> Scan:
        """The same scan with few cells."""
        shape = self.scan.shape
        while math.prod(shape) > FEW:
            shape = tuple(max(4, n // 2) for n in shape)
        return replace(self.scan, shape=shape)

    @property
    def has_pictures(self) -> bool:
        """Whether a volume or a film is reconstructed."""
        return self.is_run and self.dimension != "2D"

    def validated(self) -> "Setting":
        """The same with every value checked; raises ValueError with a sentence for what is wrong."""
        return replace(self, **{p.name: p.check(getattr(self, p.name)) for p in params_of(type(self))})

    @property
    def pixels(self) -> int:
        """One thread for the smaller scans: their iterations are many short pieces of work."""
        return 256 if self.size == "large" else 128

    def to_query(self) -> dict[str, str]:
        """What differs from the defaults, floats by `repr`, hence exact."""
        query: dict[str, str] = {}
        own = params_of(type(self))
        write_params(query, "", own, {p.name: getattr(self, p.name) for p in own})
        plain = {name.removeprefix("."): text for name, text in query.items()}
        return with_streams(plain, self.streams)


def from_query(query: Mapping[str, str]) -> tuple[Setting, tuple[str, ...]]:
    """The setting of an address, and one sentence for everything in it that was refused."""
    reader = Reader(query)
    values: dict[str, Any] = {p.name: reader.value(p.name, p) for p in params_of(Setting)}
    values["streams"] = reader.streams
    return Setting(**values).validated(), reader.warnings()


def written(shape: tuple[int, ...]) -> str:
    """ "128 × 128"."""
    return " × ".join(map(str, shape))


PRESETS: Mapping[str, tuple[str, Setting]] = {
    "A slice": ("128 × 128, 32 channels, 8 coils: 40 unrolled iterations and one implicit layer", Setting()),
    "A volume": (
        "A slab of a head: the memory per iteration grows with the volume; with the reconstruction",
        Setting(dimension="3D", width="16", coils=4, iterations=20),
    ),
    "A dynamic series": (
        "A beating heart, another sampling mask for every frame; with the reconstruction and its x-t profile",
        Setting(dimension="2D+time", width="16", coils=4, iterations=20),
    ),
    "Twice as wide": (
        "64 channels on 64 × 64: the slope is proportional to the width, and independent of the coils",
        Setting(size="small", width="64", coils=4),
    ),
}
"""Settings worth a click: name, what to look at, the setting."""
