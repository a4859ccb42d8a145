"""What every regulariser in the registry must do, the day its file lands."""

import inspect

import pytest
import torch

from deqviz.core.catalog import REGULARIZERS, discover
from deqviz.core.registry import Entry, Range
from deqviz.core.space import inner, norm

discover("deqviz.regularizers")
# Not below 7: the filters of the networks are 7 wide. Odd, and not square.
SIZES = [(1, 7, 7), (3, 9, 14), (1, 17, 11)]


def corners(entry: Entry) -> list[dict]:
    """The defaults and, one by one, every parameter at its ends."""
    ends = [
        {p.name: end}
        for p in entry.params
        if isinstance(p.domain, Range)
        for end in (p.domain.low, p.domain.high)
    ]
    return [{}, *ends]


CASES = [pytest.param(e, params, id=f"{e.key}-{params}") for e in REGULARIZERS for params in corners(e)]
EACH = pytest.mark.parametrize(("entry", "params"), CASES)


def pairs(shape):
    """Pairs near and far, smooth and rough, small and large: a constant must hold for all of them."""
    rng = torch.Generator().manual_seed(0)
    draw = lambda: torch.randn(shape, dtype=torch.float64, generator=rng)  # noqa: E731
    ramp = torch.linspace(0, 1, shape[-1], dtype=torch.float64).expand(shape)
    # The finest chequerboard is where differences are largest.
    board = (2.0 * ((torch.arange(shape[-2])[:, None] + torch.arange(shape[-1])) % 2) - 1).expand(shape)
    left, right = [], []
    for scale in (1e-4, 1e-2, 1.0, 30.0):
        rough = 0.5 + 0.3 * draw()
        left += [rough, ramp, ramp, torch.zeros(shape, dtype=torch.float64)]
        right += [
            rough + scale * draw(),
            ramp + scale * draw().cumsum(-1),
            ramp + scale * board,
            scale * board,
        ]
    return torch.stack(left), torch.stack(right)


@EACH
@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_constants_hold_on_pairs(entry, params, shape):
    R = entry.build(params)
    known = R.constants()
    assert known.monotonicity.side != "upper bound"
    assert known.lipschitz.is_certified_above
    assert known.contraction.is_certified_above
    assert known.known
    x, z = pairs(shape)
    h, dR = x - z, R(x) - R(z)
    size = norm(h)
    # Relative rounding of R: the far pairs are 30 large, in float64.
    room = 1e-9 * size * (1 + known.lipschitz.value)
    assert (inner(dR, h) >= known.monotonicity.value * size.square() - room * size).all()
    assert (norm(dR) <= known.lipschitz.value * size + room).all()
    assert (norm(known.center * h - dR) <= known.contraction.value * size + room).all()


@EACH
def test_potential_has_the_gradient_R(entry, params):
    R = entry.build(params)
    x = torch.rand(
        2, 3, 9, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    ).requires_grad_()
    value = R.potential(x)
    assert R.is_gradient == (value is not None)
    if value is None:
        return
    assert value.shape == (2,)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    # Relative to R's own size: α R is what enters the equation.
    torch.testing.assert_close(gradient, R(x.detach()), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("entry", list(REGULARIZERS), ids=lambda e: e.key)
def test_channels_and_batch_items_are_alike(entry):
    R = entry.build({})
    x = torch.rand(2, 3, 9, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    together = R(x)
    for b in range(2):
        for c in range(3):
            alone = R(x[b : b + 1, c : c + 1])
            torch.testing.assert_close(together[b : b + 1, c : c + 1], alone, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("entry", list(REGULARIZERS), ids=lambda e: e.key)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_keeps_type_shape_and_argument(entry, dtype):
    R = entry.build({})
    x = torch.rand(1, 3, 12, 9, dtype=dtype, generator=torch.Generator().manual_seed(3))
    before, state = x.clone(), torch.get_rng_state()
    out = R(x)
    assert out.dtype == dtype
    assert out.shape == x.shape
    assert torch.equal(R(x), out)
    assert torch.equal(x, before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("entry", list(REGULARIZERS), ids=lambda e: e.key)
def test_says_what_it_is_and_where_from(entry):
    text = inspect.getdoc(entry.cls) or ""
    assert "R" in text
    assert any(year in text for year in map(str, range(1960, 2027))), "a source with its year"
