"""The experiments of the Convergence page, built from its setting; no Streamlit."""

from collections.abc import Generator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deqviz import images
from deqviz.core.catalog import REGULARIZERS
from deqviz.core.space import Data, Image, Space
from deqviz.experiments.equilibrium.equilibria import Equation
from deqviz.experiments.equilibrium.gradient import Gradient, Named
from deqviz.experiments.equilibrium.parameter_continuation import (
    Case,
    ParameterContinuation,
    three_equilibria,
)
from deqviz.experiments.equilibrium.solver_comparison import SolverComparison, competitors
from deqviz.experiments.equilibrium.uniqueness import Route, Start, Uniqueness, starts
from deqviz.experiments.plane.axes import SPACE
from deqviz.experiments.plane.planar import Rotating
from deqviz.runtime.study import Part
from deqviz.scenario import for_operator, forward_model
from deqviz.ui.pages.convergence.setting import CHOICES, OVER_L, ROUTES, STARTS, THREE, Setting

CONTRACTIONS = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 1.5)
STEPS = (0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 1.95)
"""The values that are tried; both limits are at 1."""


@dataclass(frozen=True)
class _Made:
    """What all experiments of one setting share."""

    picture: Image
    equation: Equation
    data: Data
    starts: tuple[Start, ...]


def plan(setting: Setting) -> Generator[object, None, tuple[Part, ...]]:
    """The starts, then the race, the crossing of a limit, and the question about the gradient."""
    yield
    made = _made(setting)
    chosen = tuple(_route(ROUTES[key], setting) for key in setting.solvers)
    steps = setting.max_steps
    runs = Uniqueness(made.equation, made.data, setting.weight, made.starts, chosen, max_steps=steps)
    parts = [Part("starts", runs), Part("crossing", _crossing(setting, made))]
    if setting.crossing == THREE:
        # The example takes half a second and may come first.
        parts.reverse()
    yield
    if setting.is_race:
        start, runners = made.starts[0].x, competitors(made.equation, setting.weight)
        race = SolverComparison(made.equation, made.data, setting.weight, start, runners, max_steps=steps)
        parts.append(Part("race", race))
    if setting.is_gradient:
        # The derivative is looked at on a small picture: it costs two dozen evaluations per probe.
        small = images.scaled(made.picture, 32)
        parts.append(Part("gradient", Gradient(_named(setting), small, seed=setting.seed)))
    return tuple(parts)


def _made(setting: Setting) -> _Made:
    picture = images.scaled(images.load(setting.image, torch.float64), setting.pixels)
    picture = for_operator(setting.operator.key, picture, setting.seed)
    space = Space(tuple(picture.shape[1:]), torch.float64)
    operator = forward_model(setting.operator, space, setting.seed)
    regularizer = REGULARIZERS[setting.regularizer.key].build(setting.regularizer.params)
    equation, data = Equation(operator, regularizer), operator(picture)
    others = {"another": setting.another, "mine": setting.mine}
    by_key = {start.key: start for start in starts(equation, data, setting.seed)}
    by_key |= {
        key: Start(key, STARTS[key], _like(images.load(image, torch.float64), space))
        for key, image in others.items()
        if image
    }
    return _Made(picture, equation, data, tuple(by_key[key] for key in setting.used_starts))


def _like(other: Image, space: Space) -> Float[Tensor, "b c2 h2 w2"]:
    """Another picture brought to the size and the channels of a space."""
    channels, height, width = space.shape
    if other.shape[1] != channels:
        # Of a complex picture each part gets it: a start may be anything.
        other = other.mean(1, keepdim=True).expand(-1, channels, -1, -1)
    return F.interpolate(other, (height, width), mode="bicubic", antialias=True).clamp(0, 1)


def _route(route: Route, setting: Setting) -> Route:
    """The way with the step of the setting, and with its splitting where it may have either."""
    if route.key in ("implicit", "explicit"):
        return replace(route, step=setting.step)
    return replace(route, splitting=setting.splitting, step=setting.step)


def _crossing(setting: Setting, made: _Made) -> ParameterContinuation:
    if setting.crossing == THREE:
        return three_equilibria(CONTRACTIONS, weight=setting.weight)
    few, R = made.starts[:3], made.equation.regularizer
    if setting.crossing == OVER_L:
        entry = REGULARIZERS[setting.regularizer.key]
        cases = tuple(
            Case(L, entry.build({**setting.regularizer.params, "contraction": L}), setting.step)
            for L in CONTRACTIONS
        )
        parameter, splitting = "L", setting.splitting
    else:
        cases = tuple(Case(step, R, step) for step in STEPS)
        parameter, splitting = "step", "explicit"
    return ParameterContinuation(
        made.equation,
        made.data,
        setting.weight,
        few,
        parameter,
        cases,
        splitting,
        max_steps=setting.max_steps,
    )


def _named(setting: Setting) -> tuple[Named, ...]:
    """Every registered R, that of the setting with its own parameters, and one of the plane that rotates."""
    point = torch.tensor([0.6, -0.4], dtype=SPACE.dtype).view(1, 1, 1, 2)
    chosen = {setting.regularizer.key: setting.regularizer.params}
    return (
        *(Named(e.key, e.title, e.build(chosen.get(e.key, {}))) for e in CHOICES["regularizer"].values()),
        Named("rotating", "Skew part (rotation), in the plane", Rotating(), point),
    )
