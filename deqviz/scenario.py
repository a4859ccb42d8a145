"""A run written down: everything needed to build it, nothing that runs.

The URL, the settings file, the test id and the cache key of a run are this one object.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from deqviz import images, kspace, plugins
from deqviz.core.catalog import METHODS, NOISES, OPERATORS, fill
from deqviz.core.operator import ForwardModel
from deqviz.core.quoted import clipped, quoted
from deqviz.core.records import Iterate, Method, Problem
from deqviz.core.registry import REGISTRIES, Choice, Param, Pick, Range, params_of
from deqviz.core.space import Image, Space, magnitude
from deqviz.core.streams import FOLLOWS, VERSION, check_streams, stream, with_streams
from deqviz.operators.parallel_mri import ParallelMri

fill()
plugins.load()

_PICKS = {"operator": OPERATORS, "noise": NOISES, "method": METHODS}


def _choice(value: Any) -> Choice:
    """A Choice from its plain-data form {"key": …, "params": {…}}; raises ValueError otherwise."""
    if (
        not isinstance(value, dict)
        or value.keys() - {"key", "params"}
        or not isinstance(value.get("key"), str)
    ):
        raise ValueError(f'A part is {{"key": …, "params": {{…}}}}, not {quoted(value)}.')
    params = value.get("params", {})
    if not isinstance(params, dict):
        raise ValueError(f"The parameters of {quoted(value['key'])} must be an object, not {quoted(params)}.")
    return Choice(value["key"], {k: _choice(v) if isinstance(v, dict) else v for k, v in params.items()})


@dataclass(frozen=True)
class Scenario:
    """One reconstruction as plain data; equal scenarios give equal numbers on the same device.

    `streams` is the version of the random streams that the link or file was written for: see `core.streams`.
    """

    image: str = "camera"
    size: Annotated[
        int, Range(32, 512, "Image size (longer side)", unit="px", help="Images are scaled down to it")
    ] = 256
    operator: Choice = Choice("gaussian_blur")
    noise: Choice = Choice("gaussian")
    method: Choice = Choice("equilibrium")
    seed: Annotated[int, Range(0, 9999, "Seed", help="Draws the noise, the random mask and the phase")] = 0
    iterations: Annotated[int, Range(1, 20000, "Max. iterations", log=True)] = 200
    tolerance: Annotated[
        float, Range(1e-9, 1e-1, "Tolerance", log=True, help="Stops at ‖T(x) − x‖/‖T(x)‖ ≤ tolerance")
    ] = 1e-6
    streams: int = field(default=VERSION, compare=False)

    def validated(self) -> "Scenario":
        """The same scenario with every default written out; raises ValueError naming what is wrong."""
        values: dict[str, Any] = {p.name: p.check(getattr(self, p.name)) for p in params_of(type(self))}
        for name, registry in _PICKS.items():
            choice: Choice = getattr(self, name)
            values[name] = Choice(choice.key, registry[choice.key].validate(choice.params))
        check_streams(self.streams)
        if self.streams == 1 and values["operator"].params.get("seed") == FOLLOWS:
            values["operator"].params["seed"] = 0
        check_picture(self.image)
        scenario = replace(self, **values)
        if not scenario.is_judged and not issubclass(OPERATORS[self.operator.key].cls, ParallelMri):
            title = OPERATORS["parallel_mri"].title
            raise ValueError(f"This k-space is undersampled and has no image to degrade: choose {title}.")
        return scenario

    def to_json(self) -> str:
        """The scenario as a JSON text with sorted keys; of version 1 as that version wrote it."""
        data = {name: value for name, value in asdict(self).items() if (name, value) != ("streams", 1)}
        return json.dumps(data, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Scenario":
        """The scenario of a JSON text, validated; raises ValueError with a sentence for the user."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"The settings are not JSON: {error.msg} in line {error.lineno}.") from None
        except (ValueError, RecursionError):  # a number of thousands of digits, brackets without end
            raise ValueError("These are not the settings of a run.") from None
        if not isinstance(data, dict) or data.keys() - set(cls.__dataclass_fields__):
            raise ValueError(f"Settings have the fields {', '.join(cls.__dataclass_fields__)} and no others.")
        if not isinstance(data.get("image", ""), str):
            raise ValueError(f"The image must be a text, not {quoted(data['image'])}.")
        data = {"streams": 1, **data}
        plain: dict[str, Any] = {k: _choice(v) if k in _PICKS else v for k, v in data.items()}
        for p in params_of(cls):
            plain[p.name] = p.check(plain.get(p.name, p.default))
        return cls(**plain).validated()

    @classmethod
    def from_settings(cls, fields: Mapping[str, Any]) -> "Scenario":
        """The scenario of a settings file; raises ValueError, and nothing else, with one sentence."""
        if isinstance(image := fields.get("image"), str) and image.startswith(("upload-", "kspace-")):
            try:
                check_picture(image)
            except ValueError:
                raise ValueError(
                    "These settings are about an uploaded picture that is not kept here: "
                    "upload it first, then the settings again."
                ) from None
        try:
            return cls.from_json(json.dumps(fields))
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            # A file may hold pages of nonsense, which the sentence would quote.
            message = str(error).encode("utf-8", "replace").decode()
            raise ValueError(f"These settings cannot be used: {clipped(message, 300)}") from None

    def to_query(self) -> dict[str, str]:
        """The scenario as URL parameters: what differs from the defaults, floats by `repr`, hence exact."""
        query: dict[str, str] = {}
        default = Scenario()
        for p in params_of(type(self)):
            if getattr(self, p.name) != p.default:
                query[p.name] = repr(getattr(self, p.name))
        if self.image != default.image:
            query["image"] = self.image
        for name, registry in _PICKS.items():
            choice: Choice = getattr(self, name)
            if choice.key != getattr(default, name).key:
                query[name] = choice.key
            write_params(query, name, registry[choice.key].params, choice.params)
        return with_streams(query, self.streams)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "tuple[Scenario, tuple[str, ...]]":
        """The scenario of URL parameters, and one sentence for each that was refused.

        A refused parameter falls back to its default, so that a damaged link still opens; names that
        no scenario has are reported too.
        """
        reader = Reader(query)
        values: dict[str, Any] = {p.name: reader.value(p.name, p) for p in params_of(cls)}
        values["streams"] = reader.streams
        default = cls()
        values["image"] = reader.checked("image", default.image, check_picture)
        for name, registry in _PICKS.items():
            fallback: Choice = getattr(default, name)
            key = reader.checked(name, fallback.key, registry.__getitem__)
            values[name] = Choice(key, reader.params(name, registry[key].params))
        try:
            return cls(**values).validated(), reader.warnings()
        except ValueError as error:
            scenario = cls(**{**values, "image": default.image}).validated()
            return scenario, (f"{error} The default {default.image!r} is used.", *reader.warnings())

    @property
    def is_judged(self) -> bool:
        """Whether there is a truth: of everything but measured k-space with gaps."""
        return not kspace.is_key(self.image) or kspace.scan(self.image).is_full

    def truth(self, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Image:
        """The ground truth at the size of the scenario; raises ValueError where there is none (`is_judged`).

        As `posed` makes it of a picture; of full k-space the combination of all coils, or its magnitude for
        operators on real pictures.
        """
        if not kspace.is_key(self.image):
            picture = images.scaled(images.load(self.image, dtype), self.size)
            return for_operator(self.operator.key, picture, self.seed).contiguous().to(device)
        measurement = self._measured()
        if not measurement.is_full:
            raise ValueError("This k-space is undersampled: it has no ground truth.")
        is_complex = OPERATORS[self.operator.key].cls.complex_pictures
        return (measurement.picture if is_complex else magnitude(measurement.picture)).to(device, dtype)

    def problem(self, truth: Image) -> Problem:
        """The operator on the space of `truth` and the data y = A x† + noise, drawn from the seed.

        Measured k-space is y itself on parallel MRI: where it is full the operator's pattern takes samples
        away, and the noise of the scenario comes on top of that of the scanner.
        """
        space = Space(tuple(truth.shape[1:]), truth.dtype, str(truth.device))
        operator = forward_model(self.operator, space, self.seed)
        noise, rng = NOISES[self.noise.key].build(self.noise.params), torch.Generator().manual_seed(self.seed)
        if kspace.is_key(self.image) and isinstance(operator, ParallelMri):
            measurement = self._measured()
            model = measurement.operator(space, operator.mask if measurement.is_full else None)
            clean = measurement.data.to(space.device, space.complex_dtype) * model.mask
            level = math.hypot(measurement.noise, noise.level(clean))
            return Problem(model, noise.add(clean, model, rng), level)
        clean = operator(truth)
        return Problem(operator, noise.add(clean, operator, rng), noise.level(clean))

    def posed(self, device: str = "cpu") -> tuple[Problem, Image | None]:
        """The problem in single precision, and the truth that it is judged by; None where there is none."""
        truth = self.truth(device) if self.is_judged else None
        return self.problem(self._measured().picture.to(device) if truth is None else truth), truth

    def _measured(self) -> kspace.Measured:
        calibration = self.operator.params.get("calibration", ParallelMri.calibration)
        return kspace.prepared(self.image, self.size, calibration)

    def build_method(self) -> Method:
        """The method with its parameters."""
        return METHODS[self.method.key].build(self.method.params)

    def run(self, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Iterator[Iterate]:
        """The iterates, without end unless the method is direct; stopping is the caller's."""
        x = self.truth(device, dtype) if self.is_judged else self._measured().picture.to(device, dtype)
        return self.build_method().iterates(self.problem(x))


def forward_model(choice: Choice, space: Space, seed: int) -> ForwardModel:
    """The operator of a choice on a space of images, its random mask drawn from the seed of the run.

    An operator with a seed of its own, of a link or file of version 1, draws its mask from that.
    """
    model: ForwardModel = OPERATORS[choice.key].build(choice.params, image=space)
    is_following = getattr(model, "seed", None) == FOLLOWS
    return replace(model, **{"seed": stream(seed, "mask")}) if is_following else model


def for_operator(key: str, picture: Image, seed: int) -> Float[Tensor, "b c2 h w"]:
    """A picture as an operator wants it: where those are complex, with a smooth phase drawn from the seed."""
    if not OPERATORS[key].cls.complex_pictures:
        return picture
    # Of the noise's own seed the phase would be drawn from the same numbers.
    return images.with_phase(picture, torch.Generator().manual_seed(seed + 700_001))


def check_picture(key: str) -> None:
    """Raise ValueError, with a sentence for the user, unless the picture or k-space of this key is here."""
    (kspace.check if kspace.is_key(key) else images.check)(key)


def write_params(
    query: dict[str, str], prefix: str, specs: tuple[Param, ...], params: Mapping[str, Any]
) -> None:
    """Add what differs from the defaults, nested choices below their own prefix."""
    for p in specs:
        value, name = params.get(p.name, p.default), f"{prefix}.{p.name}"
        if isinstance(p.domain, Pick):
            if value.key != p.default.key:
                query[name] = value.key
            write_params(query, name, REGISTRIES[p.domain.kind][value.key].params, value.params)
        elif value != p.default:
            query[name] = value if isinstance(value, str) else repr(value)


@dataclass
class Reader:
    """Reads URL parameters one by one and remembers which were rejected or never asked for."""

    query: Mapping[str, str]
    rejected: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    streams: int = VERSION

    def __post_init__(self) -> None:
        """Read the version of the random streams: 1 of a link that asks for something and says none."""
        self.seen.add("v")
        text = self.query.get("v", "1" if self.query else str(VERSION))
        try:
            streams = int(text) if text.isdecimal() and len(text) < 9 else text
            check_streams(streams)
            self.streams = int(streams)
        except ValueError as error:
            self.rejected.append(f"{error} Version {VERSION} is used.")

    def checked(self, name: str, default: str, check: Any) -> str:
        """The text under `name` if `check` accepts it, else `default` and a warning."""
        self.seen.add(name)
        text = self.query.get(name, default)
        try:
            check(text)
        except ValueError as error:
            self.rejected.append(f"{error} The default {default!r} is used.")
            return default
        return text

    def value(self, name: str, p: Param) -> Any:
        """The value of one parameter, parsed by its type."""
        self.seen.add(name)
        text = self.query.get(name)
        if text is None:
            is_old_mask = self.streams == 1 and name == "operator.seed" and p.default == FOLLOWS
            return 0 if is_old_mask else p.default
        try:
            return p.check(_parse(text, p))
        except ValueError as error:
            self.rejected.append(f"{error} The default {p.default!r} is used.")
            return p.default

    def params(self, prefix: str, specs: tuple[Param, ...]) -> dict[str, Any]:
        """The parameters below `prefix`, nested choices included."""
        values: dict[str, Any] = {}
        for p in specs:
            name = f"{prefix}.{p.name}"
            if isinstance(p.domain, Pick):
                registry = REGISTRIES[p.domain.kind]
                key = self.checked(name, p.default.key, registry.__getitem__)
                nested = self.params(name, registry[key].params)
                values[p.name] = Choice(key, nested)
            else:
                values[p.name] = self.value(name, p)
        return values

    def warnings(self) -> tuple[str, ...]:
        """All warnings, those about unknown names last; none longer than a person reads."""
        unknown = sorted(set(self.query) - self.seen)
        ignored = [
            f"The link's parameter {quoted(name)} is unknown and was ignored." for name in unknown[:_NAMED]
        ]
        if (more := len(unknown) - _NAMED) > 0:
            ignored.append(f"The link has {more} more parameters that are unknown and were ignored.")
        return tuple(clipped(message, 400) for message in (*self.rejected, *ignored))


_NAMED = 5
"""Unknown parameters of a link that are named one by one."""


def _parse(text: str, p: Param) -> Any:
    """`text` as p's type; raises ValueError with the parameter's name."""
    if p.type is str:
        return text
    if p.type is bool:
        if text not in ("True", "False"):
            raise ValueError(f"{p.label or p.name} must be True or False, not {quoted(text)}.")
        return text == "True"
    try:
        return p.type(text)
    except ValueError:
        raise ValueError(f"{p.label or p.name} must be a number, not {quoted(text)}.") from None
