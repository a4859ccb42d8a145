"""Whether trained weights are used for what they were trained for: their cards against a problem."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from deqviz import images
from deqviz.core.catalog import NOISES, OPERATORS, REGULARIZERS
from deqviz.core.registry import Choice, Range
from deqviz.core.space import Space
from deqviz.networks._domain import Domain
from deqviz.networks._weights import WeightsError, card
from deqviz.scenario import Scenario, forward_model

_KINDS = {"photograph": "a photograph", "head": "a head slice", "drawing": "a drawing"}


@dataclass(frozen=True)
class Use:
    """What the weights of one run were trained for, and in what the run differs from that."""

    trained_for: str
    departures: tuple[str, ...] = ()

    @property
    def is_outside(self) -> bool:
        """Whether the weights are out of their domain."""
        return bool(self.departures)

    @property
    def sentence(self) -> str:
        """Both, for the page."""
        outside = f" Out of domain here: {'; '.join(self.departures)}." if self.departures else ""
        return f"Trained for {self.trained_for}.{outside}"


@dataclass(frozen=True)
class _Key:
    """A scenario as a key of a cache, which a Choice is not: it holds a dictionary."""

    text: str
    scenario: Scenario = field(compare=False)


def use(scenario: Scenario) -> Use | None:
    """What the method of a scenario was trained for.

    None where it was not trained, or where its card cannot be read, which is what its run ends with.
    """
    try:
        return _use(_Key(scenario.to_json(), scenario))
    except WeightsError:
        return None


@lru_cache(maxsize=256)
def _use(key: _Key) -> Use | None:
    scenario = key.scenario
    method = scenario.build_method()
    channels = 2 if OPERATORS[scenario.operator.key].cls.complex_pictures else 1
    space = Space((channels, scenario.size, scenario.size))
    weights = method.weights(forward_model(scenario.operator, space, scenario.seed))
    if not weights:
        return None
    level = getattr(method, "sigma", getattr(getattr(method, "regularizer", None), "sigma", None))
    return compared(card(weights).domain, scenario.operator, scenario.image, scenario.noise, level)


def of_regularizer(regularizer: Choice, operator: Choice, image: str) -> Use | None:
    """The same of a regulariser alone, where there is no scenario."""
    R = REGULARIZERS[regularizer.key].build(regularizer.params)
    return of_weights(R.weights, operator, image, getattr(R, "sigma", None)) if R.weights else None


def of_weights(key: str, operator: Choice, image: str, level: float | None = None) -> Use | None:
    """Of the weights of one card; None where that cannot be read, which is what their run ends with."""
    try:
        return compared(card(key).domain, operator, image, level=level)
    except WeightsError:
        return None


def together(uses: Iterable[Use | None]) -> Use | None:
    """One for several runs of a method: everything in which any of them differs."""
    known = [use for use in uses if use is not None]
    if not known:
        return None
    texts = dict.fromkeys(use.trained_for for use in known)
    return Use("; ".join(texts), tuple(dict.fromkeys(part for use in known for part in use.departures)))


def sentences(uses: Iterable[tuple[str, Use | None]]) -> str:
    """What the methods of these names were trained for, in equal words once."""
    names: dict[str, list[str]] = {}
    for name, of_name in uses:
        if of_name is not None:
            names.setdefault(of_name.sentence, []).append(name)
    return " ".join(
        f"{', '.join(dict.fromkeys(of))}: {text[0].lower()}{text[1:]}" for text, of in names.items()
    )


def compared(
    domain: Domain, operator: Choice, image: str, noise: Choice | None = None, level: float | None = None
) -> Use:
    """A domain against a problem; `level` is the σ_d of a denoiser."""
    parts = (*_of_operator(domain, operator), *_of_image(domain, image), *_of_noise(domain, noise, level))
    return Use(domain.trained_for, parts)


def _of_operator(domain: Domain, operator: Choice) -> Iterator[str]:
    entry = OPERATORS[operator.key]
    if not domain.operators:
        if entry.cls.complex_pictures:
            yield "this operator has complex images"
        return
    if operator.key not in domain.operators:
        yield f"the operator is {entry.title}"
        return
    for name, allowed in domain.operators[operator.key].items():
        p = next((p for p in entry.params if p.name == name), None)
        if p is None:  # of a card that is newer, or older, than the operator
            continue
        value = operator.params.get(name, p.default)
        if isinstance(value, str):
            if value not in allowed:
                yield f"{p.label.lower()} {value}"
        elif not allowed[0] <= value <= allowed[1]:
            symbol = p.domain.symbol if isinstance(p.domain, Range) and p.domain.symbol else p.label
            yield f"{symbol} = {value:g}"


def _of_image(domain: Domain, image: str) -> Iterator[str]:
    """Of uploads nobody knows what they show."""
    kind = next((p.kind for p in images.gallery() if p.key == image), None)
    if kind is not None and domain.images and kind not in domain.images:
        yield f"the image is {_KINDS[kind]}"


def _of_noise(domain: Domain, noise: Choice | None, level: float | None) -> Iterator[str]:
    if noise is not None and domain.noise is not None:
        std = noise.params.get("std", 0.0)
        if noise.key != "gaussian":
            yield f"the noise is {NOISES[noise.key].title}"
        elif std > domain.noise * 1.001:
            yield f"the noise std is {std:g}"
    if level is not None and domain.level is not None:
        low, high = domain.level
        # Sliders and links round.
        if not 0.999 * low <= level <= 1.001 * high:
            yield f"σ_d = {255 * level:.3g}/255"
