"""Operators whose A*A is diagonal in Fourier space: convolutions and Fourier sampling.

For a periodic convolution, with ĥ the discrete Fourier transform of the kernel, A = F*ĥF for the unitary F.
So |ĥ| are the singular values of A, and each function of A*A is a product with the same function of |ĥ|².
"""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from deqviz.core.estimate import Estimate
from deqviz.core.operator import ForwardModel
from deqviz.core.rounding import transform
from deqviz.core.space import Image, Space, wide


@dataclass(frozen=True)
class FourierDiagonal(ForwardModel):
    """A*A = F* p F with a real and even p ≥ 0."""

    resolvent_kind = "closed form"
    takes_double = is_double = True

    @property
    def roundings(self) -> float:
        """Two transforms, and what is between them."""
        return 2 * transform(*self.image.shape[-2:]) + 8

    @cached_property
    @abstractmethod
    def _power(self) -> Tensor:
        """p on the half plane h × (w/2 + 1) of `rfft2`, zero frequency first; in double precision."""

    @cached_property
    def _inverses(self) -> dict[float, Tensor]:
        return {}

    def _filter(self, x: Image, transfer: Tensor) -> Image:
        return torch.fft.irfft2(torch.fft.rfft2(wide(x)) * transfer, s=self.image.shape[-2:]).to(x.dtype)

    def gram(self, x: Image) -> Image:
        """F*(p · F x)."""
        return self._filter(x, self._power)

    def resolvent(self, b: Image, weight: float, start: Image | None = None) -> Image:
        """F*(F b / (p + ρ)), exact."""
        del start
        inverse = self._inverses.get(weight)
        if inverse is None:
            # The last one only: a run asks for the same ρ in every step, and dividing costs a third of it.
            self._inverses.clear()
            inverse = self._inverses[weight] = 1 / (self._power + weight)
        return self._filter(b, inverse)


@dataclass(frozen=True)
class Convolution(FourierDiagonal):
    """Periodic convolution A x = F*(ĥ · F x) with a real kernel h."""

    baseline_name = "Blurred image"

    @property
    def codomain(self) -> Space:
        """The space of the images themselves."""
        return self.image

    @abstractmethod
    def spectrum(self) -> Tensor:
        """ĥ in double precision on the CPU, on the half plane h × (w/2 + 1) of `rfft2`."""

    @cached_property
    def _spectrum(self) -> Tensor:
        return self.spectrum()

    @cached_property
    def _transfer(self) -> Tensor:
        return self._spectrum.to(self.image.device)

    @cached_property
    def _power(self) -> Tensor:
        return self._transfer.abs().square()

    def apply(self, x: Image) -> Image:
        """h ∗ x, periodic."""
        return self._filter(x, self._transfer)

    def adjoint(self, y: Image) -> Image:
        """The correlation with h: the conjugate transfer."""
        return self._filter(y, self._transfer.conj())

    def norm(self) -> Estimate:
        """max |ĥ|, exact on this very grid."""
        return Estimate("‖A‖", float(self._spectrum.abs().max()), "exact")

    def norm_bound(self) -> Estimate:
        """‖A‖ itself."""
        return self.norm()

    def smallest_singular_value(self) -> Estimate:
        """min |ĥ|, exact on this very grid."""
        return Estimate("σ_min(A)", float(self._spectrum.abs().min()), "exact")

    def baseline(self, y: Image) -> Image:
        """The blurred image."""
        return y
