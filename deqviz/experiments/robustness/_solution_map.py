"""Reconstructions as functions of the data, with their derivatives: y ↦ x(y) of any method on any operator.

Equilibria by implicit differentiation, streams of a few steps through all of them; both on batches of data.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import ClassVar, Literal

import torch
from torch import Tensor

from deqviz.core.records import Iterate, Map, Method, Problem, Solver, Step
from deqviz.core.space import Batch, Data, Image, Result, norm
from deqviz.core.stop import Arrival
from deqviz.diagnostics._jacobian import Jacobian
from deqviz.methods._base import largest_gap
from deqviz.solvers.anderson import Anderson

Derivative = Literal["implicit", "through all steps", "none"]
PATIENCE = 30
"""Evaluations without a residual below 0.9 of the least: what is left is rounding, or no contraction."""
GRAPHS = 16
"""Steps of images of 128 × 128 whose graphs are held at once, 17 MB each: larger batches are cut."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A batch of images x(y), the states z they were read from, ‖T(z) − z‖ of each, and what it took.

    `residual` is the worst ‖T(z) − z‖/‖T(z)‖; both are 0 where there is no equation. `evaluations` counts the
    evaluations of T on the whole batch.
    """

    x: Image
    z: Data
    gap: Batch
    residual: float
    evaluations: int

    def item(self, *numbers: int) -> "Reached":
        """Some items of the batch."""
        chosen = list(numbers)
        return replace(self, x=self.x[chosen], z=self.z[chosen], gap=self.gap[chosen])


class Derived(ABC):
    """The derivative J of y ↦ x(y) at one batch of data. `tolerance` is relative, of the linear solves."""

    @abstractmethod
    def pull(
        self, u: Image, tolerance: float, near: Data | None = None
    ) -> Generator[int, None, tuple[Data, Data]]:
        """J*u, and what the next call may start near; yields after every evaluation."""

    @abstractmethod
    def push(
        self, v: Data, tolerance: float, near: Result | None = None
    ) -> Generator[int, None, tuple[Image, Data]]:
        """J v, and what the next call may start near; yields after every evaluation."""


@dataclass(frozen=True)
class SolutionMap(ABC):
    """y ↦ x(y) for the operator of `problem`, whose own data is only where others are compared with."""

    problem: Problem
    derivative: ClassVar[Derivative] = "none"

    def posed(self, data: Data, tolerance: float = 0.0) -> Problem:
        """The problem of other data; solves inside an iteration need a third of its tolerance only."""
        A = self.problem.operator
        loose = A.loosened(min(tolerance / 3, 1e-3)) if tolerance > 3 * A.accuracy else A
        return replace(self.problem, operator=loose, data=data)

    @abstractmethod
    def reach(self, data: Data, near: Reached | None, tolerance: float) -> Generator[int, None, Reached]:
        """x(y) to a relative residual; yields after every evaluation.

        Ends with what it has where the residual no longer falls. Raises ArithmeticError where the iteration
        is no longer finite.
        """

    def derived(self, data: Data, at: Reached, tolerance: float) -> Derived:
        """J at data whose images are known. Raises ValueError where `derivative` is "none"."""
        raise ValueError("This method has no derivative here: search at random.")


@dataclass(frozen=True)
class Limits(SolutionMap):
    """Images z = T(z) of a map T that depends on the data: J = (Id − ∂T/∂z)⁻¹ ∂T/∂y, read out.

    `readout` is linear, `start` gives a first state. Bai, Kolter and Koltun, 2019.
    """

    make: Callable[[Problem], Map] = field(kw_only=True)
    start: Callable[[Problem], Data] = field(kw_only=True)
    readout: Callable[[Data], Image] = field(kw_only=True)
    solver: Solver = field(default=Anderson(), kw_only=True)
    max_steps: int = field(default=400, kw_only=True)

    derivative: ClassVar[Derivative] = "implicit"

    @torch.no_grad()
    def reach(self, data: Data, near: Reached | None, tolerance: float) -> Generator[int, None, Reached]:
        """The fixed point, by the solver."""
        problem = self.posed(data, tolerance)
        z0 = self.start(problem) if near is None else near.z.expand(len(data), *near.z.shape[1:]).contiguous()
        watch = _Watch(max(tolerance, 8 * torch.finfo(z0.dtype).eps), self.max_steps, z0[0].numel())
        for step in self.solver.steps(self.make(problem), z0):
            yield step.evaluations
            if watch.is_over(step):
                gap = norm(step.fz - step.z)
                return Reached(self.readout(step.z), step.z, gap, float(step.residual), step.evaluations)
        raise RuntimeError("a solver must not end by itself")

    def derived(self, data: Data, at: Reached, tolerance: float) -> Derived:
        """One graph of T, in z and y; the linear equations are fixed points themselves."""

        def joint(y: Data, z: Result) -> Result:
            return self.make(self.posed(y, tolerance))(z)

        return _Implicit(self, _Joint(joint, data, at.z))


@dataclass
class _Watch:
    """When a solve is over: at its tolerance, after its steps, or when the residual no longer falls."""

    tolerance: float
    max_steps: int
    entries: int
    least: float = math.inf
    since: int = 0
    count: int = 0

    def __post_init__(self) -> None:
        """Nothing was seen yet."""
        self.arrival = Arrival(self.tolerance, self.entries)

    def is_over(self, at: Step | Iterate) -> bool:
        """Look at one residual more. Raises ArithmeticError for what is no number."""
        self.count += 1
        residual = float(at.residual)
        if not residual < math.inf:
            raise ArithmeticError(f"the iteration is no longer finite at evaluation {self.count}")
        self.least, self.since = (
            (residual, 0) if residual < 0.9 * self.least else (self.least, self.since + 1)
        )
        has_arrived = self.arrival.is_at(residual, float(at.gap))
        return has_arrived or self.count >= self.max_steps or self.since > PATIENCE


class _Joint:
    """∂T/∂y and ∂T/∂z at one place, and their adjoints, from one graph; J v by two backward passes."""

    def __init__(self, f: Callable[[Data, Data], Data], y: Data, z: Result) -> None:
        with torch.enable_grad():
            self.y, self.z = y.detach().clone().requires_grad_(), z.detach().clone().requires_grad_()
            self.fz = f(self.y, self.z)

    def adjoint(self, w: Data, of: Result) -> Result:
        """(∂T/∂of)* w."""
        (product,) = torch.autograd.grad(self.fz, of, w, retain_graph=True, materialize_grads=True)
        return product

    @cached_property
    def _twice(self) -> tuple[Tensor, Tensor, Tensor]:
        """u = 0, and both adjoints of it with their graphs, which are linear in u."""
        with torch.enable_grad():
            u = torch.zeros_like(self.fz, requires_grad=True)
            by_data, by_state = torch.autograd.grad(
                self.fz, (self.y, self.z), u, create_graph=True, materialize_grads=True
            )
        return u, by_data, by_state

    def apply(self, v: Data, of: Data) -> Result:
        """(∂T/∂of) v."""
        u, by_data, by_state = self._twice
        pulled = by_data if of is self.y else by_state
        if not pulled.requires_grad:
            return torch.zeros_like(self.fz)
        (product,) = torch.autograd.grad(pulled, u, v, retain_graph=True, materialize_grads=True)
        return product


@dataclass(frozen=True)
class _Implicit(Derived):
    map: Limits
    joint: _Joint

    @torch.no_grad()
    def pull(
        self, u: Image, tolerance: float, near: Data | None = None
    ) -> Generator[int, None, tuple[Data, Data]]:
        """w = (∂T/∂z)*w + readout* u, then (∂T/∂y)*w."""
        T, g = self.joint, Jacobian(self.map.readout, self.joint.z).adjoint(u)
        w = yield from self._solve(lambda w: T.adjoint(w, T.z) + g, g if near is None else near, tolerance)
        return T.adjoint(w, T.y), w

    @torch.no_grad()
    def push(
        self, v: Data, tolerance: float, near: Result | None = None
    ) -> Generator[int, None, tuple[Image, Data]]:
        """dz = (∂T/∂z)dz + (∂T/∂y)v, read out."""
        T = self.joint
        g = T.apply(v, T.y)
        dz = yield from self._solve(lambda d: T.apply(d, T.z) + g, g if near is None else near, tolerance)
        return self.map.readout(dz), dz

    def _solve(self, f: Map, start: Data, tolerance: float) -> Generator[int, None, Data]:
        goal = max(tolerance, 8 * torch.finfo(start.dtype).eps)
        watch = _Watch(goal, self.map.max_steps, start[0].numel())
        for step in self.map.solver.steps(f, start):
            yield step.evaluations
            if watch.is_over(step):
                return step.fz
        raise RuntimeError("a solver must not end by itself")


@dataclass(frozen=True)
class Passes(SolutionMap):
    """The last of a fixed number of images: J by differentiating through all of them."""

    pictures: Callable[[Problem], Iterator[Image]] = field(kw_only=True)
    count: int = field(kw_only=True)
    gap: Callable[[Problem, Image], Batch] | None = field(default=None, kw_only=True)

    derivative: ClassVar[Derivative] = "through all steps"

    @torch.no_grad()
    def reach(self, data: Data, near: Reached | None, tolerance: float) -> Generator[int, None, Reached]:
        """The images one after the other, always from the method's own start."""
        del near, tolerance
        x, problem = data, self.posed(data)
        for k, picture in enumerate(islice(self.pictures(problem), self.count)):
            x = picture
            yield k + 1
        if not bool(x.isfinite().all()):
            raise ArithmeticError(f"the image is no longer finite after {self.count} steps")
        gap = norm(x) * 0 if self.gap is None else self.gap(problem, x)
        return Reached(x, x, gap, float((gap / norm(x).clamp_min(1e-12)).max()), self.count)

    def last(self, data: Data) -> Image:
        """x(y), with a graph where gradients are on."""
        *_, x = islice(self.pictures(self.posed(data)), self.count)
        return x

    def derived(self, data: Data, at: Reached, tolerance: float) -> Derived:
        """One graph of all steps."""
        pixels = self.problem.operator.image.shape[-2] * self.problem.operator.image.shape[-1]
        most = max(1, int(GRAPHS * 128 * 128 / (self.count * pixels)))
        return _Through(self, data, most)


@dataclass(frozen=True)
class _Through(Derived):
    map: Passes
    data: Data
    most: int

    def pull(
        self, u: Image, tolerance: float, near: Data | None = None
    ) -> Generator[int, None, tuple[Data, Data]]:
        """By one backward pass, `most` items at a time."""
        parts: list[Data] = []
        for y, part in zip(self.data.split(self.most), u.split(self.most), strict=True):
            parts.append(Jacobian(self.map.last, y).adjoint(part))
            yield self.map.count * len(parts)
        return torch.cat(parts), u

    def push(
        self, v: Data, tolerance: float, near: Result | None = None
    ) -> Generator[int, None, tuple[Image, Data]]:
        """By two backward passes, one item at a time."""
        parts: list[Image] = []
        for y, part in zip(self.data.split(1), v.split(1), strict=True):
            parts.append(Jacobian(self.map.last, y).apply(part))
            yield self.map.count * len(parts)
        return torch.cat(parts), v


@dataclass(frozen=True)
class Opaque(SolutionMap):
    """Where a method's own run settles; nothing is known of its derivative."""

    method: Method = field(kw_only=True)
    max_steps: int = field(default=400, kw_only=True)

    @torch.no_grad()
    def reach(self, data: Data, near: Reached | None, tolerance: float) -> Generator[int, None, Reached]:
        """The run, to the tolerance or its end."""
        start = None if near is None else near.x.expand(len(data), *near.x.shape[1:]).contiguous()
        watch, last = _Watch(tolerance, self.max_steps, self.problem.operator.image.size), None
        for iterate in self.method.iterates(self.posed(data), start):
            last: Iterate | None = iterate
            yield iterate.evaluations
            if watch.is_over(iterate):
                break
        if last is None:
            raise ValueError("the stream of iterates is empty")
        gap = torch.full_like(norm(last.x), largest_gap(last))
        return Reached(last.x, last.x, gap, float(last.residual), last.evaluations)
