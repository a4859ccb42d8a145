"""The inpainting strip: rows, references, views and what is refused."""

import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from torch import Tensor

from deqviz import images
from deqviz.bench import inpainting as bench
from deqviz.experiments._rows import Progress, only_rows, panel, read, recorded
from deqviz.experiments.unrolled.inpainting_strip import (
    CONSTRAINED,
    HOLES,
    INVERSION,
    REFERENCES,
    TRAININGS,
    Hole,
    InpaintingStrip,
    StripRow,
    biharmonic,
    holes,
)
from deqviz.learning.inpainting import hole_psnr, mean_fill
from deqviz.methods.glow_prox import network
from deqviz.training.glow_recipes import colour, middle

SIDE = 32
LAYERS = 5


def truth() -> Tensor:
    return torch.cat([images.scaled(images.load(key), SIDE) for key in ("astronaut", "coffee")])


def mask() -> Tensor:
    return holes("centre", SIDE, SIDE, torch.Generator())[None]


STRIP = InpaintingStrip(truth(), mask(), factors=(0.0, 5.0))


@pytest.fixture(scope="module")
def stream() -> list[Progress[StripRow]]:
    return list(STRIP.run())


@pytest.fixture(scope="module")
def rows(stream: list[Progress[StripRow]]) -> tuple[StripRow, ...]:
    return tuple(only_rows(stream))


def test_every_cell_has_its_row_and_its_picture(stream, rows) -> None:
    assert [row.key for row in rows] == list(STRIP.cells)
    assert len(rows) == 2 + 4 * 2 * (LAYERS + 1)
    assert [p.done for p in stream] == list(range(1, len(rows) + 1))
    assert set(stream[0].views) == {"picture", "truth", "data"}
    for progress in stream:
        assert progress.views["picture"].shape == STRIP.truth.shape
        assert progress.row is not None
        found = hole_psnr(progress.views["picture"], STRIP.truth, STRIP.mask)
        assert progress.row.psnr == found


def test_the_layers_are_those_of_the_network(rows, stream) -> None:
    y = STRIP.mask * STRIP.truth
    net = network("noise only")
    with torch.no_grad():
        states = list(net.states(y, lambda v: STRIP.mask * (y - v)))
    shown = [p for p in stream if p.row and p.row.key[:2] == ("noise only", 0.0)]
    for progress, state in zip(shown, states, strict=True):
        assert torch.equal(progress.views["picture"], state.x)
        row = progress.row
        assert row is not None
        if row.layer:
            assert row.latent == float(state.latent_norm.mean())
            assert row.objective is not None
            assert row.latent is not None
            data, square = row.gradient / 200, row.latent**2 / 2
            # f = 100 E‖y − Ax‖² + ½E‖z‖², and the mean of squares is at least the square of the mean.
            assert row.objective >= (100 * data**2 + square) * (1 - 1e-5)


def test_noise_moves_the_layers_and_repeats(rows) -> None:
    value = {row.key: row.psnr for row in rows}
    for training in TRAININGS:
        assert value[training, 0.0, LAYERS] != value[training, 5.0, LAYERS]
        assert value[training, 0.0, 0] == value[training, 5.0, 0], "the data is as it was"
    again = tuple(only_rows(dataclasses.replace(STRIP, trainings=("plain",)).run()))
    assert again[2:] == tuple(row for row in rows if row.training == "plain")
    other = tuple(only_rows(dataclasses.replace(STRIP, trainings=("plain",), seed=1).run()))
    assert other[-1] != again[-1]


def test_noise_on_the_data_reaches_the_references_too() -> None:
    strip = dataclasses.replace(STRIP, trainings=("plain",), disturbed="data", factors=(0.0, 20.0))
    found = {row.key: row for row in only_rows(strip.run())}
    assert list(found) == list(strip.cells)
    # A direction of norm 20 over 3072 numbers has a deviation of 0.36: nothing is filled in well from that.
    for who, layer in (("mean fill", 0), ("biharmonic", 0), ("plain", LAYERS)):
        assert found[who, 20.0, layer].psnr < found[who, 0.0, layer].psnr


def test_descent_is_claimed_only_where_it_was_asked_for(rows) -> None:
    for row in rows:
        found = {g.key: g for g in row.guarantees}
        if row.training in REFERENCES or row.layer == 0:
            assert not found
            continue
        assert found["inverse"].bound.of == INVERSION
        assert found["inverse"].status == "estimated"
        assert found["inverse"].holds
        assert ("latent" in found) == ("gradient" in found) == (row.layer > 1)
        if row.layer > 1:
            assert found["latent"].claim == ("estimated" if row.training in CONSTRAINED else "not applicable")
            assert found["latent"].measured == row.latent
            assert found["gradient"].measured == row.gradient
    assert all(row.holds for row in rows), "what is not proved never fails a row"
    assert {g.key for g in panel(rows)} == {"inverse", "latent", "gradient"}


def test_the_share_that_a_layer_takes_is_the_slack(rows) -> None:
    for row in rows:
        if row.training in CONSTRAINED and row.layer > 1:
            found, (before, now) = row.plain(), (row.latent_before, row.latent)
            assert before is not None
            assert now is not None
            assert found["slack.latent"] == 1 - now / before
            assert found["slack.gradient"] == 1 - row.gradient / (row.gradient_before or 1)
            lamp = {g.key: g for g in row.guarantees}["latent"]
            # A thousandth is the room that a guarantee leaves to rounding.
            assert lamp.holds == (now <= before * 1.001)


def test_the_references_need_no_training(rows) -> None:
    value = {row.key: row.psnr for row in rows}
    y = STRIP.mask * STRIP.truth
    assert value["mean fill", 0.0, 0] == hole_psnr(mean_fill(y, STRIP.mask), STRIP.truth, STRIP.mask)
    filled = biharmonic(y, STRIP.mask)
    # What is seen is taken over, in single precision.
    torch.testing.assert_close(STRIP.mask * filled, y, rtol=0, atol=1e-6)
    ramp = torch.linspace(0.1, 0.9, SIDE).expand(1, 3, SIDE, SIDE)
    # A ramp is biharmonic; the equation is solved in double precision from data in single.
    torch.testing.assert_close(biharmonic(STRIP.mask * ramp, STRIP.mask), ramp, rtol=0, atol=1e-4)


def test_rows_are_gone_on_with_and_written(rows, tmp_path: Path, monkeypatch) -> None:
    strip = dataclasses.replace(STRIP, trainings=("plain", "noise only"), factors=(0.0,))
    known = [row for row in rows if row.factor == 0 and row.training != "noise only"]
    stream = strip.run(known)
    first = [next(stream) for _ in range(8)]
    assert not any(progress.views for progress in first), "nothing is computed for rows that are known"
    assert [p.row.key for p in stream if p.row] == list(strip.cells)[8:]
    file = tmp_path / "strip.csv"
    list(recorded(strip, file))
    back = read(strip, file)
    assert [row.key for row in back] == list(strip.cells)
    assert back == tuple(only_rows(strip.run()))


@pytest.mark.parametrize("kind", HOLES)
def test_every_kind_of_hole_is_filled(kind) -> None:
    one = holes(kind, SIDE, SIDE, torch.Generator().manual_seed(2))[None]
    found = list(only_rows(InpaintingStrip(truth()[:1], one, trainings=("plain",)).run()))
    assert all(torch.tensor([row.psnr for row in found]).isfinite())


def test_what_cannot_be_filled_is_refused_in_one_sentence() -> None:
    def refused(message: str, **changes: object) -> None:
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(STRIP, **changes)  # type: ignore[arg-type]

    refused("No pixel of this mask is known", mask=torch.zeros_like(STRIP.mask))
    refused("No pixel of this mask is missing", mask=torch.ones_like(STRIP.mask))
    refused("nothing between", mask=0.5 * STRIP.mask)
    refused("draw it anew", mask=holes("centre", 8, 8, torch.Generator())[None])
    refused("repeat a grey image", truth=STRIP.truth[:, :1])
    refused("too large for the flow", truth=torch.zeros(1, 3, 200, 200))
    refused("at least one", factors=())
    refused("from 0 on", factors=(-1.0,))


def test_the_table_is_printed_from_held_out_pictures(tmp_path: Path) -> None:
    place = tmp_path / "train" / "bsds_color"
    place.mkdir(parents=True)
    drawn = np.random.default_rng(0)
    for number in range(18):
        pixels = np.kron(drawn.integers(0, 255, (4, 4, 3)), np.ones((16, 16, 1))).astype(np.uint8)
        Picture.fromarray(pixels).save(place / f"{number:02}.jpg")
    held = [middle(picture)[None] for picture in colour(tmp_path, 0)[2]][:1]
    runs: dict[Hole, list[list[StripRow]]] = {"centre": bench._runs(held, "centre")}
    found = {
        row.name: row for part in (bench._quality, bench._descent, bench._inversion) for row in part(runs)
    }
    fill = found["quality, all holes, mean fill, hole PSNR"]
    for training in TRAININGS:
        gained = found[f"quality, all holes, {training}, hole PSNR"]
        assert gained.target == round(fill.value + 3, 3)
        assert gained.value == found[f"quality, centre, {training}, hole PSNR"].value
        assert found[f"inversion, {training}, largest error"].holds
        ratio = found[f"descent, {training}, largest ratio of E‖z‖"]
        assert ratio.direction == ("at most" if training in CONSTRAINED else "at least")
        curve = [row.latent or 0 for row in runs["centre"][0] if row.training == training and row.layer]
        # The same division in double precision of the same single numbers.
        assert ratio.value == pytest.approx(max(b / a for a, b in pairwise(curve)), rel=1e-12)
    assert fill.target is None
