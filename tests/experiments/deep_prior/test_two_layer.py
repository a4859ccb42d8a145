"""The reduced dynamics of the two-layer prior are those of the network; its theorems hold draw by draw."""

from itertools import islice

import pytest
import torch
from torch import Tensor

from deqviz.experiments.deep_prior.two_layer import ACTIVATIONS, Draws, certificate, draw, evolve

DOUBLE = torch.float64


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_constants_of_an_activation(name: str) -> None:
    phi = ACTIVATIONS[name]
    z = torch.linspace(-8, 8, 400_001, dtype=DOUBLE, requires_grad=True)
    (slope,) = torch.autograd.grad(phi.value(z).sum(), z, create_graph=True)
    torch.testing.assert_close(phi.slope(z), slope, rtol=1e-10, atol=1e-12)
    (bend,) = torch.autograd.grad(slope.sum(), z)
    slope = slope.detach()
    assert float(bend.abs().max()) == pytest.approx(phi.bend, rel=1e-6)
    assert float(bend.abs().max()) <= phi.bend * (1 + 1e-12)
    assert phi.steepest * (1 - 1e-3) <= float(slope.abs().max()) <= phi.steepest
    z = z.detach()
    weight = torch.exp(-(z**2) / 2) * float(z[1] - z[0]) / (2 * torch.pi) ** 0.5
    assert float((weight * phi.value(z) ** 2).sum()) == pytest.approx(phi.power, abs=1e-4)
    assert float((weight * phi.slope(z) ** 2).sum()) == pytest.approx(phi.slope_power, abs=1e-4)


def by_autograd(draws: Draws, step: Tensor, count: int, d: int, is_both: bool) -> list[Tensor]:
    """Residuals of the whole network W ∈ ℝ^{k × d}, V, trained by automatic differentiation."""
    generator, found = rng(5), list[Tensor]()
    u = torch.randn(d, generator=generator, dtype=DOUBLE)
    u = u / u.norm()
    b, k = draws.start.shape
    # Any W with Wu = z₀: the rest of it is never seen.
    W = torch.randn(b, k, d, generator=generator, dtype=DOUBLE)
    W = W + (draws.start - W @ u)[:, :, None] * u
    V = draws.outer.clone()
    for _ in range(count):
        W.requires_grad_()
        V.requires_grad_(is_both)
        g = (V @ draws.activation.value(W @ u)[..., None])[..., 0] / k**0.5
        r = (draws.forward @ g[..., None])[..., 0] - draws.data
        found.append(r.detach())
        grads = torch.autograd.grad(0.5 * (r**2).sum(), (W, V) if is_both else (W,))
        W = (W - step[:, None, None] * grads[0]).detach()
        V = (V - step[:, None, None] * grads[1]).detach() if is_both else V
    return found


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("is_both", [False, True])
def test_the_reduced_dynamics_are_those_of_the_network(name: str, is_both: bool) -> None:
    draws = draw(3, 4, 6, 10, ACTIVATIONS[name], rng(), noise=0.1, dtype=DOUBLE)
    step = certificate(draws).step
    whole = by_autograd(draws, step, 60, 7, is_both)
    ours = [s.residual for s in islice(evolve(draws, step, is_both=is_both), 60)]
    assert max(float((a - b).abs().max()) for a, b in zip(whole, ours, strict=True)) < 1e-10


def certified_draws(count: int) -> Draws:
    """Orthonormal rows, ‖x†‖ = 1, centred softplus units: wide enough for the theorem."""
    return draw(
        count, 5, 10, 1024, ACTIVATIONS["softplus"], rng(), is_orthonormal=True, is_unit=True,
        is_centred=True, dtype=DOUBLE,
    )  # fmt: skip


def test_no_certified_flow_leaves_its_envelope_or_its_ball() -> None:
    draws = certified_draws(220)
    known = certificate(draws)
    assert int(known.is_certified.sum()) >= 200
    for state in islice(evolve(draws, 0.4 * known.step, rule="flow"), 120):
        size = state.residual.norm(dim=1)
        assert bool(
            (size <= known.envelope(state.time[:, None])[:, 0] * (1 + 1e-9))[known.is_certified].all()
        )
        moved = (state.z - draws.start).norm(dim=1)
        assert bool((moved <= known.radius)[known.is_certified].all())


def test_no_certified_descent_leaves_its_envelope() -> None:
    draws = certified_draws(220)
    known = certificate(draws)
    sure = known.is_descent_certified
    assert int(sure.sum()) >= 200
    line = known.descent_envelope(known.step, 300)
    states = list(islice(evolve(draws, known.step), 301))
    sizes = torch.stack([s.residual.norm(dim=1) for s in states], 1)
    assert bool((sizes <= line * (1 + 1e-9))[sure].all())
    assert bool((sizes[:, 1:] <= sizes[:, :-1] * (1 + 1e-12) + 1e-14).all()), (
        "a step of 1/ℓ never raises the loss"
    )
    moved = torch.stack([(s.z - draws.start).norm(dim=1) for s in states], 1).amax(1)
    assert bool((moved <= 2 * known.radius)[sure].all())
    # Inside the ball the Jacobian keeps half of its least singular value.
    now = torch.linalg.svdvals(draws.jacobian(states[-1].z))[:, -1]
    assert bool((now >= known.jacobian / 2)[sure & (moved <= known.ball)].all())


def test_data_are_fitted_to_twice_the_noise_in_time() -> None:
    phi = ACTIVATIONS["softplus"]
    draws = draw(
        24, 5, 10, 2048, phi, rng(1), is_orthonormal=True, is_unit=True, is_centred=True, noise=0.05,
        dtype=DOUBLE,
    )  # fmt: skip
    known = certificate(draws)
    sure = known.is_certified
    assert bool(sure.any())
    step = torch.full_like(known.step, float(known.step.min()))
    late = known.arrival(draws.noise)
    clean = torch.bmm(draws.forward, draws.truth[..., None])[..., 0]
    seen = torch.zeros_like(sure)
    for state in islice(evolve(draws, step, rule="flow"), 2000):
        is_late = state.time >= late
        error = (state.residual + draws.data - clean).norm(dim=1)
        assert bool((error <= 2 * draws.noise.norm(dim=1) * (1 + 1e-9))[sure & is_late].all())
        seen |= is_late
        if bool(seen.all()):
            break
    assert bool(seen.all())


def test_the_flow_does_not_depend_on_its_step() -> None:
    draws = draw(4, 5, 10, 64, ACTIVATIONS["tanh"], rng(), dtype=DOUBLE)
    step = certificate(draws).step
    coarse = list(islice(evolve(draws, step / 2, rule="flow"), 101))[-1]
    fine = list(islice(evolve(draws, step / 8, rule="flow"), 401))[-1]
    torch.testing.assert_close(coarse.time, fine.time)
    torch.testing.assert_close(coarse.z, fine.z, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", ["heavy ball", "Nesterov"])
def test_momentum_arrives_earlier(rule) -> None:
    draws = draw(8, 14, 20, 512, ACTIVATIONS["tanh"], rng(), dtype=DOUBLE)
    step = certificate(draws).step

    def arrival(stream) -> int:
        first = None
        for state in islice(stream, 4000):
            size = state.residual.norm(dim=1)
            first = size if first is None else first
            if bool((size <= 1e-3 * first).all()):
                return state.number
        return 4000

    assert arrival(evolve(draws, step, rule=rule)) < 0.5 * arrival(evolve(draws, step))


def test_a_centred_start_is_the_zero_picture() -> None:
    draws = draw(3, 4, 8, 32, ACTIVATIONS["sigmoid"], rng(), is_centred=True, dtype=DOUBLE)
    assert float(draws.picture(draws.start).abs().max()) < 1e-12
    assert float((draws.residual(draws.start) + draws.data).abs().max()) < 1e-12


def test_too_few_units_certify_nothing() -> None:
    known = certificate(draw(3, 4, 8, 6, ACTIVATIONS["tanh"], rng()))
    assert not bool(known.is_certified.any())
    assert bool(known.radius.isinf().all())


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((2, 3, 4, 0), "a width of 0"),
        ((2, 5, 4, 8), "cannot be orthonormal"),
        ((2, 3, 4, 7), "7 is odd"),
    ],
)
def test_what_cannot_be_drawn_is_refused(sizes: tuple[int, int, int, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        draw(*sizes, ACTIVATIONS["tanh"], rng(), is_orthonormal=True, is_centred=True)


def test_both_layers_are_trained_by_gradient_descent_only() -> None:
    stream = evolve(draw(1, 2, 3, 4, ACTIVATIONS["tanh"], rng()), torch.ones(1), rule="flow", is_both=True)
    with pytest.raises(ValueError, match="Both layers"):
        next(stream)
