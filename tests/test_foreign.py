"""Operators and denoisers of others: by duck typing everywhere, with deepinv itself where it is installed."""

import itertools
import warnings
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import deqviz.scenario as scenario
from deqviz import foreign
from deqviz.core.catalog import METHODS
from deqviz.core.denoiser import Denoiser
from deqviz.core.guarantee import is_void
from deqviz.core.records import Evidence, Problem, Scalars
from deqviz.core.registry import Choice
from deqviz.core.space import Space, inner, norm

SPACE = Space((1, 24, 20), torch.float64)


def shaken(x: Tensor) -> Tensor:
    """‖A‖ = 1: constants are kept, and no shift enlarges anything."""
    return (x + x.roll(3, -1)) / 2


class Kept:
    """A hand-written physics as deepinv's are used: every second row, times three."""

    def A(self, x: Tensor) -> Tensor:
        return 3 * x[..., ::2, :]

    def A_adjoint(self, y: Tensor) -> Tensor:
        x = y.new_zeros(*y.shape[:-2], 2 * y.shape[-2], y.shape[-1])
        x[..., ::2, :] = 3 * y
        return x


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(3)


# ---------------------------------------------------------------- operators


def test_a_function_gets_its_adjoint_by_differentiation(rng: torch.Generator) -> None:
    A = foreign.operator(SPACE, shaken)
    x, y = SPACE.random(rng, 3), A.codomain.random(rng, 3)
    # Rounding of some hundred terms in float64.
    torch.testing.assert_close(inner(A(x), y), inner(x, A.adjoint(y)), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(A.adjoint(y), (y + y.roll(-3, -1)) / 2, rtol=0, atol=1e-15)
    # And may be differentiated itself, as an equilibrium's gradient needs.
    y.requires_grad_()
    (g,) = torch.autograd.grad(A.adjoint(y).square().sum(), y)
    torch.testing.assert_close(g, 2 * A(A.adjoint(y)))


def test_complex_data(rng: torch.Generator) -> None:
    A = foreign.operator(SPACE, lambda x: torch.fft.fft2(x, norm="ortho"))
    assert A.codomain.dtype == torch.complex128
    x = SPACE.random(rng)
    torch.testing.assert_close(A.gram(x), x)


def test_physics(rng: torch.Generator) -> None:
    A = foreign.physics(Kept(), SPACE)
    assert A.codomain.shape == (1, 12, 20)
    b = SPACE.random(rng)
    torch.testing.assert_close(A.gram(u := A.resolvent(b, 0.1)) + 0.1 * u, b)
    bound = A.norm_bound()
    assert bound.side == "lower bound"
    # A*A is 9 times a projection: the power iteration is there after one product.
    assert bound.value == pytest.approx(3, rel=1e-12)
    assert not bound.is_certified_above


@pytest.mark.parametrize("key", ["equilibrium", "tv", "tikhonov", "pnp_fbs", "iterated_tikhonov", "mol"])
def test_nothing_is_certified_of_what_is_only_tried(key: str, rng: torch.Generator) -> None:
    space = Space((1, 24, 20))
    truth = space.random(rng).abs().clamp(0, 1)
    method, said = METHODS[key].build({}), {}
    for how, bound in (("measured", None), ("proved", 1.0)):
        problem = Problem(A := foreign.operator(space, shaken, norm=bound), A(truth), 0.0)
        run = list(itertools.islice(method.iterates(problem), 12))
        assert all(bool(iterate.x.isfinite().all()) for iterate in run)
        found = method.guarantees(problem, Evidence([Scalars.of(iterate) for iterate in run]))
        assert all(g.claim == "estimated" or is_void(g.claim) for g in found)
        said[how] = " ".join(g.reason for g in found if g.status == "estimated")
        assert "random images, which proves neither" in said[how]
    # A proved norm takes one of the two doubts away.
    assert "‖A‖ is known from below only" in said["measured"]
    assert "‖A‖ is known from below only" not in said["proved"]


def test_an_operator_of_the_house_stays_certified() -> None:
    made = scenario.Scenario(size=32)
    problem = made.problem(made.truth())
    assert problem.operator.doubt == ""
    assert "certified" in {g.claim for g in made.build_method().guarantees(problem, Evidence())}


class _Broken(Kept):
    def A_adjoint(self, y: Tensor) -> Tensor:
        return 2 * super().A_adjoint(y)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: foreign.operator(SPACE, lambda x: x.square()), "is not linear"),
        (lambda: foreign.operator(SPACE, lambda x: x + 1), "is not linear"),
        (lambda: foreign.operator(SPACE, lambda x: x - x.mean(0) / 2), "is not linear"),
        (lambda: foreign.operator(SPACE, lambda x: x.sum()), "returns|batch axis"),
        (lambda: foreign.operator(SPACE, lambda x: (x, x)), "returns tuple, and only one tensor"),  # pyright: ignore
        (lambda: foreign.operator(SPACE, lambda x: x[:1]), "does not keep the batch axis"),
        (lambda: foreign.operator(SPACE, lambda x: x.float()), "turns float64 into float32"),
        (
            lambda: foreign.operator(SPACE, lambda x: x @ torch.zeros(3, 3)),
            "fails on two images of 1 × 24 × 20",
        ),
        (lambda: foreign.operator(SPACE, lambda x: x * torch.nan), "is not linear"),
        (lambda: foreign.operator(SPACE, shaken, lambda y: y), "The adjoint is none"),
        (lambda: foreign.operator(SPACE, shaken, lambda y: y[..., :3]), "The adjoint does not return"),
        (lambda: foreign.operator(SPACE, shaken, norm=0.0), "positive, not 0"),
        (lambda: foreign.operator(SPACE, lambda x: 0 * x), "maps every image to 0"),
        (lambda: foreign.physics(_Broken(), SPACE), "The adjoint is none"),
        (lambda: foreign.physics(object(), SPACE), "object has no A and A_adjoint"),
    ],
)
def test_what_is_no_operator_is_refused_with_a_sentence(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refusal:
        make()
    assert "\n" not in str(refusal.value)


# ---------------------------------------------------------------- denoisers


class Blurring(nn.Module):
    """Takes the mean with the neighbour below: 1-Lipschitz, whatever σ."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor, sigma: float) -> Tensor:
        assert not self.training
        assert 0 < sigma < 1
        return (1 - self.weight) * x + self.weight * x.roll(1, -2)


@pytest.mark.parametrize("key", ["pnp_fbs", "pnp_hqs"])
@pytest.mark.parametrize("bound", [None, 1.0])
def test_a_denoiser_is_plugged_in(key: str, bound: float | None) -> None:
    made = scenario.Scenario(size=32, operator=Choice("denoising"))
    problem = made.problem(made.truth())
    # Without relaxation D is the denoiser itself.
    params = {"sigma": 0.05, "relaxation": 1.0, "solver": Choice("picard")}
    method = METHODS[key].build(params, plugged=foreign.denoiser(Blurring(), bound))
    run = list(itertools.islice(method.iterates(problem), 2))
    y, x = problem.data, run[0].x
    weight = {"pnp_fbs": 2 * 0.9, "pnp_hqs": 1 / 1.1}[key]
    before = x - weight * (x - y)
    torch.testing.assert_close(run[1].x, (before + before.roll(1, -2)) / 2)
    claims = {g.claim for g in method.guarantees(problem, Evidence())}
    # Id as the operator is of the house, so a constant of the denoiser is all that is needed: a user's word.
    assert ("stated" in claims) is (bound is not None)
    assert "certified" not in claims
    assert method != METHODS[key].build(params)


def test_grey_networks_take_each_channel(rng: torch.Generator) -> None:
    seen = []
    denoise = foreign.denoiser(lambda x, _: seen.append(x.shape) or x, is_grey=True)
    x = torch.randn(2, 3, 8, 9, generator=rng)
    assert bool((denoise(x, 0.1) == x).all())
    assert seen == [(6, 1, 8, 9)]


def test_a_bad_denoiser_is_refused() -> None:
    with pytest.raises(ValueError, match=r"constant of 1\.5 gives no guarantee"):
        Denoiser(lambda x, _: x, 1.5)
    with pytest.raises(ValueError, match="turns images of 1 × 1 × 8 × 8 float32 into 1 × 1 × 4 × 4 float32"):
        Denoiser(lambda x, _: x[..., ::2, ::2])(torch.zeros(1, 1, 8, 8), 0.1)


# ---------------------------------------------------------------- deepinv itself

# Of deepinv and of what it imports; they are not ours to mend.
THEIRS = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def dinv() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pytest.importorskip("deepinv", reason="deepinv is optional: pip install deqviz[deepinv]")
        # Its torchvision may be built for another torch.
        except (RuntimeError, OSError) as error:
            pytest.skip(f"deepinv is installed and cannot be imported: {error}")


def _physics(dinv: ModuleType, name: str) -> tuple[Any, tuple[int, ...]]:
    p, grey = dinv.physics, (1, 32, 32)
    rng = torch.Generator().manual_seed(0)
    match name:
        case "blur":
            return p.BlurFFT(grey, filter=torch.ones(1, 1, 5, 5) / 25), grey
        case "valid blur":
            return p.Blur(filter=torch.rand(1, 1, 5, 3, generator=rng), padding="valid"), (3, 32, 32)
        case "inpainting":
            return p.Inpainting(grey, mask=0.5, rng=rng), grey
        case "mri":
            return p.MRI(
                mask=(torch.rand(1, 1, 32, 32, generator=rng) > 0.5).float(), img_size=(2, 32, 32)
            ), (2, 32, 32)
        case "tomography":
            return p.Tomography(20, 32, normalize=True), grey
        case "super-resolution":
            return p.Downsampling(grey, filter="gaussian", factor=2), grey
        case _:
            return p.CompressedSensing(200, grey, rng=rng), grey


@THEIRS
@pytest.mark.parametrize(
    "name",
    ["blur", "valid blur", "inpainting", "mri", "tomography", "super-resolution", "compressed sensing"],
)
def test_deepinv_physics_reconstructs(dinv: ModuleType, name: str) -> None:
    source, shape = _physics(dinv, name)
    A = foreign.physics(source, Space(shape))
    truth = torch.full((1, *shape), 0.2)
    truth[..., 8:20, 10:24] = 0.8
    problem = Problem(A, A(truth), 0.0)
    method = METHODS["tikhonov"].build({"weight": 1e-4, "mode": "conjugate gradients"})
    run = list(itertools.islice(method.iterates(problem), 60))
    misfit = [float(norm(A(iterate.x) - problem.data)) for iterate in (run[0], run[-1])]
    # A*y or zero misfit to begin with; the minimiser fits to a hundredth of ‖y‖ with this weight.
    assert misfit[1] <= 0.02 * float(norm(problem.data))
    assert all(g.claim == "estimated" or is_void(g.claim) for g in method.guarantees(problem, Evidence()))


@THEIRS
def test_nonlinear_physics_of_deepinv_is_refused(dinv: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"no A and A_adjoint|not linear"):
        foreign.physics(dinv.physics.Haze(), Space((3, 32, 32)))


@THEIRS
@pytest.mark.parametrize("name", ["TVDenoiser", "MedianFilter", "DnCNN", "DRUNet"])
@pytest.mark.parametrize("key", ["pnp_fbs", "pnp_hqs"])
def test_deepinv_denoiser_is_plugged_in(dinv: ModuleType, name: str, key: str) -> None:
    options: dict[str, dict[str, Any]] = {
        "TVDenoiser": {"n_it_max": 20},
        "MedianFilter": {"kernel_size": 3},
        "DnCNN": {"in_channels": 1, "out_channels": 1, "depth": 3, "nf": 8, "pretrained": None},
        "DRUNet": {"in_channels": 1, "out_channels": 1, "nc": (8, 8, 8, 8), "nb": 1, "pretrained": None},
    }
    network = getattr(dinv.models, name)(**options[name])
    truth = torch.full((1, 1, 32, 32), 0.5)
    A = foreign.physics(_physics(dinv, "blur")[0], Space((1, 32, 32)))
    problem = Problem(A, A(truth), 0.01)
    method = METHODS[key].build({"sigma": 0.05}, plugged=foreign.denoiser(network))
    run = list(itertools.islice(method.iterates(problem), 4))
    assert all(bool(iterate.x.isfinite().all()) for iterate in run)
    assert all(is_void(g.status) for g in method.guarantees(problem, Evidence()))
