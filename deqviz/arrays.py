"""Arrays in, arrays out: the package without the app, on images and operators of one's own."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

import deqviz.scenario  # noqa: F401  fills the registries
from deqviz import foreign, images
from deqviz.core.catalog import METHODS, OPERATORS
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Method, Problem
from deqviz.core.registry import Choice, Pick
from deqviz.core.space import Image, Space, extent
from deqviz.core.streams import stream
from deqviz.noises.gaussian import Gaussian

BEYOND = 0.5
"""What an image may leave its interval by: reconstructions do by little, other units by much."""
Operator: TypeAlias = ForwardModel | Choice | str | Callable[[Tensor], Tensor]
"""A built operator, a registered one by its key or a choice, or any linear map of b × c × h × w tensors."""


def degraded(picture: np.ndarray, operator: Operator, noise: float = 0.02, seed: int = 0) -> Problem:
    """The data A x + `noise`·ε of an image h × w or h × w × 3, uint8 or floats in [0, 1].

    A complex image is h × w, for operators that have such. ε is white and drawn from the seed.
    Raises ValueError with a sentence for anything that does not fit.
    """
    _check_level(noise, 1.0)
    x = _image(picture)
    A = _operator(operator, Space(tuple(x.shape[1:]), x.dtype))
    _check_channels(x.shape[1], A)
    clean = A(x)
    # Of the seed itself an operator may have drawn its mask.
    rng = torch.Generator().manual_seed(stream(seed, "noise"))
    return Problem(A, Gaussian(float(noise)).add(clean, A, rng), float(noise))


def measured(
    data: np.ndarray, operator: Operator, noise: float, shape: tuple[int, ...] | None = None
) -> Problem:
    """Data that were measured, on images of `shape`, h × w or h × w × 3; left out, it is that of the data.

    `noise` is the standard deviation per entry. Data are shaped as the operator returns them, without the
    batch axis, or as images are where it returns images. Raises ValueError where they do not fit.
    """
    y = _numbers(data)
    _check_level(noise, float(y.abs().max()))
    sizes = tuple(data.shape) if shape is None else tuple(shape)
    if len(sizes) not in (2, 3) or min(sizes) < 1:
        raise ValueError(f"An image has the shape h × w or h × w × c, not {_dims(sizes)}: give its shape.")
    A = _operator(operator, Space((sizes[2] if len(sizes) == 3 else 1, *sizes[:2])))
    expected = A.codomain.shape
    as_picture = (1, *y.shape) if y.ndim == 2 else (*y.shape[2:], *y.shape[:2])
    if tuple(y.shape) != expected:
        if as_picture != expected:
            raise ValueError(
                f"The data have the shape {_dims(y.shape)}, and the operator makes {_dims(expected)}."
            )
        y = y[None] if y.ndim == 2 else y.movedim(2, 0)
    if y.is_complex() and not A.codomain.dtype.is_complex:
        raise ValueError("The data are complex, and the operator makes real ones.")
    return Problem(A, y[None].to(A.codomain.dtype).contiguous(), float(noise))


def method(key: str, /, **params: Any) -> Method:
    """The registered method of this key; a solver or regulariser may be named by its key alone.

    `method("equilibrium", regularizer="quadratic", weight=0.1)`; with parameters of its own it is a
    `Choice`. Raises ValueError naming what is wrong and what there is.
    """
    entry = METHODS[key]
    picks = {p.name for p in entry.params if isinstance(p.domain, Pick)}
    named = {n: Choice(v) if n in picks and isinstance(v, str) else v for n, v in params.items()}
    # What is a field and no parameter: a denoiser to plug in.
    others = {f.name for f in dataclasses.fields(cast(Any, entry.cls))} - {p.name for p in entry.params}
    return entry.build(
        {n: v for n, v in named.items() if n not in others},
        **{n: v for n, v in named.items() if n in others},
    )


def pixels(x: Image) -> np.ndarray:
    """The first image of a batch as h × w or h × w × c."""
    first = x[0].detach().cpu().numpy()
    return first[0] if len(first) == 1 else np.ascontiguousarray(first.transpose(1, 2, 0))


def _operator(operator: Operator, space: Space) -> ForwardModel:
    if isinstance(operator, ForwardModel):
        if operator.image != space:
            raise ValueError(
                f"The operator is for images of {_dims(operator.image.shape)}, not of {_dims(space.shape)}."
            )
        return operator
    if isinstance(operator, str | Choice):
        chosen = Choice(operator) if isinstance(operator, str) else operator
        return OPERATORS[chosen.key].build(chosen.params, image=space)
    return foreign.operator(space, operator)


def _image(picture: np.ndarray) -> Image:
    if picture.size == 0:
        raise ValueError("The image holds no numbers.")
    if np.iscomplexobj(picture):
        if picture.ndim != 2:
            raise ValueError(f"A complex image has the shape h × w, not {_dims(picture.shape)}.")
        picture = np.stack([np.real(picture), np.imag(picture)], 2)
    # Of another machine's order of bytes torch takes nothing.
    x = images.from_array(picture.astype(picture.dtype.newbyteorder("="), copy=False))
    if not bool(x.isfinite().all()):
        raise ValueError("The image has NaN or infinite values: replace them.")
    (least, most), low, high = extent(x.shape[1]), float(x.min()), float(x.max())
    if low < least - BEYOND or high > most + BEYOND:
        hint = "divide it by 255" if low >= 0 and 2 < high <= 255 else "scale it"
        raise ValueError(
            f"The image goes from {low:.4g} to {high:.4g}, and images go from {least:g} to {most:g}: {hint}."
        )
    return x


def _check_channels(count: int, operator: ForwardModel) -> None:
    if count == 2 and not operator.complex_pictures:
        raise ValueError(
            "The image has two channels, a real and an imaginary part, and the operator has real images: "
            "give h × w or h × w × 3."
        )
    if count not in (1, 2, 3):
        raise ValueError(f"The image has {count} channels: give h × w or h × w × 3.")


def _numbers(data: np.ndarray) -> Tensor:
    if data.size == 0 or data.dtype.kind not in "buifc":
        raise ValueError("The data hold no numbers.")
    y = torch.from_numpy(np.ascontiguousarray(data, data.dtype.newbyteorder("=")))
    if not bool(y.isfinite().all()):
        raise ValueError("The data have NaN or infinite values: replace them.")
    return y


def _check_level(noise: float, most: float) -> None:
    """A standard deviation in the units of the data, of which none is larger than `most`."""
    if not (0 <= noise < math.inf):
        raise ValueError(f"The noise is a standard deviation, 0 or above, not {noise:g}.")
    if noise > max(most, 1.0):
        meant = f"{noise:g}/255 = {noise / 255:.2g}"
        raise ValueError(f"The noise is {noise:g}, more than all that it is added to: is {meant} meant?")


def _dims(shape: tuple[int, ...] | torch.Size) -> str:
    return " × ".join(map(str, shape))
