"""What the Batch page asks, as plain data: its parameters, its address and its presets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from deqviz import domain, images
from deqviz.core.catalog import METHODS, OPERATORS
from deqviz.core.registry import Choice, Options, Range, params_of
from deqviz.core.streams import with_streams
from deqviz.runtime.limits import Demand, count_of, size_of
from deqviz.scenario import Reader, Scenario, write_params
from deqviz.sweep.row import Cell
from deqviz.ui.inputs.keys import key_check, some
from deqviz.ui.pages.batch import tables as batch_tables
from deqviz.ui.pages.batch.methods import OWN, TITLES, choice, is_untuned
from deqviz.ui.shell.study_setting import StudySetting

LEVELS = tuple(f"{v:g}" for v in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2))
"""What the noise can be, as the address writes it."""
MOST = 6
"""Methods at most: there are as many colours."""
CELLS = 1000
"""Of one batch here; `deqviz sweep` has no such limit."""
_PICKS: Mapping[str, Any] = {"operator": OPERATORS, OWN: METHODS}
PICTURES: Mapping[str, str] = {p.key: p.title for p in images.gallery()}
_CHOICES: Mapping[str, tuple[str, Any]] = {
    "pictures": ("image", PICTURES),
    "levels": ("noise level", LEVELS),
    "methods": ("method", TITLES),
}


@dataclass(frozen=True)
class Setting(StudySetting):
    """One batch, or a table that was opened and of which one degradation is shown."""

    pictures: tuple[str, ...] = ("camera", "coins", "brick")
    operator: Choice = Choice("gaussian_blur")
    levels: tuple[str, ...] = ("0.005", "0.01", "0.02", "0.05")
    methods: tuple[str, ...] = ("tv", "convex_ridge", "tikhonov")
    own: Choice = Choice("equilibrium")
    strength: Annotated[
        Literal["tuned", "defaults"],
        Options(
            "Regularisation parameters",
            "Tuned once for denoising, blur and Fourier sampling, extrapolated to other noise; else defaults",
        ),
    ] = "tuned"
    seeds: Annotated[int, Range(1, 10, "Seeds", help="Realisations of noise and random mask per cell")] = 1
    side: Annotated[Literal["64 px", "128 px", "256 px"], Options("Image size (longer side)")] = "64 px"
    iterations: Annotated[int, Range(1, 5000, "Max. iterations", log=True, advanced=True)] = 500
    tolerance: Annotated[
        float, Range(1e-8, 1e-2, "Tolerance", log=True, help="‖T(x) − x‖/‖T(x)‖", advanced=True)
    ] = 1e-4
    seed: Annotated[int, Range(0, 9000, "First seed", advanced=True)] = 0
    table: str = ""
    shown: str = ""

    @property
    def pixels(self) -> int:
        """The longer side."""
        return int(self.side.split()[0])

    @property
    def computation(self) -> "Setting":
        """Of a table that was opened the rows are there, whatever is shown of them."""
        return Setting(table=self.table) if self.table else self

    @property
    def demands(self) -> tuple[Demand, ...]:
        """Those of every cell; the rows of a table that was opened are there."""
        return () if self.table else (size_of(self, "side"), count_of(self, "iterations"))

    def title(self, key: str) -> str:
        """Of one of the methods."""
        if key == OWN:
            return f"{METHODS[self.own.key].title} (custom)"
        is_marked = self.strength == "tuned" and is_untuned(key, self.operator)
        return f"{TITLES[key]} (not tuned)" if is_marked else TITLES[key]

    def cells(self) -> tuple[Cell, ...]:
        """Every run: seeds outermost, methods innermost, so that all curves begin early."""
        return tuple(
            Cell(
                self._scenario(picture, level, method, seed).validated(),
                PICTURES[picture],
                self.title(method),
            )
            for seed in range(self.seed, self.seed + self.seeds)
            for picture in self.pictures
            for level in self.levels
            for method in self.methods
        )

    def _scenario(self, picture: str, level: str, method: str, seed: int) -> Scenario:
        std = float(level)
        own = self.own if method == OWN else None
        return Scenario(
            picture,
            self.pixels,
            self.operator,
            Choice("gaussian", {"std": std}),
            own or choice(method, self.operator, std, with_tuned=self._is_tuned(method)),
            seed,
            self.iterations,
            self.tolerance,
        )

    def _is_tuned(self, method: str) -> bool:
        """A link without a version repeats its numbers, in which Tikhonov had its default."""
        return self.strength == "tuned" and not (self.streams == 1 and method == "tikhonov")

    def use(self, key: str) -> domain.Use | None:
        """What the weights of a method were trained for, beside all images and noise levels."""
        return domain.together(
            domain.use(self._scenario(picture, level, key, self.seed).validated())
            for picture in self.pictures
            for level in self.levels
        )

    @property
    def count(self) -> int:
        """The number of cells."""
        return len(self.pictures) * len(self.levels) * len(self.methods) * self.seeds

    def validated(self) -> "Setting":
        """The same with every default written out; raises ValueError with a sentence for what is wrong."""
        if self.table:
            batch_tables.kept(self.table)
            return replace(Setting(), table=self.table, shown=self.shown)
        values: dict[str, Any] = {p.name: p.check(getattr(self, p.name)) for p in params_of(type(self))}
        for name, (word, choices) in _CHOICES.items():
            values[name] = some(word, choices)(",".join(getattr(self, name)))
        for name, choices in _PICKS.items():
            picked: Choice = getattr(self, name)
            values[name] = Choice(picked.key, choices[picked.key].validate(picked.params))
        if len(values["methods"]) > MOST:
            raise ValueError(f"A batch takes at most {MOST} methods: remove some.")
        setting = replace(self, **values, shown="")
        if setting.count > CELLS:
            message = f"These are {setting.count} cells, and {CELLS} is the most here"
            raise ValueError(f"{message}: choose fewer, or run `deqviz sweep`, which takes more.")
        setting._scenario(
            setting.pictures[0], setting.levels[0], setting.methods[0], setting.seed
        ).validated()
        return setting

    def to_query(self) -> dict[str, str]:
        """What differs from the defaults, floats by `repr`, hence exact."""
        if self.table:
            shown = {"shown": self.shown} if self.shown else {}
            return with_streams({"table": self.table, **shown}, self.streams)
        own, plain = params_of(type(self)), _usual(self.streams)
        query: dict[str, str] = {}
        write_params(query, "", own, {p.name: getattr(self, p.name) for p in own})
        query = {name.removeprefix("."): text for name, text in query.items()}
        for name in _CHOICES:
            if getattr(self, name) != getattr(plain, name):
                query[name] = ",".join(getattr(self, name))
        for name, choices in _PICKS.items():
            picked: Choice = getattr(self, name)
            if picked.key != getattr(plain, name).key:
                query[name] = picked.key
            write_params(query, name, choices[picked.key].params, picked.params)
        return with_streams(query, self.streams)


def from_query(query: Mapping[str, str]) -> tuple[Setting, tuple[str, ...]]:
    """The setting of an address, and one sentence for everything in it that was refused."""
    reader = Reader(query)
    plain = _usual(reader.streams)
    values: dict[str, Any] = {p.name: reader.value(p.name, p) for p in params_of(Setting)}
    values["streams"] = reader.streams
    for name, (word, choices) in _CHOICES.items():
        parse = some(word, choices)
        values[name] = parse(reader.checked(name, ",".join(getattr(plain, name)), parse))
    for name, choices in _PICKS.items():
        key = reader.checked(name, getattr(plain, name).key, key_check(name, choices.keys()))
        values[name] = Choice(key, reader.params(name, choices[key].params))
    table, shown = query.get("table", ""), query.get("shown", "")
    reader.seen |= {"table", "shown"}
    try:
        return Setting(**values, table=table, shown=shown).validated(), reader.warnings()
    except ValueError as error:
        message = f"{error} The link is opened with the usual batch."
        return plain.validated(), (message, *reader.warnings())


def _usual(streams: int) -> Setting:
    """What a link leaves out: one without a version had a head slice, out of its weights' domain."""
    return Setting(("camera", "coins", "brain"), streams=1) if streams == 1 else Setting()


PRESETS: Mapping[str, tuple[str, Setting]] = {
    "A blur, three methods": (
        "Three images, four noise levels: which method is better, and by more than the standard deviation?",
        Setting(),
    ),
    "Denoising": (
        "Noise only: total variation and a trained convex regulariser",
        Setting(
            operator=Choice("denoising"),
            levels=("0.02", "0.05", "0.1"),
            methods=("tv", "convex_ridge"),
            seeds=2,
        ),
    ),
    "Spread over noise realisations": (
        "One image, five noise realisations: what spread is due to the noise alone?",
        Setting(pictures=("camera",), methods=("tv", "tikhonov"), seeds=5),
    ),
}
"""Settings worth a click: name, what to look at, the setting."""
