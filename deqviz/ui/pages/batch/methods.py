"""The methods of the Batch page, at the strengths of the quality tables carried over to other noise."""

import math
from collections.abc import Mapping
from functools import cache

from deqviz.bench.cases import CASES, RIVALS, Baseline, Case, tuned
from deqviz.core.catalog import METHODS, REGULARIZERS
from deqviz.core.registry import Choice, Entry, Range

OWN = "own"
_RIVALS: Mapping[str, Baseline] = {rival.key: rival for rival in RIVALS}
_PLAIN: Mapping[str, tuple[str, Choice]] = {
    "iterated_tikhonov": ("Iterated Tikhonov", Choice("iterated_tikhonov")),
    "quadratic": ("Equilibrium, quadratic R", Choice("equilibrium", {"regularizer": Choice("quadratic")})),
    "pnp_fbs": ("Plug-and-play FBS", Choice("pnp_fbs")),
    "pnp_hqs": ("Plug-and-play HQS", Choice("pnp_hqs")),
    "baseline": ("Direct inversion", Choice("baseline")),
}
TITLES: Mapping[str, str] = {
    "tv": "Total variation",
    "convex_ridge": "Equilibrium, convex ridge R",
    "contractive": "Equilibrium, contractive R",
    "tikhonov": "Tikhonov",
    **{key: title for key, (title, _) in _PLAIN.items()},
    OWN: "Custom method",
}
"""The methods by their keys, in their order."""


def is_tuned(key: str, operator: Choice) -> bool:
    """Whether strengths were tuned for this method on this degradation."""
    return key in _RIVALS and bool(_cases(operator.key))


def is_untuned(key: str, operator: Choice) -> bool:
    """Whether it has its defaults beside others that are tuned: a comparison must say so."""
    return bool(_cases(operator.key)) and key not in (*_RIVALS, "baseline", OWN)


def choice(key: str, operator: Choice, std: float, *, with_tuned: bool) -> Choice:
    """A method of the registry for a degradation with noise `std`; its defaults where nothing was tuned."""
    if key in _PLAIN:
        return _PLAIN[key][1]
    rival, cases = _RIVALS[key], _cases(operator.key)
    if with_tuned and cases:
        near = min(cases, key=lambda case: abs(math.log(std / _std(case))))
        return rival.choice(near, *_carried(rival, cases, std))
    return Choice(key) if key in METHODS else Choice("equilibrium", {"regularizer": Choice(key)})


def _carried(rival: Baseline, cases: tuple[Case, ...], std: float) -> tuple[float, float]:
    """α and σ at this noise: c·std^p through the tuned ones, and α ∝ std where there is but one."""
    settings = [(_std(case), *_strengths()[f"{case.key}/{rival.key}"]) for case in cases]
    (s0, weight, sigma), *others = settings
    p, q = 1.0, 0.0
    if others:
        s1, weight1, sigma1 = others[0]
        p = math.log(weight1 / weight) / math.log(s1 / s0)
        q = math.log(sigma1 / sigma) / math.log(s1 / s0) if rival.level else 0.0
    ratio = std / s0
    strength = METHODS[rival.key if rival.key in METHODS else "equilibrium"]
    weight = _inside(weight * ratio**p, strength, "weight")
    return weight, _inside(sigma * ratio**q, REGULARIZERS[rival.key], "sigma") if rival.level else 0.0


def _cases(operator: str) -> tuple[Case, ...]:
    return tuple(case for case in CASES if case.operator.key == operator)


def _std(case: Case) -> float:
    return float(case.noise.params.get("std", 0.01))


@cache
def _strengths() -> Mapping[str, tuple[float, float]]:
    return {name: (entry["weight"], entry["sigma"]) for name, entry in tuned().items()}


def _inside(value: float, entry: Entry, name: str) -> float:
    """Within what the parameter allows, with three digits: that is all that a tuning knows."""
    limits = next(p.domain for p in entry.params if p.name == name)
    assert isinstance(limits, Range)
    return min(max(float(f"{value:.3g}"), limits.low), limits.high)
