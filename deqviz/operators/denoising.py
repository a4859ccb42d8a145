"""Denoising: the identity as forward operator."""

from deqviz.core.catalog import OPERATORS
from deqviz.core.estimate import Estimate
from deqviz.core.operator import ForwardModel
from deqviz.core.space import Image, Space


@OPERATORS.register("denoising", title="Denoising (identity)", family="Denoising")
class Denoising(ForwardModel):
    """The identity A x = x: the measurements are the image with noise.

    ‖A‖ = σ_min(A) = 1. Everything that is left to do is the regulariser's.
    """

    resolvent_kind = "closed form"
    takes_double = True
    baseline_name = "Noisy image"

    @property
    def roundings(self) -> float:
        """Of the closed form; A itself is exact."""
        return 4

    @property
    def codomain(self) -> Space:
        """The space of images."""
        return self.image

    # A fresh tensor, as from every other operator: a caller may write into what it gets.
    def apply(self, x: Image) -> Image:
        """x, as a copy."""
        return x.clone()

    def adjoint(self, y: Image) -> Image:
        """y, as a copy."""
        return y.clone()

    def resolvent(self, b: Image, weight: float, start: Image | None = None) -> Image:
        """b/(1 + ρ)."""
        del start
        return b / (1 + weight)

    def norm(self) -> Estimate:
        """‖A‖ = 1."""
        return Estimate("‖A‖", 1.0, "exact")

    def norm_bound(self) -> Estimate:
        """‖A‖ itself."""
        return self.norm()

    def smallest_singular_value(self) -> Estimate:
        """σ_min(A) = 1."""
        return Estimate("σ_min(A)", 1.0, "exact")
