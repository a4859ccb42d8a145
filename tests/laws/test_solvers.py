"""What every solver in the registry must do, the day its file lands."""

import itertools

import pytest
import torch

from deqviz.core.catalog import SOLVERS, discover
from deqviz.core.registry import Entry, Range

discover("deqviz.solvers")
EACH = pytest.mark.parametrize("entry", list(SOLVERS), ids=lambda e: e.key)


def corners(entry: Entry) -> list:
    """The default and, one by one, every parameter at its ends."""
    made = [{}]
    for p in entry.params:
        match p.domain:
            case Range(low, high):
                made += [{p.name: low}, {p.name: high}]
            case tuple(options):
                made += [{p.name: value} for value in options]
    return [entry.build(params) for params in made]


class Counted:
    """An affine map with a bend, that remembers its arguments."""

    def __init__(self, shape=(2, 1, 6, 5), dtype=torch.float64, kappa=0.8):
        n = int(torch.tensor(shape[1:]).prod())
        rng = torch.Generator().manual_seed(3)
        W = torch.randn(n, n, dtype=dtype, generator=rng)
        self.W = kappa * W / torch.linalg.matrix_norm(W, 2)
        self.b = torch.randn(shape, dtype=dtype, generator=rng)
        self.seen = []

    def __call__(self, z):
        self.seen.append(z)
        out = (z.flatten(1) @ self.W.T).view(z.shape) + self.b
        return out if out.is_complex() else out + 0.1 * torch.sin(z)


@EACH
def test_steps_evaluate_and_count(entry):
    f, z0 = Counted(), torch.randn(2, 1, 6, 5, dtype=torch.float64)
    steps = entry.build({}).steps(f, z0)
    assert f.seen == []
    for k, step in enumerate(itertools.islice(steps, 25)):
        if k == 0:
            assert step.z is z0
            assert f.seen == [z0]
        assert step.k == k
        assert step.evaluations == len(f.seen)
        torch.testing.assert_close(step.fz, Counted()(step.z), rtol=1e-12, atol=1e-12)
    steps.close()


@EACH
def test_every_corner_reaches_the_fixed_point(entry):
    f = Counted()
    limit = torch.zeros(2, 1, 6, 5, dtype=torch.float64)
    for _ in range(400):
        limit = f(limit)
    for solver in corners(entry):
        low = "damping" in [p.name for p in entry.params] and solver.damping < 0.1
        *_, last = itertools.islice(solver.steps(f, 0 * limit), 6000 if low else 250)
        torch.testing.assert_close(last.fz, limit, rtol=1e-8, atol=1e-8)


@EACH
def test_is_a_pure_function_of_the_start(entry):
    z0 = torch.randn(2, 1, 6, 5, dtype=torch.float64)
    before, state = z0.clone(), torch.get_rng_state()
    runs = [list(itertools.islice(entry.build({}).steps(Counted(), z0), 20)) for _ in range(2)]
    assert all(torch.equal(a.z, b.z) and torch.equal(a.fz, b.fz) for a, b in zip(*runs, strict=True))
    assert torch.equal(z0, before)
    assert torch.equal(torch.get_rng_state(), state)


@EACH
def test_earlier_steps_stay_as_they_were(entry):
    kept = []
    for step in itertools.islice(entry.build({}).steps(Counted(), torch.zeros(2, 1, 6, 5).double()), 20):
        kept.append((step, step.z.clone(), step.fz.clone()))
    assert all(torch.equal(s.z, z) and torch.equal(s.fz, fz) for s, z, fz in kept)


@EACH
@pytest.mark.parametrize("enabled", [True, False])
def test_leaves_the_grad_mode_alone(entry, enabled):
    with torch.set_grad_enabled(enabled):
        for _ in itertools.islice(entry.build({}).steps(Counted(), torch.zeros(2, 1, 6, 5).double()), 8):
            assert torch.is_grad_enabled() is enabled
    assert torch.is_grad_enabled()


@EACH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
def test_starting_at_the_fixed_point_stays_there(entry, dtype):
    limit = torch.full((2, 1, 4, 4), 0.75, dtype=dtype)
    for solver in corners(entry):
        for step in itertools.islice(solver.steps(lambda z: 0.5 * (z - limit) + limit, limit), 12):
            assert torch.equal(step.fz, limit)
            assert step.residual == 0


@EACH
def test_batch_items_do_not_mix(entry):
    f, z0 = Counted(), torch.randn(2, 1, 6, 5, dtype=torch.float64)
    z0[1] *= 1e6
    alone = []
    for i in range(2):
        g = Counted()
        g.b = f.b[i : i + 1]
        alone.append([s.fz for s in itertools.islice(entry.build({}).steps(g, z0[i : i + 1]), 15)])
    for k, step in enumerate(itertools.islice(entry.build({}).steps(f, z0), 15)):
        for i in range(2):
            torch.testing.assert_close(step.fz[i : i + 1], alone[i][k], rtol=1e-6, atol=1e-9)


@EACH
def test_complex_tensors_are_pairs_of_real_ones(entry):
    rng = torch.Generator().manual_seed(5)
    W = torch.randn(6, 6, dtype=torch.complex128, generator=rng)
    W = 0.8 * W / torch.linalg.matrix_norm(W, 2)
    b = torch.randn(1, 6, dtype=torch.complex128, generator=rng)

    def f(z):
        return z @ W.T + b

    def g(x):
        return torch.view_as_real(f(torch.view_as_complex(x)))

    paired = zip(
        entry.build({}).steps(f, 0 * b), entry.build({}).steps(g, torch.view_as_real(0 * b)), strict=False
    )
    for one, two in itertools.islice(paired, 20):
        torch.testing.assert_close(torch.view_as_real(one.fz), two.fz, rtol=1e-6, atol=1e-9)


@EACH
def test_contraction_is_respected_where_it_is_claimed(entry):
    for solver in corners(entry):
        rho = solver.contraction(0.9)
        if rho is not None:
            f = Counted(kappa=0.8)  # with the sine, a contraction by 0.9
            gaps = [float(s.gap) for s in itertools.islice(solver.steps(f, 0 * f.b), 60)]
            assert all(b <= rho * a * (1 + 1e-9) + 1e-14 for a, b in itertools.pairwise(gaps))


@EACH
def test_entry_is_described(entry):
    assert entry.summary
    assert entry.title
    assert entry.cls.__module__ == f"deqviz.solvers.{entry.key}"
    assert all(p.label for p in entry.params)
