"""Adversarial perturbations of the data: gradient ascent on a sphere, random draws, the local gain.

All of them fall on measured entries only. What comes out is a lower bound of the worst case, never more.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from jaxtyping import Shaped
from torch import Tensor

from deqviz.core.operator import ForwardModel
from deqviz.core.space import Batch, Data, norm, scale
from deqviz.experiments.robustness._solution_map import Reached, SolutionMap
from deqviz.noises._base import white

Changes: TypeAlias = Shaped[Tensor, "k *m"]
"""As many changes of one item's data as somebody asked for."""
SOLVED = 0.05
"""Relative accuracy of a gradient: only its direction is used."""
SETTLED = 1e-3
"""An ascent is over when no restart has gained more than this share in a step."""
LEAST = 1 / 64
"""The shortest step towards the direction of the gradient, as a share of the way there."""


@dataclass(frozen=True)
class Budget:
    """What an attack may spend: ascents at once, steps of each, random draws, products for the local gain."""

    restarts: int = 5
    steps: int = 10
    draws: int = 5
    products: int = 12

    def __post_init__(self) -> None:
        """Refuse a budget that finds nothing, or starts that nobody draws."""
        if min(self.restarts, self.steps, self.draws, self.products) < 1 or self.restarts > self.draws + 1:
            raise ValueError(
                "An attack needs at least one restart, step, draw and product, and at most one restart more "
                f"than draws, not {self}."
            )


@dataclass(frozen=True, slots=True)
class Ascent:
    """The changes that were found, a batch, with the images that they lead to and ‖x(y + δ) − x(y)‖."""

    change: Data
    reached: Reached
    moved: Batch


def on_sphere(operator: ForwardModel, v: Data, radius: Batch) -> Data:
    """`v` on measured entries, with ‖v‖ = `radius`; 0 stays 0."""
    direction = v if operator.measured is None else v * operator.measured
    return scale(radius / norm(direction).clamp_min(torch.finfo(radius.dtype).tiny), direction)


def draws(operator: ForwardModel, data: Data, radius: float, count: int, seed: int) -> Changes:
    """White noise with ‖e‖ = `radius`, `count` items, the same directions for every radius."""
    # Salted: of the scenario's own seed the first draw would be the noise that is in the data.
    rng = torch.Generator().manual_seed(seed + 11_000_027)
    e = white(data[:1].expand(count, *data.shape[1:]), operator, rng)
    return on_sphere(operator, e, torch.full_like(norm(e), radius))


def ascend(
    solution: SolutionMap, clean: Reached, starts: Data, steps: int, tolerance: float, seed: int = 0
) -> Generator[int, None, Ascent]:
    """Ascent of ‖x(y + δ) − x(y)‖ on the spheres of the starts, all at once; yields after every evaluation.

    A step tries the way to δ₁ = ‖δ‖ g/‖g‖ along the sphere, g = J*(x(y + δ) − x(y)), at first as far as δ₁
    itself, which is a power iteration; what gains nothing stays, and tries a quarter of the way next. Without
    a derivative g is a random direction. An item never ends below its start.
    """
    y, A = solution.problem.data, solution.problem.operator
    radius, rng = norm(starts), torch.Generator().manual_seed(seed + 13_000_027)
    at = yield from solution.reach(y + starts, clean, tolerance)
    best = Ascent(starts, at, norm(at.x - clean.x))
    share = torch.ones_like(radius)
    aim: Data | None = None
    near: Data | None = None
    for _ in range(steps):
        if solution.derivative == "none":
            aim = on_sphere(A, white(starts, A, rng), radius)
        elif aim is None:
            derived = solution.derived(y + best.change, best.reached, tolerance)
            unit = scale(1 / best.moved.clamp_min(1e-30), best.reached.x - clean.x)
            g, near = yield from derived.pull(unit, SOLVED, near)
            aim = on_sphere(A, g, radius)
        trial = on_sphere(A, best.change + scale(share, aim - best.change), radius)
        point = yield from solution.reach(y + trial, best.reached, tolerance)
        moved = norm(point.x - clean.x)
        better = moved > best.moved
        growth = float(torch.where(better, moved / best.moved.clamp_min(1e-30) - 1, 0.0).max())
        share = torch.where(better, (2 * share).clamp_max(1), share / 4)
        if bool(better.any()):
            aim, best = None, _taken(better, Ascent(trial, point, moved), best)
        is_stuck = bool((share < LEAST).all())
        if solution.derivative != "none" and (is_stuck or (growth < SETTLED and bool(better.any()))):
            break
    return best


def _taken(better: Tensor, new: Ascent, old: Ascent) -> Ascent:
    """Item by item the one that moved further."""

    def pick(a: Data, b: Data) -> Data:
        return torch.where(better.view(-1, *[1] * (a.ndim - 1)), a, b)

    one, other = new.reached, old.reached
    reached = replace(one, x=pick(one.x, other.x), z=pick(one.z, other.z), gap=pick(one.gap, other.gap))
    return Ascent(pick(new.change, old.change), reached, pick(new.moved, old.moved))


def local_gain(
    solution: SolutionMap, clean: Reached, start: Data, products: int, tolerance: float
) -> Generator[int, None, tuple[float, Data]]:
    """‖J‖ at y from below by power iteration on J*J, and the unit v at which ‖Jv‖ was found.

    Not more than the largest singular value up to `tolerance`, relative, times the conditioning of the linear
    solves; on measured entries only, as everything here. Over when the value no longer grows by 10⁻³.
    """
    A, one = solution.problem.operator, torch.ones_like(norm(start))
    derived = solution.derived(solution.problem.data, clean, tolerance)
    v = on_sphere(A, start, one)
    best, at, value = 0.0, v, 0.0
    forth: Data | None = None
    back: Data | None = None
    for _ in range(products):
        x, forth = yield from derived.push(v, tolerance, forth)
        size, before = norm(x), value
        value = float(size)
        if value > best:
            best, at = value, v
        if value <= (1 + min(1e-3, tolerance)) * before:
            break
        g, back = yield from derived.pull(scale(1 / size.clamp_min(1e-30), x), tolerance, back)
        v = on_sphere(A, g, one)
    return best, at
