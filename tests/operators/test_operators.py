"""Closed forms and messages of single operators."""

import math
from typing import Literal

import pytest
import torch

from deqviz.core.catalog import OPERATORS, discover
from deqviz.core.space import Space
from deqviz.operators.fourier import Fourier
from deqviz.operators.gaussian_blur import GaussianBlur
from deqviz.operators.inpainting import Inpainting
from deqviz.operators.kernel_blur import KernelBlur, parse_kernel

discover("deqviz.operators")


def _picture(*shape: int) -> torch.Tensor:
    return torch.rand(1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _space(*shape: int) -> Space:
    return Space(shape, torch.float64)


def test_gaussian_blur_is_a_sampled_gaussian():
    A = OPERATORS["gaussian_blur"].build({"width": 1.3}, image=_space(1, 32, 32))
    dot = torch.zeros(1, 1, 32, 32, dtype=torch.float64)
    dot[..., 16, 16] = 1
    place = torch.arange(32, dtype=torch.float64) - 16
    line = torch.exp(-0.5 * (place / 1.3).square())
    # 10⁻¹²: on 32 pixels the Gaussian's copies at the other periods are below rounding.
    torch.testing.assert_close(A(dot)[0, 0], torch.outer(line, line) / line.sum() ** 2, rtol=0, atol=1e-12)


@pytest.mark.parametrize("width", [0.3, 1.6, 6.0])
def test_gaussian_blur_keeps_positive_pictures_positive(width: float):
    A = GaussianBlur(_space(1, 24, 24), width=width)
    assert float(A.spectrum().min()) > 0
    assert float(A(_picture(1, 24, 24)).min()) > 0


@pytest.mark.parametrize(
    ("angle", "row", "column"), [(0.0, 0, 4), (90.0, -4, 0), (45.0, -3, 3), (135.0, -3, -3)]
)
def test_motion_blur_points_where_it_says(angle: float, row: int, column: int):
    A = OPERATORS["motion_blur"].build({"length": 9.0, "angle": angle}, image=_space(1, 32, 32))
    dot = torch.zeros(1, 1, 32, 32, dtype=torch.float64)
    dot[..., 16, 16] = 1
    trace = A(dot)[0, 0]
    assert float(trace.sum()) == pytest.approx(1)
    assert float(trace.min()) > -1e-15
    for sign in (1, -1):
        assert float(trace[16 + sign * row, 16 + sign * column]) > 0.03
    assert float(trace[16 + row, 16 - column]) < 1e-12 or row == 0 or column == 0


def test_a_line_longer_than_the_picture_wraps_around():
    A = OPERATORS["motion_blur"].build({"length": 40.0}, image=_space(1, 16, 16))
    assert A.norm().value == pytest.approx(1)


def test_kernel_blur_shows_the_kernel_at_a_dot():
    A = KernelBlur(_space(1, 16, 16), kernel="1 2 0; 0 -3 4", scaling="as given")
    dot = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    dot[..., 8, 8] = 1
    expected = torch.tensor([[1.0, 2, 0], [0, -3, 4]], dtype=torch.float64)
    torch.testing.assert_close(A(dot)[0, 0, 7:9, 7:10], expected, rtol=0, atol=1e-12)
    assert float(A(dot).abs().sum()) == pytest.approx(10)


def test_kernel_blur_of_unit_sum_keeps_brightness():
    A = KernelBlur(_space(1, 16, 16), kernel="3, 1\n1, 5")
    flat = torch.ones(1, 1, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(A(flat), flat)


def test_a_kernel_larger_than_the_picture_folds():
    A = KernelBlur(_space(1, 16, 16), kernel=";".join(["1 " * 31] * 31))
    flat = torch.ones(1, 1, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(A(flat), flat)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        (" ; ;", "empty"),
        ("1 2; 3", "row 1 has 2 numbers, row 2 has 1"),
        ("1 two", "'two', which is not a number"),
        ("1 nan", "nan; entries lie between"),
        ("1e9", "entries lie between"),
        ("0 0; 0 0", "zero everywhere"),
        ("1 " * 32, "1 × 32; at most 31 × 31"),
    ],
)
def test_a_bad_kernel_gets_its_sentence(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        parse_kernel(text)
    with pytest.raises(ValueError, match=message):
        OPERATORS["kernel_blur"].validate({"kernel": text})


@pytest.mark.parametrize(("kernel", "width"), [("1e-30", 16), ("1e-200", 16), ("1e-320", 16), ("1 0 -1", 2)])
def test_a_kernel_that_leaves_nothing_is_refused(kernel: str, width: int):
    """Too small for its square, or one whose ends meet and cancel on a small image."""
    with pytest.raises(ValueError, match="leaves nothing of an image"):
        KernelBlur(_space(1, 16, width), kernel=kernel, scaling="as given")


def test_a_tiny_kernel_of_unit_sum_is_a_kernel():
    x = _picture(1, 8, 8)
    torch.testing.assert_close(KernelBlur(_space(1, 8, 8), kernel="1e-30")(x), x)


def test_a_kernel_of_sum_zero_cannot_be_scaled():
    with pytest.raises(ValueError, match="sums to zero"):
        KernelBlur(_space(1, 16, 16), kernel="1 -1")
    assert (
        KernelBlur(_space(1, 16, 16), kernel="1 -1", scaling="as given").smallest_singular_value().value == 0
    )


@pytest.mark.parametrize("kept", [0.02, 0.3, 1.0])
def test_random_mask_keeps_the_share(kept: float):
    A = Inpainting(_space(3, 20, 30), kept=kept)
    assert int(A.measured.sum()) == 3 * round(kept * 600)


def test_block_and_text_masks():
    block = Inpainting(_space(1, 20, 40), mask="block", block=0.5)
    lost = 1 - block.measured[0]
    assert int(lost.sum()) == 10 * 20
    assert bool(lost[5:15, 10:30].all())
    for size in (16, 64, 256):
        text = Inpainting(_space(1, size, size), mask="text")
        assert 0.5 < float(text.measured.mean()) < 0.95


def test_inpainting_text_is_validated():
    for text in ("", "   ", "two\nlines", "x" * 61):
        with pytest.raises(ValueError, match=r"\w"):
            OPERATORS["inpainting"].validate({"text": text})


def test_inpainting_baseline_fills_with_the_mean_of_the_known():
    A = OPERATORS["inpainting"].build({}, image=_space(2, 16, 16))
    flat = torch.tensor([0.2, 0.7], dtype=torch.float64).view(1, 2, 1, 1).expand(1, 2, 16, 16)
    torch.testing.assert_close(A.baseline(A(flat)), flat)


@pytest.mark.parametrize("kind", ["gaussian", "box"])
@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("side", [16, 17, 18, 19])
def test_super_resolution_keeps_brightness_and_place(factor: int, kind: str, side: int):
    A = OPERATORS["super_resolution"].build({"factor": factor, "filter": kind}, image=_space(1, side, 24))
    flat = torch.ones(1, 1, side, 24, dtype=torch.float64)
    torch.testing.assert_close(A(flat), torch.ones(1, *A.codomain.shape, dtype=torch.float64))
    torch.testing.assert_close(A.baseline(A(flat)), flat)
    # A ramp comes back as the same ramp, away from the border: nothing is shifted. Half a pixel would be
    # 0.5; torch's bicubic (a = −¾) bends a ramp of slope 4 per coarse pixel by up to 0.164.
    ramp = torch.arange(24, dtype=torch.float64).expand(1, 1, side, 24)
    torch.testing.assert_close(A.baseline(A(ramp))[..., 10:14], ramp[..., 10:14], rtol=0, atol=0.17)


def test_super_resolution_by_boxes_is_the_mean_over_blocks():
    A = OPERATORS["super_resolution"].build({"factor": 3, "filter": "box"}, image=_space(1, 18, 24))
    x = _picture(1, 18, 24)
    torch.testing.assert_close(A(x), torch.nn.functional.avg_pool2d(x, 3))
    assert A.norm().value == pytest.approx(1 / 3)


@pytest.mark.parametrize("pattern", ["lines", "points", "radial"])
@pytest.mark.parametrize("fraction", [0.05, 0.25, 0.8, 1.0])
@pytest.mark.parametrize("shape", [(64, 64), (33, 48)])
def test_fourier_measures_the_share_and_the_centre(
    pattern: Literal["lines", "points", "radial"], fraction: float, shape: tuple[int, int]
):
    A = Fourier(_space(1, *shape), pattern=pattern, fraction=fraction)
    mask = A.measured[0]
    assert mask[shape[0] // 2, shape[1] // 2] == 1
    # A spoke or a line more or less.
    assert float(mask.mean()) == pytest.approx(fraction, abs=0.03)


def test_fourier_has_zero_frequency_in_the_middle():
    A = OPERATORS["fourier"].build({}, image=_space(1, 16, 20))
    y = A(torch.ones(1, 1, 16, 20, dtype=torch.float64))
    assert abs(complex(y[0, 0, 8, 10])) == pytest.approx(math.sqrt(320))
    assert float(y.abs().sum()) == pytest.approx(math.sqrt(320))


def test_compressed_sensing_is_hadamard_on_powers_of_two():
    A = OPERATORS["compressed_sensing"].build({"fraction": 1.0}, image=_space(1, 16, 32))
    basis = torch.eye(512, dtype=torch.float64).view(-1, 1, 16, 32)
    matrix = A(basis).flatten(1)
    torch.testing.assert_close(matrix.abs(), torch.full_like(matrix, 1 / math.sqrt(512)))


@pytest.mark.parametrize("shape", [(16, 16), (17, 24), (20, 30)])
def test_compressed_sensing_has_orthonormal_rows(shape: tuple[int, int]):
    A = OPERATORS["compressed_sensing"].build({}, image=_space(1, *shape))
    y = A.codomain.random(torch.Generator().manual_seed(0), 2)
    torch.testing.assert_close(A(A.adjoint(y)), y)
    assert A.codomain.size == round(0.3 * shape[0] * shape[1])
