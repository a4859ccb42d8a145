"""The package by arrays: what a researcher types, and what is refused."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from deqviz import arrays, foreign
from deqviz.core.registry import Choice
from deqviz.core.space import Space

RNG = np.random.default_rng(0)
GREY = RNG.random((24, 20))
COLOUR = (RNG.random((24, 20, 3)) * 255).astype(np.uint8)


def test_pictures_come_back_as_they_were() -> None:
    for picture in (GREY, COLOUR / 255):
        problem = arrays.degraded(picture, "denoising", noise=0.0)
        np.testing.assert_array_equal(arrays.pixels(problem.data), picture.astype(np.float32))
    eight = arrays.degraded(COLOUR, "denoising", noise=0.0)
    np.testing.assert_allclose(arrays.pixels(eight.data), COLOUR / 255, atol=1e-7)  # rounding to float32


@pytest.mark.parametrize(
    "operator",
    ["gaussian_blur", Choice("fourier", {"fraction": 0.5}), lambda x: x.roll(2, -1), "tomography"],
    ids=["key", "choice", "function", "tomography"],
)
def test_noise_has_its_level_and_comes_from_the_seed(operator: Any) -> None:
    clean = arrays.degraded(GREY, operator, noise=0.0).data
    first, again, other = (arrays.degraded(GREY, operator, noise=0.7, seed=s).data for s in (1, 1, 2))
    assert bool((first == again).all())
    assert bool((first != other).any())
    moved = (first - clean).abs().square()
    # 200 entries and more: the mean square is within 30 % of the variance by four deviations and more.
    assert float(moved[moved > 0].mean().sqrt()) == pytest.approx(0.7, rel=0.3)


def test_measured_data_give_what_degraded_data_gave() -> None:
    for picture in (GREY, COLOUR / 255):
        made = arrays.degraded(picture, "gaussian_blur", noise=0.01)
        again = arrays.measured(arrays.pixels(made.data), "gaussian_blur", 0.01)
        assert bool((made.data == again.data).all())
        assert made.operator == again.operator
    sinogram = arrays.degraded(GREY, "tomography", noise=0.0)
    data = sinogram.data[0].numpy()
    same = arrays.measured(data, "tomography", 0.0, GREY.shape)
    assert bool((same.data == sinogram.data).all())


def test_iterates_stream() -> None:
    problem = arrays.degraded(GREY, lambda x: x[..., ::2], noise=0.01)
    method = arrays.method("equilibrium", regularizer="smoothed_tv", solver="picard", weight=0.05)
    assert type(method.solver).__name__ == "Picard"  # pyright: ignore[reportAttributeAccessIssue]
    run = list(itertools.islice(method.iterates(problem), 20))
    assert float(run[-1].residual) < float(run[0].residual)
    assert arrays.pixels(run[-1].x).shape == GREY.shape


def test_a_denoiser_is_plugged_in_by_name() -> None:
    mine = foreign.denoiser(lambda x, _: x)
    assert arrays.method("pnp_hqs", plugged=mine).plugged is mine  # pyright: ignore[reportAttributeAccessIssue]


def test_bytes_in_another_order_are_the_same_numbers() -> None:
    swapped = arrays.degraded(GREY.astype(">f4"), "denoising", noise=0.01)
    assert bool((swapped.data == arrays.degraded(GREY.astype("<f4"), "denoising", noise=0.01).data).all())
    data = arrays.pixels(swapped.data)
    again = arrays.measured(data.astype(data.dtype.newbyteorder()), "denoising", 0.01)
    assert bool((again.data == swapped.data).all())


def test_a_complex_image_is_for_operators_of_complex_ones() -> None:
    x = GREY * np.exp(1j * GREY)
    problem = arrays.degraded(x, "parallel_mri", noise=0.0)
    assert problem.operator.image.shape == (2, *GREY.shape)
    with pytest.raises(ValueError, match="the operator has real images"):
        arrays.degraded(x, "denoising")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: arrays.degraded(GREY, "no_such"), "There is no operator 'no_such'"),
        (lambda: arrays.degraded(GREY, "denoising", noise=-1), "0 or above, not -1"),
        (lambda: arrays.degraded(GREY, "denoising", noise=float("nan")), "0 or above, not nan"),
        (lambda: arrays.degraded(GREY, "denoising", noise=25), "25, .*: is 25/255 = 0.098 meant?"),
        (lambda: arrays.measured(GREY, "denoising", 25), "is 25/255 = 0.098 meant?"),
        (lambda: arrays.degraded(255 * GREY, "denoising"), "from .* to 25.*: divide it by 255"),
        (lambda: arrays.degraded(4000 * GREY - 1000, "denoising"), "from -.* from 0 to 1: scale it"),
        (lambda: arrays.degraded(np.stack([GREY, GREY], 2), "denoising"), "two channels, a real"),
        (lambda: arrays.degraded(np.stack([GREY] * 4, 2), "denoising"), "4 channels: give h × w"),
        (lambda: arrays.degraded(np.stack([GREY + 1j] * 3, 2), "denoising"), "complex image has the shape"),
        (lambda: arrays.degraded(GREY[0], "denoising"), "2 or 3 axes"),
        (lambda: arrays.degraded(GREY[:0], "denoising"), "holds no numbers"),
        (lambda: arrays.degraded(np.where(GREY > 0.5, np.nan, GREY), "denoising"), "NaN or infinite"),
        (lambda: arrays.degraded(GREY.astype(int), "denoising"), "uint8 or floating point"),
        (
            lambda: arrays.degraded(GREY, foreign.operator(Space((1, 8, 8)), torch.neg)),
            "for images of 1 × 8 × 8, not of 1 × 24 × 20",
        ),
        (
            lambda: arrays.measured(GREY, "tomography", 0.0),
            "The data have the shape 24 × 20, and the operator",
        ),
        (lambda: arrays.measured(GREY[None, None], "denoising", 0.0), "give its shape"),
        (lambda: arrays.measured(GREY + 1j, "denoising", 0.0), "complex, and the operator makes real"),
        (lambda: arrays.measured(np.array([["a"]]), "denoising", 0.0), "hold no numbers"),
        (lambda: arrays.measured(GREY * np.inf, "denoising", 0.0), "NaN or infinite"),
        (lambda: arrays.method("no_such"), "There is no method 'no_such'"),
        (lambda: arrays.method("tv", wait=1.0), "has no parameter wait"),
        (lambda: arrays.method("equilibrium", solver="no_such"), "Solver"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refusal:
        make()
    assert "\n" not in str(refusal.value)
