"""The experiments of the Noise page, built from its setting; no Streamlit."""

from collections.abc import Generator

import torch

from deqviz import images
from deqviz.core.catalog import REGULARIZERS
from deqviz.core.records import Noise
from deqviz.core.space import Image, Space, norm, scale
from deqviz.experiments.equilibrium.equilibria import Equation
from deqviz.experiments.equilibrium.error_bounds import CertificateBand
from deqviz.experiments.equilibrium.gradient import Gradient, Named
from deqviz.experiments.equilibrium.limit_problem import LimitProblem
from deqviz.experiments.equilibrium.model import model, unit_element
from deqviz.experiments.equilibrium.noise_sweep import Best, NoiseSweep, Power, Rule
from deqviz.experiments.equilibrium.source import Truth, equilibrium_truth, inverse_truth, picture_truth
from deqviz.experiments.equilibrium.stability import Stability
from deqviz.noises.gaussian import Gaussian
from deqviz.noises.poisson import Poisson
from deqviz.noises.worst_direction import WorstDirection
from deqviz.runtime.study import Part
from deqviz.scenario import for_operator, forward_model
from deqviz.ui.pages.noise.setting import POISSON, RULES, WHITE, WORST, Setting, choices

TENT = tuple(k / 4 for k in range(1, 9))
"""The exponents p of the tent."""
BAND_LEVEL = 1e-3
"""‖e‖/‖Ax†‖ of the certificate band."""
WEIGHTS = tuple(10.0 ** -(k / 2) for k in range(13))
"""The α of the band and of the stability."""
VANISHING = tuple(10.0**-k for k in range(1, 11))
"""‖e‖/‖Ax†‖ on the way to the limit problem."""


def plan(setting: Setting) -> Generator[object, None, tuple[Part, ...]]:
    """The truths, then the sweep, the same with the condition broken, the band, the limit, and the rest."""
    equation, picture = _equation(setting)
    truth_with_source = (
        (yield from _truth_with_source(setting, equation, picture)) if setting.has_source else None
    )
    truth_without_source = _truth_without_source(setting, equation, picture, truth_with_source)
    truth = truth_without_source if truth_with_source is None else truth_with_source
    rule: Rule = RULES[setting.rule.key].build(setting.rule.params)
    noise = _noise(setting)
    levels = tuple(10.0 ** -(1 + 6 * k / (setting.levels - 1)) for k in range(setting.levels))
    seeds = tuple(range(setting.seed, setting.seed + setting.seeds))
    parts = [Part("sweep", NoiseSweep(equation, truth, noise, rule, levels, seeds))]
    # δ/‖w‖ has no meaning without w: the broken truth gets α = δ.
    plain = Power() if isinstance(rule, Best) else rule
    if truth_with_source is not None and setting.is_contrasted:
        parts.append(
            Part("contrast", NoiseSweep(equation, truth_without_source, noise, plain, levels, seeds))
        )
    parts.append(Part("band", CertificateBand(equation, truth, noise, WEIGHTS, (BAND_LEVEL,), seeds[:1])))
    if setting.has_limit:
        parts.append(Part("limit", _limit(setting, equation, truth_without_source, noise, rule)))
    if setting.is_stability:
        parts.append(Part("stability", _stability(setting, equation, truth)))
    if not equation.regularizer.is_gradient:
        parts.append(Part("gradient", _gradient(setting, equation, truth)))
    if setting.is_tent:
        factor = rule.factor if isinstance(rule, Power) else 1.0
        for p in TENT:
            sweep = NoiseSweep(equation, truth, noise, Power(factor, p), levels, seeds[:1])
            parts.append(Part(f"tent {p:g}", sweep))
    return tuple(parts)


def _equation(setting: Setting) -> tuple[Equation, Image | None]:
    choice = setting.regularizer
    if setting.is_model:
        R = None if choice.key == "rotating" else REGULARIZERS[choice.key].build(choice.params)
        L = choice.params.get("contraction", 0.8)
        return model(contraction=L, kernel=setting.kernel, seed=setting.seed, regularizer=R), None
    picture = images.scaled(images.load(setting.image, torch.float64), int(setting.side.split()[0]))
    picture = for_operator(setting.operator.key, picture, setting.seed)
    space = Space(tuple(picture.shape[1:]), torch.float64)
    operator = forward_model(setting.operator, space, setting.seed)
    return Equation(operator, REGULARIZERS[choice.key].build(choice.params)), picture


def _truth_with_source(
    setting: Setting, equation: Equation, picture: Image | None
) -> Generator[object, None, Truth]:
    """A truth with R(x†) = A*w."""
    # The seeds of w and of the noise must differ: of one seed, both would be the same direction.
    w = unit_element(equation, setting.seed + 500_009)
    constants = equation.regularizer.constants()
    if picture is None and constants.contraction.value < constants.center:
        yield
        return inverse_truth(equation, w)
    start = equation.operator.adjoint(w) if picture is None else picture
    return (yield from equilibrium_truth(equation, start, setting.element))


def _truth_without_source(
    setting: Setting, equation: Equation, picture: Image | None, truth_with_source: Truth | None
) -> Truth:
    """The picture itself; on the model any x, as long as the other truth."""
    if picture is not None:
        return picture_truth(picture)
    x = equation.operator.domain.random(torch.Generator().manual_seed(setting.seed + 500_029))
    size = 1.0 if truth_with_source is None else float(norm(truth_with_source.x))
    return picture_truth(scale(size / norm(x), x))


def _noise(setting: Setting) -> Noise:
    return {WHITE: Gaussian(1.0), WORST: WorstDirection(1.0), POISSON: Poisson()}[setting.noise]


def _stability(setting: Setting, equation: Equation, truth: Truth) -> Stability:
    """About the clean data of the truth; a picture gets every second α and one worst direction less."""
    seeds = (setting.seed,)
    if setting.is_model:
        return Stability(equation, truth.x, WEIGHTS, seeds=seeds)
    return Stability(equation, truth.x, WEIGHTS[::2], ("random", "worst: c", "worst: β"), seeds)


def _limit(setting: Setting, equation: Equation, truth: Truth, noise: Noise, rule: Rule) -> LimitProblem:
    """With the α of the sweep where δ²/α vanishes under it, else α = δ; a picture gets fewer levels."""
    power = rule if isinstance(rule, Power) and rule.exponent < 2 else Power()
    levels = VANISHING if setting.is_model else VANISHING[:7:2]
    return LimitProblem(equation, truth, noise, power, levels, setting.seed)


def _gradient(setting: Setting, equation: Equation, truth: Truth) -> Gradient:
    """The derivative of R at the truth, a picture made small: a probe costs two dozen values of R."""
    x = truth.x if setting.is_model else images.scaled(truth.x, 32)
    entry = choices(setting.is_model)["regularizer"][setting.regularizer.key]
    return Gradient((Named(entry.key, entry.title, equation.regularizer),), x, seed=setting.seed)
