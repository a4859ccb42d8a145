"""Fourier sampling through several receiver coils (SENSE), in the plane, in space and over time.

A complex image is a real one of two channels, real and imaginary part, so that every method for real
images works on it, with the same inner product.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Complex, Float, Shaped
from torch import Tensor

from deqviz.core.estimate import Estimate
from deqviz.core.linalg import shifted_inverse
from deqviz.core.operator import ForwardModel
from deqviz.core.rounding import transform
from deqviz.core.space import Data, Result, Space

Maps = Complex[Tensor, "coils *s"]
Pixels = Shaped[Tensor, "b c *s"]


def to_complex(x: Float[Tensor, "b 2 *s"]) -> Complex[Tensor, "b *s"]:
    """x₀ + i x₁ of the two channels."""
    return torch.complex(x[:, 0], x[:, 1])


def to_channels(z: Complex[Tensor, "b *s"]) -> Float[Tensor, "b 2 *s"]:
    """(Re z, Im z) as two channels."""
    return torch.stack((z.real, z.imag), 1)


@dataclass(frozen=True)
class MultiCoil(ForwardModel):
    """A x = m · F(S_c x) for coils c = 1, …, C, with the unitary Fourier transform F over the last axes.

    Images of two channels are complex: (2, h, w), (2, d, h, w) or (2, t, h, w). Of any other number of
    channels each is a real image of its own, and A* takes the real part. The data has the shape (1, C, …)
    or (channels, C, …), with zero frequency in the middle and zeros where nothing is measured; the image's
    origin stands in its middle too, as scanners have it. ‖A‖² ≤ max Σ_c |S_c|². Pruessmann et al., 1999.
    """

    baseline_name = "Zero-filled"
    takes_double = True

    @property
    def roundings(self) -> float:
        """Two transforms, two products with rounded maps, and the sum over the coils."""
        return 2 * transform(*(self.image.shape[axis] for axis in self.axes)) + len(self.maps) + 12

    @cached_property
    @abstractmethod
    def maps(self) -> Maps:
        """The coils' sensitivities S_c, complex, (C, *s)."""

    @cached_property
    @abstractmethod
    def mask(self) -> Tensor:
        """m, 1 where a coefficient is measured, else 0; broadcast against the last axes of the data."""

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that are transformed: all that are not channels."""
        return tuple(range(1 - len(self.image.shape), 0))

    @property
    def is_complex(self) -> bool:
        """Whether the two channels of the images are real and imaginary part."""
        return self.image.shape[0] == 2

    @property
    def codomain(self) -> Space:
        """(1 or channels, C, *s), complex."""
        channels = 1 if self.is_complex else self.image.shape[0]
        shape = (channels, len(self.maps), *self.image.shape[1:])
        return Space(shape, self.image.complex_dtype, self.image.device)

    @property
    def measured(self) -> Tensor:
        """The mask, once per coil."""
        return self.mask.to(self.image.real_dtype).expand(self.codomain.shape)

    @cached_property
    def _unshifted(self) -> Tensor:
        # Zero frequency first: A*A is a product of convolutions, so that the image's origin does not
        # matter.
        full = self.mask.expand(self.image.shape[1:])
        return torch.fft.ifftshift(full, dim=self.axes).to(self.image.device, self.image.real_dtype)

    @cached_property
    def _conjugate(self) -> Tensor:
        return self.maps.conj().resolve_conj()

    def _seen(self, x: Pixels) -> Tensor:
        """S_c x, b × (1 or channels) × C × *s."""
        z = to_complex(x)[:, None] if self.is_complex else x
        return self.maps * z[:, :, None]

    def _joined(self, coils: Tensor) -> Pixels:
        """Σ_c S̄_c z_c as channels."""
        z = (self._conjugate * coils).sum(2)
        return to_channels(z[:, 0]) if self.is_complex else z.real

    def apply(self, x: Data) -> Result:
        """m · F(S_c x)."""
        return fourier(self._seen(x), self.axes) * self.mask

    def adjoint(self, y: Data) -> Result:
        """Σ_c S̄_c F*(m y_c), the zero-filled reconstruction."""
        return self._joined(inverse_fourier(y * self.mask, self.axes))

    def gram(self, x: Data) -> Data:
        """Σ_c S̄_c F* m F S_c x: two transforms per coil, nothing is moved to the middle and back."""
        spectrum = torch.fft.fftn(self._seen(x), dim=self.axes) * self._unshifted
        return self._joined(torch.fft.ifftn(spectrum, dim=self.axes))

    def resolvent(self, b: Data, weight: float | Tensor, start: Data | None = None) -> Data:
        """(A*A + ρ)⁻¹ b: in closed form for one coil with |S| = 1, else by conjugate gradients.

        Differentiable in b, and in ρ where it is a tensor.
        """
        if self._is_diagonal:
            transfer = 1 / (self._unshifted + weight)
            spectrum = torch.fft.fftn(self._seen(b), dim=self.axes) * transfer
            return self._joined(torch.fft.ifftn(spectrum, dim=self.axes))
        return shifted_inverse(self.gram, b, weight, start=start, tolerance=self.accuracy, max_steps=1000)

    @cached_property
    def _power(self) -> tuple[float, float]:
        power = self.maps.abs().double().square().sum(0)
        return float(power.min()), float(power.max())

    @cached_property
    def _is_diagonal(self) -> bool:
        low, high = self._power
        return self.is_complex and len(self.maps) == 1 and low > 1 - 1e-6 and high < 1 + 1e-6

    def norm_bound(self) -> Estimate:
        """√max Σ_c |S_c|², as F is unitary and m at most 1."""
        return Estimate("‖A‖", math.sqrt(self._power[1]), "upper bound")

    def smallest_singular_value(self) -> Estimate:
        """√min Σ_c |S_c|² where everything is measured, else 0."""
        whole = bool((self.mask > 0).all())
        return Estimate("σ_min(A)", math.sqrt(self._power[0]) if whole else 0.0, "lower bound")


@dataclass(frozen=True, eq=False)
class Sampled(MultiCoil):
    """Given maps and a given mask: measured data, volumes, and images over time.

    `transformed` says how many of the last axes are transformed: all three of a volume, the last two of a
    film.
    """

    coil_maps: Maps
    pattern: Tensor
    transformed: int = 2

    @cached_property
    def maps(self) -> Maps:
        """As given, on the device of the images."""
        return self.coil_maps.to(self.image.device)

    @cached_property
    def mask(self) -> Tensor:
        """As given, on the device of the images."""
        return self.pattern.to(self.image.device)

    @property
    def axes(self) -> tuple[int, ...]:
        """The last axes."""
        return tuple(range(-self.transformed, 0))


def ring_scan(space: Space, coils: int, mask: Tensor, transformed: int) -> Sampled:
    """Coils on a ring and a mask; along axes that are not transformed, as time, the coils see all alike."""
    shape = space.shape[-transformed:]
    maps = ring_maps(coils, shape).to(space.device, space.complex_dtype)
    maps = maps.view(coils, *[1] * (len(space.shape) - 1 - transformed), *shape)
    return Sampled(space, maps, mask.to(space.device, space.dtype), transformed)


def fourier(z: Tensor, axes: Sequence[int]) -> Tensor:
    """The unitary Fourier transform with both origins in the middle."""
    spectrum = torch.fft.fftn(torch.fft.ifftshift(z, dim=axes), dim=axes, norm="ortho")
    return torch.fft.fftshift(spectrum, dim=axes)


def inverse_fourier(y: Tensor, axes: Sequence[int]) -> Tensor:
    """The inverse of `fourier`, and its adjoint."""
    z = torch.fft.ifftn(torch.fft.ifftshift(y, dim=axes), dim=axes, norm="ortho")
    return torch.fft.fftshift(z, dim=axes)


def ring_maps(coils: int, shape: Sequence[int]) -> Complex[Tensor, "coils *s"]:
    """Smooth sensitivities of coils on a ring around the last two axes, complex128, Σ_c |S_c|² = 1.

    S̃_c = exp(−|r − p_c|²/(2·0.9²) + i(1.2 (r₀ cos t_c + r₁ sin t_c) + t_c)) on [−1, 1]^d with
    p_c = 1.25 (cos t_c, sin t_c), in space alternately above and below the middle. One coil sees all alike.
    """
    if coils < 1:
        raise ValueError(f"at least one coil is needed, not {coils}")
    if coils == 1:
        return torch.ones((1, *shape), dtype=torch.complex128)
    axes = [
        torch.linspace(-1, 1, n, dtype=torch.float64) if n > 1 else torch.zeros(1).double() for n in shape
    ]
    grid = torch.meshgrid(*axes, indexing="ij")
    turn = 2 * math.pi * torch.arange(coils, dtype=torch.float64) / coils
    column = (coils, *[1] * len(shape))
    across, down = turn.cos().view(column), turn.sin().view(column)
    square = (grid[-2] - 1.25 * across).square() + (grid[-1] - 1.25 * down).square()
    if len(shape) == 3:
        height = 0.6 * (1 - 2 * (torch.arange(coils) % 2)).double().view(column)
        square = square + (grid[0] - height).square()
    phase = 1.2 * (across * grid[-2] + down * grid[-1]) + turn.view(column)
    raw = torch.polar(torch.exp(-square / (2 * 0.9**2)), phase)
    return raw / raw.abs().square().sum(0).sqrt()
