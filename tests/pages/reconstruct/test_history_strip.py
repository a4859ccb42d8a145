"""The runs of a session on the Reconstruct page: back to any of them, two side by side."""

import gc
import re
import weakref
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from deqviz.runtime.job import Job
from deqviz.ui.shell import address, departure, history_strip
from tests.pages.journey import ROOT, STOCK, check_looks, move_away, state
from tests.pages.reconstruct.test_page import QUICK, opened, scenario, settle


def sent(at: AppTest, command: object) -> AppTest:
    """A run of the script as the strip's trigger begins one: the command is carried out before the page."""
    enter = address.enter

    def first(page: str) -> None:
        history_strip.act(command)
        enter(page)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(address, "enter", first)
        at.run()
    assert not at.exception, at.exception
    return at


def clicked(at: AppTest, name: str, number: int) -> AppTest:
    return sent(at, {"name": name, "run": f"no-{number}"})


def entries(at: AppTest) -> list[Any]:
    return at.session_state.history.entries


def two_runs() -> AppTest:
    at = settle(opened())
    at.selectbox(key="w.operator").select("denoising").run()
    return settle(at)


def test_every_run_is_in_the_strip_and_the_strip_is_below_the_live_view():
    at = two_runs()
    assert [e.scenario.operator.key for e in entries(at)] == ["gaussian_blur", "denoising"]
    assert all(e.look.picture and e.look.k == 5 and e.look.state == "done" for e in entries(at))
    names = [e.proto.component_name.rpartition(".")[2] for e in at.get("bidi_component")]
    assert names.index("run") < names.index("history")


def test_back_to_a_run_shows_what_was_kept_of_it():
    at = two_runs()
    first: Job = entries(at)[0].job
    clicked(at, "open", 1)
    assert at.session_state.job is first, "not computed again"
    assert at.selectbox(key="w.operator").value == "gaussian_blur"
    assert at.query_params.get("operator") is None
    assert len(entries(at)) == 2
    at.run()
    assert at.session_state.job is first
    at.selectbox(key="w.noise").select("poisson").run()
    assert scenario(at).operator.key == "gaussian_blur"
    assert scenario(at).noise.key == "poisson"
    assert len(entries(at)) == 3


def test_back_to_a_run_that_was_dropped_repeats_it_in_its_place():
    at = two_runs()
    psnr = entries(at)[0].look.psnr
    entries(at)[0].job = None
    settle(clicked(at, "open", 1))
    assert [e.number for e in entries(at)] == [1, 2]
    assert at.session_state.job is entries(at)[0].job
    assert scenario(at) == entries(at)[0].scenario
    assert entries(at)[0].look.psnr == psnr, "the same scenario, the same numbers"


def test_a_run_that_goes_on_stops_when_another_is_gone_back_to():
    at = settle(opened())
    at.query_params["iterations"], at.query_params["tolerance"] = "20000", "1e-09"
    at.query_params["method.weight"] = "1.0"
    at.run()
    running: Job = at.session_state.job
    clicked(at, "open", 1)
    assert running.state == "stopped"
    assert at.session_state.job is entries(at)[0].job
    assert at.session_state.job is not running


def test_whatever_a_guest_sends_nothing_happens():
    at = settle(opened())
    before = at.session_state.job
    for command in (
        None,
        3,
        [],
        {},
        {"name": "open"},
        {"name": "open", "run": 1},
        {"name": "open", "run": "no-99"},
        {"name": "drop", "run": "no-1"},
        {"name": ["open"], "run": "no-1"},
        {"name": "open", "run": "<b>"},
    ):
        sent(at, command)
        assert at.session_state.job is before, command
        assert len(entries(at)) == 1, command


def test_two_runs_are_pinned():
    at = two_runs()
    clicked(at, "pin", 1)
    clicked(at, "pin", 2)
    assert [e.number for e in at.session_state.history.pinned] == [1, 2]
    clicked(at, "pin", 1)
    assert [e.number for e in at.session_state.history.pinned] == [2]


def test_the_history_goes_with_its_session(monkeypatch):
    # The server drops a session's caches, which hold the run that is shown, when its tab is gone.
    monkeypatch.setattr(departure, "tether", lambda page: departure.Tether())
    at = two_runs()
    # The worker may still look at the last run.
    held = [weakref.ref(entries(at)[0].job), weakref.ref(at.session_state.history)]
    del at
    gc.unfreeze()  # the app froze what was there when it was first drawn, as `upkeep` undoes
    gc.collect()
    assert [ref() for ref in held] == [None, None]


def test_every_session_has_its_own():
    at, other = settle(opened()), settle(opened({"seed": "1"}))
    assert [e.scenario.seed for e in entries(at)] == [0]
    assert [e.scenario.seed for e in entries(other)] == [1]


# ---------------------------------------------------------------- browser


def runs(page: Page, count: int) -> None:
    expect(page.locator(".dqh")).to_have_attribute("data-runs", str(count))
    state(page, "done")
    expect(page.locator(".dqh .dqv-item").first.locator("img")).to_be_visible()


@pytest.mark.browser
def test_back_and_side_by_side(serve, open_page):
    query = "&".join(f"{name}={value}" for name, value in QUICK.items())
    page = open_page(f"{serve('app.py')}/?{query}", theme="dark", width=900)
    runs(page, 1)
    first = page.locator(ROOT).get_attribute("data-run") or ""
    page.get_by_role("combobox", name="Noise model").click()
    page.get_by_role("option", name="Poisson").click()
    runs(page, 2)
    expect(page).to_have_url(re.compile("noise=poisson"))
    page.get_by_role("button", name="Go back to no. 1").click()
    expect(page.locator(ROOT)).to_have_attribute("data-run", first)
    expect(page).not_to_have_url(re.compile("noise="))
    expect(page.locator(".dqh [aria-current=true]")).to_have_count(1)
    expect(page.locator(".dqh .dqv-shown")).to_contain_text("no. 1")
    for number in (1, 2):
        page.get_by_role("button", name=f"Pin no. {number}").click()
        expect(page.get_by_role("button", name=f"Pin no. {number}")).to_have_attribute("aria-pressed", "true")
    big = page.locator(".dqh .dqv-pair img")
    expect(big).to_have_count(2)
    for image in big.all():
        assert image.evaluate("e => e.decode().then(() => e.naturalWidth)") == 48
    page.get_by_role("button", name="Enlarge both").click()
    widths = [image.evaluate("e => e.getBoundingClientRect().width") for image in big.all()]
    assert widths[0] == pytest.approx(widths[1], abs=0.5)  # half a pixel of layout
    frame = page.locator(".dqh .dqv-frame").first
    assert widths[0] == pytest.approx(1.5 * frame.evaluate("e => e.clientWidth"), abs=2)  # borders
    frame.focus()
    page.keyboard.press("0")
    assert big.first.evaluate("e => e.getBoundingClientRect().width") < widths[0]
    move_away(page)
    check_looks(page, STOCK)
