"""The recipes: how each shipped network is built, trained and turned into a plain, certified module."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from deqviz.core.space import Image
from deqviz.networks._conv import analysis, sandwich, synthesis
from deqviz.networks.contractive import ContractiveDenoiser
from deqviz.networks.convex_ridge import ConvexRidge, clip
from deqviz.networks.unconstrained import UnconstrainedDenoiser
from deqviz.training._constraint import BoundedBank, ZeroMean, cosine_bank


@dataclass(frozen=True)
class Recipe(ABC):
    """A denoiser trained for all noise levels at once; subclasses say what is trained and what it returns."""

    key: str
    title: str
    steps: int
    learning_rate: float
    batch: int = 8
    patch: int = 48
    margin: int = 5  # pixels at the patch border that do not count: fewer filters look at them
    sigma_min: float = 1 / 255
    sigma_max: float = 50 / 255
    validation: int = 40  # pictures, the last ones of the folder
    sigmas: tuple[float, ...] = (5 / 255, 15 / 255, 25 / 255)  # noise levels of the validation

    @abstractmethod
    def build(self) -> nn.Module:
        """The network at its starting point, with its constraints attached."""

    @abstractmethod
    def estimate(self, net: nn.Module, y: Image, sigma: Tensor) -> Image:
        """The denoised pictures, differentiable in the weights of `net`; one σ per picture."""

    @abstractmethod
    def denoise(self, net: nn.Module, y: Image, sigma: float) -> Image:
        """The denoised picture as the product will compute it; no gradient."""

    @abstractmethod
    def constants(self, net: nn.Module) -> Mapping[str, float]:
        """The certified constants of the plain network, for its card."""

    def plain(self, net: nn.Module) -> nn.Module:
        """A copy without the training constraints: they are baked into its weights."""
        copy = self.build()
        copy.load_state_dict(net.state_dict())
        for module in copy.modules():
            for name in list(getattr(module, "parametrizations", {})):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
        return copy.eval().requires_grad_(False)

    def noise_levels(self, rng: torch.Generator) -> Tensor:
        """One σ per patch, uniform in √σ: low noise is seen as often as high noise without taking over."""
        low, high = math.sqrt(self.sigma_min), math.sqrt(self.sigma_max)
        return (low + (high - low) * torch.rand(self.batch, generator=rng)).square()

    def loss(self, net: nn.Module, clean: Image, y: Image, sigma: Tensor) -> Tensor:
        """Squared error over σ^1.25, to which a good denoiser's is proportional: every σ counts alike."""
        error = self.estimate(net, y, sigma) - clean
        m = self.margin
        per_picture = error[..., m : error.shape[-2] - m, m : error.shape[-1] - m].square().mean((1, 2, 3))
        return (per_picture / sigma**1.25).mean()


@dataclass(frozen=True)
class ConvexRidgeRecipe(Recipe):
    """x̂ = argmin ½‖x − y‖² + Ψ_σ(x), differentiated through its optimality condition x̂ − y + R_σ(x̂) = 0."""

    filters: int = 48
    size: int = 7
    lipschitz: float = 32.0  # ‖W‖² ≤ this while training: larger takes √ as many steps to solve
    sharpness: float = (
        4.0  # ‖W‖² of the result is this much larger, at the same saturated force W* sign(Wx) τ
    )
    descent: int = 34
    adjoint: int = 14

    def build(self) -> ConvexRidge:
        """The cosine bank at the largest admitted norm."""
        net = ConvexRidge(self.filters, self.size)
        bound = BoundedBank(self.lipschitz)
        parametrize.register_parametrization(net, "filters", bound)
        start = cosine_bank(self.filters, self.size) * math.sqrt(self.lipschitz) / self.size
        net.parametrizations.filters.original.data.copy_(start)  # type: ignore[union-attr]
        return net

    def estimate(self, net: nn.Module, y: Image, sigma: Tensor) -> Image:
        """The minimiser; gradients by conjugate gradients on the symmetric Jacobian of the condition."""
        assert isinstance(net, ConvexRidge)
        filters, tau = net.filters, net.thresholds(sigma)
        with torch.no_grad():
            x = minimiser(filters, tau, y, self.lipschitz, self.descent)
        # One Newton step x − J⁻¹(x − y + R_θ(x)): zero in value, and with the derivative of x̂ in θ.
        residual = x - y + sandwich(x, filters, lambda h: clip(h, tau), filters)
        step = _ImplicitStep.apply(x, residual, filters.detach(), tau.detach(), self.adjoint)
        assert isinstance(step, Tensor)
        return step

    @torch.no_grad()
    def denoise(self, net: nn.Module, y: Image, sigma: float) -> Image:
        """The minimiser, to a relative residual far below what the PSNR can see."""
        assert isinstance(net, ConvexRidge)
        limit = self.lipschitz * self.sharpness
        return minimiser(net.filters, net.thresholds(sigma), y, limit, 4 * self.descent)

    def plain(self, net: nn.Module) -> nn.Module:
        """W√s and τ/√s: the Huber penalties come closer to |·|, worth some hundredths of a decibel."""
        copy = super().plain(net)
        assert isinstance(copy, ConvexRidge)
        copy.filters.mul_(math.sqrt(self.sharpness))
        copy.thresholds.level.sub_(0.5 * math.log(self.sharpness))
        return copy

    def constants(self, net: nn.Module) -> Mapping[str, float]:
        """c = 0 holds by construction; the Lipschitz bound is computed."""
        assert isinstance(net, ConvexRidge)
        return {"monotone": 0.0, "lipschitz": net.lipschitz()}


def minimiser(filters: Tensor, tau: Tensor, y: Image, lipschitz: float, steps: int) -> Image:
    """argmin ½‖x − y‖² + Ψ(x) by Nesterov's method for strong convexity 1 and smoothness 1 + `lipschitz`."""
    momentum = (math.sqrt(1 + lipschitz) - 1) / (math.sqrt(1 + lipschitz) + 1)
    x = previous = y
    for _ in range(steps):
        z = x + momentum * (x - previous)
        gradient = z - y + sandwich(z, filters, lambda h: clip(h, tau), filters)
        previous, x = x, z - gradient / (1 + lipschitz)
    return x


class _ImplicitStep(torch.autograd.Function):
    """The value x; backwards −J⁻¹ meets the cotangent, J = Id + W*DW with D = 1 where |Wx| < τ."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, residual: Tensor, filters: Tensor, tau: Tensor, steps: int) -> Tensor:
        ctx.save_for_backward(x, filters, tau)
        ctx.steps = steps
        return x + 0 * residual

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor, None, None, None]:
        (x, filters, tau), (g,) = ctx.saved_tensors, grads
        inside = (analysis(x, filters).abs() < tau).to(x.dtype)
        u = torch.zeros_like(g)
        r = p = g
        rr = r.square().sum((1, 2, 3), keepdim=True)
        for _ in range(ctx.steps):
            q = p + synthesis(inside * analysis(p, filters), filters)
            step = rr / (p * q).sum((1, 2, 3), keepdim=True).clamp_min(1e-30)
            u, r = u + step * p, r - step * q
            rr, old = r.square().sum((1, 2, 3), keepdim=True), rr
            p = r + rr / old.clamp_min(1e-30) * p
        return None, -u, None, None, None


@dataclass(frozen=True)
class ContractiveRecipe(Recipe):
    """Convex potential layers with ‖W‖² ≤ 2, trained as a denoiser."""

    layers: int = 8
    filters: int = 48
    size: int = 7

    def build(self) -> ContractiveDenoiser:
        """Cosine banks at the largest admitted norm."""
        net = ContractiveDenoiser(self.layers, self.filters, self.size)
        for layer in net.layers:
            parametrize.register_parametrization(layer, "filters", BoundedBank(2.0))
            start = cosine_bank(self.filters, self.size) * math.sqrt(2) / self.size
            layer.parametrizations.filters.original.data.copy_(start)  # type: ignore[union-attr]
        return net

    def estimate(self, net: nn.Module, y: Image, sigma: Tensor) -> Image:
        """One pass through the network."""
        return net(y, sigma)

    @torch.no_grad()
    def denoise(self, net: nn.Module, y: Image, sigma: float) -> Image:
        """One pass through the network."""
        return net(y, sigma)

    def constants(self, net: nn.Module) -> Mapping[str, float]:
        """Lip(D_σ) from above."""
        assert isinstance(net, ContractiveDenoiser)
        return {"lipschitz": net.lipschitz()}


@dataclass(frozen=True)
class UnconstrainedRecipe(Recipe):
    """The same backbone with free norms."""

    layers: int = 6
    filters: int = 48
    size: int = 7

    def build(self) -> UnconstrainedDenoiser:
        """Cosine banks, analysis and synthesis alike, so that training starts from a stable denoiser."""
        net = UnconstrainedDenoiser(self.layers, self.filters, self.size)
        start = cosine_bank(self.filters, self.size) * math.sqrt(2) / self.size
        for layer in net.layers:
            for name in ("filters", "synthesis_filters"):
                parametrize.register_parametrization(layer, name, ZeroMean())
                layer.parametrizations[name].original.data.copy_(start)  # type: ignore[index]
        return net

    def estimate(self, net: nn.Module, y: Image, sigma: Tensor) -> Image:
        """One pass through the network."""
        return net(y, sigma)

    @torch.no_grad()
    def denoise(self, net: nn.Module, y: Image, sigma: float) -> Image:
        """One pass through the network."""
        return net(y, sigma)

    def constants(self, net: nn.Module) -> Mapping[str, float]:
        """None: nothing is promised."""
        return {}


RECIPES: Mapping[str, Recipe] = {
    recipe.key: recipe
    for recipe in (
        ConvexRidgeRecipe("convex_ridge", "Convex ridge regulariser", steps=7_000, learning_rate=2e-3),
        ContractiveRecipe("contractive", "1-Lipschitz denoiser", steps=7_500, learning_rate=1e-3),
        UnconstrainedRecipe("unconstrained", "Unconstrained denoiser", steps=3_000, learning_rate=1e-3),
    )
}
