"""Training writes usable weights, and resuming continues exactly where it stopped."""

import dataclasses
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image as Picture

from deqviz.core.space import Space
from deqviz.networks import _weights
from deqviz.networks.contractive import ContractiveDenoiser
from deqviz.networks.monotone import MonotoneCNN
from deqviz.operators.gaussian_blur import GaussianBlur
from deqviz.training._minimise import minimiser
from deqviz.training.command import main
from deqviz.training.data import patches, split
from deqviz.training.glow_recipes import GlowRecipe
from deqviz.training.loop import Run, train
from deqviz.training.mol_recipes import InverseProblemRecipe, MolRecipe, MonotoneRecipe, barrier
from deqviz.training.range_recipes import DeepEquilibriumRecipe, InverseRecipe, RangeRecipe
from deqviz.training.recipes import RECIPES, ConvexRidgeRecipe, Recipe, ReconstructionRecipe
from deqviz.training.samples import Sample, degraded
from deqviz.training.sparse_recipes import DictionaryRecipe, ListaRecipe
from deqviz.training.tasks import Head, Natural


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small pictures of random rectangles, here and where the inverse problems look, and a volume."""
    target = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    (target / "train" / "bsds400").mkdir(parents=True)
    (target / "mri").mkdir()
    for place in range(3):
        picture = np.full((24, 26), 90, np.uint8)
        picture[5 : 12 + place, 6:18] = rng.integers(120, 250)
        for place_of in (target, target / "train" / "bsds400"):
            Picture.fromarray(picture).save(place_of / f"{place}.png")
    head = np.zeros((26, 30, 170), np.uint8)
    head[3:22, 4:27] = rng.integers(40, 250, (19, 23, 170))
    nibabel.Nifti1Image(head, np.eye(4)).to_filename(target / "mri" / "ch2.nii.gz")
    return target


def _small(key: str) -> Recipe:
    recipe = RECIPES[key]
    if isinstance(recipe, InverseProblemRecipe):
        task = recipe.task
        if isinstance(task, Head):
            task = dataclasses.replace(task, side=16)
        elif isinstance(task, Natural):
            task = dataclasses.replace(task, held=1)
        else:
            task = dataclasses.replace(task, first=4)
        shape = {"layers": 2, "start": ""} if isinstance(recipe, MonotoneRecipe) else {}
        return dataclasses.replace(recipe, task=task, batch=2, patch=12, width=4, **shape)
    if isinstance(recipe, ListaRecipe):
        return dataclasses.replace(recipe, batch=8, layers=2, signals=20, labels=5, validation=1)
    if isinstance(recipe, DictionaryRecipe):
        return dataclasses.replace(recipe, batch=8, atoms=70, inner=3, validation=1)
    small: dict[str, object] = {} if key.startswith("convex_ridge") else {"layers": 2}
    if hasattr(RECIPES[key], "start"):
        small["start"] = ""
    return dataclasses.replace(
        RECIPES[key], batch=2, patch=16, validation=1, filters=8, size=3, sigmas=(0.1,), **small
    )


def _kinds() -> list[str]:
    """The first recipe of each kind of training and of task; the others differ in their numbers."""
    kept, seen = [], set()
    for key, recipe in RECIPES.items():
        task = getattr(recipe, "task", None)
        how = [getattr(recipe, name, None) for name in ("version", "kind", "teaching", "is_analytic")]
        parts = {(type(recipe), *how), (type(task), getattr(task, "kind", None))}
        # Flows need colour pictures: tests/networks/test_glow.py.
        if not isinstance(recipe, GlowRecipe) and not parts <= seen:
            kept.append(key)
        seen |= parts
    return kept


@pytest.mark.parametrize("key", _kinds())
def test_resuming_continues_exactly(key: str, folder: Path, tmp_path: Path) -> None:
    recipe = _small(key)
    before = torch.get_rng_state()
    whole = list(train(recipe, Run(folder, tmp_path / "whole", steps=2, every=1)))
    stopped = train(recipe, Run(folder, tmp_path / "parts", steps=2, every=1))
    assert next(stopped).step == 1
    stopped.close()
    rest = list(train(recipe, Run(folder, tmp_path / "parts", steps=2, every=1)))
    assert [epoch.step for epoch in rest] == [2]
    assert [epoch.loss for epoch in rest] == [epoch.loss for epoch in whole[1:]]
    for one, other in zip(whole[-1].net.state_dict().items(), rest[-1].net.state_dict().items(), strict=True):
        assert one[0] == other[0]
        assert torch.equal(one[1], other[1])
    assert torch.equal(before, torch.get_rng_state())
    assert not list((tmp_path / "parts").glob("*.partial"))


def test_the_constraint_is_baked_into_what_is_exported(folder: Path, tmp_path: Path) -> None:
    (epoch,) = train(_small("contractive"), Run(folder, tmp_path, steps=2, every=2))
    assert isinstance(epoch.net, ContractiveDenoiser)
    assert epoch.net.lipschitz() <= 1.0
    assert not any("parametrizations" in name for name in epoch.net.state_dict())


def test_command_writes_weights_that_load(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("deqviz.training.recipes.RECIPES", {"contractive": _small("contractive")})
    arguments = ["contractive", "--data", str(folder), "--out", str(tmp_path), "--steps", "2"]
    assert main(arguments) == 0
    assert "step 2/2" in capsys.readouterr().out
    card = _weights.read_card(tmp_path / "contractive.json")
    assert card.steps == 2
    assert card.constants["lipschitz"] <= 1.0
    assert isinstance(_weights.read("contractive", tmp_path), ContractiveDenoiser)
    assert main(arguments) == 0
    assert "already trained" in capsys.readouterr().out


def test_command_names_a_folder_without_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contractive", "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "no pictures in" in capsys.readouterr().err


def test_implicit_gradient_is_that_of_a_converged_unrolled_solve() -> None:
    recipe = dataclasses.replace(RECIPES["convex_ridge"], filters=8, size=3, descent=400, adjoint=60)
    assert isinstance(recipe, ConvexRidgeRecipe)
    net = recipe.build().double()
    rng = torch.Generator().manual_seed(0)
    y = torch.rand((2, 1, 9, 10), generator=rng, dtype=torch.float64)
    sigma = torch.tensor([0.05, 0.1], dtype=torch.float64)
    weights = [parameter for _, parameter in net.named_parameters()]
    implicit = torch.autograd.grad(recipe.estimate(net, y, sigma).square().sum(), weights)
    unrolled_x = minimiser(net.filters, net.thresholds(sigma), y, recipe.lipschitz, 400)
    unrolled = torch.autograd.grad(unrolled_x.square().sum(), weights)
    for one, other in zip(implicit, unrolled, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_patches_come_from_the_generator_alone(folder: Path) -> None:
    training, validation = split(folder, 1)
    assert (len(training), len(validation)) == (2, 1)
    one, other = (patches(training, 4, 12, torch.Generator().manual_seed(7)) for _ in range(2))
    assert one.shape == (4, 1, 12, 12)
    assert torch.equal(one, other)


def _check_gradient(
    recipe: Recipe,
    net: torch.nn.Module,
    sample: Sample,
    rng: torch.Generator,
    *,
    step: float,
    rel: float,
) -> None:
    """The loss changes along a random direction as its gradient says, by central differences of `step`."""
    weights = list(net.parameters())
    with torch.no_grad():
        # The start is a kink of the constraint: the symbol of the cosines is largest everywhere at once.
        for w in weights:
            w.add_(0.2 * torch.randn(w.shape, generator=rng, dtype=torch.float64))
    directions = [torch.randn(w.shape, generator=rng, dtype=torch.float64) for w in weights]
    gradients = torch.autograd.grad(recipe.loss(net, sample), weights)
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True))

    def moved(by: float) -> float:
        with torch.no_grad():
            for w, d in zip(weights, directions, strict=True):
                w.add_(d, alpha=by)
            value = float(recipe.loss(net, sample))
            for w, d in zip(weights, directions, strict=True):
                w.sub_(d, alpha=by)
        return value

    assert slope == pytest.approx((moved(step) - moved(-step)) / (2 * step), rel=rel)


def test_the_implicit_gradient_through_an_operator_is_that_of_finite_differences() -> None:
    recipe = dataclasses.replace(
        RECIPES["convex_ridge_inverse"], start="", filters=8, size=3, steps_forward=600, steps_backward=80
    )
    assert isinstance(recipe, ReconstructionRecipe)
    net = recipe.build().double()
    rng = torch.Generator().manual_seed(0)
    clean = torch.rand((2, 1, 9, 10), generator=rng, dtype=torch.float64)
    operator = GaussianBlur(Space((1, 9, 10), torch.float64), width=0.6)
    sample = Sample(clean, operator(clean), torch.full((2,), 0.1, dtype=torch.float64), operator, weight=0.3)
    _check_gradient(recipe, net, sample, rng, step=1e-5, rel=1e-4)


def test_degraded_samples_repeat_and_differ(folder: Path) -> None:
    training, _ = split(folder, 1)
    rng, again = (torch.Generator().manual_seed(3) for _ in range(2))
    kinds = set()
    for _ in range(8):
        one, other = degraded(training, 2, 16, rng), degraded(training, 2, 16, again)
        assert one.operator is not None
        assert one.operator == other.operator
        assert torch.equal(one.y, other.y)
        assert one.to("cpu").operator == one.operator
        kinds.add(type(one.operator))
    assert len(kinds) == 2


@pytest.mark.parametrize("key", ["contractive_range", "contractive_deq"])
def test_training_behind_an_operator_starts_from_the_shipped_denoiser(key: str) -> None:
    recipe = RECIPES[key]
    shipped = _weights.load("contractive")
    x = torch.rand((1, 1, 20, 21), generator=torch.Generator().manual_seed(0))
    start = recipe.plain(recipe.build())
    assert isinstance(start, ContractiveDenoiser)
    assert start.lipschitz() <= 1.0
    torch.testing.assert_close(start(x, 0.05), shipped(x, 0.05), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["contractive_range", "contractive_range plain", "contractive_deq"])
def test_the_objectives_behind_an_operator_have_the_gradients_of_finite_differences(kind: str) -> None:
    small = dataclasses.replace(_small(kind.split()[0]), contraction=0.8)
    if isinstance(small, RangeRecipe):
        recipe: InverseRecipe = dataclasses.replace(small, relative="plain" not in kind)
    else:
        assert isinstance(small, DeepEquilibriumRecipe)
        recipe = dataclasses.replace(small, tolerance=1e-13)
    net = recipe.build().double()
    rng = torch.Generator().manual_seed(0)
    clean = torch.rand((2, 1, 9, 10), generator=rng, dtype=torch.float64)
    operator = GaussianBlur(Space((1, 9, 10), torch.float64), width=0.6)
    y = operator(clean) + 0.05 * torch.randn(clean.shape, generator=rng, dtype=torch.float64)
    sample = Sample(clean, y, torch.full((2,), 0.1, dtype=torch.float64), operator, weight=0.3)
    _check_gradient(recipe, net, sample, rng, step=1e-6, rel=1e-5)


class _Same(torch.nn.Module):
    def forward(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return x


def test_the_relative_range_loss_of_tikhonov_is_one() -> None:
    recipe = _small("contractive_range")
    assert isinstance(recipe, RangeRecipe)
    clean = torch.rand((3, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    sample = Sample(clean, clean, torch.full((3,), 0.1), GaussianBlur(Space((1, 16, 16)), width=2.0))
    # N = L·Id around middle grey has no more to say than Tikhonov's method, however small its L_β is.
    loss, scale = recipe.range_loss(_Same(), sample)
    torch.testing.assert_close(loss / scale, torch.ones(3), rtol=1e-3, atol=0)
    assert float((loss / (clean - 0.5).square().sum((1, 2, 3))).max()) < 0.05**2
    with pytest.raises(ValueError, match="operator"):
        recipe.loss(recipe.build(), Sample(clean, clean, torch.full((3,), 0.1)))


def test_a_strict_network_keeps_its_promise_whatever_training_does(folder: Path) -> None:
    recipe = _small("mol_sn")
    assert isinstance(recipe, MolRecipe)
    net, rng = recipe.build(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in net.parameters():
            weights.add_(torch.randn(weights.shape, generator=rng))
    plain = recipe.plain(net)
    assert isinstance(plain, MonotoneCNN)
    for grid in ((8, 8), (13, 7), (64, 64), None):
        assert plain.norms(grid).lipschitz <= 1 - recipe.margin
    assert recipe.constants(plain)["lipschitz"] <= 1 - recipe.margin
    assert not recipe.constants(plain)["product"] < 0.9


def test_the_barrier_is_continuous_and_keeps_rising() -> None:
    values = torch.linspace(0.5, 1.5, 2001, dtype=torch.float64)
    found = barrier(values, 0.9)
    steps = found.diff()
    assert (steps > 0).all()
    # The tangent's slope 1/e = 100 is the largest.
    assert float(steps.max()) <= 100 * 0.0005 * (1 + 1e-9)
    assert float(barrier(torch.tensor(0.4, dtype=torch.float64), 0.9)) == pytest.approx(-np.log(0.5))


@pytest.mark.parametrize("key", ["mol_sn", "mol_3d", "mol_2dt", "mol_sn_blur", "mol_sn_inpainting"])
def test_tasks_repeat_and_never_put_the_noise_where_nothing_is_measured(key: str, folder: Path) -> None:
    recipe = _small(key)
    training, validation = recipe.source(folder)
    assert validation
    one, other = (recipe.sample(training, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one.y, other.y)
    assert torch.equal(one.clean, other.clean)
    assert one.operator is not None
    hidden = one.operator.measured
    if hidden is not None:
        assert not ((hidden == 0) & (one.y != 0)).any()


def test_a_volume_that_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mol_sn", "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "mri/ch2.nii.gz" in capsys.readouterr().err
