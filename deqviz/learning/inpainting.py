"""PSNR on the missing pixels, and the objective of the descending constraints of inpainting."""

from collections.abc import Callable, Sequence
from statistics import fmean

import torch
from torch import Tensor

from deqviz.core.metrics import psnr
from deqviz.core.space import Batch, Image, norm
from deqviz.networks.glow_prox import LayerState

WEIGHT = 100.0
"""Of the data in f(x, z) = WEIGHT·‖y − Ax‖² + ½‖z‖², as in the experiment of Hadou et al., 2024."""


def gradients(states: Sequence[LayerState], pull: Callable[[Tensor], Tensor]) -> Tensor:
    """‖∇_x f‖ = 2·`WEIGHT`·‖A*(Ax − y)‖ per image, (K + 1) × b; `pull`(x) is A*(y − Ax)."""
    return torch.stack([2 * WEIGHT * norm(pull(state.x)) for state in states])


def latent_norms(states: Sequence[LayerState]) -> Tensor:
    """‖∇_z f‖ = ‖z‖ per image, (K + 1) × b; 0 stands before layer 1, where there are no latents."""
    norms = torch.stack([state.latent_norm for state in states[1:]])
    return torch.cat([torch.zeros_like(norms[:1]), norms])


def objective(state: LayerState, misfit: Image) -> Batch:
    """f per image, `misfit` being y − Ax."""
    return WEIGHT * norm(misfit).square() + 0.5 * state.latent_norm.square()


def mean_fill(y: Image, mask: Tensor) -> Image:
    """y where the mask is 1, elsewhere the mean of its channel's seen pixels."""
    mean = (y * mask).sum((-2, -1), keepdim=True) / mask.sum((-2, -1), keepdim=True).clamp_min(1)
    return torch.where(mask > 0, y, mean)


def hole_psnr(x: Image, truth: Image, mask: Tensor) -> float:
    """PSNR in dB over missing pixels only, the mean over the batch; ∞ where nothing is lost."""
    masks = mask.expand_as(truth)
    return fmean(_lost_psnr(*one) for one in zip(x, truth, masks, strict=True))


def _lost_psnr(x: Tensor, truth: Tensor, mask: Tensor) -> float:
    lost = mask == 0
    return psnr(x[lost][None, None], truth[lost][None, None]) if bool(lost.any()) else float("inf")
