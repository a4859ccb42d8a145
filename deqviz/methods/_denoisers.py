"""The denoisers that plug-and-play methods plug in."""

from collections.abc import Callable
from typing import Literal

import torch

from deqviz.core.space import Image
from deqviz.networks import _weights
from deqviz.networks._channels import per_channel
from deqviz.regularizers.contractive import denoiser_lipschitz

Name = Literal["contractive", "unconstrained"]

UNKNOWN = "no Lipschitz constant of this denoiser is known: the iteration may wander or diverge"


def relaxed_lipschitz(name: Name, relaxation: float) -> float | None:
    """Lip((1 − λ)Id + λD) from above, λ = `relaxation`, for every noise level and picture size, or None."""
    return None if name == "unconstrained" else 1 - relaxation + relaxation * denoiser_lipschitz()


def relaxed(
    name: Name, sigma: float, relaxation: float, dtype: torch.dtype, device: str
) -> Callable[[Image], Image]:
    """x ↦ (1 − λ)x + λD_σ(x), every channel by itself."""
    network = _weights.load(name, dtype, device)

    def f(x: Image) -> Image:
        denoised = per_channel(lambda u: network(u, sigma), x)
        return denoised if relaxation == 1 else torch.lerp(x, denoised, relaxation)

    return f
