"""The experiments on monotone operator learning of the Convergence page; no Streamlit."""

from collections.abc import Generator

import torch

from deqviz import images
from deqviz.core.records import Problem
from deqviz.core.space import Image, Space, random_picture
from deqviz.core.streams import stream
from deqviz.experiments.monotone.beyond_depth import BeyondDepth, runners
from deqviz.experiments.monotone.forward_backward import Turning, margin_of
from deqviz.experiments.monotone.lipschitz_estimates import LipschitzEstimates, Named
from deqviz.experiments.monotone.step_limits import Example, StepLimits
from deqviz.experiments.monotone.uniqueness_counterexample import Contender, Counterexample, Smoothing
from deqviz.methods._tasks import automatic
from deqviz.noises.gaussian import Gaussian
from deqviz.operators.parallel_mri import ParallelMri
from deqviz.regularizers.monotone import Monotone, Task, Version, network, weights_key
from deqviz.runtime.study import Part
from deqviz.scenario import for_operator
from deqviz.ui.pages.monotone.setting import MolSetting

SMALL, PAIR = 32, 24
"""Sides of what is computed in double precision with many digits, and of the two pictures."""
NOISE = 0.005
"""Standard deviation of the data, whose picture's largest magnitude is 1."""
STEPS = (0.02, 0.06, 0.2, 0.5, 1.0, 1.5)
"""The α that are tried with the network."""
BESIDE = (0.9, 1.1)
"""Shares of the first limit that are tried with F = mId + K."""
TITLES: dict[Version, str] = {
    "strict m = 0.02": "MOL-SN, m = 0.02",
    "strict m = 0.1": "MOL-SN, m = 0.1",
    "strict m = 0.3": "MOL-SN, m = 0.3",
    "approximate": "MOL-LR",
    "unconstrained": "Unconstrained",
}
"""The networks, in the order in which they are shown."""
WITHOUT = 0.1
"""m of the second example where nothing is known of the network."""


def plan(setting: MolSetting) -> Generator[object, None, tuple[Part, ...]]:
    """What is quick first: the pair, the steps, the depth, the panel."""
    yield
    parts: list[Part] = []
    if setting.is_breaker:
        parts.append(Part("breaker", _breaker(setting)))
    if setting.is_steps:
        parts.append(Part("steps", _steps(setting)))
    if setting.is_depth:
        parts.append(Part("depth", _depth(setting)))
    if setting.is_panel:
        parts.append(Part("panel", _panel(setting)))
    return tuple(parts)


def _picture(key: str, side: int, seed: int, dtype: torch.dtype = torch.float64) -> Image:
    """A picture of the gallery as a complex one, square."""
    grey = images.load(key, dtype).mean(1, keepdim=True)
    square = torch.nn.functional.interpolate(grey, (side, side), mode="bicubic", antialias=True)
    return for_operator("parallel_mri", square.clamp(0, 1), seed)


def _operator(setting: MolSetting, x: Image, coils: int) -> ParallelMri:
    space = Space(tuple(x.shape[1:]), x.dtype)
    # Version 1 drew mask and noise from one stream.
    mask_seed = setting.seed if setting.streams == 1 else stream(setting.seed, "mask")
    return ParallelMri(space, acceleration=setting.acceleration, coils=coils, seed=mask_seed)


def _problem(setting: MolSetting, x: Image, coils: int) -> Problem:
    A = _operator(setting, x, coils)
    rng = torch.Generator().manual_seed(setting.seed)
    return Problem(A, Gaussian(NOISE).add(A(x), A, rng), NOISE)


def _task(setting: MolSetting) -> Task:
    space = Space((2, SMALL, SMALL))
    return automatic(ParallelMri(space, acceleration=setting.acceleration))


def hoped(key: str, version: Version) -> float | None:
    """The m that a network was trained for; None of the unconstrained one."""
    return None if version == "unconstrained" else network(key).margin


def _steps(setting: MolSetting) -> StepLimits:
    """The network at every α, and an F of which its m is all that is true, about the first limit."""
    x = _picture(setting.image, SMALL, setting.seed)
    R = Monotone(setting.version, _task(setting))
    problem, weight, modulus = (
        _problem(setting, x, setting.coils),
        network(R.key).weight,
        hoped(R.key, setting.version),
    )
    start = problem.operator.adjoint(problem.data)
    A, y = problem.operator, problem.data
    title = TITLES[setting.version]
    examples = [Example("network", title, A, y, R, weight, start, STEPS, hoped=modulus)]
    margin = margin_of(R, modulus)
    turning = Turning(WITHOUT if margin is None else margin.monotonicity)
    exact = margin_of(turning)
    assert exact is not None
    alone = _problem(setting, x, 1)
    far_start = random_picture(alone.operator.image, torch.Generator().manual_seed(setting.seed + 1))
    examples.append(
        Example(
            "turning",
            "F = mId + K",
            alone.operator,
            alone.data,
            turning,
            weight,
            far_start,
            tuple(share * exact.first_limit for share in BESIDE),
            2000,
            is_blind=True,
        )
    )
    return StepLimits(tuple(examples))


def _breaker(setting: MolSetting) -> Counterexample:
    first, second = (_picture(key, PAIR, setting.seed) for key in (setting.image, setting.other))
    space = Space(tuple(first.shape[1:]), first.dtype)
    task = _task(setting)
    strict: Version = setting.version if setting.version.startswith("strict") else "strict m = 0.1"
    contenders = (
        Contender("example", f"Id − {setting.gain:g} tanh∘G", Smoothing.of(space, setting.gain)),
        Contender("monotone", "Id − 0.9 tanh∘G", Smoothing.of(space, 0.9)),
        Contender("strict", TITLES[strict], Monotone(strict, task)),
        Contender("free", "Unconstrained network", Monotone("unconstrained", task), is_searched=True),
    )
    return Counterexample(contenders, first, second)


def _panel(setting: MolSetting) -> LipschitzEstimates:
    x, task = _picture(setting.image, SMALL, setting.seed), _task(setting)
    noise = random_picture(Space(tuple(x.shape[1:]), x.dtype), torch.Generator().manual_seed(setting.seed))
    names: dict[str, Named] = {}
    for version, title in TITLES.items():
        key = weights_key(task, version)
        names.setdefault(key, Named(key, title, hoped(key, version)))
    return LipschitzEstimates(tuple(names.values()), (("the image", x), ("noise", noise)))


def _depth(setting: MolSetting) -> BeyondDepth:
    x = _picture(setting.image, setting.pixels, setting.seed, torch.float32)
    strict: Version = setting.version if setting.version.startswith("strict") else "strict m = 0.1"
    return BeyondDepth(_problem(setting, x, setting.coils), x, runners(strict))
