"""Monotone operator learning, and the networks it is compared with, on one backbone and one budget."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from deqviz.core.metrics import psnr
from deqviz.core.space import Data, inner, magnitude, norm, scale
from deqviz.methods._monotone import DataStep, admm, forward_backward, modl
from deqviz.networks import _weights
from deqviz.networks._domain import Domain
from deqviz.networks._spectrum import differentiable_norm, norm_everywhere
from deqviz.networks.monotone import Convolution, MonotoneCNN
from deqviz.networks.unet import ResidualUNet
from deqviz.solvers._differentiate import Implicit
from deqviz.solvers.anderson import Anderson
from deqviz.training._recipe import Recipe
from deqviz.training.samples import Sample
from deqviz.training.tasks import Head, Task


class UnitNorm(nn.Module):
    """Filters divided by their norm on a coarse grid where it exceeds `limit`, differentiably."""

    def __init__(self, limit: float = 1.0) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, filters: Tensor) -> Tensor:
        """The filters as they are used."""
        return filters * (self.limit / differentiable_norm(filters)).clamp_max(1.0)

    def right_inverse(self, filters: Tensor) -> Tensor:
        """What is stored."""
        return filters


@dataclass(frozen=True)
class InverseProblemRecipe(Recipe):
    """E‖x(y) − x‖² for reconstructions x(y) of one task, over `error` to be about 1."""

    batch: int = 2
    patch: int = 64
    validation: int = 0
    task: Task = field(default_factory=Head)
    error: float = 1e-3

    @property
    def data(self) -> str:
        """The task's rule."""
        return self.task.data

    @property
    def domain(self) -> Domain:
        """The task's."""
        return self.task.domain

    def source(self, folder: Path) -> tuple[list[Tensor], list[Tensor]]:
        """The task's images."""
        return self.task.source(folder)

    def sample(self, source: list[Tensor], rng: torch.Generator) -> Sample:
        """The task's samples."""
        return self.task.sample(source, self.batch, self.patch, rng)

    @abstractmethod
    def reconstruct(self, net: nn.Module, sample: Sample) -> Data:
        """x(y), differentiable in the weights."""

    def loss(self, net: nn.Module, sample: Sample) -> Tensor:
        """The squared error, phase included."""
        return (self.reconstruct(net, sample) - sample.clean).square().mean() / self.error

    @torch.no_grad()
    def score(self, net: nn.Module, clean: Tensor, seed: int) -> dict[str, float]:
        """PSNR of magnitudes."""
        scores = {}
        for name, sample in self.task.examples(clean, seed).items():
            x = self.reconstruct(net, sample)
            scores[name] = float(psnr(magnitude(x), magnitude(sample.clean)))
        return scores


@dataclass(frozen=True)
class MonotoneRecipe(InverseProblemRecipe):
    """What all share that use H."""

    width: int = 32
    layers: int = 5
    margin: float = 0.1
    start: str = ""  # shipped weights to start from; none: nearly the identity

    @property
    def arguments(self) -> dict[str, Any]:
        """Of `MonotoneCNN`."""
        return {
            "channels": self.task.channels,
            "width": self.width,
            "layers": self.layers,
            "axes": self.task.axes,
            "margin": self.margin,
        }

    def build(self) -> MonotoneCNN:
        """Shipped weights, or nearly a multiple of the identity with layers of norm 1."""
        net = MonotoneCNN(**self.arguments)
        if self.start:
            net.load_state_dict(_weights.load(self.start).state_dict())
            return net
        for number, layer in enumerate(net.layers):
            assert isinstance(layer, Convolution)
            layer.filters.data = _start(layer.filters.data, number, self.layers)
        return net

    def constants(self, net: nn.Module) -> Mapping[str, float]:
        """Nothing is promised of free layers."""
        return {}

    def data_step(self, net: nn.Module, sample: Sample) -> DataStep:
        """The data's half with the learned λ."""
        assert sample.operator is not None
        assert isinstance(net.log_weight, Tensor)
        return DataStep(sample.operator, sample.operator.adjoint(sample.y), (-net.log_weight).exp())


def _start(noise: Tensor, number: int, layers: int) -> Tensor:
    """Each channel many times over on entry, the identity between, their mean on leaving; and a little noise.

    Pairs to be sorted are equal but for the noise, so that the identity passes.
    """
    outputs, inputs = noise.shape[:2]
    taps = torch.eye(max(outputs, inputs))
    if number == 0:
        taps = torch.eye(inputs).repeat(-(-outputs // inputs), 1)[:outputs]
    elif number == layers - 1:
        taps = torch.eye(outputs).repeat(1, -(-inputs // outputs))[:, :inputs]
    taps = taps / torch.linalg.matrix_norm(taps, 2)
    start = 0.3 * noise / norm_everywhere(noise)
    middle = tuple(k // 2 for k in noise.shape[2:])
    start[(slice(None), slice(None), *middle)] += taps
    return start / norm_everywhere(start)


Version = Literal["strict", "approximate", "unconstrained"]


@dataclass(frozen=True)
class MolRecipe(MonotoneRecipe):
    """H trained through the equilibrium λA*(Ax − y) + x − H(x) = 0 by its implicit gradient.

    strict: every layer's certified norm is at most 1, so that Lip(H) ≤ 1 − m. approximate: a barrier on the
    local Lipschitz estimate at the reconstructions, an estimate from below that proves nothing.
    unconstrained: neither, and what is not solved within `max_steps` counts as it is. Pramanik, Zimmerman and
    Jacob, 2023.
    """

    version: Version = "strict"
    tolerance: float = 3e-4
    adjoint_tolerance: float = 1e-2
    max_steps: int = 40
    barrier: float = 0.01
    ascent: int = 4
    radius: float = 0.01

    def build(self) -> MonotoneCNN:
        """With the bound attached to each layer where it is strict."""
        net = super().build()
        if self.version == "strict":
            for layer in net.layers:
                parametrize.register_parametrization(layer, "filters", UnitNorm())
        return net

    def plain(self, net: nn.Module) -> nn.Module:
        """The layers divided by their certified norms: training saw those of a coarse grid."""
        copy = super().plain(net)
        if self.version == "strict":
            for layer in copy.layers:  # type: ignore[union-attr]
                assert isinstance(layer, Convolution)
                # Rounding the quotient to float32 must not push it past 1 again.
                layer.filters.data *= min(1.0, (1 - 1e-6) / norm_everywhere(layer.filters))
        return copy

    def constants(self, net: nn.Module) -> Mapping[str, float]:
        """Lip(H) from above for every grid, where it is meant to be certified."""
        assert isinstance(net, MonotoneCNN)
        if self.version != "strict":
            return {}
        norms = net.norms()
        return {"lipschitz": norms.lipschitz, "product": norms.product}

    def reconstruct(self, net: nn.Module, sample: Sample) -> Data:
        """The equilibrium, from SENSE."""
        data = self.data_step(net, sample)
        with torch.no_grad():
            start = data.sense()
        implicit = Implicit(
            Anderson(), Anderson(), self.tolerance, self.max_steps, "accept", self.adjoint_tolerance
        )
        return implicit(forward_backward(net, data), start)

    def loss(self, net: nn.Module, sample: Sample) -> Tensor:
        """The squared error and, where approximate, the barrier."""
        if self.version != "strict":
            return self._approximate(net, sample)
        with parametrize.cached():
            # Asked for while gradients are on: what a solve without them cached would have no gradient.
            _ = [layer.filters for layer in net.layers]  # type: ignore[union-attr]
            return super().loss(net, sample)

    def _approximate(self, net: nn.Module, sample: Sample) -> Tensor:
        x = self.reconstruct(net, sample)
        loss = (x - sample.clean).square().mean() / self.error
        if self.version == "unconstrained":
            return loss
        local = local_lipschitz(net, x.detach(), self.radius, self.ascent)
        return loss + self.barrier * barrier(local, 1 - self.margin).mean()


def local_lipschitz(net: nn.Module, x: Data, radius: float, steps: int) -> Tensor:
    """‖H(x + d) − H(x)‖/‖d‖ on the sphere ‖d‖ = `radius`·‖x‖, raised by `steps` of ascent; from below.

    The direction is replaced by the gradient's, as in a power iteration. Differentiable in the weights.
    """
    size = radius * norm(x)
    rng = torch.Generator().manual_seed(0)
    d = torch.randn(x.shape, generator=rng, dtype=x.dtype).to(x.device)
    d = scale(size / norm(d), d)
    with torch.no_grad():
        value = net(x)
    for _ in range(steps):
        d = d.detach().requires_grad_()
        with torch.enable_grad():
            far = norm(net(x + d) - value).sum()
        (rise,) = torch.autograd.grad(far, d)
        d = scale(size / norm(rise).clamp_min(1e-30), rise)
    change = net(x + d.detach()) - net(x)
    return inner(change, change).clamp_min(1e-30).sqrt() / size


def barrier(local: Tensor, limit: float, edge: float = 1e-2) -> Tensor:
    """−log(T − ℓ) for ℓ < T − e, continued by its tangent; T = `limit`, e = `edge`."""
    inside = -torch.log((limit - local).clamp_min(edge))
    return inside + (local - limit + edge).clamp_min(0) / edge


@dataclass(frozen=True)
class UnrolledRecipe(MonotoneRecipe):
    """`depth` iterations with shared weights and free norms, trained by what the last one returns."""

    kind: Literal["modl", "admm"] = "modl"
    depth: int = 8

    def reconstruct(self, net: nn.Module, sample: Sample) -> Data:
        """The state after `depth` iterations."""
        return self.states(net, sample, self.depth)

    def states(self, net: nn.Module, sample: Sample, depth: int) -> Data:
        """The image after any number of iterations."""
        data = self.data_step(net, sample)
        if self.kind == "modl":
            return _place(modl(net, data), depth)
        return _place((state.x for state in admm(net, data)), depth)


def _place(stream: Any, depth: int) -> Data:
    for k, x in enumerate(stream):
        if k == depth:
            return x
    raise RuntimeError("an unrolled network does not end by itself")


@dataclass(frozen=True)
class UNetRecipe(InverseProblemRecipe):
    """A U-Net after SENSE, whose λ is learned too."""

    width: int = 18

    @property
    def arguments(self) -> dict[str, Any]:
        """Of `ResidualUNet`."""
        return {"channels": self.task.channels, "width": self.width}

    def build(self) -> ResidualUNet:
        """Nearly the identity."""
        return ResidualUNet(**self.arguments)

    def constants(self, net: nn.Module) -> Mapping[str, float]:
        """None."""
        return {}

    def reconstruct(self, net: nn.Module, sample: Sample) -> Data:
        """U(SENSE)."""
        assert isinstance(net, ResidualUNet)
        assert sample.operator is not None
        back = sample.operator.adjoint(sample.y)
        return net(DataStep(sample.operator, back, (-net.log_weight).exp()).sense())
