"""Ground truths that satisfy the source condition R(x†) = A*w exactly, or do not."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

import torch

from deqviz.core.catalog import NOISES, OPERATORS
from deqviz.core.records import Noise
from deqviz.core.space import Data, Image, Space, norm, scale
from deqviz.experiments.equilibrium.equilibria import Equation
from deqviz.methods.equilibrium import Equilibrium
from deqviz.noises.worst_direction import WorstDirection
from deqviz.scenario import Scenario
from deqviz.solvers._solve import solve

T = TypeVar("T")


@dataclass(frozen=True)
class Truth:
    """x† of one batch item with its source element w, None where none is known; never shown to a solve.

    `gap` is R(x†) − A*w, rounding where w is given.
    """

    x: Image
    element: Data | None = None
    gap: Image | None = None


@torch.no_grad()
def equilibrium_truth(equation: Equation, picture: Image, weight: float) -> Generator[int, None, Truth]:
    """x† := x_α, the equilibrium of the clean data y = A·picture, for which w = (y − A x_α)/α.

    An image like the given one, smoother where A sees little. A small α is near to the image and has a
    large ‖w‖.
    """
    y = equation.operator(picture)
    solved = yield from equation.solve(y, weight, picture)
    return _with_element(equation, solved.x, solved.misfit / weight)


@torch.no_grad()
def inverse_truth(equation: Equation, element: Data) -> Truth:
    """x† := R⁻¹(A*w) for a given w, by x ← x − (R(x) − A*w)/β, which contracts by L/β.

    Raises ValueError where L < β is not certified, so that R may have no inverse.
    """
    constants, aim = equation.regularizer.constants(), equation.operator.adjoint(element)
    if not constants.contraction.value < constants.center:
        raise ValueError(f"R may have no inverse here: {constants.known}.")

    def step(x: Image) -> Image:
        return x - (equation.regularizer(x) - aim) / constants.center

    solution = solve(equation.solver, step, aim / constants.center, tol=1e-15, max_steps=equation.max_steps)
    return _with_element(equation, solution.fz, element)


def picture_truth(picture: Image) -> Truth:
    """The image itself: in general R(x†) is no A*w, and no rate is known."""
    return Truth(picture)


def _with_element(equation: Equation, x: Image, element: Data) -> Truth:
    return Truth(x, element, equation.regularizer(x) - equation.operator.adjoint(element))


def finish(work: Generator[object, None, T]) -> T:
    """The value of a generator that nobody watches."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def read_scenario(
    scenario: Scenario, device: str = "cpu", dtype: torch.dtype = torch.float64
) -> tuple[Equation, Image, Noise]:
    """The equation, the image and the kind of noise of a scenario whose method is `equilibrium`."""
    method = scenario.build_method()
    if not isinstance(method, Equilibrium):
        raise ValueError(f"The experiments ask the equilibrium method, not {scenario.method.key!r}.")
    picture = scenario.truth(device, dtype)
    space = Space(tuple(picture.shape[1:]), dtype, str(picture.device))
    operator = OPERATORS[scenario.operator.key].build(scenario.operator.params, image=space)
    noise = NOISES[scenario.noise.key].build(scenario.noise.params)
    return Equation(operator, method.regularizer, method.solver), picture, noise


def perturbation(
    equation: Equation, noise: Noise, clean: Data, size: float, weight: float | None, seed: int
) -> Data:
    """e of this kind with ‖e‖ = `size` exactly, one batch item, drawn from the seed.

    The worst direction is that of (A*A + ρ)⁻¹A* for ρ = `weight`, where it is given. Raises ValueError
    where the noise refuses such data or does nothing.
    """
    if isinstance(noise, WorstDirection) and weight is not None:
        # A level of 1: the parameter's own may be 0, and only the direction is asked for.
        noise = WorstDirection(1.0, weight, noise.steps)
    e = noise.add(clean, equation.operator, torch.Generator().manual_seed(seed)) - clean
    length = norm(e)
    if not float(length.min()) > 0:
        raise ValueError("This noise has level 0 and hence no direction: raise it.")
    return scale(size / length, e)
