"""Gradients through fixed points against closed forms, finite differences and long unrolling."""

import pytest
import torch

from deqviz.solvers._differentiate import Implicit, OneStep, Unrolled
from deqviz.solvers._solve import Diverged
from deqviz.solvers.anderson import Anderson
from deqviz.solvers.broyden import Broyden
from deqviz.solvers.conjugate_gradients import ConjugateGradients
from deqviz.solvers.picard import Picard

SOLVERS = [
    Picard(),
    Picard(damping=0.8),
    Anderson(),
    Broyden(),
    Broyden(update="good"),
    ConjugateGradients(),
]


def matrix(n=5, norm=0.6, dtype=torch.float64, seed=0):
    W = torch.randn(n, n, dtype=dtype, generator=torch.Generator().manual_seed(seed))
    return norm * W / torch.linalg.matrix_norm(W, 2)


def exactly(solver):
    return Implicit(solver, solver, tol=1e-13, max_steps=1000)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: f"{s}")
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_linear_map_against_the_inverse(solver, dtype):
    # z = W z + b, so z = (I − W)⁻¹ b and the gradient of Re⟨c, z⟩ with respect to b is (I − W)⁻* c.
    W = matrix(dtype=dtype)
    b = torch.randn(2, 5, dtype=dtype, generator=torch.Generator().manual_seed(1), requires_grad=True)
    c = torch.randn(2, 5, dtype=dtype, generator=torch.Generator().manual_seed(2))
    z = exactly(solver)(lambda z: z @ W.T + b, torch.zeros(2, 5, dtype=dtype))
    (c.conj() * z).real.sum().backward()
    inverse = torch.linalg.inv(torch.eye(5, dtype=dtype) - W)
    torch.testing.assert_close(z.detach(), b.detach() @ inverse.T, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(b.grad, c @ inverse.conj(), rtol=1e-9, atol=1e-9)


def equilibrium(W, b, solver=None):
    return exactly(solver or Anderson())(lambda z: torch.tanh(z @ W.T + b), torch.zeros_like(b))


def test_gradcheck():
    W = matrix(3).requires_grad_()
    b = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(equilibrium, (W, b), rtol=1e-6)


def test_gradcheck_complex():
    W, b = matrix(2, dtype=torch.complex128).requires_grad_(), torch.ones(1, 2, dtype=torch.complex128)

    def fixed(W):
        def f(z):
            z = z @ W.T + b
            return z / (1 + 0.1 * z.abs() ** 2)

        return exactly(Anderson())(f, torch.zeros_like(b))

    assert torch.autograd.gradcheck(fixed, (W,), rtol=1e-6)


def test_finite_differences():
    W, b = matrix().requires_grad_(), torch.randn(1, 5, generator=torch.Generator().manual_seed(1)).double()
    D, h = matrix(seed=7), 1e-5
    equilibrium(W, b).square().sum().backward()
    with torch.no_grad():
        above, below = (equilibrium(W + t * D, b).square().sum() for t in (h, -h))
    assert float((W.grad * D).sum()) == pytest.approx(float((above - below) / (2 * h)), rel=1e-6)


@pytest.mark.parametrize(
    "solver", [Picard(), Anderson(), Broyden(), ConjugateGradients()], ids=lambda s: f"{s}"
)
def test_agrees_with_long_unrolling(solver):
    W, b = matrix(), torch.randn(1, 5, generator=torch.Generator().manual_seed(1)).double()
    gradients = []
    for way in (exactly(solver), Unrolled(solver, 200)):
        V = W.clone().requires_grad_()
        way(lambda z, V=V: torch.tanh(z @ V.T + b), torch.zeros_like(b)).square().sum().backward()
        gradients.append(V.grad)
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-11)


def held(way, W, b):
    """Bytes of graph that `way` holds until the backward pass."""
    size = 0

    def pack(x):
        nonlocal size
        size += x.numel() * x.element_size()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        way(lambda z: torch.tanh(z @ W.T + b), torch.zeros_like(b))
    return size


def test_memory_does_not_grow_with_the_steps():
    W, b = matrix(norm=0.95).requires_grad_(), torch.ones(1, 5).double()
    one_evaluation = held(Unrolled(Picard(), 1), W, b)
    for tol in (1e-2, 1e-12):
        # W itself is held too, for the products with J*.
        assert (
            held(Implicit(Picard(), Picard(), tol=tol, max_steps=2000), W, b)
            == one_evaluation + 8 * W.numel()
        )
        assert held(OneStep(Picard(), tol=tol, max_steps=2000), W, b) == one_evaluation
    assert held(Unrolled(Picard(), 100), W, b) > 90 * one_evaluation


def test_one_step_is_biased_by_at_most_what_it_says():
    for kappa in (0.05, 0.3, 0.6):
        W, c = matrix(norm=kappa), torch.randn(1, 5, generator=torch.Generator().manual_seed(2)).double()
        b = torch.ones(1, 5, dtype=torch.float64, requires_grad=True)
        (
            c * OneStep(Picard(), tol=1e-12)(lambda z, W=W, b=b: z @ W.T + b, torch.zeros(1, 5).double())
        ).sum().backward()
        exact = c @ torch.linalg.inv(torch.eye(5).double() - W)
        torch.testing.assert_close(b.grad, c)
        assert 0 < (b.grad - exact).norm() <= kappa / (1 - kappa) * c.norm()


@pytest.mark.parametrize(
    "way",
    [exactly(Anderson()), Unrolled(Picard(), 50), OneStep(Anderson(), tol=1e-10)],
    ids=lambda w: type(w).__name__,
)
def test_start_gets_no_gradient_and_grad_mode_is_kept(way):
    W, b = matrix().requires_grad_(), torch.ones(1, 5).double()
    z0 = torch.ones(1, 5, dtype=torch.float64, requires_grad=True)
    way(lambda z: z @ W.T + b, z0).sum().backward()
    assert z0.grad is None
    assert W.grad is not None
    with torch.no_grad():
        z = way(lambda z: z @ W.T + b, z0)
    assert not z.requires_grad
    torch.testing.assert_close(z, z @ W.detach().T + b, rtol=1e-8, atol=1e-8)
    assert torch.is_grad_enabled()


def test_backward_twice_and_two_uses_of_one_equilibrium():
    W, b = matrix(), torch.ones(1, 5, dtype=torch.float64, requires_grad=True)
    z = exactly(Anderson())(lambda z: z @ W.T + b, torch.zeros(1, 5).double())
    loss = z.sum() + 2 * z.sum()
    loss.backward(retain_graph=True)
    assert b.grad is not None
    once = b.grad.clone()
    expected = 3 * torch.linalg.inv(torch.eye(5).double() - W).sum(0, keepdim=True)
    torch.testing.assert_close(once, expected, rtol=1e-10, atol=1e-10)
    loss.backward()
    torch.testing.assert_close(b.grad, 2 * once)


def test_one_equilibrium_inside_another():
    V, W = matrix(norm=0.5, seed=3), matrix(norm=0.4)
    b = torch.ones(1, 5, dtype=torch.float64, requires_grad=True)

    def outer(z):
        return exactly(Anderson())(lambda w: w @ V.T + z @ W.T, torch.zeros_like(z)) + b

    exactly(Picard())(outer, torch.zeros(1, 5).double()).sum().backward()
    eye = torch.eye(5).double()
    J = torch.linalg.inv(eye - V) @ W
    torch.testing.assert_close(b.grad, torch.linalg.inv(eye - J).sum(0, keepdim=True), rtol=1e-9, atol=1e-9)


def test_refuses_what_it_cannot_do():
    W, b = matrix(norm=0.99).requires_grad_(), torch.ones(1, 5).double()
    with pytest.raises(Diverged, match=r"forward fixed point .* after 5 steps"):
        Implicit(Picard(), Picard(), max_steps=5)(lambda z: z @ W.T + b, 0 * b)
    limit = b @ torch.linalg.inv(torch.eye(5).double() - W.detach()).T
    z = Implicit(Picard(), Picard(), tol=1e-10, max_steps=5)(lambda z: z @ W.T + b, limit)
    with pytest.raises(Diverged, match="adjoint fixed point"):
        z.sum().backward()
    z = exactly(Anderson())(lambda z: z @ W.T + b, 0 * b)
    with pytest.raises(RuntimeError, match="first derivatives") as refusal:
        torch.autograd.grad(z.sum(), W, create_graph=True)
    assert refusal.type is RuntimeError
    with pytest.raises(TypeError, match="steps"):
        Implicit(Picard(), Picard(), steps=3)  # pyright: ignore[reportCallIssue]


def test_maps_without_graph_or_without_state():
    z = exactly(Picard())(lambda z: 0 * z.detach() + 1, torch.zeros(1, 3).double())
    assert not z.requires_grad
    b = torch.ones(1, 3, dtype=torch.float64, requires_grad=True)
    exactly(Picard())(lambda z: 2 * b, torch.zeros(1, 3).double()).sum().backward()
    torch.testing.assert_close(b.grad, torch.full((1, 3), 2.0).double())
