"""Smoothed (differentiable) total variation."""

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from deqviz.core.catalog import REGULARIZERS
from deqviz.core.estimate import Estimate
from deqviz.core.registry import Range
from deqviz.core.regularizer import Constants, Regularizer
from deqviz.core.space import Batch, Image


@REGULARIZERS.register("smoothed_tv", title="Smoothed total variation", family="Hand-crafted")
class SmoothedTv(Regularizer):
    """R(x) = ∇ᵀ(∇x / √(|∇x|² + ε²)), the gradient of Σ √(|∇x|² + ε²); ∇ is 0 across the border.

    c = 0: constants are free. L_R ≤ 8/ε: the Hessian is ∇ᵀ H ∇ with 0 ≤ H ≤ Id/ε pixel by pixel, since
    g ↦ √(|g|² + ε²) has second derivative (Id − gg*/(|g|² + ε²))/√(|g|² + ε²); and
    ‖∇x‖² = Σ (x₊ − x)² + … ≤ 2·2‖x‖² + 2·2‖x‖². A small ε is closer to total variation and slower.
    Rudin, Osher and Fatemi, 1992; Acar and Vogel, 1994.
    """

    smoothing: Annotated[
        float,
        Range(
            1e-3, 0.1, "Smoothing parameter ε", log=True, symbol="ε", help="Gradients below ε count as flat"
        ),
    ] = 0.01

    def __call__(self, x: Image) -> Image:
        """R(x)."""
        right, down = _differences(x)
        weight = torch.addcmul(right.square(), down, down).add(self.smoothing**2).rsqrt()
        right, down = right * weight, down * weight
        # The last differences are 0, so that rolling carries nothing around.
        return torch.roll(right, 1, -1) - right + torch.roll(down, 1, -2) - down

    def constants(self) -> Constants:
        """c = 0 and L_R = 8/ε; see the class."""
        limit = 8 / self.smoothing
        return Constants(
            Estimate("c", 0.0, "exact"),
            Estimate("L_R", limit, "upper bound"),
            limit / 2,
            Estimate("L", limit / 2, "upper bound"),
            f"R is the gradient of a convex function with ‖∇‖²/ε ≤ 8/{self.smoothing:g}",
        )

    @property
    def is_gradient(self) -> bool:
        """Of `potential`."""
        return True

    def potential(self, x: Image) -> Batch:
        """Σ √(|∇x|² + ε²) − ε over pixels and channels, so that it vanishes on constants."""
        right, down = _differences(x)
        root = torch.addcmul(right.square(), down, down).add(self.smoothing**2).sqrt()
        return (root - self.smoothing).flatten(1).sum(1)


def _differences(x: Image) -> tuple[Tensor, Tensor]:
    """To the right and down."""
    return F.pad(x.diff(dim=-1), (0, 1)), F.pad(x.diff(dim=-2), (0, 0, 0, 1))
