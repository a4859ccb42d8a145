"""Complex pictures and measured k-space on the Reconstruct page, without a browser and in Chromium."""

import io
import math
import re

import h5py
import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from deqviz import images
from deqviz.core.metrics import psnr
from deqviz.core.space import magnitude
from deqviz.operators._multicoil import fourier, ring_maps, to_complex
from deqviz.scenario import Scenario
from deqviz.ui.pages.reconstruct import screen
from tests.pages.journey import ROOT, state
from tests.pages.reconstruct.test_page import arrive, notes, opened, scenario, settle, text

# One coil has a closed form; several are in the files below.
QUICK = {"size": "32", "operator": "parallel_mri", "operator.coils": "1", "iterations": "4"}
DIRECT = {"size": "48", "method": "tikhonov", "iterations": "4"}


def samples(picture: str = "brain", side: int = 64, coils: int = 5) -> np.ndarray:
    """Simulated k-space of coils × side × side."""
    x = images.scaled(images.load(picture, torch.float64), side)
    z = to_complex(images.with_phase(x, torch.Generator().manual_seed(2)))
    clean = fourier(ring_maps(coils, z.shape[1:]) * z, (-2, -1))
    noise = torch.randn(clean.shape, dtype=clean.dtype, generator=torch.Generator().manual_seed(3))
    return (clean + 0.005 * noise).to(torch.complex64).numpy()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def hdf5(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as archive:
        archive["kspace"] = array
    return file.getvalue()


def gaps() -> np.ndarray:
    rows = np.arange(64) % 3 == 0
    rows[26:38] = True
    return samples() * rows[:, None]


def drop(at: AppTest, name: str, data: bytes) -> AppTest:
    at.file_uploader(key="scan").upload(name, data, "application/octet-stream").run()
    assert not at.exception, at.exception
    return at


@pytest.mark.parametrize(
    ("method", "image"),
    [
        ("tikhonov", "camera"),
        ("tv", "astronaut"),
        ("tv", "brain"),
        ("equilibrium", "camera"),
        ("baseline", "brain"),
    ],
)
def test_complex_pictures_are_shown_by_their_magnitudes(method: str, image: str):
    at = settle(opened(QUICK | {"image": image, "method": method}))
    job = at.session_state.job
    snapshot = job.snapshot()
    assert snapshot.state in ("done", "diverged"), snapshot.message
    truth = job.scenario.truth()
    assert truth.shape == (1, 2, 32, 32)
    # What is shown is |x| in one channel, and what is kept is x.
    grey = (magnitude(truth)[0].clamp(0, 1) * 255).round().byte().numpy()
    assert np.array_equal(snapshot.setup.truth, grey)
    assert snapshot.setup.measured.shape == snapshot.latest.pixels.shape == (1, 32, 32)
    (k, x), *_ = reversed(job._log.path)
    assert x.shape == (1, 2, 32, 32)
    assert snapshot.psnr[k] == pytest.approx(psnr(x, truth), abs=1e-4)
    assert snapshot.latest.error_max == pytest.approx(
        float((magnitude(x) - magnitude(truth)).abs().max()), abs=1e-6
    )
    assert "violated" not in {g.status for g in job.guarantees()}


def test_an_npy_file_of_kspace_is_reconstructed():
    at = drop(settle(opened(DIRECT)), "scan.npy", npy(samples()))
    found = scenario(at)
    assert found.image.startswith("kspace-")
    assert found.operator.key == "parallel_mri"
    assert found.noise.params["std"] == 0
    assert "5 coils; fully sampled; resized from 64 × 64 to 48 × 48" in notes(at)
    snapshot = settle(at).session_state.job.snapshot()
    assert snapshot.state == "done", snapshot.message
    assert snapshot.latest.psnr > snapshot.setup.measured_psnr + 2
    view = screen.view(at.session_state.job, snapshot, "", (), 0)
    assert view.explanation is not None
    assert "your k-space, undersampled by the pattern" in view.explanation.text


def test_slices_of_an_hdf5_file_are_picked():
    stack = np.stack([samples(name) for name in ("phantom", "brain", "coins")])
    at = drop(settle(opened(DIRECT)), "scan.h5", hdf5(stack))
    first = scenario(at).image
    slider = at.slider(key="w.slice")
    assert (slider.min, slider.max, slider.value) == (1, 3, 2)
    assert "slice 2 of 3" in notes(at)
    # What was set meanwhile stays when another slice is looked at.
    settle(at)
    at.slider(key="w.noise.gaussian.std").set_value(0.05).run()
    settle(at)
    at.slider(key="w.slice").set_value(3).run()
    assert not at.exception, at.exception
    assert scenario(settle(at)).image != first
    assert scenario(at).noise.params["std"] == 0.05
    assert "slice 3 of 3" in notes(at)
    # A new file begins at its own middle.
    drop(at, "other.h5", hdf5(np.stack([samples()] * 5)))
    assert at.slider(key="w.slice").value == 3
    assert "slice 3 of 5" in notes(at)


def test_kspace_with_gaps_has_no_truth_and_the_page_says_so():
    at = drop(settle(opened(DIRECT)), "gaps.npy", npy(gaps()))
    assert "there is no ground truth" in notes(at)
    job = settle(at).session_state.job
    snapshot = job.snapshot()
    assert snapshot.state in ("done", "diverged"), snapshot.message
    assert snapshot.setup.truth is None
    assert all(math.isnan(value) for value in snapshot.psnr)
    assert not snapshot.ssim
    pictures = screen.pictures(job, snapshot)
    assert pictures is not None
    assert pictures.truth is None
    assert screen.view(job, snapshot, "", (), 0).quality[0].column == "residual"
    # Any other operator wants a picture.
    before = job.id
    at.selectbox(key="w.operator").select("denoising").run()
    assert "choose Parallel MRI" in text(at)
    assert at.session_state.job.id == before


def test_a_bad_file_of_kspace_is_one_sentence_and_changes_nothing():
    at = settle(opened(DIRECT))
    before = at.session_state.job.id
    for name, data, part in (
        ("real.h5", hdf5(np.abs(samples())), "no complex numbers"),
        ("cut.h5", hdf5(samples())[:3000], "damaged or cut off"),
        ("nan.npy", npy(samples() * np.complex64(math.nan)), "NaN"),
        ("thin.npy", npy(samples() * (np.arange(64) % 2 == 0)), "coil maps need 6 × 6"),
    ):
        drop(at, name, data)
        assert len(at.error) == 1, name
        assert part in at.error[0].value
        assert at.session_state.job.id == before
    drop(at, "good.npy", npy(samples()))
    assert not at.error
    assert arrive(at).session_state.job.scenario.image.startswith("kspace-")


def test_a_link_to_kspace_that_is_gone_opens_with_the_default_picture():
    at = opened({"image": "kspace-00aa00aa00aa00aa", "operator": "parallel_mri"})
    assert scenario(at).image == Scenario().image
    assert "upload it again" in text(at)


# ---------------------------------------------------------------- in Chromium


def decibels(page: Page, panel: int) -> float:
    note = page.locator(".dqv-panel").nth(panel)
    expect(note).to_contain_text("dB")
    found = re.search(r"([\d.]+) dB", note.inner_text())
    assert found
    return float(found.group(1))


@pytest.mark.browser
def test_kspace_is_dropped_in_and_seen_at_four_times_fewer_samples(visit):
    page = visit("?size=64&method=tikhonov")
    state(page, "done")
    page.get_by_text("Use your own image").click()
    box = page.locator('input[type="file"]').last

    def give(name: str, data: bytes) -> None:
        run = page.locator(ROOT).get_attribute("data-run") or ""
        box.set_input_files({"name": name, "mimeType": "application/octet-stream", "buffer": data})
        expect(page.locator(ROOT)).not_to_have_attribute("data-run", run)
        state(page, "done")

    for name, data in (("scan.npy", npy(samples())), ("scan.h5", hdf5(samples("phantom")))):
        give(name, data)
        expect(page).to_have_url(re.compile("image=kspace-.*operator=parallel_mri"))
        expect(page.locator(".dqv-panel").first).to_contain_text("64 × 64")
        assert decibels(page, 2) > decibels(page, 1) + 1
    expect(page.get_by_role("radio", name="Your k-space")).to_be_visible()

    give("gaps.npy", npy(gaps()))
    for panel in (0, 3):
        expect(page.locator(".dqv-panel").nth(panel)).to_contain_text("no ground truth")
    # The wipe compares with the data, there being no truth.
    page.get_by_role("button", name="Wipe").click()
    page.get_by_label("Compare the iterate with").select_option("truth")
    page.locator(".dqv-panel").nth(1).hover()
