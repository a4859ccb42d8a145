"""The recipes: how each shipped network is built, trained and turned into a plain, certified module."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from deqviz.core.metrics import psnr
from deqviz.core.space import Image
from deqviz.networks import _weights
from deqviz.networks._domain import Domain
from deqviz.networks.convex_ridge import ConvexRidge
from deqviz.networks.unconstrained import UnconstrainedDenoiser
from deqviz.training._constraint import ZeroMean
from deqviz.training._contractive_recipe import ContractiveRecipe
from deqviz.training._minimise import equilibrium, implicit_step, minimiser
from deqviz.training._recipe import DenoisingRecipe, LayeredRecipe, Recipe, constrain, tight_frame
from deqviz.training.glow_recipes import GLOW_RECIPES
from deqviz.training.mol_list import MOL_RECIPES
from deqviz.training.range_recipes import DeepEquilibriumRecipe, RangeRecipe
from deqviz.training.samples import Sample, degraded, examples
from deqviz.training.sparse_recipes import SPARSE_RECIPES


@dataclass(frozen=True)
class ConvexRidgeRecipe(DenoisingRecipe):
    """x̂ = argmin ½‖x − y‖² + Ψ_σ(x), differentiated through x̂ − y + R_σ(x̂) = 0."""

    filters: int = 48
    size: int = 7
    lipschitz: float = 32.0  # ‖W‖² ≤ this while training: larger takes √ as many steps to solve
    sharpness: float = (
        4.0  # ‖W‖² of the result is this much larger, at the same saturated force W* sign(Wx) τ
    )
    descent: int = 34
    adjoint: int = 14

    def build(self) -> ConvexRidge:
        """Cosines at the largest admitted norm."""
        net = ConvexRidge(self.filters, self.size)
        constrain(net, tight_frame(self.filters, self.size, self.lipschitz), self.lipschitz)
        return net

    def estimate(self, net: nn.Module, y: Image, sigma: Tensor) -> Image:
        """The minimiser; gradients by conjugate gradients on the symmetric Jacobian of the condition."""
        assert isinstance(net, ConvexRidge)
        filters, tau = net.filters, net.thresholds(sigma)
        with torch.no_grad():
            x = minimiser(filters, tau, y, self.lipschitz, self.descent)
        return implicit_step(x, y, filters, tau, self.adjoint, None, 1.0)

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
        copy.thresholds.level.sub_(math.log(self.sharpness) / 2)
        return copy

    def constants(self, net: nn.Module) -> Mapping[str, float]:
        """c = 0 holds by construction; the Lipschitz bound is computed."""
        assert isinstance(net, ConvexRidge)
        return {"monotone": 0.0, "lipschitz": net.lipschitz()}


@dataclass(frozen=True)
class ReconstructionRecipe(ConvexRidgeRecipe):
    """The convex ridge trained on, through A*(Ax̂ − y) + αR_σ(x̂) = 0 for blurs and Fourier masks.

    What noise hides and what a null space hides ask for different compromises of the same filters.
    """

    start: str = "convex_ridge"  # weights to start from; none: cosines
    batch: int = 2
    patch: int = 128  # Fourier lines need a grid like that of an image
    steps_forward: int = 60
    steps_backward: int = 20
    error: float = 0.001  # what squared errors are divided by: about that of a blurred image

    @property
    def domain(self) -> Domain:
        """Of a denoiser that has seen inverse problems too."""
        base = super().domain
        also = "then reconstruction from blurred and Fourier-sampled images"
        return replace(base, trained_for=f"{base.trained_for}, {also}")

    def build(self) -> ConvexRidge:
        """The shipped denoiser with the sharpening undone, or cosines."""
        if not self.start:
            return super().build()
        trained, net = _weights.load("convex_ridge"), ConvexRidge(self.filters, self.size)
        net.thresholds.load_state_dict(trained.thresholds.state_dict())
        net.thresholds.level.data.add_(math.log(self.sharpness) / 2)
        constrain(net, trained.filters / math.sqrt(self.sharpness), self.lipschitz)
        return net

    def sample(self, source: list[Tensor], rng: torch.Generator) -> Sample:
        """Few large patches behind one operator."""
        return degraded(source, self.batch, self.patch, rng)

    def score(self, net: nn.Module, clean: Image, seed: int) -> dict[str, float]:
        """PSNR in dB of one validation image, blurred and sampled."""
        assert isinstance(net, ConvexRidge)
        scores = {}
        for name, sample in examples(clean, seed).items():
            assert sample.operator is not None
            filters, tau = net.filters, net.thresholds(sample.sigma)
            limit = self.lipschitz * self.sharpness
            back = sample.operator.adjoint(sample.y)
            x = equilibrium(filters, tau, sample.operator, back, sample.weight, limit, 3 * self.steps_forward)
            scores[name] = float(psnr(x, clean))
        return scores

    def loss(self, net: nn.Module, sample: Sample) -> Tensor:
        """The squared error of the equilibrium."""
        assert isinstance(net, ConvexRidge)
        assert sample.operator is not None
        filters, tau, A, alpha = net.filters, net.thresholds(sample.sigma), sample.operator, sample.weight
        back = A.adjoint(sample.y)
        with torch.no_grad():
            x = equilibrium(filters, tau, A, back, alpha, self.lipschitz, self.steps_forward)
        x = implicit_step(x, back, filters, tau, self.steps_backward, A, alpha)
        return (x - sample.clean).square().mean() / self.error


@dataclass(frozen=True)
class UnconstrainedRecipe(LayeredRecipe):
    """The same backbone with free norms."""

    def build(self) -> UnconstrainedDenoiser:
        """Cosine banks, analysis and synthesis alike, so that training starts from a stable denoiser."""
        net = UnconstrainedDenoiser(self.layers, self.filters, self.size)
        start = tight_frame(self.filters, self.size, 2.0)
        for layer in net.layers:
            for name in ("filters", "synthesis_filters"):
                parametrize.register_parametrization(layer, name, ZeroMean())
                layer.parametrizations[name].original.data.copy_(start)  # type: ignore[index]
        return net

    def constants(self, net: nn.Module) -> Mapping[str, float]:
        """None: nothing is promised."""
        return {}


RECIPES: Mapping[str, Recipe] = {
    recipe.key: recipe
    for recipe in (
        ConvexRidgeRecipe("convex_ridge", "Convex ridge regulariser", steps=7_000, learning_rate=2e-3),
        ReconstructionRecipe(
            "convex_ridge_inverse", "Convex ridge for inverse problems", steps=1_500, learning_rate=1e-3
        ),
        ContractiveRecipe("contractive", "1-Lipschitz denoiser", steps=5_000, learning_rate=1e-3),
        RangeRecipe("contractive_range", "1-Lipschitz, trained by the range", steps=400, learning_rate=5e-4),
        DeepEquilibriumRecipe(
            "contractive_deq", "1-Lipschitz, trained through the equilibrium", steps=2_000, learning_rate=5e-4
        ),
        UnconstrainedRecipe("unconstrained", "Unconstrained denoiser", steps=3_000, learning_rate=1e-3),
        *MOL_RECIPES,
        *GLOW_RECIPES,
        *SPARSE_RECIPES,
    )
}
