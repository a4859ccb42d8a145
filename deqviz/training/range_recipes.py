"""The contractive backbone trained for inverse problems: by the range of A* alone, or by the equilibrium.

Both start from the shipped denoiser D_σ and keep its constraint, so that R(x) = x − N(x) with
N(x) = ½ + L(D_σ(x) − ½) and Lip(N) ≤ L, whatever the training does.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from deqviz.core.metrics import psnr
from deqviz.core.operator import ForwardModel
from deqviz.core.space import Image, inner, norm, scale
from deqviz.networks import _weights
from deqviz.networks._domain import Domain
from deqviz.networks.contractive import ContractiveDenoiser, PotentialLayer
from deqviz.solvers._differentiate import Implicit
from deqviz.solvers.anderson import Anderson
from deqviz.training._contractive_recipe import ContractiveRecipe
from deqviz.training._recipe import constrain
from deqviz.training.samples import Sample, degraded, examples

LEVEL, STRENGTH = 0.4, 2.5
"""σ and α beside those of the convex ridge: a denoiser at σ takes away more than a force of level σ."""


@dataclass(frozen=True)
class InverseRecipe(ContractiveRecipe):
    """What both trainings share: the start, the samples behind an operator, and how they are judged."""

    batch: int = 2
    patch: int = 64
    start: str = "contractive"  # weights to start from; none: cosines
    contraction: float = 0.95

    @property
    def domain(self) -> Domain:
        """Of a denoiser that has seen inverse problems too."""
        base = super().domain
        also = "then reconstruction from blurred and Fourier-sampled images"
        return replace(base, trained_for=f"{base.trained_for}, {also}")

    def build(self) -> ContractiveDenoiser:
        """The shipped denoiser under its constraint, or cosines."""
        if not self.start:
            return super().build()
        trained = _weights.load("contractive")
        net = ContractiveDenoiser(self.layers, self.filters, self.size)
        net.load_state_dict(trained.state_dict())
        for layer in net.layers:
            assert isinstance(layer, PotentialLayer)
            constrain(layer, layer.filters.detach().clone(), 2.0)
        return net

    def sample(self, source: list[Tensor], rng: torch.Generator) -> Sample:
        """Patches behind one operator, at the level and the weight of a denoiser."""
        return self._scaled(degraded(source, self.batch, self.patch, rng))

    def _scaled(self, sample: Sample) -> Sample:
        return replace(sample, sigma=LEVEL * sample.sigma, weight=STRENGTH * sample.weight)

    def contracted(self, net: nn.Module, x: Image, sigma: Tensor) -> Image:
        """N(x) = ½ + L(D_σ(x) − ½)."""
        return self.contraction * net(x, sigma) + 0.5 * (1 - self.contraction)

    def equilibrium(self, net: nn.Module, sample: Sample, tolerance: float) -> Image:
        """A*(Ax − y) + αR(x) = 0 by the implicit splitting, with the implicit gradient.

        x = (A*A + α)⁻¹(A*y + αN(x)) contracts by L. Raises Diverged where `tolerance` is not reached.
        """
        A, alpha = _operator(sample), sample.weight
        back = A.adjoint(sample.y)

        def step(x: Image) -> Image:
            return A.resolvent(back + alpha * self.contracted(net, x, sample.sigma), alpha)

        return Implicit(Anderson(), Anderson(), tolerance, max_steps=400)(step, A.resolvent(back, alpha))

    @torch.no_grad()
    def score(self, net: nn.Module, clean: Image, seed: int) -> dict[str, float]:
        """PSNR in dB of the equilibrium of one validation image, blurred and sampled at noise 0.01."""
        scores = {}
        for name, sample in examples(clean, seed).items():
            scores[name] = float(psnr(self.equilibrium(net, self._scaled(sample), 1e-3), clean))
        return scores

    def loss(self, net: nn.Module, sample: Sample) -> Tensor:
        """The objective, with the filters projected once instead of at every evaluation."""
        with parametrize.cached():
            for layer in net.children():
                # Asked for while gradients are on: what a solve without them cached would have no gradient.
                _ = [one.filters for one in layer.children()]
            return self.objective(net, sample)

    @abstractmethod
    def objective(self, net: nn.Module, sample: Sample) -> Tensor:
        """What is minimised."""


@dataclass(frozen=True)
class RangeRecipe(InverseRecipe):
    """L_β = E⟨R(x), β(A*A + β)⁻¹R(x)⟩ on clean images: no data, no noise, no equilibrium; one resolvent.

    (E) does not change with R → tR, but L_β does: N = L·Id makes it small and is Tikhonov's method. So it is
    divided by what T8 divides by, the squared monotonicity of R towards what A hides: `relative` of 1 is as
    good as Tikhonov. T9 of the notes; Obmann and Haltmeier, 2023, name the idea.
    """

    batch: int = 4
    cut: float = 1e-2  # β
    relative: bool = True

    def objective(self, net: nn.Module, sample: Sample) -> Tensor:
        """L_β, or its relative form; one number."""
        value, tikhonov = self.range_loss(net, sample)
        return (value / tikhonov if self.relative else value).mean()

    def range_loss(self, net: nn.Module, sample: Sample) -> tuple[Tensor, Tensor]:
        """⟨R(x), P R(x)⟩ and c(x)²⟨u, Pu⟩ with P = β(A*A + β)⁻¹ and u = x − ½, one of each per image.

        c(x) = ⟨R(x) − R(x − h), h⟩/‖h‖² is how strongly R resists the loss of what A hides, h = tPu. The
        image at place k of b has t = k/b: with t = 1 alone R learns to resist that one loss.
        """
        A, x = _operator(sample), sample.clean
        value = x - self.contracted(net, x, sample.sigma)
        hidden = self.cut * A.resolvent(x - 0.5, self.cut)
        lost = scale(torch.arange(1, len(x) + 1, dtype=x.dtype, device=x.device) / len(x), hidden)
        poor = x - lost
        pull = value - (poor - self.contracted(net, poor, sample.sigma))
        modulus = inner(pull, lost) / norm(lost).square()
        loss = inner(value, self.cut * A.resolvent(value, self.cut))
        return loss, modulus.square() * inner(x - 0.5, hidden)


@dataclass(frozen=True)
class DeepEquilibriumRecipe(InverseRecipe):
    """E‖x_α − x‖² for the equilibrium x_α of noisy data, by the implicit gradient."""

    tolerance: float = 1e-3
    error: float = 0.001  # what squared errors are divided by: about that of a blurred image

    def objective(self, net: nn.Module, sample: Sample) -> Tensor:
        """The mean squared error of the equilibrium."""
        x = self.equilibrium(net, sample, self.tolerance)
        return (x - sample.clean).square().mean() / self.error


def _operator(sample: Sample) -> ForwardModel:
    if sample.operator is None:
        raise ValueError("An inverse problem needs an operator, and the sample has none.")
    return sample.operator
