"""The files that a run is taken away in, opened again."""

import csv
import io
import json
import math
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from PIL import ImageSequence

from deqviz import __version__, images, kspace
from deqviz import io as files
from deqviz.core.registry import Choice
from deqviz.io import settings as settings_file
from deqviz.runtime.export_record import Record
from deqviz.runtime.job import Job
from deqviz.scenario import Scenario
from deqviz.ui.export import animation as export_animation
from deqviz.ui.export import files as export_files
from tests.places import FRONTEND

GREY = Scenario(image="coins", size=48, method=Choice("tv"), iterations=30)
COLOUR = replace(GREY, image="cat")


def job_of(scenario: Scenario, steps: int | None = None) -> Job:
    """A run driven to its end, or held after so many iterates."""
    job = Job(scenario.validated())
    for _ in range(steps or 0):
        job.step()
    while not job.is_settled:
        job.advance(math.inf)
        job.snapshot()
    return job


def record_of(scenario: Scenario, steps: int | None = None) -> Record:
    found = job_of(scenario, steps).record()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def grey() -> Record:
    return record_of(GREY)


@pytest.fixture(scope="module")
def colour() -> Record:
    return record_of(COLOUR)


@pytest.fixture(scope="module")
def unjudged() -> Record:
    """K-space with gaps: nobody knows the truth."""
    samples = torch.randn(3, 48, 48, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    centre = torch.zeros(48, 48)
    centre[20:28, 20:28] = 50.0
    samples *= 1 + centre
    samples[:, 1:18:2] = 0
    key = kspace.keep(samples, "12" * 8)
    operator, noise = Choice("parallel_mri"), Choice("gaussian", {"std": 0.0})
    return record_of(replace(GREY, image=key, operator=operator, noise=noise, method=Choice("tikhonov")))


def opened(data: bytes) -> np.ndarray:
    """A PNG as c × h × w."""
    with Pillow.open(io.BytesIO(data)) as picture:
        pixels = np.asarray(picture)
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# ---------------------------------------------------------------- the record


def test_a_run_that_was_held_is_taken_with_its_newest_iterate():
    record = record_of(replace(GREY, tolerance=1e-9, iterations=100), steps=19)
    assert record.path[-1][0] == record.frames[-1].k == record.snapshot.marks[-1].k == 18
    assert 18 not in {f.k for f in record.snapshot.frames}
    assert record.ended_at == 18


def test_a_run_before_its_first_iterate_has_no_record():
    assert Job(GREY.validated()).record() is None


def test_a_run_that_went_on_after_it_arrived_is_repeated_to_the_same_iterate(grey):
    # On a GPU the residual is looked at every 64 iterates.
    marks = [replace_residual(m, 1e-7 if m.k >= 20 else 1.0) for m in grey.snapshot.marks]
    late = replace(grey, snapshot=replace(grey.snapshot, marks=tuple(marks)))
    assert grey.ended_at is None
    assert late.ended_at == marks[-1].k


def replace_residual(mark, value):
    return replace(mark, residual=value, gap=value)


# ---------------------------------------------------------------- pictures


def test_pictures_are_those_of_the_screen_to_the_byte(grey, colour):
    for record in (grey, colour):
        setup, last = record.snapshot.setup, record.frames[-1]
        assert setup is not None
        files = unzipped(export_files.pictures_file(record, last.k, 4))
        stem = export_files.stem(record.scenario)
        assert sorted(files) == sorted(
            [f"{stem}-{part}.png" for part in (f"k{last.k}", f"k{last.k}-error-x4", "measured", "truth")]
            + [f"{stem}.json"]
        )
        assert np.array_equal(opened(files[f"{stem}-k{last.k}.png"]), last.pixels)
        assert np.array_equal(opened(files[f"{stem}-measured.png"]), setup.measured)
        assert np.array_equal(opened(files[f"{stem}-truth.png"]), setup.truth)


def test_a_picture_carries_what_made_it(grey):
    data = export_files.png(grey.frames[0].pixels, grey.scenario.to_json())
    with Pillow.open(io.BytesIO(data)) as picture:
        assert picture.mode == "L"
        assert Scenario.from_json(picture.info["Comment"]) == grey.scenario
        assert picture.info["Software"] == f"DEQViz {__version__}"


def test_the_error_has_the_browser_s_colours():
    script = (FRONTEND / "shared" / "pixels.js").read_text()
    knots = re.findall(r'"#([0-9a-f]{6})"', script.split("HEAT =")[1].split("]")[0])
    assert knots == list(export_files.HEAT)
    levels = np.arange(256, dtype=np.uint8)[None, None]
    shown = export_files.error_pixels(levels, np.zeros_like(levels), 1)
    assert shown.shape == (3, 1, 256)
    assert ["".join(f"{v:02x}" for v in shown[:, 0, i]) for i in (0, 255)] == ["000000", "ffffff"]
    # 14 lies 9·14/255 = 0.494 of the way from the first of the ten colours to the second.
    assert list(shown[:, 0, 14]) == [round(0.494117647 * part) for part in (0x2A, 0x0C, 0x02)]


def test_the_gain_multiplies_and_the_worst_channel_counts():
    truth = np.zeros((3, 1, 2), np.uint8)
    pixels = np.array([[[10, 0]], [[0, 200]], [[5, 0]]], np.uint8)
    plain = export_files.error_pixels(np.array([[[40, 255]]], np.uint8), truth[:1], 1)
    assert np.array_equal(export_files.error_pixels(pixels, truth, 4), plain)
    assert np.array_equal(export_files.error_pixels(truth, pixels, 4), plain)


def test_without_a_truth_there_is_no_error(unjudged):
    k = unjudged.frames[-1].k
    assert set(export_files.pictures(unjudged, k, 4)) == {f"k{k}", "measured"}
    names, _ = export_files.table(unjudged)
    assert "psnr" not in names
    with np.load(io.BytesIO(export_files.arrays(unjudged))) as arrays:
        assert "truth" not in arrays
        assert arrays["x"].shape == (2, 48, 48)
        assert np.iscomplexobj(arrays["y"])
    with Pillow.open(io.BytesIO(export_animation.gif(unjudged))) as moving:
        assert moving.size[0] >= export_animation.LEAST


def test_names_say_what_the_files_are(grey):
    assert export_files.stem(Scenario()) == "deqviz-camera-gaussian_blur-equilibrium"
    upload = images.keep(torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(0)), "ab" * 8)
    assert export_files.stem(replace(GREY, image=upload)) == "deqviz-upload-gaussian_blur-tv"


# ---------------------------------------------------------------- numbers


def test_arrays_are_those_of_the_run(grey):
    with np.load(io.BytesIO(export_files.arrays(grey)), allow_pickle=False) as file:
        arrays = dict(file)
    assert {"x", "y", "truth", "measured", "k", "residual", "gap", "psnr", "ssim", "ssim_k"} <= set(arrays)
    assert {"evaluations", "objective", "duality_gap", "kept", "kept_k", "settings"} <= set(arrays)
    snapshot, truth = grey.snapshot, grey.truth
    assert truth is not None
    assert np.array_equal(arrays["x"], grey.path[-1][1][0].numpy())
    assert arrays["x"].dtype == np.float32
    assert np.array_equal(arrays["truth"], truth[0].numpy())
    assert np.array_equal(arrays["y"], grey.problem.data[0].numpy())
    assert np.array_equal(arrays["kept"][-1], arrays["x"])
    assert list(arrays["kept_k"]) == [k for k, _ in grey.path]
    assert list(arrays["k"]) == [m.k for m in snapshot.marks]
    assert list(arrays["residual"]) == [m.residual for m in snapshot.marks]
    assert list(arrays["psnr"]) == list(snapshot.psnr)
    assert dict(zip(arrays["ssim_k"], arrays["ssim"], strict=True)) == dict(snapshot.ssim)
    assert json.loads(str(arrays["settings"]))["method"]["key"] == "tv"


def test_large_kept_iterates_are_thinned_and_the_last_one_stays(grey, monkeypatch):
    one = grey.path[0][1].nbytes
    monkeypatch.setattr(export_files, "KEPT_BYTES", 5 * one)
    with np.load(io.BytesIO(export_files.arrays(grey))) as arrays:
        assert len(arrays["kept"]) <= 5
        assert arrays["kept_k"][-1] == grey.path[-1][0]
        assert list(arrays["kept_k"]) == sorted(arrays["kept_k"])


def test_arrays_can_be_uploaded_again(grey):
    assert grey.truth is not None
    found = files.open(export_files.arrays(grey))
    assert isinstance(found, files.Image)
    # The loader scales what leaves [0, 1]; total variation is solved inside.
    assert torch.equal(torch.from_numpy(found.pixels)[None], grey.path[-1][1])


def test_the_table_has_every_number(grey):
    rows = list(csv.DictReader(io.StringIO(export_files.numbers(grey).decode())))
    snapshot = grey.snapshot
    assert [int(row["k"]) for row in rows] == [m.k for m in snapshot.marks]
    assert [float(row["residual"]) for row in rows] == [m.residual for m in snapshot.marks]
    assert [float(row["psnr"]) for row in rows] == list(snapshot.psnr)
    assert [float(row["objective"]) for row in rows] == [m.objective for m in snapshot.marks]
    assert [float(row["duality gap"]) for row in rows] == [m.scalars["duality gap"] for m in snapshot.marks]
    assert {int(row["k"]): float(row["ssim"]) for row in rows if row["ssim"]} == dict(snapshot.ssim)


def test_settings_open_again(grey):
    said = json.loads(export_files.settings(grey.scenario))
    assert said["deqviz"] == __version__
    assert (
        Scenario.from_settings(settings_file.read(export_files.settings(grey.scenario).encode()))
        == grey.scenario
    )


# ---------------------------------------------------------------- animations


def pages(data: bytes, mode: str) -> list[np.ndarray]:
    with Pillow.open(io.BytesIO(data)) as moving:
        return [np.asarray(page.convert(mode)) for page in ImageSequence.Iterator(moving)]


def enlarged(pixels: np.ndarray) -> np.ndarray:
    """48 × 48 in blocks of 5 × 5: below 224 pixels the words would not fit."""
    plane = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, 2)
    return plane.repeat(5, 0).repeat(5, 1)


def test_grey_moves_exactly_in_both_kinds(grey):
    frames = export_animation.chosen(grey)
    assert [f.k for f in frames] == [f.k for f in grey.frames]
    for data in (export_animation.gif(grey), export_animation.apng(grey)):
        shown = pages(data, "L")
        assert len(shown) == len(frames)
        for page, frame in zip(shown, frames, strict=True):
            assert np.array_equal(page[:240], enlarged(frame.pixels))
            assert page[240:].min() < 100 < page[240:].max()


def test_colour_moves_exactly_as_apng_and_nearly_as_gif(colour):
    exact, near = pages(export_animation.apng(colour), "RGB"), pages(export_animation.gif(colour), "RGB")
    assert len(exact) == len(near) == len(colour.frames)
    for page, other, frame in zip(exact, near, colour.frames, strict=True):
        wanted = enlarged(frame.pixels)
        assert np.array_equal(page[:240], wanted)
        # 256 colours with dither: the mean over the picture is right, single pixels are 20 of 255 away.
        assert np.abs(other[:240].astype(float) - wanted).mean() < 20
        assert np.abs(other[:240].mean((0, 1)) - wanted.mean((0, 1))).max() < 3


def test_the_last_iterate_is_held_and_all_repeats(grey):
    with Pillow.open(io.BytesIO(export_animation.gif(grey))) as moving:
        times = [page.info["duration"] for page in ImageSequence.Iterator(moving)]
        assert moving.info["loop"] == 0
    assert times[-1] == export_animation.HOLD
    assert set(times[:-1]) == {export_animation.STEP}


def test_a_run_of_one_iterate_is_a_picture():
    record = record_of(replace(GREY, method=Choice("baseline")))
    assert len(record.frames) == 1
    assert len(pages(export_animation.gif(record), "L")) == 1
    assert len(pages(export_animation.apng(record), "L")) == 1


def test_a_gif_of_the_usual_size_stays_below_5_mb(grey):
    rng = np.random.default_rng(0)
    # White noise is the worst that a picture can be.
    noise = [
        replace(grey.frames[0], k=k, pixels=rng.integers(0, 256, (1, 256, 256), np.uint8)) for k in range(99)
    ]
    record = replace(grey, snapshot=replace(grey.snapshot, frames=tuple(noise), latest=None))
    shown = export_animation.chosen(record)
    assert len(shown) == export_animation.MOST
    assert (shown[0].k, shown[-1].k) == (0, 98)
    assert len(export_animation.gif(record)) < 5e6
