"""The denoisers that plug-and-play methods plug in."""

from collections.abc import Callable
from typing import Literal

import torch

from deqviz.core.denoiser import Denoiser
from deqviz.core.guarantee import Claim
from deqviz.core.rounding import RoundingBound
from deqviz.core.space import Image
from deqviz.methods._ball import Ball
from deqviz.networks import _weights
from deqviz.networks._channels import per_channel
from deqviz.regularizers.contractive import denoiser_lipschitz, denoiser_rounding

Name = Literal["contractive", "unconstrained"]

UNKNOWN = "no Lipschitz constant of this denoiser is known: the iteration may wander or diverge"


def relaxed_lipschitz(name: Name, relaxation: float, plugged: Denoiser | None) -> float | None:
    """Lip((1 − λ)Id + λD) from above, λ = `relaxation`, for every noise level and image size, or None."""
    if plugged is not None:
        limit = plugged.lipschitz
    else:
        limit = None if name == "unconstrained" else denoiser_lipschitz()
    return None if limit is None else 1 - relaxation + relaxation * limit


def claim(plugged: Denoiser | None) -> Claim:
    """Whose word the constant is: ours is proved, one that was plugged in comes with what its user states."""
    return "certified" if plugged is None else "stated"


def relaxed(
    name: Name,
    sigma: float,
    relaxation: float,
    dtype: torch.dtype,
    device: str,
    plugged: Denoiser | None,
) -> Callable[[Image], Image]:
    """x ↦ (1 − λ)x + λD_σ(x) with the denoiser that was plugged in, else the named one on every channel."""
    denoise = _named(name, dtype, device) if plugged is None else plugged

    def f(x: Image) -> Image:
        denoised = denoise(x, sigma)
        return denoised if relaxation == 1 else torch.lerp(x, denoised, relaxation)

    return f


def is_certified(name: Name, plugged: Denoiser | None) -> bool:
    """Whether it is ours, and nonexpansive by construction."""
    return plugged is None and name == "contractive"


def enclosed(sigma: float, relaxation: float, x: Ball) -> Ball:
    """(1 − λ)x + λD_σ(x) with the contractive denoiser."""
    denoise = _named("contractive", x.centre.dtype, str(x.centre.device))
    rounding = RoundingBound(denoiser_rounding())
    denoised = x.mapped(denoise(x.centre, sigma), denoiser_lipschitz(), rounding)
    return (1 - relaxation) * x + relaxation * denoised


def _named(name: Name, dtype: torch.dtype, device: str) -> Callable[[Image, float], Image]:
    network = _weights.load(name, dtype, device)
    return lambda x, sigma: per_channel(lambda u: network(u, sigma), x)
