"""The export row of the Reconstruct page: widgets without a browser, then every download in Chromium."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image as Pillow
from playwright.sync_api import Locator, Page, expect
from streamlit.testing.v1 import AppTest

from deqviz.runtime.logbook import kept
from deqviz.scenario import Scenario
from deqviz.script import python_of
from tests.browser import MAIN, painted
from tests.pages.journey import APP, ROOT, STOCK, check_looks, state
from tests.places import PATIENCE, until

QUICK = {"size": "64", "method": "tv", "iterations": "30", "image": "cat"}
NAME = "deqviz-cat-gaussian_blur-tv"
ENDLESS = (
    "?size=64&method.regularizer.contraction=0.999&method.solver=picard&iterations=20000&tolerance=1e-09"
)
KEPT = sum(kept(k) or k == 30 for k in range(31))
ROW = ("NPZ", "CSV", "Settings")


# ---------------------------------------------------------------- without a browser


def opened(query: dict[str, str]) -> AppTest:
    at = AppTest.from_file(APP, default_timeout=PATIENCE)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception, at.exception
    return at


def settled(at: AppTest) -> AppTest:
    job = at.session_state.job
    # A viewer asks for snapshots, and so for the newest picture.
    until(lambda: job.snapshot() and job.is_settled, "the end of the run")
    return at.run()


def buttons(at: AppTest) -> dict[str, bool]:
    """The download buttons there are, and whether they can be pressed."""
    found: Any = at.get("download_button")
    return {button.label: not button.proto.disabled for button in found}


def hint(at: AppTest) -> str:
    found: Any = at.get("html")
    return next(element.proto.body for element in found if 'deqviz-hint"' in element.proto.body)


def test_a_run_that_is_over_can_be_taken_away():
    at = settled(opened(QUICK))
    assert not at.exception, at.exception
    found = buttons(at)
    assert set(found) == {
        "Script",
        "Iterate",
        "Error",
        "Ground truth",
        "Blurred image",
        "All as ZIP",
        *ROW,
        "GIF",
        "APNG",
    }
    assert all(found.values())
    scenario = at.session_state.job.scenario
    assert [code.value for code in at.code] == [python_of(scenario).rstrip()]
    assert at.select_slider(key="export.k").value == 30


def test_while_it_runs_the_row_is_there_and_disabled():
    at = opened({**QUICK, "iterations": "20000", "tolerance": "1e-09", "method": "iterated_tikhonov"})
    assert buttons(at) == dict.fromkeys(ROW, False)
    assert "Pause the run" in hint(at)
    at.session_state.job.pause()
    at = settled(at)
    assert all(buttons(at)[name] for name in ROW)
    k = at.session_state.job.snapshot().latest.k
    assert f"i.k == {k})" in at.code[0].value
    assert f"k = {k}" in hint(at)
    at.session_state.job.stop()


def test_another_run_begins_at_its_own_newest_iterate():
    at = settled(opened(QUICK))
    at.select_slider(key="export.k").set_value(7).run()
    assert at.select_slider(key="export.k").value == 7
    at.number_input(key="w.seed").set_value(3).run()
    at = settled(at)
    assert not at.exception, at.exception
    assert at.session_state.job.scenario.seed == 3
    assert at.select_slider(key="export.k").value == 30


def test_a_run_that_failed_says_that_there_is_nothing():
    at = settled(opened({"size": "48", "operator": "fourier", "noise": "poisson"}))
    assert at.session_state.job.state == "failed"
    assert buttons(at) == dict.fromkeys(ROW, False)
    assert "no iterate to export" in hint(at)


# ---------------------------------------------------------------- in Chromium

browser = pytest.mark.browser


@pytest.fixture
def app(visit):
    """`app()` opens the page and waits until its run is over and can be taken away."""

    def start(**more) -> Page:
        page = visit(f"?{urlencode(QUICK)}", **more)
        ready(page)
        return page

    return start


def ready(page: Page) -> None:
    """The run is over, and the row knows it."""
    state(page, "done")
    expect(row(page).get_by_role("button", name="CSV")).to_be_enabled()


def row(page: Page) -> Locator:
    return page.locator(".st-key-export")


def taken(page: Page, button: Locator) -> tuple[str, bytes]:
    """The file that a click on the button downloads: its name and its bytes."""
    with page.expect_download() as waiting:
        button.click()
    found = waiting.value
    return found.suggested_filename, Path(found.path()).read_bytes()


def box(page: Page, title: str) -> Locator:
    """The open popover of this title."""
    row(page).get_by_role("button", name=title, exact=True).click()
    found = page.get_by_test_id("stPopoverBody")
    expect(found).to_be_visible()
    return found


def closed(page: Page) -> None:
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)


def canvas(page: Page, name: str) -> np.ndarray:
    """What the live view has painted, h × w × 3."""
    found = page.locator(f"[data-panel={name}] canvas").first.evaluate(
        "c => [c.width, c.height, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    width, height, *values = found
    return np.array(values, np.uint8).reshape(height, width, 4)[:, :, :3]


def pixels(data: bytes) -> np.ndarray:
    with Pillow.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


@browser
def test_pictures_are_those_on_the_screen(app):
    page = app()
    panel = box(page, "PNG")
    shown = {
        "Iterate": ("iterate", "k30"),
        "Error": ("error", "k30-error-x4"),
        "Ground truth": ("truth", "truth"),
        "Blurred image": ("measured", "measured"),
    }
    for title, (panel_key, part) in shown.items():
        name, data = taken(page, panel.get_by_role("button", name=title, exact=True))
        assert name == f"{NAME}-{part}.png"
        assert np.array_equal(pixels(data), canvas(page, panel_key)), title
    panel.get_by_text("× 16").click()
    panel.get_by_role("slider").press("Home")
    # While the page is drawn anew for the last key, a click may be lost.
    expect(panel.get_by_text("Of k = 0;")).to_be_visible()
    painted(page)
    name, data = taken(page, panel.get_by_role("button", name="All as ZIP"))
    assert name == f"{NAME}-k0.zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert f"{NAME}-k0-error-x16.png" in archive.namelist()
        first = pixels(archive.read(f"{NAME}-k0.png"))
    closed(page)
    page.get_by_label("Kept iterates").press("Home")
    expect(page.locator(ROOT)).to_have_attribute("data-k", "0")
    assert np.array_equal(first, canvas(page, "iterate"))


@browser
def test_every_file_comes_with_a_click(app):
    page = app()
    name, data = taken(page, row(page).get_by_role("button", name="NPZ"))
    assert name == f"{NAME}.npz"
    with np.load(io.BytesIO(data)) as arrays:
        assert arrays["x"].shape == (3, 64, 64)
        assert len(arrays["k"]) == 31
    name, data = taken(page, row(page).get_by_role("button", name="CSV"))
    assert name == f"{NAME}.csv"
    assert len(data.decode().splitlines()) == 32
    name, data = taken(page, row(page).get_by_role("button", name="Settings"))
    assert name == f"{NAME}.json"
    assert json.loads(data)["image"] == "cat"
    panel = box(page, "Animation")
    for kind, name in (("GIF", f"{NAME}.gif"), ("APNG", f"{NAME}-animation.png")):
        found, data = taken(page, panel.get_by_role("button", name=kind, exact=True))
        assert found == name
        with Pillow.open(io.BytesIO(data)) as moving:
            assert getattr(moving, "n_frames", 1) == KEPT
    closed(page)
    panel = box(page, "Python")
    expect(panel.get_by_text("scenario.posed()")).to_be_visible()
    name, data = taken(page, panel.get_by_role("button", name="Script"))
    assert name == f"{NAME}.py"
    assert data.decode() == python_of(Scenario.from_query(QUICK)[0])


@browser
def test_charts_come_as_svg(app):
    page = app()
    for chart, name in (
        ("Fixed-point residual", "residual"),
        ("Image quality", "quality"),
        ("Trajectory of the iterates", "path"),
    ):
        page.locator(f"[data-chart={name}][data-draws]").wait_for()
        file, data = taken(page, page.get_by_role("button", name=f"{chart}: download as SVG"))
        assert re.fullmatch(rf"deqviz-{name}-run-\d+\.svg", file)
        assert data.startswith(b"<svg")
        assert len(data) > 5000, "a chart of axes and lines"


@browser
def test_an_uploaded_picture_goes_with_its_script(app, tmp_path):
    page = app()
    run = page.locator(ROOT).get_attribute("data-run")
    page.get_by_text("Use your own image").click()
    mine = np.random.default_rng(0).random((48, 64), np.float32)
    file = io.BytesIO()
    np.save(file, mine)
    page.locator('input[type="file"]').first.set_input_files(
        {"name": "mine.npy", "mimeType": "application/octet-stream", "buffer": file.getvalue()}
    )
    expect(page.locator(ROOT)).not_to_have_attribute("data-run", run or "")
    ready(page)
    panel = box(page, "Python")
    name, data = taken(page, panel.get_by_role("button", name=re.compile(r"upload-\w+\.npy")))
    assert np.array_equal(np.load(io.BytesIO(data)), mine)
    expect(panel.get_by_text(f'read_upload("{name}")')).to_be_visible()


@browser
def test_the_row_waits_for_the_run(visit):
    page = visit(ENDLESS)
    state(page, "running")
    for name in ("Python", "PNG", "NPZ", "CSV", "Settings", "Animation"):
        expect(row(page).get_by_role("button", name=name, exact=True)).to_be_disabled()
    expect(row(page)).to_contain_text("Pause the run")
    page.get_by_role("button", name="Pause").click()
    state(page, "paused")
    expect(row(page).get_by_role("button", name="NPZ")).to_be_enabled()
    page.locator(MAIN).get_by_role("button", name="Stop").click()
    state(page, "stopped")


@browser
@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 900)])
def test_axe_finds_nothing_in_the_boxes(app, theme: str, width: int):
    page = app(theme=theme, width=width)
    for title in ("Python", "PNG", "Animation"):
        panel = box(page, title)
        page.mouse.move(5, 400)
        expect(page.get_by_role("tooltip")).to_have_count(0)
        expect(panel.get_by_role("button").first).to_be_visible()
        if title == "Python":  # code is coloured a moment later
            expect(panel.locator(".token.keyword").first).to_be_visible()
        check_looks(page, STOCK)
        closed(page)
