"""Flows are inverted exactly, layers do what their equations say, and training under constraints goes on."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image as Picture
from torch import Tensor, nn

from deqviz import images
from deqviz.core.records import Evidence, Problem
from deqviz.core.space import Space, norm
from deqviz.learning.inpainting import gradients, hole_psnr, latent_norms, mean_fill, objective
from deqviz.methods.glow_prox import KEYS, LATENT, TRAININGS, GlowProxMethod, Training, network
from deqviz.networks import _weights
from deqviz.networks.glow import ActNorm, Flow, Mixing, haar
from deqviz.networks.glow_prox import LARGEST, GlowProx, check, direction
from deqviz.operators._holes import HOLES, Hole, holes
from deqviz.operators.gaussian_blur import GaussianBlur
from deqviz.operators.inpainting import Inpainting
from deqviz.resources import PRETRAINED
from deqviz.training.glow_recipes import GLOW_RECIPES, GlowPupil, GlowRecipe, colour, middle
from deqviz.training.loop import Run, train

DOUBLE = torch.float64


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shaken(net: nn.Module, spread: float = 0.1) -> nn.Module:
    """Every weight moved, so that no step is the identity that it begins as."""
    drawn = rng(7)
    with torch.no_grad():
        for weights in net.parameters():
            weights.add_(spread * torch.randn(weights.shape, generator=drawn, dtype=weights.dtype))
    return net


def flow(dtype: torch.dtype = DOUBLE, levels: int = 2, steps: int = 2) -> Flow:
    net = shaken(Flow(3, levels, steps, 6, rng())).to(dtype)
    assert isinstance(net, Flow)
    return net.requires_grad_(False)


def proximal(dtype: torch.dtype = DOUBLE) -> GlowProx:
    net = shaken(GlowProx(layers=3, levels=2, steps=2, hidden=6)).to(dtype)
    assert isinstance(net, GlowProx)
    return net.requires_grad_(False)


def pictures(count: int = 2, side: int = 8, dtype: torch.dtype = DOUBLE) -> Tensor:
    return torch.rand(count, 3, side, side, generator=rng(1), dtype=dtype)


def seen(side: int = 8, dtype: torch.dtype = DOUBLE) -> Tensor:
    return holes("pixels", side, side, rng(3))[None].to(dtype)


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_a_flow_is_inverted_to_rounding(levels: int, steps: int) -> None:
    x = pictures()
    net = flow(levels=levels, steps=steps)
    latents, _ = net(x)
    assert len(latents) == levels
    assert sum(z.numel() for z in latents) == x.numel()
    # At most nine steps, each of condition below 10³ in double precision.
    torch.testing.assert_close(net.inverse(latents), x, rtol=0, atol=1e-11)


def test_single_precision_inverts_the_whole_size_below_the_limit() -> None:
    net = shaken(GlowProx(), 0.05).requires_grad_(False)
    assert isinstance(net, GlowProx)
    x = torch.rand(2, 3, 64, 64, generator=rng(2))
    # The limit that the issue of this network states.
    assert max(net.inversion_error(number, x) for number in range(1, net.depth + 1)) < 1e-4


@pytest.mark.parametrize("steps", [1, 2])
def test_the_log_determinant_is_that_of_the_jacobian(steps: int) -> None:
    net, x = flow(steps=steps), pictures()
    _, found = net(x)
    for picture, value in zip(x, found, strict=True):

        def flat(v: Tensor) -> Tensor:
            return torch.cat([z.flatten() for z in net(v[None])[0]])

        jacobian = torch.autograd.functional.jacobian(flat, picture).reshape(192, 192)
        expected = torch.linalg.slogdet(jacobian)[1]
        # 192 pivots in double precision.
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-10)


def test_a_fresh_flow_is_an_orthogonal_pyramid() -> None:
    Q = haar(3).double()
    torch.testing.assert_close(Q @ Q.mT, torch.eye(12, dtype=DOUBLE), rtol=0, atol=1e-15)
    for steps in (1, 2, 3):
        net = Flow(3, 2, steps, 6, rng()).double().requires_grad_(False)
        x = pictures()
        latents, log_det = net(x)
        lengths = torch.stack([norm(z).square() for z in latents]).sum(0)
        # The factors of the mixings, and the logarithms of their diagonals, are kept in single precision.
        torch.testing.assert_close(lengths, norm(x).square(), rtol=1e-6, atol=0)
        torch.testing.assert_close(log_det, torch.zeros_like(log_det), rtol=0, atol=1e-4)
        flat, _ = net(torch.full_like(x, 0.3))
        # All of a constant picture is in the averages: twice its value for every halving.
        assert all(float(z[:, -9:].abs().max()) < 1e-6 for z in flat)
        expected = torch.full((2, 3, 2, 2), 1.2, dtype=DOUBLE)
        torch.testing.assert_close(flat[-1][:, :3], expected, rtol=0, atol=1e-6)


def test_a_first_batch_makes_every_normalisation_standard() -> None:
    layer = ActNorm(3).double()
    x = 5 + 2 * pictures(16)
    layer.begin(x)
    z, log_det = layer(x)
    # Deviations are raised by 10⁻³ before they divide.
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(3, dtype=DOUBLE), rtol=0, atol=1e-12)
    torch.testing.assert_close(z.std((0, 2, 3)), torch.ones(3, dtype=DOUBLE), rtol=0, atol=3e-3)
    torch.testing.assert_close(log_det, layer.log_scale.sum())
    net = proximal()
    y = seen() * x
    before = net.state_dict()["flows.2.levels.1.1.norm.offset"].clone()
    net.begin(y, lambda v: seen() * (y - v))
    assert not torch.equal(before, net.state_dict()["flows.2.levels.1.1.norm.offset"])
    assert norm(list(net.states(y, lambda v: seen() * (y - v)))[-1].x).isfinite().all()


def test_a_mixing_begins_at_any_invertible_matrix() -> None:
    start = torch.randn(5, 5, generator=rng())
    layer = Mixing(start).double()
    x = pictures(1)[:, :1].expand(1, 5, 8, 8) * torch.arange(1, 6)[:, None, None]
    z, log_det = layer(x)
    # The factors are kept in single precision.
    torch.testing.assert_close(z, torch.einsum("ij,bjhw->bihw", start.double(), x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(log_det, torch.linalg.slogdet(start.double())[1], rtol=1e-5, atol=1e-5)
    with pytest.raises(RuntimeError):
        Mixing(torch.zeros(3, 3))


def test_a_layer_is_its_equation() -> None:
    net, m = proximal(), seen()
    x, y = pictures(), m * pictures().flip(0)
    moved = net.data_step(2, x, lambda v: m * (y - v))
    mu, shrinkage = net.step_sizes[1], net.shrinkage[1]
    assert (net.step_sizes > 0).all()
    assert (net.shrinkage > 0).all()
    torch.testing.assert_close(moved, x + mu * m * (y - x))
    assert torch.equal((1 - m) * moved, (1 - m) * x), "what is lost is left alone"
    # The right sign: 0 < μ < 2 brings what is seen nearer to the data.
    assert (norm(m * (moved - y)) < norm(m * (x - y))).all()
    z = net.latents(2, moved)
    state = net.layer(2, x, lambda v: m * (y - v))
    for kept, full, weight in zip(state.latents, z, shrinkage, strict=True):
        # Zero of the derivative of ½‖u − z‖² + ½λ‖u‖², to rounding.
        torch.testing.assert_close(kept - full + weight * kept, torch.zeros_like(kept), rtol=0, atol=1e-12)
    # The inverse is exact: the picture has the shrunken latents.
    for kept, again in zip(state.latents, net.latents(2, state.x), strict=True):
        torch.testing.assert_close(again, kept, rtol=0, atol=1e-11)
    torch.testing.assert_close(
        state.latent_norm, torch.stack([norm(v).square() for v in state.latents]).sum(0).sqrt()
    )


@pytest.mark.parametrize("shape", [(8, 8), (13, 10), (3, 9), (1, 1)])
def test_pictures_of_any_shape_come_back_in_it(shape: tuple[int, int]) -> None:
    net, x = proximal(), pictures(2, 13)[..., : shape[0], : shape[1]]
    states = list(net.states(x, lambda v: x - v))
    assert len(states) == net.depth + 1
    assert torch.equal(states[0].x, x)
    assert all(state.x.shape == x.shape for state in states)


def test_noise_has_its_norm_and_spares_the_last_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = proximal(), pictures()
    # One number per picture, of 192 squares.
    torch.testing.assert_close(norm(direction(x, rng())), torch.ones(2, dtype=DOUBLE), rtol=1e-12, atol=0)
    given: list[Tensor] = []
    inner = GlowProx.layer

    def spy(self, number, v, pull):
        given.append(v)
        return inner(self, number, v, pull)

    monkeypatch.setattr(GlowProx, "layer", spy)
    states = list(net.states(x, lambda v: x - v, noise=0.5, rng=rng()))
    steps = [norm(v - state.x) for v, state in zip(given, states[:-1], strict=True)]
    for number, step in enumerate(steps, 1):
        expected = 0.5 / number if number < net.depth else 0.0
        # Sums of 192 squares of differences of numbers around 1.
        torch.testing.assert_close(step, torch.full((2,), expected, dtype=DOUBLE), rtol=1e-9, atol=1e-12)
    again = list(net.states(x, lambda v: x - v, noise=0.5, rng=rng()))
    assert torch.equal(again[-1].x, states[-1].x)


def test_what_the_flow_does_not_take_is_refused_in_one_sentence() -> None:
    net = proximal()
    with pytest.raises(ValueError, match="multiples of 4"):
        flow()(pictures(1, 9))
    with pytest.raises(ValueError, match="No flow has 0 levels"):
        Flow(3, 0, 2, 6, rng())
    with pytest.raises(ValueError, match="0 layers"):
        GlowProx(layers=0)
    with pytest.raises(ValueError, match="repeat a grey image"):
        next(net.states(torch.zeros(1, 1, 8, 8, dtype=DOUBLE), lambda v: v))
    with pytest.raises(ValueError, match="too large for the flow"):
        check(torch.zeros(1, 3, 8, LARGEST + 1))
    with pytest.raises(ValueError, match="give rng"):
        list(net.states(pictures(), lambda v: v, noise=1.0))


@pytest.mark.parametrize("kind", HOLES)
@pytest.mark.parametrize("shape", [(64, 64), (20, 33), (1, 1), (2, 7)])
def test_holes_repeat_and_leave_something_to_be_seen(kind: Hole, shape: tuple[int, int]) -> None:
    for seed in range(8):
        mask = holes(kind, *shape, rng(seed))
        assert mask.shape == (1, *shape)
        assert set(mask.unique().tolist()) <= {0.0, 1.0}
        assert mask.any()
        assert torch.equal(mask, holes(kind, *shape, rng(seed)))
        if min(shape) >= 20:
            assert 0.02 < float((mask == 0).float().mean()) < 0.8


def test_the_square_in_the_middle_is_the_one_of_the_paper() -> None:
    mask = holes("centre", 64, 64, rng())
    assert float((mask == 0).sum()) == 24 * 24
    assert not mask[0, 20:44, 20:44].any()


def test_merits_are_gradients_of_the_objective() -> None:
    net, m = proximal(), seen()
    y = m * pictures()
    states = list(net.states(y, lambda v: m * (y - v)))
    state = states[-1]
    x = state.x.clone().requires_grad_()
    moved = dataclasses.replace(state, x=x)
    (slope,) = torch.autograd.grad(objective(moved, m * (y - x)).sum(), x)
    # The same sums in another order.
    torch.testing.assert_close(gradients(states, lambda v: m * (y - v))[-1], norm(slope), rtol=1e-10, atol=0)
    torch.testing.assert_close(latent_norms(states)[-1], state.latent_norm)
    assert torch.equal(latent_norms(states)[0], torch.zeros(2, dtype=DOUBLE))
    assert float(gradients(states, lambda v: m * (y - v))[0].max()) == 0, "layer 1 begins at the data"


def test_holes_are_judged_alone() -> None:
    x, m = pictures(), seen()
    wrong = x + 0.1 * (1 - m)
    # 10 log₁₀(1/0.01), of numbers of double precision.
    assert hole_psnr(wrong, x, m) == pytest.approx(20, abs=1e-9)
    assert hole_psnr(x + m, x, m) == float("inf")
    filled = mean_fill(m * x, m)
    assert torch.equal(m * filled, m * x)
    mean = (m * x).sum((-2, -1)) / m.sum()
    hidden = filled[0, :, m[0, 0] == 0]
    torch.testing.assert_close(hidden, mean[0][:, None].expand_as(hidden))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six small colour pictures: two each to train on, to watch and to test."""
    target = tmp_path_factory.mktemp("colour")
    place = target / "train" / "bsds_color"
    place.mkdir(parents=True)
    drawn = np.random.default_rng(0)
    for number in range(6):
        pixels = np.kron(drawn.integers(0, 255, (5, 6, 3)), np.ones((4, 4, 1))).astype(np.uint8)
        Picture.fromarray(pixels).save(place / f"{number}.jpg")
    return target


def small(key: str = "glow_prox") -> GlowRecipe:
    recipe = next(r for r in GLOW_RECIPES if r.key == key)
    return dataclasses.replace(
        recipe, batch=2, patch=16, validation=2, layers=3, levels=2, flow_steps=1, hidden=4
    )


@pytest.mark.parametrize("key", [recipe.key for recipe in GLOW_RECIPES])
def test_training_goes_on_exactly_where_it_stopped(key: str, folder: Path, tmp_path: Path) -> None:
    recipe = small(key)
    before = torch.get_rng_state()
    whole = list(train(recipe, Run(folder, tmp_path / "whole", steps=4, every=2)))
    stopped = train(recipe, Run(folder, tmp_path / "parts", steps=4, every=2))
    assert next(stopped).step == 2
    stopped.close()
    (rest,) = train(recipe, Run(folder, tmp_path / "parts", steps=4, every=2))
    assert rest.loss == whole[-1].loss
    assert rest.psnr == whole[-1].psnr
    assert set(rest.psnr) == set(HOLES)
    for name, value in rest.net.state_dict().items():
        assert torch.equal(value, whole[-1].net.state_dict()[name]), name
    assert torch.equal(before, torch.get_rng_state())
    states = [torch.load(tmp_path / p / f"{key}.checkpoint.pt")["net"]["duals"] for p in ("whole", "parts")]
    assert torch.equal(*states)
    assert bool((states[0] > 0).any()) == (recipe.descent is not None)


def test_the_loss_is_the_lagrangian_and_its_duals_rise_with_the_slacks(folder: Path) -> None:
    recipe = dataclasses.replace(small(), noise=0.0)
    assert recipe.descent is not None
    pupil = recipe.build()
    sample = recipe.sample(recipe.source(folder)[0], rng())
    recipe.loss(pupil, sample)
    pupil.duals.copy_(torch.tensor([[0.5, 0.0], [2.0, 0.001]]))
    duals = pupil.duals.clone()
    states = list(pupil.net.states(sample.y, sample.pull))
    merits = (gradients(states, sample.pull), latent_norms(states))
    slacks = torch.stack([(m[2:] / m[1:-1]).mean(1) - 0.8 for m in merits])
    expected = (norm(states[-1].x - sample.clean).square().mean() + (duals * slacks).sum()) / recipe.error
    # Sums of single precision in the same order.
    torch.testing.assert_close(recipe.loss(pupil, sample), expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(
        pupil.duals, (duals + recipe.dual_rate * slacks).clamp_min(0), rtol=1e-5, atol=1e-7
    )
    assert isinstance(recipe.plain(pupil), GlowProx)
    assert "duals" not in recipe.plain(pupil).state_dict()


def test_samples_repeat_and_no_data_is_behind_a_hole(folder: Path) -> None:
    recipe = small()
    source, watched = recipe.source(folder)
    one, other = (recipe.sample(source, rng(5)) for _ in range(2))
    assert torch.equal(one.y, other.y)
    assert one.seed == other.seed
    assert not ((one.mask == 0) & (one.y != 0)).any()
    assert torch.equal(one.to("cpu").mask, one.mask)
    assert all(picture.shape == (3, 16, 16) for picture in watched)


def test_no_training_sees_the_pictures_of_the_tables(folder: Path) -> None:
    training, watched, test = colour(folder, 2)
    assert [len(part) for part in (training, watched, test)] == [2, 2, 2]
    sums = [int(p.long().sum()) for part in (training, watched, test) for p in part]
    assert len(set(sums)) == 6
    assert middle(test[0], 16).shape == (3, 16, 16)
    with pytest.raises(ValueError, match="held out"):
        colour(folder, 5)
    with pytest.raises(FileNotFoundError, match="train/bsds_color"):
        colour(folder / "nowhere")


def test_halves_are_read_as_they_were_judged(folder: Path, tmp_path: Path) -> None:
    (epoch,) = train(small(), Run(folder, tmp_path, steps=1, every=1))
    shipped = _weights.card("glow_prox")

    def card(sha256: str) -> _weights.Card:
        arguments = small().arguments
        return dataclasses.replace(shipped, key="halves", arguments=arguments, sha256=sha256)

    full = _weights.write(epoch.net, card, tmp_path / "full")
    half = _weights.write(epoch.net, card, tmp_path / "half", dtype=torch.float16)
    assert full.sha256 != half.sha256
    sizes = [(tmp_path / p / "halves.safetensors").stat().st_size for p in ("half", "full")]
    assert sizes[0] < sizes[1]
    net = _weights.read("halves", tmp_path / "half")
    for name, value in net.state_dict().items():
        assert value.dtype in (torch.float32, torch.int64)
        assert torch.equal(value, epoch.net.state_dict()[name]), name
    too_large = nn.Linear(1, 1)
    nn.init.constant_(too_large.weight, 1e5)
    with pytest.raises(ValueError, match="store them as"):
        _weights.write(too_large, card, tmp_path, dtype=torch.float16)
    with pytest.raises(ValueError, match=r"float16: store"):
        _weights.rounded(too_large, torch.float16)
    third = nn.Linear(1, 1)
    nn.init.constant_(third.weight, 1 / 3)
    _weights.rounded(third, torch.float16)
    assert third.weight.dtype == torch.float32
    assert third.weight.item() == torch.tensor(1 / 3).half().item()


def gallery(side: int = 64) -> Tensor:
    """The middles of all colour pictures of the gallery."""
    found = [images.load(picture.key) for picture in images.gallery() if picture.channels == 3]
    return F.adaptive_avg_pool2d(torch.cat(found)[..., 32:-32, 32:-32], side)


@pytest.mark.parametrize("training", TRAININGS)
@torch.no_grad()
def test_latents_of_the_shipped_networks_shrink_where_that_was_asked_for(training: Training) -> None:
    net, truth = network(training), gallery().repeat(len(HOLES), 1, 1, 1)
    each = len(truth) // len(HOLES)
    mask = torch.stack([holes(kind, 64, 64, rng(place)) for kind in HOLES for place in range(each)])
    y = mask * truth

    def pull(v: Tensor) -> Tensor:
        return mask * (y - v)

    states = list(net.states(y, pull))
    # On average over pictures and kinds of holes, as the constraints were.
    latent, steep = (merit.mean(1)[1:].diff() for merit in (latent_norms(states), gradients(states, pull)))
    assert bool((latent < 0).all()) == ("constraints" in training), latent
    if "constraints" in training:
        assert (steep < 0).all(), steep
    # Half of what is promised of pictures like those of the training.
    assert hole_psnr(states[-1].x, truth, mask) > hole_psnr(mean_fill(y, mask), truth, mask) + 1.5
    # The limit that the issue of this network states; halves are inverted as the same halves.
    assert max(net.inversion_error(n, s.x) for n, s in enumerate(states[:-1], 1)) < 1e-4


def test_the_shipped_networks_are_small() -> None:
    files = [PRETRAINED / f"{key}.safetensors" for key in KEYS.values()]
    assert sum(file.stat().st_size for file in files) <= 1_800_000
    for training, key in KEYS.items():
        recipe = next(r for r in GLOW_RECIPES if r.key == key)
        card = _weights.card(key)
        assert card.arguments == recipe.arguments
        assert (recipe.descent is not None) == ("constraints" in training)
        assert (recipe.noise > 0) == (training in ("constraints and noise", "noise only"))
        assert card.steps == card.recipe["steps"] == recipe.steps, "trained to the end"


def behind(truth: Tensor, **settings: object) -> Problem:
    A = Inpainting(Space(tuple(truth.shape[1:]), truth.dtype), **settings)  # type: ignore[arg-type]
    return Problem(A, A(truth), 0.0)


def test_the_method_is_the_network() -> None:
    truth = gallery(32)[:1]
    problem, net = behind(truth, mask="block"), network("plain")
    records = list(GlowProxMethod(training="plain").iterates(problem))
    with torch.no_grad():
        states = list(net.states(problem.data, lambda v: problem.operator(problem.data - v)))
    assert [record.k for record in records] == list(range(net.depth + 1))
    for record, state in zip(records, states, strict=True):
        # Single precision; the operator is applied once more.
        torch.testing.assert_close(record.x, state.x, rtol=0, atol=1e-5)
        if record.k:
            assert float(record.scalars[LATENT]) == pytest.approx(float(state.latent_norm), rel=1e-4)
    assert LATENT not in records[0].scalars


def test_grey_is_three_equal_channels_and_too_large_is_one_sentence() -> None:
    truth = gallery(32)[:1].mean(1, keepdim=True)
    problem, net = behind(truth), network("constraints and noise")
    *_, last = GlowProxMethod().iterates(problem)
    y, m = problem.data.expand(1, 3, 32, 32), problem.operator.measured
    assert m is not None
    with torch.no_grad():
        *_, state = net.states(y, lambda v: (m * (y - v.mean(1, keepdim=True))).expand(1, 3, 32, 32))
    # The same numbers, added in another order.
    torch.testing.assert_close(last.x, state.x.mean(1, keepdim=True), rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match=f"at most {LARGEST} px"):
        next(GlowProxMethod().iterates(behind(torch.zeros(1, 3, 129, 64))))


def test_nothing_is_promised_and_another_operator_is_named() -> None:
    x = torch.zeros(1, 3, 32, 32)
    blur = GaussianBlur(Space((3, 32, 32)))
    for problem, part in ((behind(x), "no limit"), (Problem(blur, x, 0.0), "this operator is another")):
        found = GlowProxMethod().guarantees(problem, Evidence())
        assert {g.status for g in found} == {"not applicable"}
        assert all(part in g.reason for g in found)


def test_a_pupil_keeps_duals_for_every_layer_but_the_first() -> None:
    assert GlowPupil(GlowProx(layers=4, levels=1, steps=1, hidden=2)).duals.shape == (2, 3)
