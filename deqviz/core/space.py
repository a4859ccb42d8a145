"""Real Hilbert spaces of batched tensors; complex tensors carry the real inner product."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from deqviz.core.size import fitted as fitted

Image: TypeAlias = Float[Tensor, "b c h w"]
Data: TypeAlias = Shaped[Tensor, "b *m"]
Result: TypeAlias = Shaped[Tensor, "b *n"]
"""Data of another shape than the argument's: jaxtyping ties equal letters within one call."""
Batch: TypeAlias = Float[Tensor, "b"]
Pixels: TypeAlias = Float[Tensor, "b c *s"]
"""Images, volumes or dynamic series; two channels are the real and the imaginary part of complex ones."""


@dataclass(frozen=True)
class Space:
    """A space of tensors `b × shape` on one device; `shape` leaves the batch axis out."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32
    device: str = "cpu"

    @property
    def size(self) -> int:
        """The number of entries of one batch item."""
        return math.prod(self.shape)

    @property
    def real_dtype(self) -> torch.dtype:
        """float32 for float32 and complex64, float64 for float64 and complex128."""
        return self.dtype.to_real()

    @property
    def complex_dtype(self) -> torch.dtype:
        """complex64 for float32, complex128 for float64."""
        return self.dtype.to_complex()

    def random(self, rng: torch.Generator, batch: int = 1) -> Tensor:
        """Standard normal entries, drawn on the CPU so that a seed means the same on every device."""
        return torch.randn((batch, *self.shape), dtype=self.dtype, generator=rng).to(self.device)

    def zeros(self, batch: int = 1) -> Tensor:
        """The zero of the space."""
        return torch.zeros((batch, *self.shape), dtype=self.dtype, device=self.device)


def inner(u: Data, v: Data) -> Batch:
    """⟨u, v⟩ = Re Σ ū v, one number per batch item."""
    return (u.conj() * v).flatten(1).sum(1).real


def norm(u: Data) -> Batch:
    """‖u‖ = √⟨u, u⟩, one number per batch item."""
    flat = u.flatten(1)
    return cast(Tensor, torch.linalg.vector_norm(flat, dim=1))  # pyright: ignore[reportUnknownMemberType]


def scale(a: Batch, u: Data) -> Data:
    """a·u with one number per batch item."""
    return a.view(-1, *[1] * (u.ndim - 1)) * u


def wide(u: Data) -> Data:
    """u in double precision."""
    return u.to(torch.complex128 if u.is_complex() else torch.float64)


def magnitude(x: Pixels) -> Float[Tensor, "b m *s"]:
    """|x₀ + i x₁| of a complex image of two channels, as one channel; other images as they are."""
    if x.shape[1] != 2:
        return x
    return cast(Tensor, torch.linalg.vector_norm(x, dim=1, keepdim=True))  # pyright: ignore[reportUnknownMemberType]


def on_complex(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A map of complex images, two channels, on images of any number of channels.

    Each real channel becomes a complex image whose imaginary part is 0, and of what f returns the real part
    is taken: neither adds to a Lipschitz constant.
    """
    if x.shape[1] == 2:
        return f(x)
    b, c, *shape = x.shape
    each = x.reshape(b * c, 1, *shape)
    return f(torch.cat([each, torch.zeros_like(each)], 1))[:, :1].reshape(x.shape)


def in_phase(size: Tensor, phase: Tensor) -> Tensor:
    """size·e^{i·phase} as two channels, b × shape to b × 2 × shape; the phase may serve all of a batch."""
    return torch.stack((size * phase.cos(), size * phase.sin()), 1)


def extent(channels: int) -> tuple[float, float]:
    """The least and the largest value of images: [0, 1], but [−1, 1] for both parts of complex ones."""
    return (-1.0, 1.0) if channels == 2 else (0.0, 1.0)


def random_picture(space: Space, rng: torch.Generator) -> Tensor:
    """White noise around the middle of `extent`, a quarter of its width as the deviation, clipped to it."""
    low, high = extent(space.shape[0])
    return ((low + high) / 2 + (high - low) / 4 * space.random(rng)).clamp(low, high)
