"""Error metrics against the ground truth; for the viewer only, a method never sees it.

Complex images of two channels are compared by their magnitudes, everywhere in here: a phase that a coil map
took over is no error of the image that one looks at.
"""

import math

import torch
from torch.nn.functional import avg_pool2d

from deqviz.core.space import Image, Pixels, magnitude


def psnr(x: Pixels, truth: Pixels) -> float:
    """10 log₁₀(1/MSE) in dB for images in [0, 1], x as it is (not clipped); ∞ when equal."""
    return decibels(float(squared_error(x, truth)))


def decibels(mean_square: float) -> float:
    """PSNR in dB of a mean squared error of images in [0, 1]; ∞ for 0, −∞ where it is no number."""
    if not math.isfinite(mean_square):
        return -math.inf
    return math.inf if mean_square == 0 else -10 * math.log10(mean_square)


WINDOW = 7
"""The side of the window of the SSIM in pixels."""


def no_ssim(image: Image) -> str:
    """The sentence for an image that is thinner than the window, else nothing."""
    size = min(image.shape[-2:])
    return f"No SSIM: its window is {WINDOW} px wide, the image {size} px." if size < WINDOW else ""


def ssim(x: Image, truth: Image) -> float | None:
    """Structural similarity with a uniform 7 × 7 window, mean over windows, for images in [0, 1].

    None where the image is thinner than the window. Wang, Bovik, Sheikh, Simoncelli, 2004, with the sample
    covariance, as scikit-image computes it with data_range = 1; equal to it to rounding.
    """
    if no_ssim(truth):
        return None
    x, truth = magnitude(x.double()), magnitude(truth.double())
    count = WINDOW * WINDOW
    bias = count / (count - 1)
    mean_x, mean_t = avg_pool2d(x, WINDOW, 1), avg_pool2d(truth, WINDOW, 1)
    var_x = bias * (avg_pool2d(x * x, WINDOW, 1) - mean_x**2)
    var_t = bias * (avg_pool2d(truth * truth, WINDOW, 1) - mean_t**2)
    cov = bias * (avg_pool2d(x * truth, WINDOW, 1) - mean_x * mean_t)
    c1, c2 = 0.01**2, 0.03**2
    value = (2 * mean_x * mean_t + c1) * (2 * cov + c2)
    return float((value / ((mean_x**2 + mean_t**2 + c1) * (var_x + var_t + c2))).mean())


def squared_error(x: Pixels, truth: Pixels) -> torch.Tensor:
    """Mean of (x − truth)², or (|x| − |truth|)² where complex, as a 0-d tensor that stays on the device."""
    return (magnitude(x) - magnitude(truth)).square().mean()


def largest_error(x: Pixels, truth: Pixels) -> torch.Tensor:
    """max |x − truth|, or max ||x| − |truth|| for complex images, as a 0-d tensor."""
    return (magnitude(x) - magnitude(truth)).abs().max()
