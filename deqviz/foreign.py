"""Operators and denoisers that somebody else wrote: a function, or an object of deepinv.

Nothing is proved of them, so every guarantee on them is at most estimated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from deqviz.core.denoiser import Denoiser
from deqviz.core.estimate import Estimate
from deqviz.core.operator import ForwardModel
from deqviz.core.quoted import brief
from deqviz.core.space import Data, Image, Result, Space, inner, norm, scale

TensorMap = Callable[[Tensor], Tensor]

_SETTLED, _PRODUCTS = 1e-5, 200
"""The power iteration ends when ‖A‖² grows by less than this share, or after so many products with A*A."""


@runtime_checkable
class Physics(Protocol):
    """What is asked of a linear physics of deepinv."""

    def A(self, x: Tensor) -> Tensor:
        """A x."""
        ...

    def A_adjoint(self, y: Tensor) -> Tensor:
        """A* y."""
        ...


@dataclass(frozen=True, eq=False)
class Foreign(ForwardModel):
    """A x = `forward`(x) with A* y = `backward`(y), both of batched tensors; made by `operator` or `physics`.

    ‖A‖ is `proved_norm` where one was given, else the result of a power iteration, which only bounds it from
    below. Linearity and the adjoint were tried on random images, which is no proof either: `doubt`.
    """

    forward: TensorMap
    backward: TensorMap
    data_space: Space
    proved_norm: float | None = None

    @property
    def codomain(self) -> Space:
        """The space of what `forward` returns."""
        return self.data_space

    def apply(self, x: Image) -> Result:
        """A x."""
        return self.forward(x)

    def adjoint(self, y: Data) -> Result:
        """A* y."""
        return self.backward(y)

    def norm_bound(self) -> Estimate:
        """The norm that was given, else a lower bound."""
        if self.proved_norm is not None:
            return Estimate("‖A‖", self.proved_norm, "upper bound")
        return self._estimated_norm

    @cached_property
    def _estimated_norm(self) -> Estimate:
        return Estimate("‖A‖", _largest_singular_value(self), "lower bound")

    @property
    def doubt(self) -> str:
        """What was tried and what was estimated."""
        tried = "A is linear and A* its adjoint on random images, which proves neither"
        return tried if self.proved_norm is not None else f"{tried}; ‖A‖ is known from below only"


def operator(
    image: Space, forward: TensorMap, adjoint: TensorMap | None = None, norm: float | None = None
) -> Foreign:
    """The operator x ↦ `forward`(x) on images of the space `image`, b × c × h × w tensors.

    Without `adjoint` it is differentiated: x ↦ Ax being linear, A*y is the gradient of ⟨Ax, y⟩. `norm` is an
    upper bound of ‖A‖ that you can prove. Raises ValueError where `forward` is not linear, mixes the items of
    a batch, does not return one tensor, or where `adjoint` is none.
    """
    if norm is not None and not norm > 0:
        raise ValueError(f"The norm of an operator is positive, not {norm:g}.")
    backward = _differentiated(forward, image) if adjoint is None else adjoint
    with torch.no_grad():
        return _tried(image, forward, backward, norm)


def physics(source: object, image: Space, norm: float | None = None) -> Foreign:
    """A linear physics of deepinv, or anything else with A(x) and A_adjoint(y), as `operator`.

    Its noise model is left out: data come from `source`(x) or from a noise of DEQViz.
    """
    if not isinstance(source, Physics):
        kind = type(source).__name__
        raise ValueError(f"{kind} has no A and A_adjoint: only a linear physics can be used here.")
    # A gradient of the physics' own parameters is nobody's wish here.
    if isinstance(source, nn.Module):
        source.requires_grad_(False)
    return operator(image, source.A, source.A_adjoint, norm)


def denoiser(
    network: Callable[[Tensor, float], Tensor], lipschitz: float | None = None, *, is_grey: bool = False
) -> Denoiser:
    """A denoiser of deepinv, or any `network`(x, σ), to be plugged in: `build({…}, plugged=…)` of a method.

    A module is put into evaluation mode and loses its gradients. `is_grey` hands it every channel as an
    image of its own. `lipschitz` as in `Denoiser`: only a proved constant certifies anything.
    """
    if isinstance(network, nn.Module):
        network.eval().requires_grad_(False)

    def each(x: Tensor, sigma: float) -> Tensor:
        b, c, h, w = x.shape
        return network(x.reshape(b * c, 1, h, w), sigma).reshape(x.shape)

    return Denoiser(each if is_grey else network, lipschitz)


def _differentiated(forward: TensorMap, image: Space) -> TensorMap:
    def backward(y: Tensor) -> Tensor:
        is_followed = torch.is_grad_enabled() and y.requires_grad
        with torch.enable_grad():
            x = image.zeros(len(y)).requires_grad_()
            (gradient,) = torch.autograd.grad(forward(x), x, y, create_graph=is_followed)
        return gradient

    return backward


def _tried(image: Space, forward: TensorMap, backward: TensorMap, bound: float | None) -> Foreign:
    rng = torch.Generator().manual_seed(0)
    two = image.random(rng, 2)
    # Sums in another order: a thousand roundings are no reason to refuse.
    room = 1000 * torch.finfo(image.real_dtype).eps
    try:
        y, combined = forward(two), forward(two[:1] + 3 * two[1:])
    except Exception as error:  # of somebody else's code
        message = brief(error, 160)
        size = " × ".join(map(str, image.shape))
        raise ValueError(
            f"The operator fails on two images of {size} {_kind(image.dtype)}: {message}"
        ) from error
    if not (isinstance(y, Tensor) and isinstance(combined, Tensor) and y.ndim > 0):
        raise ValueError(f"The operator returns {type(y).__name__}, and only one tensor can be used here.")
    if len(y) != 2 or len(combined) != 1:
        raise ValueError("The operator does not keep the batch axis: it must map b × … to b × ….")
    if y.dtype.to_real() != image.real_dtype:
        raise ValueError(f"The operator turns {_kind(image.dtype)} into {_kind(y.dtype)}.")
    if bool((combined == 0).all()):
        raise ValueError("The operator maps every image to 0.")
    gap = norm(combined - (y[:1] + 3 * y[1:])) / (norm(combined) + norm(y).max())
    if not bool(gap <= room):
        raise ValueError("The operator is not linear, or mixes the images of a batch: A(x + 3z) ≠ Ax + 3Az.")
    model = Foreign(image, forward, backward, Space(tuple(y.shape[1:]), y.dtype, image.device), bound)
    other = model.codomain.random(rng, 2)
    back = backward(other)
    if not isinstance(back, Tensor) or back.shape != two.shape or back.dtype != two.dtype:
        raise ValueError("The adjoint does not return images of the shape and precision of x.")
    off = (inner(y, other) - inner(two, back)).abs() / (norm(y) * norm(other) + norm(two) * norm(back))
    if not bool((off <= room).all()):
        raise ValueError("The adjoint is none: ⟨Ax, y⟩ ≠ ⟨x, A*y⟩ on random images.")
    return model


@torch.no_grad()
def _largest_singular_value(A: Foreign) -> float:
    """‖A‖ from below, by products with A*A until it hardly grows."""
    v = A.image.random(torch.Generator().manual_seed(1))
    before = value = 0.0
    for _ in range(_PRODUCTS):
        v = scale(1 / norm(v).clamp_min(1e-30), v)
        v = A.gram(v)
        value = float(norm(v))
        if value <= before * (1 + _SETTLED):
            break
        before = value
    return value**0.5


def _kind(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
