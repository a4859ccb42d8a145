"""Laws of every registered operator."""

import dataclasses
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from deqviz.core.catalog import OPERATORS, discover
from deqviz.core.linalg import conjugate_gradients, power_iteration
from deqviz.core.operator import ForwardModel
from deqviz.core.registry import Entry
from deqviz.core.space import Space, inner, norm, wide
from tests.strategies import illegal, params

discover("deqviz.operators")

# Beside the defaults of each operator, every option of a Literal that changes the mathematics.
_VARIANTS: dict[str, list[dict[str, Any]]] = {
    entry.key: [{}]
    + [{p.name: option} for p in entry.params if isinstance(p.domain, tuple) for option in p.domain[1:]]
    for entry in OPERATORS
}
_VARIANTS["super_resolution"] += [{"factor": 3}, {"factor": 4, "filter": "box"}]
_VARIANTS["tomography"] += [{"span": 60.0}, {"bin": 2.5, "views": 11}]
_VARIANTS["kernel_blur"] += [{"kernel": "0,-1,0\n1,2,3", "scaling": "as given"}]
_VARIANTS["fourier"] += [{"fraction": 1.0}]
_VARIANTS["compressed_sensing"] += [{"fraction": 1.0}]
_SHAPES = [(1, 16, 16), (3, 24, 18), (1, 17, 32)]
_CASES = [
    (key, variant, _SHAPES[n % 3]) for key, found in _VARIANTS.items() for n, variant in enumerate(found)
]
_CASES += [(key, {}, shape) for key in _VARIANTS for shape in _SHAPES[1:]]


@cache
def _built(case: int) -> ForwardModel:
    key, variant, shape = _CASES[case]
    return OPERATORS[key].build(variant, image=Space(shape, torch.float64))


def law(check: Callable[[ForwardModel], None]) -> Callable[[str, pytest.Subtests], None]:
    """A test for each operator, in float64 with every variant of it."""

    @pytest.mark.parametrize("key", _VARIANTS)
    def test(key: str, subtests: pytest.Subtests) -> None:
        for case, (name, variant, shape) in enumerate(_CASES):
            if name == key:
                with subtests.test(variant=variant, shape=shape):
                    check(_built(case))

    return test


@pytest.fixture(params=list(OPERATORS), ids=lambda entry: entry.key)
def entry(request: pytest.FixtureRequest) -> Entry[ForwardModel]:
    """Every registered operator."""
    return request.param


def _rng() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def _pair(operator: ForwardModel, batch: int = 2) -> tuple[Tensor, Tensor]:
    rng = _rng()
    return operator.domain.random(rng, batch), operator.codomain.random(rng, batch)


def _matrix(operator: ForwardModel) -> Tensor:
    """A on one channel as a real matrix: real and imaginary parts of complex data are separate rows."""
    image = Space((1, *operator.image.shape[1:]), torch.float64)
    single = dataclasses.replace(operator, image=image)
    basis = torch.eye(image.size, dtype=torch.float64).view(-1, *image.shape)
    columns = single.apply(basis).flatten(1)
    return torch.view_as_real(columns).flatten(1).T if columns.is_complex() else columns.T


@law
def test_adjoint_is_the_adjoint(operator: ForwardModel):
    x, y = _pair(operator)
    ax = operator.apply(x)
    assert ax.shape[1:] == operator.codomain.shape
    assert ax.dtype == operator.codomain.dtype
    # Rounding is relative to the sizes of both factors, not to the product, which may be near 0.
    assert ((inner(ax, y) - inner(x, operator.adjoint(y))).abs() <= 1e-12 * norm(x) * norm(y)).all()


@law
def test_adjoint_is_the_transpose_of_autograd(operator: ForwardModel):
    x, y = _pair(operator)
    x.requires_grad_()
    (transpose,) = torch.autograd.grad(inner(operator.apply(x), y).sum(), x)
    torch.testing.assert_close(operator.adjoint(y), transpose, rtol=0, atol=1e-11)


@law
def test_adjoint_is_differentiable(operator: ForwardModel):
    x, y = _pair(operator)
    y.requires_grad_()
    (transpose,) = torch.autograd.grad(inner(x, operator.adjoint(y)).sum(), y)
    torch.testing.assert_close(operator.apply(x), transpose, rtol=0, atol=1e-11)


# torch 2.13's own: its forward-mode decompositions are still scripted.
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@law
def test_forward_derivative_is_the_operator_itself(operator: ForwardModel):
    x, _ = _pair(operator)
    derivative = torch.func.jvp(operator.apply, (x,), (x.flip(0),))[1]
    torch.testing.assert_close(derivative, operator.apply(x.flip(0)), rtol=0, atol=1e-11)


@law
def test_linear(operator: ForwardModel):
    x, y = _pair(operator)
    u, v = (
        operator.domain.random(_rng().manual_seed(2), 2),
        operator.codomain.random(_rng().manual_seed(3), 2),
    )
    torch.testing.assert_close(operator(2 * x - 3 * u), 2 * operator(x) - 3 * operator(u), rtol=0, atol=1e-11)
    torch.testing.assert_close(
        operator.adjoint(2 * y - 3 * v), 2 * operator.adjoint(y) - 3 * operator.adjoint(v), rtol=0, atol=1e-11
    )


@law
def test_gram_is_adjoint_of_apply(operator: ForwardModel):
    x, _ = _pair(operator)
    torch.testing.assert_close(operator.gram(x), operator.adjoint(operator.apply(x)), rtol=0, atol=1e-12)


@law
def test_resolvent_inverts(operator: ForwardModel):
    b, _ = _pair(operator)
    # Conjugate gradients may stop at their 200 products before they arrive; closed forms have no excuse.
    tolerance = 1e-8 if operator.resolvent_kind == "closed form" else 1e-6
    for w in (1e-3, 0.5):
        x = operator.resolvent(b, w)
        solved = conjugate_gradients(
            lambda v, w=w: operator.gram(v) + w * v, b, tolerance=1e-12, max_steps=1000
        )
        assert (norm(x - solved) <= tolerance * norm(x)).all()


@law
def test_norms_are_ordered(operator: ForwardModel):
    bound, stated = operator.norm_bound(), operator.norm()
    assert bound.is_certified_above
    matrix = _matrix(operator)
    singular = torch.linalg.svdvals(matrix)
    true = float(singular[0])
    least = float(singular[-1]) if matrix.shape[0] >= matrix.shape[1] else 0.0
    assert true <= bound.value * (1 + 1e-12)
    # Nobody is served by a bound that is far away: steps are chosen by it.
    assert bound.value <= 1.02 * true
    if stated.side == "exact":
        assert stated.value == pytest.approx(true, rel=1e-10)
    else:
        assert 0.95 * true <= stated.value <= true * (1 + 1e-12)
    smallest = operator.smallest_singular_value()
    # 1e-8: the singular values of a matrix are only right up to rounding of the largest one.
    assert smallest.value <= least + 1e-8
    if smallest.side == "exact":
        assert smallest.value == pytest.approx(least, abs=1e-8)
    power = power_iteration(operator.gram, operator.domain.random(_rng()), steps=30) ** 0.5
    assert power <= bound.value * (1 + 1e-12)


@law
def test_adjoint_and_composition_are_operators(operator: ForwardModel):
    x, y = _pair(operator)
    torch.testing.assert_close(operator.H(y), operator.adjoint(y))
    torch.testing.assert_close((operator.H @ operator)(x), operator.adjoint(operator(x)))


@law
def test_batch_items_do_not_meet(operator: ForwardModel):
    x, y = _pair(operator, 3)
    for each, whole in ((operator.apply, x), (operator.adjoint, y), (operator.baseline, y)):
        torch.testing.assert_close(each(whole)[1:2], each(whole[1:2]), rtol=0, atol=1e-11)


@law
def test_channels_are_treated_alike(operator: ForwardModel):
    x, _ = _pair(operator)  # of several channels in one shape of each operator at least
    torch.testing.assert_close(operator.apply(x.flip(1)), operator.apply(x).flip(1), rtol=0, atol=1e-12)


@law
def test_inputs_are_left_alone_and_outputs_are_fresh(operator: ForwardModel):
    x, y = _pair(operator)
    x0, y0 = x.clone(), y.clone()
    outputs = [operator.apply(x), operator.adjoint(y), operator.resolvent(x, 0.1)]
    for output in outputs:
        output.zero_()
    assert torch.equal(x, x0)
    assert torch.equal(y, y0)
    assert float(operator.apply(x).abs().sum()) > 0


@law
def test_measured_marks_the_structural_zeros(operator: ForwardModel):
    x, _ = _pair(operator)
    if operator.measured is not None:
        assert operator.measured.shape == operator.codomain.shape
        assert set(operator.measured.unique().tolist()) <= {0.0, 1.0}
        assert torch.equal(operator.apply(x) * operator.measured, operator.apply(x))


@law
def test_baseline_is_a_picture(operator: ForwardModel):
    flat = torch.full((2, *operator.image.shape), 0.5, dtype=torch.float64)
    picture = operator.baseline(operator.apply(flat))
    assert picture.shape == flat.shape
    assert picture.dtype == flat.dtype
    assert bool(picture.isfinite().all())


def test_precision_is_kept(entry: Entry[ForwardModel]):
    for dtype in (torch.float32, torch.float64):
        A = entry.build({}, image=Space((1, 20, 24), dtype))
        x = A.image.random(_rng())
        y = A.apply(x)
        assert y.dtype == A.codomain.dtype
        assert y.real.dtype == dtype
        for picture in (A.adjoint(y), A.gram(x), A.resolvent(x, 0.1), A.baseline(y)):
            assert picture.dtype == dtype


def test_single_precision_agrees_with_double(entry: Entry[ForwardModel]):
    single, double = (entry.build({}, image=Space((1, 20, 24), t)) for t in (torch.float32, torch.float64))
    x = single.image.random(_rng())
    exact = double.apply(x.double())
    assert float((single.apply(x).to(exact.dtype) - exact).abs().max()) <= 1e-6 * float(exact.abs().max())


@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 15, 34)])
def test_rounding_stays_within_its_bound(entry: Entry[ForwardModel], shape: tuple[int, int, int]):
    """In single precision, for images and for data outside ran A, and with little regularisation."""
    single, double = (entry.build({}, image=Space(shape, t)) for t in (torch.float32, torch.float64))
    x, y, weight, epsilon = single.image.random(_rng()), single.codomain.random(_rng()), 1e-4, single.rounding
    top, low = double.norm_bound().value, double.smallest_singular_value().value

    def off(found: Tensor, exact: Tensor) -> float:
        return float(norm(found.double() - exact))

    assert off(single.gram(x), double.gram(wide(x))) <= epsilon * top**2 * float(norm(x))
    assert off(single.adjoint(y), double.adjoint(wide(y))) <= epsilon * top * float(norm(y))
    # Double precision inside, or γ of two transforms in single precision: nothing that a chart would show.
    assert epsilon <= (1.001 * single.resolution if single.is_double else 3e-5)
    exact = double.solve(wide(y), weight)
    if single.resolvent_kind == "closed form":
        limit = epsilon * float(norm(x)) / (low**2 + weight)
        assert off(single.resolvent(x, weight), double.resolvent(wide(x), weight)) <= limit
        assert off(single.solve(y, weight), exact) <= single.resolution * float(norm(exact))
    else:
        # 10⁻⁵: conjugate gradients to 10⁻⁶ twice, at a condition number of 10⁴.
        assert off(single.solve(y, weight), exact) <= 1e-5 * float(norm(exact))


def test_those_that_take_double_precision_compute_in_it(entry: Entry[ForwardModel]):
    """Whatever their images are: the ends of runs are judged so."""
    A = entry.build({}, image=Space((1, 20, 24)))
    if not A.takes_double:
        pytest.skip("single precision only")
    rng = _rng()
    x, y = wide(A.domain.random(rng)), wide(A.codomain.random(rng))
    forth, back, solved = A.apply(x), A.adjoint(y), A.resolvent(x, 0.1)
    assert {u.dtype for u in (back, A.gram(x), solved)} == {torch.float64}
    room = 1e-13 * float(norm(x)) * float(norm(y))
    assert abs(float(inner(forth, y)) - float(inner(x, back))) <= room
    assert float(norm(A.gram(x) - A.adjoint(forth))) <= 1e-13 * float(norm(x))


def test_seeds_repeat_and_the_global_generator_is_not_used(entry: Entry[ForwardModel]):
    state = torch.get_rng_state()
    results = []
    for _ in range(2):
        operator = entry.build({}, image=Space((1, 20, 24)))
        x = operator.image.random(_rng())
        y = operator.apply(x)
        results.append((y, operator.adjoint(y), operator.resolvent(x, 0.1)))
        operator.norm()
        operator.norm_bound()
        operator.smallest_singular_value()
    assert torch.equal(torch.get_rng_state(), state)
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


DRAWN = [entry for entry in OPERATORS if "seed" in {p.name for p in entry.params}]


@pytest.mark.parametrize("entry", DRAWN, ids=lambda entry: entry.key)
def test_another_seed_is_another_operator(entry: Entry[ForwardModel]):
    one, two = (entry.build({"seed": seed}, image=Space((1, 20, 24))) for seed in (1, 2))
    x = one.image.random(_rng())
    assert not torch.equal(one.apply(x), two.apply(x))


def test_key_is_the_file_name_and_there_is_a_docstring(entry: Entry[ForwardModel]):
    assert Path(inspect.getfile(entry.cls)).stem == entry.key
    assert entry.summary.endswith(".")
    assert all(p.label for p in entry.params)


def test_illegal_parameters_are_refused(entry: Entry[ForwardModel]):
    with pytest.raises(ValueError, match="no parameter"):
        entry.validate({"surprise": 1})
    for param in entry.params:
        for value in illegal(param):
            with pytest.raises(ValueError, match=r"\w"):
                entry.validate({param.name: value})


@settings(max_examples=8)
@given(data=st.data(), size=st.tuples(st.integers(16, 21), st.integers(16, 21)))
def test_legal_parameters_give_an_operator(
    entry: Entry[ForwardModel], data: st.DataObject, size: tuple[int, int]
):
    chosen = data.draw(params(entry))
    operator = entry.build(chosen, image=Space((1, *size), torch.float64))
    x, y = _pair(operator, 1)
    ax = operator.apply(x)
    assert ((inner(ax, y) - inner(x, operator.adjoint(y))).abs() <= 1e-12 * norm(x) * norm(y)).all()
    assert (norm(ax) <= operator.norm_bound().value * norm(x) * (1 + 1e-12)).all()
    assert (norm(ax) >= operator.smallest_singular_value().value * norm(x) * (1 - 1e-12)).all()
