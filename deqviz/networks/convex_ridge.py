"""A convex ridge regulariser: Huber penalties of the responses of one filter bank."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deqviz.core.space import Image
from deqviz.networks._conv import analysis, certified_norm_squared, sandwich, sandwich_rounding
from deqviz.networks._threshold import Thresholds


class ConvexRidge(nn.Module):
    """R_σ(x) = W* clip(Wx, ±τ(σ)) = ∇Ψ_σ(x), the gradient of a convex potential (Goujon et al., 2022).

    R_σ is monotone, cocoercive with 1/‖W‖², and Lipschitz with ‖W‖², because the slopes of clip are 0 or 1.
    All noise levels share the filters; only the thresholds τᵢ(σ) move, and Ψ_σ(x) is increasing in σ.
    """

    def __init__(self, filters: int = 48, size: int = 7) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.zeros(filters, 1, size, size))
        self.thresholds = Thresholds(filters, at_reference=0.0035)

    def forward(self, x: Image, sigma: float | Tensor) -> Image:
        """R_σ(x) on a one-channel image; σ in the unit of x, which is in [0, 1]."""
        return ridge_gradient(x, self.filters, self.thresholds(sigma))

    def potential(self, x: Image, sigma: float | Tensor) -> Float[Tensor, " b"]:
        """Ψ_σ(x) = Σᵢ Σ_pixels huber_τᵢ(wᵢ ∗ x), one number per image; its gradient is `forward`."""
        h, tau = analysis(x, self.filters), self.thresholds(sigma)
        inside = clip(h, tau)
        # With c = clip(h): huber = c h − c²/2, which is h²/2 inside and τ|h| − τ²/2 outside.
        return (inside * (h - inside / 2)).sum((1, 2, 3))

    def lipschitz(self) -> float:
        """‖W‖² from above, for images of every size: clip has slopes in [0, 1] whatever σ is."""
        return certified_norm_squared(self.filters)

    def rounding(self) -> float:
        """ε with ‖fl(R_σ(x)) − R_σ(x)‖ ≤ ε‖x‖ in double precision, whatever σ is."""
        return sandwich_rounding(self.filters)


def ridge_gradient(x: Image, filters: Tensor, tau: Tensor) -> Image:
    """W* clip(Wx, ±τ): the gradient of the Huber penalties of the responses Wx."""
    return sandwich(x, filters, lambda h: clip(h, tau), filters)


def clip(h: Tensor, tau: Tensor) -> Tensor:
    """Projection of h on [−τ, τ]; differentiable in both."""
    return torch.minimum(torch.maximum(h, -tau), tau)
