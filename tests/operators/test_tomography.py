"""Computed tomography: geometry, reconstruction and scale."""

import math

import pytest
import torch

from deqviz.core.space import Space
from deqviz.images import from_array, phantom
from deqviz.operators.tomography import Tomography


@pytest.mark.parametrize("bin_width", [1.0, 1.7, 4.0])
def test_each_view_sees_the_whole_mass(bin_width: float):
    A = Tomography(Space((1, 24, 31), torch.float64), views=17, bin=bin_width)
    x = torch.rand(1, 1, 24, 31, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mass = A(x).sum(-1)
    torch.testing.assert_close(mass, mass[..., :1].expand_as(mass), rtol=1e-10, atol=0)


def test_the_first_view_adds_up_the_columns():
    A = Tomography(Space((1, 16, 20), torch.float64), views=12)
    x = torch.rand(1, 1, 16, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    first = A(x)[0, 0, 0]
    columns = x.sum(-2).flatten()
    # An even width on an odd number of bins: each column straddles two bins.
    spread = torch.zeros_like(first)
    begin = len(first) / 2 - 10
    for j, value in enumerate(columns):
        low = math.floor(begin + j)
        share = begin + j - low
        spread[low] += (1 - share) * value
        spread[low + 1] += share * value
    scale = float(spread.sum() / first.sum())
    torch.testing.assert_close(first * scale, spread, rtol=1e-9, atol=1e-9)


def test_a_disk_has_the_chord_lengths():
    n, radius = 64, 20.0
    axis = torch.arange(8 * n, dtype=torch.float64) / 8 - n / 2 + 1 / 16
    fine = (axis[:, None].square() + axis.square() <= radius**2).double()
    disk = fine.view(n, 8, n, 8).mean((1, 3))[None, None]
    A = Tomography(Space((1, n, n), torch.float64), views=40)
    sinogram = A(disk)[0, 0]
    place = torch.arange(sinogram.shape[1]) - (sinogram.shape[1] - 1) / 2
    chord = 2 * (radius**2 - place.square()).clamp_min(0).sqrt()
    scale = float(chord.sum() / sinogram[0].sum())
    inner = place.abs() < radius - 2
    # One bin averages the chord over a pixel and each edge pixel is flat: 2 % of the diameter.
    assert float((scale * sinogram - chord)[:, inner].abs().max()) < 0.02 * 2 * radius


@pytest.mark.parametrize(
    ("window", "bin_width", "least"), [("ramp", 1.0, 24.0), ("hann", 1.0, 20.0), ("ramp", 1.5, 20.0)]
)
def test_filtered_back_projection_reconstructs(window: str, bin_width: float, least: float):
    truth = from_array(phantom(64), torch.float64)
    A = Tomography(Space((1, 64, 64), torch.float64), views=120, window=window, bin=bin_width)  # pyright: ignore[reportArgumentType]
    picture = A.baseline(A(truth))
    assert float(picture.sum() / truth.sum()) == pytest.approx(1, abs=0.02)
    assert -10 * math.log10(float((picture - truth).square().mean())) > least


def test_limited_angle_is_worse():
    truth = from_array(phantom(64))
    errors = []
    for span in (180.0, 90.0):
        A = Tomography(Space((1, 64, 64)), views=60, span=span)
        errors.append(float((A.baseline(A(truth)) - truth).square().mean()))
    assert errors[1] > 1.5 * errors[0]


def test_second_derivatives():
    A = Tomography(Space((2, 16, 16), torch.float64), views=10)
    x = torch.rand(1, 2, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(0.5 * A(x).square().sum(), x, create_graph=True)
    torch.testing.assert_close(gradient, A.gram(x))
    (curvature,) = torch.autograd.grad(gradient.square().sum() / 2, x)
    torch.testing.assert_close(curvature, A.gram(A.gram(x)))
