"""The whole journey in Chromium, on the real app with real solvers."""

import io
import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image as Pillow
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

ROOT = ".dqv[data-painted]"
QUICK = "size=64&method=iterated_tikhonov&iterations=30"
# A learned step takes milliseconds at any size, and κ = 0.999 lets the residual fall slowly.
ENDLESS = "size=64&method.regularizer.contraction=0.999&method.solver=picard&iterations=20000&tolerance=1e-09"
# Streamlit's own upload button has a role that axe does not like (minor); nothing of ours.
STOCK = {"presentation-role-conflict"}


@pytest.fixture
def app(serve, open_page):
    """`app(query)` opens the page and waits for its first picture."""

    def start(query: str, **more) -> Page:
        page = open_page(f"{serve('app.py')}/?{query}", **more)
        page.wait_for_selector(ROOT, timeout=60_000)
        page.wait_for_selector("[data-chart=residual][data-draws]", timeout=60_000)
        return page

    return start


def state(page: Page, *names: str, seconds: float = 30) -> None:
    pattern = re.compile("|".join(f"^{name}$" for name in names))
    expect(page.locator(ROOT)).to_have_attribute("data-state", pattern, timeout=1000 * seconds)


def data(page: Page, name: str) -> str:
    return page.locator(ROOT).get_attribute(f"data-{name}") or ""


def numbers(page: Page) -> str:
    """Iteration, residual and evaluations as the page shows them; not the speed."""
    bar = page.locator(".dqv-numbers").first.inner_text()
    return re.sub(r"[\d.,]+\s*it/s", "", bar)


def test_open_run_pause_step_scrub(app):
    page = app(ENDLESS)
    state(page, "running")
    page.get_by_role("button", name="Pause").click()
    state(page, "paused")
    page.wait_for_timeout(500)
    k = int(data(page, "newest"))
    page.wait_for_timeout(500)
    assert int(data(page, "newest")) == k
    page.get_by_role("button", name="Step", exact=True).click()
    expect(page.locator(ROOT)).to_have_attribute("data-newest", str(k + 1), timeout=10_000)
    page.get_by_label("Kept iterates").press("Home")
    assert data(page, "k") == "0"
    page.get_by_role("button", name="Play").click()
    state(page, "running")
    page.get_by_role("button", name="Stop").click()
    state(page, "stopped")


def test_a_change_waits_for_run_and_then_runs(app):
    page = app(ENDLESS)
    state(page, "running")
    run = data(page, "run")
    page.get_by_role("combobox", name="Kind").click()
    page.get_by_role("option", name="Poisson").click()
    expect(page.get_by_text("Your new settings wait")).to_be_visible()
    assert data(page, "run") == run
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(ROOT)).not_to_have_attribute("data-run", run, timeout=10_000)
    expect(page).to_have_url(re.compile("noise=poisson"))
    page.get_by_role("button", name="Stop").click()


def test_the_address_repeats_the_numbers(app):
    first = app(QUICK + "&seed=5&operator.width=2.25")
    state(first, "done")
    first.wait_for_timeout(300)
    second = app(first.url.split("?")[1])
    state(second, "done")
    second.wait_for_timeout(300)
    assert numbers(second) == numbers(first)
    caption = ".dqv-panel >> nth=2"
    assert second.locator(caption).inner_text() == first.locator(caption).inner_text()


def test_upload_good_and_bad(app):
    page = app(QUICK)
    state(page, "done")
    run = data(page, "run")
    page.get_by_text("Use your own image").click()
    box = page.locator('input[type="file"]')
    box.set_input_files({"name": "bad.png", "mimeType": "image/png", "buffer": b"\x89PNG nothing more"})
    expect(page.get_by_role("alert")).to_be_visible(timeout=10_000)
    assert data(page, "run") == run
    pixels = np.random.default_rng(0).integers(0, 255, (40, 64, 3), dtype=np.uint8)
    out = io.BytesIO()
    Pillow.fromarray(pixels).save(out, "PNG")
    box.set_input_files({"name": "mine.png", "mimeType": "image/png", "buffer": out.getvalue()})
    expect(page.locator(ROOT)).not_to_have_attribute("data-run", run, timeout=15_000)
    state(page, "done")
    expect(page.locator(".dqv-panel").first).to_contain_text("64 × 40")
    expect(page).to_have_url(re.compile("image=upload-"))


def test_a_second_visitor_works_while_the_first_one_runs(app):
    first, second = app(ENDLESS), app(ENDLESS + "&seed=1")
    for page in (first, second):
        state(page, "running")
    before = int(data(first, "newest")), int(data(second, "newest"))
    first.wait_for_timeout(1500)
    assert int(data(first, "newest")) > before[0]
    assert int(data(second, "newest")) > before[1]
    for page in (first, second):
        page.get_by_role("button", name="Stop").click()
        state(page, "stopped")


def test_a_learned_method_shows_its_guarantees(app):
    page = app("size=64&iterations=40")
    state(page, "done", seconds=60)
    table = page.locator("table").first
    expect(table).to_contain_text("certified", timeout=60_000)
    expect(table.locator("[data-lamp=violated]")).to_have_count(0)
    expect(page.get_by_text("What am I looking at?")).to_be_visible()


def test_a_broken_hypothesis_turns_the_lamp(app):
    page = app("size=64&iterations=20&method.regularizer.contraction=1.3")
    state(page, "done", "diverged", "stopped", seconds=60)
    expect(page.locator("table").first).to_contain_text("hypothesis violated")


def test_divergence_is_said(app):
    page = app(
        "size=64&iterations=20000&method.regularizer=quadratic&method.splitting=explicit"
        "&method.step=1.5&method.weight=10.0&method.solver=picard"
    )
    state(page, "diverged")
    expect(page.locator(ROOT)).to_contain_text("diverges")


def test_a_damaged_link_opens(app):
    page = app(QUICK + "&operator=magic&colour=red")
    expect(page.get_by_text("magic")).to_be_visible()
    state(page, "done")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 900])
def test_axe_finds_nothing_and_nothing_is_cut_off(app, theme, width):
    page = app(QUICK, width=width, height=1130, theme=theme)
    state(page, "done")
    page.wait_for_timeout(1500)
    found = Axe().run(page).response["violations"]
    ours = [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found if v["id"] not in STOCK]
    assert not ours, ours
    overflow = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth - innerWidth")
    assert overflow <= 0
