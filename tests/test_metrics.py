"""Quality measures against scikit-image."""

import math

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from deqviz.core.metrics import psnr, ssim


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
