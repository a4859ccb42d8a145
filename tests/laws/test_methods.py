"""What every method in the registry must do, the day its file lands."""

import dataclasses
import inspect
import math
from itertools import islice, pairwise

import pytest
import torch

from deqviz.core.catalog import METHODS, NOISES, OPERATORS, REGULARIZERS, SOLVERS, discover
from deqviz.core.guarantee import Guarantee, is_void
from deqviz.core.records import Evidence, Problem, Scalars
from deqviz.core.registry import Choice, Entry
from deqviz.core.space import Space, norm
from deqviz.methods._base import FixedPointMethod

for package in ("operators", "noises", "solvers", "regularizers", "methods"):
    discover(f"deqviz.{package}")


def variants(entry: Entry) -> list[dict]:
    """The defaults, every option of a Literal and every choice of a Pick, one by one."""
    made: list[dict] = [{}]
    for p in entry.params:
        if isinstance(p.domain, tuple):
            made += [{p.name: option} for option in p.domain if option != p.default]
        registry = {"regularizer": REGULARIZERS, "solver": SOLVERS}.get(p.name, ())
        made += [{p.name: Choice(other.key)} for other in registry if other.key != p.default.key]
    return made


def label(value: object) -> str:
    """A short name of a variant."""
    if not isinstance(value, dict):
        return value.key if isinstance(value, Entry) else str(value)
    return "-".join(v.key if isinstance(v, Choice) else str(v) for v in value.values()) or "default"


ENTRIES = pytest.mark.parametrize("entry", list(METHODS), ids=label)
MAPS = [entry for entry in METHODS if issubclass(entry.cls, FixedPointMethod)]


def law(check):
    """A test for each method, with every variant of it."""

    @ENTRIES
    def test(entry, subtests):
        for params in variants(entry):
            with subtests.test(variant=label(params)):
                check(entry.build(params))

    return test


def problem(operator="gaussian_blur", shape=(1, 15, 12), dtype=torch.float64, batch=1, **params) -> Problem:
    """A small problem with noise 0.01; the smallest picture the networks accept is 7 wide."""
    A = OPERATORS[operator].build(params, image=Space(shape, dtype))
    rng = torch.Generator().manual_seed(0)
    ramp = torch.linspace(0.2, 0.8, shape[-1], dtype=dtype).expand(batch, *shape)
    clean = A(ramp + 0.1 * torch.rand(batch, *shape, dtype=dtype, generator=rng))
    noise = NOISES["gaussian"].build({"std": 0.01})
    return Problem(A, noise.add(clean, A, rng), 0.01)


def take(method, p, count, start=None):
    return list(islice(method.iterates(p, start), count))


@law
def test_records_are_in_order(method):
    p = problem()
    records = take(method, p, 9)
    assert [r.k for r in records] == list(range(len(records)))
    assert all(a.evaluations <= b.evaluations for a, b in pairwise(records))
    assert records[0].evaluations <= 1
    for r in records:
        mark = Scalars.of(r)
        assert r.x.shape == (1, *p.operator.image.shape)
        assert not r.x.requires_grad
        assert math.isfinite(mark.gap)
        assert math.isfinite(mark.residual)
        assert mark.gap >= 0
        assert mark.residual == 0 or mark.gap > 0


@law
def test_keeps_the_precision(method):
    for dtype in (torch.float32, torch.float64):
        for r in take(method, problem(dtype=dtype), 3):
            assert r.x.dtype == dtype
            # Numbers stay tensors: float() would make a GPU wait in every iteration.
            assert all(
                isinstance(v, torch.Tensor) or v == 0 for v in (r.gap, r.residual, *r.scalars.values())
            )


@pytest.mark.parametrize("entry", MAPS, ids=label)
def test_the_residual_is_of_the_map_at_the_iterate(entry, subtests):
    for params in variants(entry):
        with subtests.test(variant=label(params)):
            method, p = entry.build(params), problem()
            f = method.map(p)
            for r in take(method, p, 5):
                with torch.no_grad():
                    fx = f(r.x)
                gap = float(norm(fx - r.x))
                assert float(r.gap) == pytest.approx(gap, rel=1e-9, abs=1e-12)
                assert float(r.residual) == pytest.approx(gap / float(norm(fx)), rel=1e-9, abs=1e-12)


@law
def test_same_numbers_again_and_nothing_leaks(method):
    p = problem()
    before, data = torch.get_rng_state(), p.data.clone()
    first = take(method, p, 6)
    kept = [r.x.clone() for r in first]
    # Two runs pulled in turn must not know of each other.
    one, two = method.iterates(p), method.iterates(p)
    for expected in kept:
        assert torch.equal(next(one).x, expected)
        assert torch.equal(next(two).x, expected)
    assert all(torch.equal(r.x, x) for r, x in zip(first, kept, strict=True)), "a yielded picture was changed"
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(p.data, data)


@ENTRIES
def test_grad_mode_is_the_callers(entry):
    for mode in (True, False):
        with torch.set_grad_enabled(mode):
            run = entry.build({}).iterates(problem())
            for _ in islice(run, 3):
                assert torch.is_grad_enabled() == mode
            run.close()
            assert torch.is_grad_enabled() == mode


@ENTRIES
def test_nothing_is_computed_before_the_first_record(entry, monkeypatch):
    p = problem()
    monkeypatch.setattr(type(p.operator), "_filter", lambda *_: pytest.fail("work before the first pull"))
    entry.build({}).iterates(p).close()


@ENTRIES
def test_starts_where_it_is_told(entry):
    method, p = entry.build({}), problem()
    start = torch.full((1, 1, 15, 12), 0.25, dtype=torch.float64)
    first = take(method, p, 1, start)[0]
    if entry.key != "baseline":
        assert torch.equal(first.x, start)
    assert bool((start == 0.25).all())


@ENTRIES
def test_every_operator_is_reconstructed(entry, subtests):
    """Float32, 20 iterates, no false alarm: rounding must not light a red lamp."""
    method = entry.build({})
    for operator in OPERATORS:
        with subtests.test(operator=operator.key):
            p = problem(operator.key, (1, 12, 12), torch.float32)
            records = take(method, p, 20)
            rows = method.guarantees(p, Evidence([Scalars.of(r) for r in records]))
            assert all(bool(torch.isfinite(r.x).all()) for r in records)
            assert not [g for g in rows if g.status == "violated"]


@ENTRIES
def test_batch_items_do_not_meet(entry):
    p = problem(batch=2)
    together = take(entry.build({}), p, 5)
    for i in range(2):
        alone = take(entry.build({}), Problem(p.operator, p.data[i : i + 1], p.noise), 5)
        for r, s in zip(together, alone, strict=False):
            torch.testing.assert_close(r.x[i : i + 1], s.x, rtol=1e-9, atol=1e-10)


@ENTRIES
def test_colours_do_not_meet(entry):
    """The maps treat every channel alike; only a solver may look at all of them at once."""
    p, method = problem(shape=(3, 15, 12)), entry.build({})
    if not isinstance(method, FixedPointMethod):
        assert take(method, p, 3)[-1].x.shape == (1, 3, 15, 12)
        return
    x = torch.rand(1, 3, 15, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    A = OPERATORS["gaussian_blur"].build({}, image=Space((1, 15, 12), torch.float64))
    with torch.no_grad():
        out = method.map(p)(x)
        for c in range(3):
            alone = method.map(Problem(A, p.data[:, c : c + 1], p.noise))(x[:, c : c + 1])
            torch.testing.assert_close(out[:, c : c + 1], alone, rtol=1e-9, atol=1e-11)


def test_a_problem_has_no_room_for_the_truth():
    assert [f.name for f in dataclasses.fields(Problem)] == ["operator", "data", "noise"]


@ENTRIES
def test_says_what_it_solves_and_where_it_comes_from(entry):
    method, text = entry.build({}), inspect.getdoc(entry.cls) or ""
    assert method.equation
    assert text.splitlines()[0].endswith(".")
    if entry.key != "baseline":
        assert any(str(year) in text for year in range(1960, 2027)), "a source with its year"
    main = [p for p in entry.params if not p.advanced]
    assert len(main) <= 5, "the rest belongs in the advanced drawer"


@law
def test_guarantees_are_complete_from_the_first_mark_to_the_thousandth(method):
    p = problem()
    before = method.guarantees(p, Evidence())
    keys = [g.key for g in before]
    assert len(keys) == len(set(keys))
    for g in before:
        assert isinstance(g, Guarantee)
        assert g.reason, g.key
        assert g.statement
        assert g.status == g.claim or (g.status, g.claim) == ("waiting", "certified") or g.holds, g.key
        assert not is_void(g.claim) or g.bound is None
    marks = [Scalars.of(r) for r in take(method, p, 4)]
    scalars = marks[-1].scalars
    long = [*marks, *(Scalars(k, 1e-3 / k, 1e-2 / k, k, 1.0, scalars) for k in range(len(marks), 1000))]
    after = method.guarantees(p, Evidence(long, {"spread": 1.0, "gain": 1.0, "expansion": 0.5}))
    assert [g.key for g in after] == keys
    [(g.status, g.holds, g.worst) for g in after]
