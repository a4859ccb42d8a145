"""Matrix-free solves, and what rounding does to sums and transforms."""

import pytest
import torch

from deqviz.core.linalg import conjugate_gradients
from deqviz.core.rounding import accumulated, transform

DIAGONAL = torch.tensor([1.0, 2.0, 4.0])


def solved(b: list[float], start: list[float]) -> tuple[torch.Tensor, int]:
    """diag(1, 2, 4)⁻¹b, and how many products it took."""
    products = 0

    def apply(v: torch.Tensor) -> torch.Tensor:
        nonlocal products
        products += 1
        return DIAGONAL * v

    x = conjugate_gradients(apply, torch.tensor([b]), start=torch.tensor([start]), max_steps=1000)
    return x[0], products


@pytest.mark.parametrize(
    ("b", "start", "x", "products"),
    [
        # The look at the start is a product, too.
        ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0], 1),
        ([1.0, 2.0, 4.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0], 1),
        ([1e-9, 2e-9, 4e-9], [1.0, 1.0, 1.0], [1e-9, 1e-9, 1e-9], 4),
        ([1.0, 0.0, 0.0], [float("nan")] * 3, [1.0, 0.0, 0.0], 2),
    ],
    ids=["zero", "at the solution", "tiny", "a start that is no number"],
)
def test_a_start_that_is_no_nearer_than_zero_is_left_out(b, start, x, products):
    value, used = solved(b, start)
    torch.testing.assert_close(value, torch.tensor(x), rtol=1e-5, atol=0)
    assert used <= products


def test_the_items_of_a_batch_choose_their_starts_by_themselves():
    b = torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 4.0]])
    x = conjugate_gradients(lambda v: DIAGONAL * v, b, start=torch.ones(2, 3))
    assert x.tolist() == [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]


def test_roundings_add_up_until_nothing_is_left():
    unit = 2.0**-24
    assert accumulated(1, torch.float32) == pytest.approx(unit, rel=1e-6)
    assert accumulated(2**23, torch.float32) == pytest.approx(1.0)
    assert accumulated(2**24, torch.float32) == float("inf")


@pytest.mark.parametrize(
    ("sides", "count"), [((8,), 3 * 4.24), ((2, 2), 2 * 4.24), ((1,), 0), ((7,), 13 * 7**0.5)]
)
def test_a_transform_counts_its_stages(sides, count):
    assert transform(*sides) == pytest.approx(count)


@pytest.mark.parametrize("side", [16, 15, 17, 61])
def test_a_transform_in_single_precision_keeps_its_bound(side):
    x = torch.randn(side, side, dtype=torch.complex64, generator=torch.Generator().manual_seed(side))
    exact = torch.fft.fft2(x.to(torch.complex128))
    off = torch.linalg.vector_norm(torch.fft.fft2(x) - exact) / torch.linalg.vector_norm(exact)
    assert 0 < float(off) <= accumulated(transform(side, side), torch.float32)
