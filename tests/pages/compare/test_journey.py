"""The Compare page: widgets without a browser, and a journey in Chromium."""

import re

import pytest
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from deqviz.ui.pages.compare.run import Comparison
from deqviz.ui.pages.compare.setting import Setting
from tests.pages.journey import APP, check_looks, check_width, move_away, switch
from tests.places import PATIENCE, until

QUICK = {"size": "48", "iterations": "12", "m1": "tikhonov", "m2": "iterated_tikhonov"}
VIEW = ".dqc[data-painted]"


def opened(query: dict[str, str] | None = None) -> AppTest:
    at = AppTest.from_file(APP, default_timeout=PATIENCE)
    for name, value in {**QUICK, **(query or {})}.items():
        at.query_params[name] = value
    switch(at, "compare").run()
    assert not at.exception, at.exception
    return settle(at)


def comparison(at: AppTest) -> Comparison:
    return at.session_state.studies["compare"]


def setting(at: AppTest) -> Setting:
    return at.session_state["cmp.setting"]


def settle(at: AppTest) -> AppTest:
    until(lambda: comparison(at).is_over(), "the end of the comparison")
    at.run()
    assert not at.exception, at.exception
    return at


def keys(at: AppTest) -> list[str]:
    return [choice.key for choice in setting(at).methods]


# ---------------------------------------------------------------- widgets


def test_the_page_opens_what_the_address_says_and_follows_its_controls():
    at = opened({"m1.weight": "0.5"})
    assert comparison(at).state == "done"
    assert any(e.proto.component_name.endswith("compare") for e in at.get("bidi_component"))
    assert at.select_slider(key="cmp.m1.tikhonov.weight").value == 0.5
    other = comparison(at).runs[1]
    at.selectbox(key="cmp.m1").set_value("tv").run()
    settle(at)
    assert keys(at) == ["tv", "iterated_tikhonov"]
    assert comparison(at).runs[1] is other, "what did not change is not run again"
    assert at.query_params["m1"] in ("tv", ["tv"])


def test_methods_are_added_and_taken_away():
    at = opened()
    assert not [b for b in at.button if (b.key or "").startswith("cmp.remove")], "two is the least"
    at.button(key="cmp.add").click().run()
    settle(at)
    assert keys(at) == ["tikhonov", "iterated_tikhonov", "equilibrium"]
    at.button(key="cmp.remove1").click().run()
    settle(at)
    assert keys(at) == ["iterated_tikhonov", "equilibrium"]
    assert at.selectbox(key="cmp.m1").value == "iterated_tikhonov"


def test_a_preset_replaces_everything():
    at = opened()
    at.button(key="cmp.preset.Inpainting").click().run()
    assert not at.exception, at.exception
    assert setting(at).operator.key == "inpainting"
    assert len(comparison(at).runs) == 4
    comparison(at).stop()


def test_a_damaged_address_opens_and_says_so():
    at = opened({"m2": "magic"})
    assert "magic" in " ".join(w.value for w in at.warning)
    assert len(keys(at)) == 2


def test_a_picture_of_ones_own_and_a_bad_one():
    at = opened()
    at.file_uploader(key="cmp.upload").upload("bad.png", b"\x89PNG nothing more", "image/png").run()
    assert not at.exception, at.exception
    assert any(
        "damaged" in e.value or "cannot be read" in e.value or "not an image" in e.value for e in at.error
    )
    assert setting(at).image == "camera"


# ---------------------------------------------------------------- browser


def state(page: Page, name: str) -> None:
    expect(page.locator(VIEW)).to_have_attribute("data-state", name)


def settled(page: Page) -> None:
    """All are over, and what is shown of them is the last: only then the table can be taken home."""
    state(page, "done")
    expect(page.get_by_role("button", name="The table as CSV")).to_be_enabled()


@pytest.fixture
def compared(visit):
    """`compared(query)` opens the page and waits for its end."""

    def start(query: str, **more) -> Page:
        page = visit(f"compare?{query}", **more)
        expect(page.locator(".dqc[data-pictures=yes]")).to_be_visible()
        settled(page)
        expect(page.locator("[data-chart=race][data-draws]")).to_be_visible()
        return page

    return start


def order(page: Page) -> list[str]:
    return [row.get_attribute("data-method") or "" for row in page.locator(".dqv-sheet tbody tr").all()]


def psnr(page: Page) -> dict[str, float]:
    """By method, in the order of the table, which stays sorted as it was."""
    cells = page.locator(".dqv-sheet tbody [data-column=psnr] .dqv-value").all()
    return {name: float(cell.inner_text()) for name, cell in zip(order(page), cells, strict=True)}


@pytest.mark.browser
def test_the_journey(compared):
    query = "size=64&iterations=60&m1=tikhonov&m1.weight=1.0&m2=tv&m3=iterated_tikhonov"
    page = compared(query)
    # Best first, then worst first: what the header says is what is there.
    head = page.locator(".dqv-sheet th[data-column=psnr]")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    values = list(psnr(page).values())
    assert values == sorted(values, reverse=True)
    first = order(page)
    expect(page.locator(".dqv-sheet tbody tr").first.locator("[data-column=psnr]")).to_contain_text("★")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert order(page) == first[::-1]
    # One zoom for all panels.
    page.locator("[data-panel=m2]").focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    layers = page.locator(".dqv-frame > .dqv-layer")
    moved = {layer.evaluate("e => getComputedStyle(e).transform") for layer in layers.all()}
    assert len(moved) == 1
    assert moved != {"none"}
    assert layers.count() == 5
    # A wipe with the truth lies over everything else, and all edges move together.
    page.get_by_label("Wipe with").select_option("truth")
    handles = page.locator(".dqv-handle:visible")
    expect(handles).to_have_count(4)
    handles.first.press("PageUp")
    values = {handle.get_attribute("aria-valuenow") for handle in handles.all()}
    assert values == {"60"}
    page.get_by_role("button", name="Errors").click()
    expect(page.get_by_title("Colour scale of all error images")).to_be_visible()
    # The scrubber shows each run at its own iterate.
    page.get_by_label("Kept iterates of all methods").press("Home")
    expect(page.locator(VIEW)).to_have_attribute("data-k", "0")
    page.get_by_label("Kept iterates of all methods").press("End")
    expect(page.locator(VIEW)).to_have_attribute("data-k", "live")
    # Statements on focus, gone with Escape.
    page.locator(".dqv-promise").first.focus()
    expect(page.locator(".dqv-tip:visible")).to_contain_text("Stability")
    page.keyboard.press("Escape")
    expect(page.locator(".dqv-tip:visible")).to_have_count(0)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Tikhonov: download as PNG", exact=True).click()
    assert saved.value.suggested_filename.endswith(".png")
    with page.expect_download() as saved:
        page.get_by_role("button", name="The table as CSV").click()
    assert "Total variation" in saved.value.path().read_text()
    check_width(page)


@pytest.mark.browser
def test_the_best_value_is_found_and_taken(compared):
    page = compared("size=48&iterations=30&m1=tikhonov&m1.weight=5.0&m2=iterated_tikhonov")
    before = psnr(page)
    run = page.locator(VIEW).get_attribute("data-run") or ""
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("[data-tune=done]")).to_be_visible()
    expect(page.locator("[data-tried='15']")).to_be_visible()
    page.get_by_role("button", name="Use best value").click()
    expect(page.locator(VIEW)).not_to_have_attribute("data-run", run)
    settled(page)
    expect(page).to_have_url(re.compile(r"m1\.weight="))
    expect(page.get_by_role("button", name="Use best value")).to_be_disabled()
    after = psnr(page)
    tuned, other = "Tikhonov", "Iterated Tikhonov"
    assert after[tuned] > before[tuned] + 1
    assert after[other] == before[other]


@pytest.mark.browser
def test_a_method_that_fails_says_so_in_its_own_panel_in_a_dark_narrow_window(compared):
    page = compared(
        "size=256&iterations=4&m1=tikhonov&m2=glow_prox&m3=tikhonov&m3.weight=0.1", width=900, theme="dark"
    )
    expect(page.locator("[data-panel=m2]")).to_contain_text("too large")
    expect(page.locator("[data-lane-state=error]")).to_contain_text("failed")
    move_away(page)
    check_looks(page)
    left = [page.locator(f"[data-panel={key}]").bounding_box() for key in ("truth", "measured", "m1")]
    assert all(left)
    assert left[0]["x"] == left[2]["x"] != left[1]["x"], "two in a row"
    page.get_by_role("button", name="Reset all").click()
    state(page, "done")


@pytest.mark.browser
def test_all_are_held_and_stopped_together(visit):
    page = visit("compare?size=64&iterations=20000&tolerance=1e-09&m1=iterated_tikhonov&m2=tv")
    state(page, "running")
    page.get_by_role("button", name="Pause").click()
    state(page, "paused")
    expect(page.locator(VIEW)).to_have_attribute("data-lanes", "paused paused")
    page.get_by_role("button", name="Play").click()
    state(page, "running")
    page.get_by_role("button", name="Stop all").click()
    state(page, "stopped")
