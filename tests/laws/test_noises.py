"""Laws of every registered noise, on every operator."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from deqviz.core.catalog import NOISES, OPERATORS, discover
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Noise
from deqviz.core.registry import Entry
from deqviz.core.space import Space, norm
from deqviz.noises.poisson import Poisson
from tests.strategies import illegal, params

discover("deqviz.operators")
discover("deqviz.noises")


@pytest.fixture(params=list(NOISES), ids=lambda entry: entry.key)
def entry(request: pytest.FixtureRequest) -> Entry[Noise]:
    """Every registered noise."""
    return request.param


def law(check: Callable[[Entry[Noise], ForwardModel], None]) -> Callable[..., None]:
    """A test for each noise, on every operator whose data it can disturb."""

    def test(entry: Entry[Noise], subtests: pytest.Subtests) -> None:
        for operator in OPERATORS:
            A = operator.build({}, image=Space((1, 20, 24), torch.float64))
            # Nothing to count: the refusal has its own test.
            if entry.cls is not Poisson or _is_counted(_clean(A)):
                with subtests.test(operator=operator.key):
                    check(entry, A)

    return test


def _is_counted(clean: Tensor) -> bool:
    return not clean.is_complex() and float(clean.min()) >= -1e-9


def _clean(operator: ForwardModel, batch: int = 1) -> Tensor:
    rng = torch.Generator().manual_seed(7)
    picture = torch.rand((batch, *operator.image.shape), generator=rng, dtype=operator.image.dtype)
    return operator.apply(picture)


def _add(noise: Noise, clean: Tensor, operator: ForwardModel, seed: int = 3) -> Tensor:
    return noise.add(clean, operator, torch.Generator().manual_seed(seed))


@law
def test_shape_precision_and_zeros_are_kept(entry: Entry[Noise], operator: ForwardModel):
    clean = _clean(operator, 2)
    before = clean.clone()
    y = _add(entry.build({}), clean, operator)
    assert torch.equal(clean, before)
    assert (y.shape, y.dtype) == (clean.shape, clean.dtype)
    assert not torch.equal(y, clean)
    if operator.measured is not None:
        assert torch.equal(y * operator.measured, y)


@law
def test_a_seed_repeats_and_the_global_generator_is_not_used(entry: Entry[Noise], operator: ForwardModel):
    noise, clean, state = entry.build({}), _clean(operator), torch.get_rng_state()
    first, again, other = (_add(noise, clean, operator, seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@law
def test_level_is_the_size_per_measured_entry(entry: Entry[Noise], operator: ForwardModel):
    noise, clean = entry.build({}), _clean(operator, 30)
    y = _add(noise, clean, operator)
    noisy = torch.ones_like(clean, dtype=torch.bool) if operator.measured is None else operator.measured > 0
    if isinstance(noise, Poisson):
        noisy = clean > 0
    count = int(noisy.expand_as(clean).sum())
    measured = (float(norm(y - clean).square().sum()) / count) ** 0.5
    # 30 pictures of at least 50 entries: the sample deviation of white noise is within 5 % at 2.7 σ.
    assert measured == pytest.approx(noise.level(clean), rel=0.06)


def test_key_is_the_file_name_and_there_is_a_docstring(entry: Entry[Noise]):
    assert Path(inspect.getfile(entry.cls)).stem == entry.key
    assert entry.summary.endswith(".")
    assert all(p.label for p in entry.params)


def test_illegal_parameters_are_refused(entry: Entry[Noise]):
    with pytest.raises(ValueError, match="no parameter"):
        entry.validate({"surprise": 1})
    for param in entry.params:
        for value in illegal(param):
            with pytest.raises(ValueError, match=r"\w"):
                entry.validate({param.name: value})


@settings(max_examples=10)
@given(data=st.data())
def test_legal_parameters_give_finite_data(entry: Entry[Noise], data: st.DataObject):
    chosen: dict[str, Any] = data.draw(params(entry))
    operator = OPERATORS["gaussian_blur"].build({}, image=Space((1, 16, 18)))
    clean = _clean(operator)
    noise = entry.build(chosen)
    y = noise.add(clean, operator, torch.Generator().manual_seed(0))
    assert bool(y.isfinite().all())
    assert 0 <= noise.level(clean) < float("inf")
