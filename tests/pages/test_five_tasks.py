"""What a stranger comes for, done as a stranger does it: by what is written on the screen."""

import io
import re
import subprocess
import sys
from dataclasses import replace
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image as Pillow
from playwright.sync_api import Locator, Page, expect

from deqviz.ui.pages.robustness.setting import PRESETS as ROBUSTNESS
from tests.browser import MAIN, painted, stop, turn
from tests.pages.journey import ROOT, data, state

pytestmark = pytest.mark.browser

QUICK = "size=64&iterations=30&method=tv"
"""A stranger meets the default of 256 px."""


@pytest.fixture
def arrived(visit):
    """`arrived(query)` is the home page with its first run over."""

    def start(query: str = QUICK) -> Page:
        page = visit(f"?{query}")
        state(page, "done")
        return page

    return start


def decibels(page: Page, panel: str) -> float:
    """The PSNR that stands below a picture."""
    card = page.locator(f"{ROOT} figure").filter(has=page.locator(f"[data-panel={panel}]"))
    found = re.search(r"(-?\d+\.\d+) dB", card.inner_text())
    assert found, card.inner_text()
    return float(found[1])


def lamp(page: Page, statement: str) -> Locator:
    """The row of the guarantee panel that begins with these words."""
    return page.locator(f"{ROOT} tr[data-lamp]").filter(has_text=statement)


def taken(page: Page, button: Locator) -> tuple[str, bytes]:
    """The name and content of what a click downloads."""
    with page.expect_download() as waiting:
        button.click()
    return waiting.value.suggested_filename, waiting.value.path().read_bytes()


def drawing() -> bytes:
    """Somebody's own picture: a disc and a bar on a slope, as PNG."""
    down, right = np.mgrid[:96, :128] / 96
    picture = 0.2 + 0.3 * right
    picture[(down - 0.5) ** 2 + (right - 0.4) ** 2 < 0.06] = 0.9
    picture[20:76, 90:104] = 0.05
    file = io.BytesIO()
    Pillow.fromarray((255 * picture).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_reconstruct_an_own_picture(arrived):
    page = arrived()
    before = page.locator(ROOT).get_attribute("data-run") or ""
    page.get_by_text("Use your own image").click()
    page.locator('input[type="file"]').first.set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": drawing()}
    )
    expect(page.locator(ROOT)).not_to_have_attribute("data-run", before)
    state(page, "done")
    expect(page.get_by_text("your image").first).to_be_visible()
    assert decibels(page, "iterate") > decibels(page, "measured") + 1


def test_find_which_of_three_methods_is_most_robust(arrived):
    page = arrived()
    page.get_by_role("link", name="Robustness").click()
    painted(page, "Robustness")
    run = data(page, "run")
    page.get_by_role("button", name="A blur").click()
    expect(page).to_have_url(re.compile("methods=contractive"))
    expect(page.locator(ROOT)).not_to_have_attribute("data-run", run)
    # At rest, before it is left: what a page has under way writes its own address.
    page.locator(MAIN).get_by_role("button", name="Stop").click()
    state(page, "stopped")
    # A stranger waits for what the preset computes; here methods that are quicker search less.
    quick = replace(ROBUSTNESS["A blur"][1], methods=("contractive", "sense", "baseline"))
    setting = replace(quick, levels=2, shown=1, restarts=1, steps=2).validated()
    turn(page, "about")
    turn(page, f"robustness?{urlencode(setting.to_query())}")
    titles = [setting.title(key) for key in setting.methods]
    card = page.locator(f"{ROOT} figure").filter(has=page.locator("[data-chart=compared]"))
    for key in setting.methods:  # each has its first row
        gain = page.locator(f"{ROOT} figure").filter(has=page.locator(f"[data-chart=gain-{key}]"))
        expect(gain).to_contain_text(re.compile(r"finds the gain [\d.]+"))
    answer = card.get_by_text(re.compile(r"Largest gain found: .+ smallest: .+")).inner_text()
    assert sum(title in answer for title in titles) == 2
    stop(page)
    expect(page.locator(f"{ROOT} tr[data-lamp]").filter(has_text="certified").first).to_be_visible()


def test_show_a_class_why_a_bound_breaks_when_l_passes_1(arrived):
    page = arrived("size=48&iterations=30")
    expect(lamp(page, "Unique fixed point")).to_contain_text("certified")
    page.get_by_role("button", name="L > 1: no contraction").click()
    expect(page).to_have_url(re.compile(r"contraction=1\.2"))
    expect(lamp(page, "Unique fixed point")).to_contain_text("hypothesis violated")
    expect(lamp(page, "Unique fixed point")).to_contain_text(re.compile(r"L|Lip"))
    stop(page)
    page.get_by_role("link", name="Lessons").click()
    page.get_by_role("button", name="Unique fixed point").click()
    page.locator("[data-chart=distinct]").wait_for()
    state(page, "done")
    page.get_by_text("α = 10", exact=True).click()
    page.get_by_text("As many as before").click()
    # The numbers of the sentence come from the two runs on the screen.
    expect(page.get_by_text("Correct.")).to_be_visible()
    expect(page.get_by_text("Correct.").locator("xpath=..")).to_contain_text("up to 3")
    page.get_by_role("button", name="All lessons").click()
    painted(page, "Lessons")


def test_send_a_link_that_reproduces_it(arrived, open_page):
    page = arrived(f"{QUICK}&seed=11&image=coins&operator.width=2.25")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".dqs [role=status]").first).to_have_text("Copied")
    link = page.evaluate("navigator.clipboard.readText()")
    other = open_page(link)
    state(other, "done")
    for one in (page, other):
        expect(one.locator(ROOT)).to_have_attribute("data-k", "30")
    assert numbers(page) == numbers(other)
    assert np.array_equal(pixels(page), pixels(other))


def test_export_a_figure_and_the_script_behind_it(arrived, tmp_path):
    page = arrived()
    page.locator("[data-chart=quality][data-draws]").wait_for()
    name, figure = taken(page, page.get_by_role("button", name="Image quality: download as SVG"))
    assert name.endswith(".svg")
    assert figure.startswith(b"<svg")
    page.get_by_role("button", name="Python", exact=True).click()
    name, script = taken(page, page.get_by_role("button", name="Script"))
    file = tmp_path / name
    file.write_bytes(script)
    assert len(script.decode().splitlines()) <= 15
    done = subprocess.run([sys.executable, str(file)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = re.search(r"k = (\d+).*PSNR (\d+\.\d+) dB", done.stdout, re.DOTALL)
    assert found, done.stdout
    assert int(found[1]) == 30
    # What is on the screen is rounded to two digits.
    assert abs(float(found[2]) - decibels(page, "iterate")) <= 0.005 + 1e-6


def numbers(page: Page) -> tuple[str, ...]:
    """What the bar at the top says of the run, and the PSNR; without the pace, which is the machine's."""
    said = page.locator(f"{ROOT}").inner_text()
    return (*re.findall(r"residual\s+(\S+)", said)[:1], str(decibels(page, "iterate")))


def pixels(page: Page) -> np.ndarray:
    """The iterate on the screen."""
    data = page.locator("[data-panel=iterate] canvas").first.evaluate(
        "c => [c.width, c.height, Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)]"
    )
    return np.asarray(data[2]).reshape(data[1], data[0], 4)
