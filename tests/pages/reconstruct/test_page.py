"""The Reconstruct page without a browser: widgets, address bar, uploads, messages."""

import io
import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn

from deqviz import foreign, images
from deqviz.core.catalog import METHODS
from deqviz.core.registry import Choice
from deqviz.io.image_formats import FORMATS
from deqviz.runtime.run_snapshot import OVER
from deqviz.scenario import Scenario
from deqviz.ui.pages.reconstruct import form, page
from tests.places import APP, PATIENCE, until

QUICK = {"size": "48", "method": "iterated_tikhonov", "iterations": "5"}


def opened(query: dict[str, str] | None = None) -> AppTest:
    at = AppTest.from_file(APP, default_timeout=PATIENCE)
    for name, value in (QUICK | (query or {})).items():
        at.query_params[name] = value
    at.run()
    assert not at.exception, at.exception
    return at


def settle(at: AppTest) -> AppTest:
    # The newest image comes after the state says that the run is over.
    until(lambda: at.session_state.job.snapshot() and at.session_state.job.is_settled, "the end of the run")
    return at.run()


def arrive(at: AppTest) -> AppTest:
    """The run itself has ended; what its theorems say may still be checked."""
    until(lambda: at.session_state.job.state in (*OVER, "checking"), "the end of the run")
    return at.run()


def scenario(at: AppTest) -> Scenario:
    return at.session_state.job.scenario


def text(at: AppTest) -> str:
    return " ".join(e.value for kind in (at.info, at.warning, at.error) for e in kind)


def notes(at: AppTest) -> str:
    return " ".join(e.value for e in at.caption)


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Pillow.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


LARGE = np.random.default_rng(0).integers(0, 255, (320, 640), dtype=np.uint8)


def test_the_page_opens_and_runs_what_the_address_says():
    at = settle(opened({"operator": "inpainting", "operator.kept": "0.7", "seed": "3"}))
    assert scenario(at).operator.params["kept"] == 0.7
    assert at.selectbox(key="w.operator").value == "inpainting"
    assert at.session_state.job.state == "done"
    kinds = [e.proto.component_name for e in at.get("bidi_component")]
    assert any(name.endswith("run") for name in kinds)


def test_a_damaged_address_opens_and_says_what_was_ignored():
    at = opened({"operator": "nonsense", "operator.width": "1e9", "spice": "hot"})
    assert scenario(at).operator.key == "gaussian_blur"
    assert "nonsense" in text(at)
    assert "spice" in text(at)


def test_after_a_run_a_changed_control_starts_the_next_one():
    at = settle(opened())
    first = at.session_state.job.id
    at.selectbox(key="w.operator").select("denoising").run()
    assert at.session_state.job.id != first
    assert scenario(at).operator.key == "denoising"
    assert at.query_params["operator"] == "denoising"


def test_during_a_run_a_changed_control_waits_for_run():
    at = opened({"iterations": "20000", "tolerance": "1e-09", "method.weight": "1.0"})
    first = at.session_state.job.id
    at.selectbox(key="w.operator").select("denoising").run()
    assert at.session_state.job.id == first
    assert "wait until you press Run, or start when it ends" in text(at)
    at.button(key="run").click().run()
    assert at.session_state.job.id != first
    assert scenario(at).operator.key == "denoising"
    at.session_state.job.stop()


def test_the_widgets_write_the_address_that_restores_them():
    at = settle(opened())
    at.selectbox(key="w.noise").select("poisson").run()
    settle(at)
    query = {name: at.query_params[name] for name in at.query_params}
    assert Scenario.from_query(query) == (scenario(at), ())
    again = opened(query)
    assert scenario(again) == scenario(at)


def test_an_upload_becomes_the_picture():
    at = settle(opened())
    pixels = np.random.default_rng(0).integers(0, 255, (64, 80, 3), dtype=np.uint8)
    at.file_uploader(key="upload").upload("mine.png", png(pixels), "image/png").run()
    assert not at.exception, at.exception
    assert scenario(at).image.startswith("upload-")
    assert settle(at).session_state.job.snapshot().setup.shape == (3, 38, 48)


def test_a_bad_upload_says_what_is_wrong_and_changes_nothing():
    at = settle(opened())
    before = at.session_state.job.id
    for name, data, part in (
        ("empty.png", b"", "empty"),
        ("cut.png", png(np.zeros((64, 64), np.uint8))[:60], "damaged"),
        ("text.png", b"hello world, this is no picture at all", "not"),
    ):
        at.file_uploader(key="upload").upload(name, data, "image/png").run()
        assert not at.exception, at.exception
        assert len(at.error) == 1
        assert part in at.error[0].value.lower()
        assert at.error[0].value.startswith(f"{name}: ")
        assert at.session_state.job.id == before


def test_a_name_of_a_file_is_one_line_in_a_message():
    at = settle(opened())
    at.file_uploader(key="upload").upload("\x1b[2J\n.png", b"no picture", "image/png").run()
    assert at.error[0].value.isprintable()


def test_the_uploads_note_says_the_size_that_is_used():
    at = arrive(opened())
    at.file_uploader(key="upload").upload("mine.png", png(LARGE), "image/png").run()
    assert "resized from 640 × 320 to 48 × 24" in notes(at)
    at.number_input(key="w.size").set_value(64).run()
    assert "resized from 640 × 320 to 64 × 32" in notes(at)
    assert arrive(at).session_state.job.snapshot().setup.shape == (1, 32, 64)


@pytest.mark.parametrize("data", [png(LARGE), b"no picture"], ids=["good", "bad"])
@pytest.mark.parametrize("how", ["removed", "picked another", "preset"])
def test_what_was_said_about_an_upload_goes_with_it(data, how, monkeypatch):
    at = arrive(opened())
    arrive(at.file_uploader(key="upload").upload("mine.png", data, "image/png").run())
    assert "resized" in notes(at) or at.error
    if how == "removed":
        at.file_uploader(key="upload").set_value(None).run()
    elif how == "preset":
        at.button(key="preset.Sparse-view CT").click().run()
        at.session_state.job.stop()
    else:
        monkeypatch.setattr(form, "gallery", lambda selected, key: "coins")
        at.run()
        assert scenario(at).image == "coins"
    assert not at.exception, at.exception
    assert "resized" not in notes(at)
    assert not at.error


def test_an_upload_that_was_dropped_is_replaced_and_the_page_lives_on():
    at = arrive(opened())
    at.file_uploader(key="upload").upload("mine.png", png(LARGE), "image/png").run()
    arrive(at)
    mine = scenario(at).image
    for i in range(2 * images.KEPT):
        images.keep(torch.zeros(1, 1, 32, 32), f"{i:016x}", "somebody who uploads without end")
    assert scenario(at.run()).image == mine
    images._uploads.clear()
    at.run()
    assert not at.exception, at.exception
    assert scenario(at).image == Scenario().image
    assert "not kept here any more" in text(at)
    assert at.file_uploader(key="upload")
    assert "not kept" in text(arrive(at))
    at.file_uploader(key="upload").upload("mine.png", png(LARGE), "image/png").run()
    assert scenario(at).image.startswith("upload-")
    assert "not kept" not in text(at)


def test_the_uploader_names_every_kind_that_is_read():
    label = opened().file_uploader(key="upload").label
    assert all(kind in label for kind in (*FORMATS, "NPY", "NPZ"))


def test_the_last_file_counts_whichever_box_it_came_through():
    at = opened({"size": "48"})
    drawing, scan = io.BytesIO(), io.BytesIO()
    np.save(drawing, np.tile(np.linspace(0, 1, 64), (64, 1)))
    np.save(scan, np.fft.fftshift(np.fft.fft2(np.random.default_rng(0).random((64, 64)))).astype("c8"))
    before = scenario(at)
    at.file_uploader(key="scan").upload("scan.npy", scan.getvalue()).run()
    assert scenario(at).image.startswith("kspace-")
    assert scenario(at).operator.key == "parallel_mri"
    arrive(at.file_uploader(key="upload").upload("mine.npy", drawing.getvalue()).run())
    assert scenario(at).image.startswith("upload-")
    assert (scenario(at).operator, scenario(at).noise) == (before.operator, before.noise)
    at.file_uploader(key="scan").set_value(None).run()
    assert scenario(at).image.startswith("upload-")
    at.file_uploader(key="upload").set_value(None).run()
    assert scenario(at).image.startswith("upload-")
    assert not at.exception, at.exception


def test_noise_that_cannot_be_is_told_by_the_live_view():
    at = settle(opened({"operator": "fourier", "noise": "poisson"}))
    assert at.session_state.job.state == "failed"
    assert "Poisson" in at.session_state.job.snapshot().message


class Identity(nn.Module):
    """A denoiser of somebody else."""

    def forward(self, x: Tensor, sigma: float) -> Tensor:
        assert sigma > 0
        return x


def test_what_follows_from_a_constant_that_its_user_states_is_called_so(monkeypatch):
    plugged = foreign.denoiser(Identity(), 1.0)
    # A denoiser is an object, which no address can name: whoever plugs one in does it here.
    monkeypatch.setattr(
        Scenario,
        "build_method",
        lambda self: METHODS[self.method.key].build(self.method.params, plugged=plugged),
    )
    shown: list[Any] = []
    monkeypatch.setattr(page.live, "show", lambda view, **_: shown.append(view))
    arrive(opened({"operator": "denoising", "method": "pnp_hqs"}))
    statuses = {row.status for row in shown[-1].guarantees}
    assert "stated" in statuses
    assert "certified" not in statuses


def test_a_preset_fills_the_form_and_starts():
    at = settle(opened())
    at.button(key="preset.Step size beyond the limit").click().run()
    assert not at.exception, at.exception
    params = scenario(at).method.params
    assert params["splitting"] == "explicit"
    assert at.selectbox(key="w.method").value == "equilibrium"
    at.session_state.job.stop()


@pytest.mark.parametrize("key", [e for e in ("baseline", "tikhonov", "tv", "iterated_tikhonov")])
def test_every_quick_method_runs_from_the_page(key):
    at = settle(opened({"method": key}))
    snapshot = at.session_state.job.snapshot()
    assert snapshot.state in ("done", "diverged"), snapshot.message
    assert "violated" not in {g.status for g in at.session_state.job.guarantees()}


def test_settings_survive_json():
    plain = Scenario(method=Choice("tv")).validated().to_json()
    assert json.loads(plain)["method"]["key"] == "tv"
