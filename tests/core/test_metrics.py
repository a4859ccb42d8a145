"""Quality measures against scikit-image."""

import math

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from deqviz.core.metrics import decibels, largest_error, no_ssim, psnr, squared_error, ssim
from deqviz.core.space import magnitude


@pytest.fixture
def pair():
    rng = torch.Generator().manual_seed(0)
    truth = torch.rand(1, 1, 40, 33, generator=rng, dtype=torch.float64)
    return truth + 0.1 * torch.randn(truth.shape, generator=rng, dtype=torch.float64), truth


def test_psnr_is_the_field_s(pair):
    x, truth = pair
    expected = peak_signal_noise_ratio(truth[0, 0].numpy(), x[0, 0].numpy(), data_range=1)
    assert psnr(x, truth) == pytest.approx(expected, rel=1e-12)
    assert psnr(truth, truth) == math.inf
    assert psnr(truth * math.nan, truth) == -math.inf


def test_ssim_is_scikit_image_s(pair):
    x, truth = pair
    expected = structural_similarity(truth[0, 0].numpy(), x[0, 0].numpy(), data_range=1)
    assert ssim(x, truth) == pytest.approx(expected, rel=1e-9)


@pytest.fixture
def complex_pair():
    rng = torch.Generator().manual_seed(1)
    truth = 0.6 * torch.randn(1, 2, 40, 33, generator=rng, dtype=torch.float64).clamp(-1, 1)
    return truth + 0.1 * torch.randn(truth.shape, generator=rng, dtype=torch.float64), truth


def test_complex_pictures_are_compared_by_their_magnitudes(complex_pair):
    x, truth = complex_pair
    sizes = [torch.complex(v[0, 0], v[0, 1]).abs().numpy() for v in (truth, x)]
    assert psnr(x, truth) == pytest.approx(peak_signal_noise_ratio(*sizes, data_range=1), rel=1e-12)
    assert ssim(x, truth) == pytest.approx(structural_similarity(*sizes, data_range=1), rel=1e-9)
    assert psnr(x, truth) == decibels(float(squared_error(x, truth)))
    assert float(largest_error(x, truth)) == pytest.approx(abs(sizes[0] - sizes[1]).max(), rel=1e-12)


@pytest.mark.parametrize(("height", "width"), [(6, 40), (40, 1), (7, 7)])
def test_an_image_thinner_than_the_window_has_no_ssim(height: int, width: int):
    truth = torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(0))
    size = min(height, width)
    message = f"No SSIM: its window is 7 px wide, the image {size} px." if size < 7 else ""
    assert no_ssim(truth) == message
    assert (ssim(0.9 * truth, truth) is None) == (size < 7)


def test_a_phase_is_no_error(complex_pair):
    _, truth = complex_pair
    turned = torch.stack((-truth[:, 1], truth[:, 0]), 1)
    assert psnr(turned, truth) == math.inf
    assert ssim(turned, truth) == pytest.approx(1)
    assert float(largest_error(turned, truth)) == 0


def test_colour_has_no_magnitude_and_volumes_have_one():
    rng = torch.Generator().manual_seed(2)
    colour, volume = torch.rand(2, 3, 8, 9, generator=rng), torch.randn(1, 2, 4, 8, 9, generator=rng)
    assert magnitude(colour) is colour
    assert magnitude(volume).shape == (1, 1, 4, 8, 9)
    assert psnr(-volume, volume) == math.inf
    assert float(largest_error(-colour, colour)) == pytest.approx(2 * float(colour.max()))
