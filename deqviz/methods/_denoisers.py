"""The denoisers that plug-and-play methods plug in."""

from collections.abc import Callable
from functools import cache
from typing import Literal

import torch

from deqviz.core.space import Image
from deqviz.networks import _weights

Name = Literal["contractive", "unconstrained"]

UNKNOWN = "no Lipschitz constant of this denoiser is known: the iteration may wander or diverge"


@cache
def lipschitz(name: Name) -> float | None:
    """A certified Lipschitz constant for every noise level and picture size, or None."""
    if name == "unconstrained":
        return None
    return _weights.load("contractive").lipschitz()


def relaxed_lipschitz(name: Name, relaxation: float) -> float | None:
    """That of (1 − λ)Id + λD, λ = `relaxation`."""
    limit = lipschitz(name)
    return None if limit is None else 1 - relaxation + relaxation * limit


def relaxed(
    name: Name, sigma: float, relaxation: float, dtype: torch.dtype, device: str
) -> Callable[[Image], Image]:
    """x ↦ (1 − λ)x + λD_σ(x), every channel by itself."""
    network = _weights.load(name, dtype, device)

    def f(x: Image) -> Image:
        b, c, h, w = x.shape
        denoised = network(x.reshape(b * c, 1, h, w), sigma).view(b, c, h, w)
        return denoised if relaxation == 1 else torch.lerp(x, denoised, relaxation)

    return f
