"""The Playground page: what a hand may send, the address, the widgets, and one journey in Chromium."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from deqviz.experiments.plane.planar import Bistable, Residual, Rotating
from deqviz.runtime.run_snapshot import OVER
from deqviz.ui.components.packets import unpack
from deqviz.ui.pages.playground.page import explain
from deqviz.ui.pages.playground.protocol import pack, parse
from deqviz.ui.pages.playground.scene import scene, sweep
from deqviz.ui.pages.playground.setup import MOST, PRESETS, Setup
from tests.pages.journey import check_width, switch
from tests.places import APP, PATIENCE, until

PAGE = "playground"
HAND = {
    "point": [1.0, -2],
    "before": None,
    "starts": [[0.5, 0.5]],
    "sweep": "weight",
    "resting": True,
    "number": 7,
}


# ---------------------------------------------------------------- records


def test_a_hand_is_read() -> None:
    hand = parse(HAND)
    assert hand is not None
    assert hand.point == (1.0, -2.0)
    assert hand.starts == ((0.5, 0.5),)
    assert hand.sweep == "weight"
    assert hand.is_resting


@pytest.mark.parametrize(
    "bad",
    [
        {"point": [9.0, 0.0]},
        {"point": [math.nan, 0.0]},
        {"point": ["1", 0]},
        {"point": [True, 0]},
        {"point": [0.0]},
        {"before": [0.0, 99.0]},
        {"starts": [[0.0, 0.0]] * (MOST + 1)},
        {"starts": "0,0"},
        {"sweep": "third"},
        {"resting": 1},
        {"number": True},
        {"number": -1},
    ],
)
def test_what_is_no_hand_is_left_out(bad: dict[str, object]) -> None:
    assert parse({**HAND, **bad}) is None
    assert parse(None) is None
    assert parse([HAND]) is None


@pytest.mark.parametrize("name", PRESETS)
def test_a_setup_survives_its_address(name: str) -> None:
    setup = PRESETS[name][1]
    assert Setup.from_query(setup.to_query()) == (setup, ())


def test_a_damaged_address_gives_sentences_and_defaults() -> None:
    setup, said = Setup.from_query(
        {
            "r": "magic",
            "first": "7",
            "angle": "north",
            "starts": "1,1;2;nan,0",
            "sweep": "up",
            "colour": "red",
        }
    )
    assert setup == Setup(starts=((1.0, 1.0),))
    assert len(said) == 6
    assert (
        Setup.from_query({"r": "rotating", "r.contraction": "9", "r.width": "1"})[0].regularizer == Rotating()
    )
    assert Setup.from_query({"starts": ""}) == (Setup(starts=()), ())


def test_the_packet_holds_the_scene_and_the_whole_trajectories() -> None:
    setup = PRESETS["Fold bifurcation"][1]
    now, moves = scene(setup.plane, setup.starts, None), sweep(setup.plane, setup.sweep)
    head, blocks = unpack(pack(setup, now, moves, explain(setup, now), ack=3, plotly=None))
    assert head["ack"] == 3
    assert len(head["fixed"]) == 3
    assert [f[2] for f in head["fixed"]] == ["stable node", "saddle", "stable node"]
    assert head["turns"] == 1
    assert head["kappa"] is None
    assert head["folds"]
    np.testing.assert_allclose(blocks["field"], now.field, rtol=1e-5, atol=1e-6)
    rows = np.frombuffer(blocks["path:0"].tobytes(), "<f8").reshape(-1, 3)
    assert rows[:, :2].tolist() == [list(p) for p in now.runs[0].points]
    assert blocks["other"].shape[1] > 0


# ---------------------------------------------------------------- widgets


def opened(**query: str) -> AppTest:
    at = AppTest.from_file(APP, default_timeout=PATIENCE)
    for name, value in query.items():
        at.query_params[name] = value
    switch(at, PAGE).run()
    assert not at.exception, at.exception
    return at


def now(at: AppTest) -> Setup:
    return at.session_state.playground_setup


def packet(at: AppTest) -> dict[str, object]:
    (one,) = [e for e in at.get("bidi_component") if e.proto.component_name.endswith("playground")]
    return unpack(one.proto.bytes)[0]


def test_widgets_change_the_scene_and_the_address() -> None:
    at = opened()
    assert now(at) == Setup()
    at.slider(key="playground.r.residual.contraction").set_value(1.4).run()
    assert now(at).regularizer == Residual(1.4)
    at.selectbox(key="playground.kind").select("Identity").run()
    assert (now(at).first, now(at).second) == (1.0, 1.0)
    at.selectbox(key="playground.r").select("bistable").run()
    assert now(at).regularizer == Bistable()
    assert at.query_params["r"] in ("bistable", ["bistable"])
    assert at.query_params["second"] in ("1", ["1"])
    assert packet(at)["run"] == "bistable"
    at.slider(key="playground.second").set_value(0.2).run()
    assert at.selectbox(key="playground.kind").value == "Ill-conditioned"


def test_presets_fill_the_widgets() -> None:
    at = opened(r="skew")
    for name in ("Step size beyond the limit", "Fold bifurcation"):
        setup = PRESETS[name][1]
        at.button(key=f"playground.preset.{name}").click().run()
        assert not at.exception
        assert now(at) == setup
        assert at.selectbox(key="playground.r").value == setup.entry.key
    assert at.slider(key="playground.second").value == 0.3


def test_an_address_is_opened_and_a_bad_one_says_so() -> None:
    at = opened(r="rotating", vertical="-1.5", starts="1,2")
    assert now(at).vertical == -1.5
    assert at.slider(key="playground.vertical").value == -1.5
    assert now(at).starts == ((1.0, 2.0),)
    bad = opened(r="rotating", weight="-3", spice="hot")
    assert len(bad.warning) == 2
    assert now(bad).weight == Setup().weight


def test_the_page_is_as_it_was_when_one_comes_back() -> None:
    at = opened(r="bistable", horizontal="0.7")
    at.query_params.clear()
    for name, value in {"size": "48", "method": "iterated_tikhonov", "iterations": "5"}.items():
        at.query_params[name] = value
    switch(at, "reconstruct").run()
    # Nothing may be left running when the interpreter ends.
    until(lambda: at.session_state.job.state in OVER, "the end of the run")
    at.query_params.clear()
    switch(at, PAGE).run()
    assert now(at).horizontal == 0.7
    assert at.slider(key="playground.horizontal").value == 0.7
    assert at.query_params["horizontal"] in ("0.7", ["0.7"])


# ---------------------------------------------------------------- browser

ROOT = ".dqp[data-painted]"


def place(page: Page, a: float, b: float) -> tuple[float, float]:
    box = page.locator(".dqv-surface").bounding_box()
    assert box
    return box["x"] + (a + 3) / 6 * box["width"], box["y"] + (3 - b) / 6 * box["height"]


def first(page: Page) -> tuple[float, float]:
    a, b = (page.locator(ROOT).get_attribute("data-first") or "").split()
    return float(a), float(b)


def started_at(page: Page, last: str) -> None:
    """Wait until the address holds `last` as its last start: it follows the picture by one message."""
    comma = last.replace(",", "(,|%2C)")
    expect(page).to_have_url(re.compile(rf"starts=[^&]*(;|%3B){comma}(&|$)"))


@pytest.mark.browser
def test_the_journey(visit):
    page = visit("playground")
    root = page.locator(ROOT)
    expect(root).to_have_attribute("data-fixed", "1")
    assert first(page) == pytest.approx((1.22424, 0), abs=1e-4)

    # A click starts an iterate, which stands in the address; Space holds it, Step moves it on.
    page.mouse.click(*place(page, -1.0, -1.5))
    expect(root).to_have_attribute("data-starts", "3")
    started_at(page, "-1,-1.5")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Back to the starting points").click()
    expect(root).to_have_attribute("data-k", "0")
    page.get_by_role("button", name="Step", exact=True).click()
    expect(root).to_have_attribute("data-k", "1")
    page.locator(".dqv-surface").press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()

    # Dragging the data moves the equilibrium, the sliders and the address.
    page.mouse.move(*place(page, 1.5, 0.5))
    page.mouse.down()
    page.mouse.move(*place(page, 0.5, 0.5), steps=4)
    page.mouse.move(*place(page, -1.5, 1.0), steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile("horizontal=-1.5"))
    expect(page.get_by_role("slider", name="Data p₁")).to_have_value("-1.5")
    # The address may hear of the end of the drag one message before the picture does.
    expect(root).to_have_attribute("data-first", re.compile(r"-1\.2"))
    assert first(page) == pytest.approx((-1.22424, 0), abs=1e-2)
    expect(page.locator("table").last).to_contain_text("bound 0.250")

    # The keyboard alone: the data, a cross, an iterate.
    page.locator(".dqv-hand").press("Shift+ArrowRight")
    expect(page).to_have_url(re.compile("horizontal=-1.25"))
    page.locator(".dqv-surface").press("ArrowUp")
    page.keyboard.press("Enter")
    expect(root).to_have_attribute("data-starts", "4")
    started_at(page, "0,0.1")
    page.keyboard.press("Delete")
    expect(root).to_have_attribute("data-starts", "3")

    # A preset: three equilibria with their kinds in words, and no lamp that accuses a theorem.
    page.get_by_role("button", name="Fold bifurcation").click()
    expect(root).to_have_attribute("data-fixed", "3")
    expect(page.locator(".dqv-square svg")).to_contain_text("saddle")
    expect(page.locator("table").last).to_contain_text("hypothesis violated")
    expect(page.locator("table").last.locator("[data-lamp=violated]")).to_have_count(0)
    page.wait_for_selector("[data-chart=sweep][data-draws]")
    with page.expect_download() as svg:
        page.get_by_label("The plane: download as SVG").click()
    assert "saddle" in Path(svg.value.path()).read_text(encoding="utf-8")
    with page.expect_download() as table:
        page.get_by_label("The trajectories: download as CSV").click()
    lines = Path(table.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "start,k,x1,x2,gap"
    assert lines[1].startswith("1,0,-2,2.2,")
    check_width(page)
