"""The whole journey in Chromium, on the real app with real solvers."""

import io
import re

import numpy as np
import pytest
from PIL import Image as Pillow
from playwright.sync_api import Page, expect

from tests.browser import MAIN
from tests.pages.journey import ROOT, check_width, data, state
from tests.places import until

pytestmark = pytest.mark.browser

QUICK = "?size=48&method=iterated_tikhonov&iterations=10"
# A learned step takes milliseconds at any size, and κ = 0.999 lets the residual fall slowly.
ENDLESS = (
    "?size=64&method.regularizer.contraction=0.999&method.solver=picard&iterations=20000&tolerance=1e-09"
)


def settled(page: Page) -> int:
    """The newest iterate of a run that is held, once no other is on its way: then it can be taken home."""
    state(page, "paused")
    expect(page.locator(ROOT)).to_have_attribute("data-moving", "false")
    expect(page.get_by_role("button", name="NPZ")).to_be_enabled()
    return int(data(page, "newest"))


def test_a_run_is_held_stepped_scrubbed_and_changed(visit):
    page = visit(ENDLESS)
    state(page, "running")
    page.get_by_role("button", name="Pause").click()
    k = settled(page)
    page.get_by_role("button", name="Step", exact=True).click()
    expect(page.locator(ROOT)).to_have_attribute("data-newest", str(k + 1))
    assert settled(page) == k + 1
    page.get_by_label("Kept iterates").press("Home")
    assert data(page, "k") == "0"
    page.get_by_role("button", name="Play").click()
    state(page, "running")
    # What is changed meanwhile waits for Run.
    run = data(page, "run")
    page.get_by_role("combobox", name="Noise model").click()
    page.get_by_role("option", name="Poisson").click()
    expect(page.get_by_text("Your new settings wait")).to_be_visible()
    assert data(page, "run") == run
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(ROOT)).not_to_have_attribute("data-run", run)
    expect(page).to_have_url(re.compile("noise=poisson"))
    page.locator(MAIN).get_by_role("button", name="Stop").click()
    state(page, "stopped")


def test_upload_good_and_bad(visit):
    page = visit(QUICK, width=900, theme="dark")
    state(page, "done")
    run = data(page, "run")
    page.get_by_text("Use your own image").click()
    box = page.locator('input[type="file"]').first
    box.set_input_files({"name": "bad.png", "mimeType": "image/png", "buffer": b"\x89PNG nothing more"})
    expect(page.get_by_role("alert")).to_be_visible()
    assert data(page, "run") == run
    pixels = np.random.default_rng(0).integers(0, 255, (40, 64, 3), dtype=np.uint8)
    out = io.BytesIO()
    Pillow.fromarray(pixels).save(out, "PNG")
    box.set_input_files({"name": "mine.png", "mimeType": "image/png", "buffer": out.getvalue()})
    expect(page.locator(ROOT)).not_to_have_attribute("data-run", run)
    state(page, "done")
    expect(page.locator(".dqv-panel").first).to_contain_text("48 × 30")
    expect(page).to_have_url(re.compile("image=upload-"))
    check_width(page)


def test_a_second_visitor_works_while_the_first_one_runs(visit, serve, open_page):
    pages = visit(ENDLESS), open_page(f"{serve('app.py')}/{ENDLESS}&seed=1")
    for page in pages:
        state(page, "running")
    before = [int(data(page, "newest")) for page in pages]
    until(
        lambda: all(int(data(page, "newest")) > k for page, k in zip(pages, before, strict=True)),
        "further iterates of both",
    )
    for page in pages:
        page.locator(MAIN).get_by_role("button", name="Stop").click()
        state(page, "stopped")


def test_a_learned_method_shows_its_guarantees_and_one_that_diverges_says_so(visit):
    page = visit("?size=32&iterations=40")
    state(page, "done")
    table = page.locator("table").first
    expect(table).to_contain_text("certified")
    expect(table.locator("[data-lamp=violated]")).to_have_count(0)
    expect(page.get_by_text("What am I looking at?")).to_be_visible()
    page = visit(
        "?size=48&iterations=20000&method.regularizer=quadratic&method.splitting=explicit"
        "&method.step=1.5&method.weight=10.0&method.solver=picard"
    )
    state(page, "diverged")
    expect(page.locator(ROOT)).to_contain_text("Diverged")


def test_a_damaged_link_opens(visit):
    page = visit(f"{QUICK}&operator=magic&colour=red")
    expect(page.get_by_text("magic")).to_be_visible()
    state(page, "done")
