"""The Memory page: settings and address, its board, widgets without a browser, a journey in Chromium."""

import re
from dataclasses import replace
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import expect

from deqviz.experiments.memory.activation_memory import per_iteration
from deqviz.runtime.study import Study
from deqviz.ui.components.board.protocol import pack
from deqviz.ui.components.board.records import Board, Stack, Stacks
from deqviz.ui.components.packets import unpack
from deqviz.ui.pages.memory.board import board
from deqviz.ui.pages.memory.plan import BUDGET, missing_weights, plan, unrolled_depth
from deqviz.ui.pages.memory.setting import FEW, SHAPES, Setting, from_query
from tests.pages.journey import ROOT, Guest, check_looks, check_refused, done, state

QUICK = {"size": "small", "width": "8", "layers": "2", "coils": "2", "iterations": "5"}
QUICK |= {"is_fresh": "False", "is_gradient": "False", "is_run": "False"}
TINY = from_query(QUICK)[0]


def finished(setting: Setting) -> Study:
    return done(Study(lambda: plan(setting)))


# ---------------------------------------------------------------- settings and the board, without Streamlit


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"dimension": "4D"}, "'4D'"),
        ({"width": "7"}, "'7'"),
        ({"iterations": "many"}, "must be a number"),
        ({"coils": "99"}, "1 … 16"),
        ({"spice": "hot"}, "unknown"),
    ],
)
def test_a_damaged_address_opens_and_says_so(query, said):
    check_refused(from_query, query, said)


def test_no_setting_holds_more_than_its_budget_and_gradients_are_compared_on_few_cells():
    for dimension, sizes in SHAPES.items():
        for size in sizes:
            setting = Setting(dimension=dimension, size=size, width="64", layers=8, iterations=80)
            depth, s = unrolled_depth(setting), per_iteration(setting.scan)
            assert depth == 1 or depth * s <= BUDGET
            assert setting.small_scan.cells <= FEW
            assert setting.small_scan.dimension == dimension
    assert unrolled_depth(Setting()) == 40


def test_bytes_lie_on_the_formula_and_the_equilibrium_stays_flat():
    study = finished(TINY)
    view = board(study, TINY)
    (chart,) = view.charts
    unrolled, solved, line, flat = chart.series
    assert list(unrolled.x) == [1, 2, 3, 4, 5]
    assert np.allclose(unrolled.y, np.interp(unrolled.x, line.x, line.y), rtol=0.05)
    assert np.allclose(solved.y, flat.y[0], rtol=0.05)
    assert "times less" in chart.sentence
    assert {row.name: row.status for row in view.guarantees} == {
        "Activation memory, unrolled": "certified",
        "Activation memory, equilibrium": "certified",
    }
    assert view.csv
    assert view.csv.startswith("settings,kind,iterations,saved")


def test_a_film_has_its_frames_and_says_when_its_network_is_missing():
    setting = replace(TINY, dimension="2D+time", is_run=True, is_gradient=True)
    view = board(finished(setting), setting)
    assert view.stacks is not None
    names = [stack.key for stack in view.stacks.items]
    assert names[:3] == ["truth", "zero-filled", "SENSE"]
    assert ("MOL" in names) is not bool(missing_weights(setting))
    assert bool(view.stacks.note) is bool(missing_weights(setting))
    assert all(stack.pixels.shape == (8, 1, 32, 32) for stack in view.stacks.items)
    assert view.stacks.items[0].extra is not None
    assert re.fullmatch(r"\d\d\.\d\d dB", view.stacks.items[2].note)
    gradients = view.charts[1]
    assert gradients.series[2].y[-1] < 0.1 * gradients.series[2].y[0]


def test_stacks_travel_and_what_is_none_is_refused():
    frames = np.arange(24, dtype=np.uint8).reshape(2, 1, 3, 4)
    mask = np.zeros((1, 2, 3), np.uint8)
    one, two = Stack("a", "A", frames, extra=mask, words="mask"), Stack("b", "B", frames, "note", "a")
    head, blocks = unpack(
        pack(Board("r", "done", 0, 0, stacks=Stacks("Slice", "Cut", (one, two), 3, "said")))
    )
    assert head["stacks"] == [
        "Slice",
        "Cut",
        3,
        "said",
        [["a", "A", "", "", "mask"], ["b", "B", "note", "a", ""]],
    ]
    assert (blocks["stack:1"] == frames).all()
    assert blocks["extra:0"].shape == mask.shape
    assert unpack(pack(Board("r", "done", 0, 0)))[0]["stacks"] is None
    for wrong, said in (
        ((replace(one, pixels=frames[:, 0]),), "n × 1 × h × w"),
        ((two,), "beside it"),
        ((replace(one, pixels=frames[:1]), two), "beside it"),
    ):
        with pytest.raises(ValueError, match=said):
            pack(Board("r", "done", 0, 0, stacks=Stacks("Slice", "Cut", wrong)))


# ---------------------------------------------------------------- widgets


GUEST = Guest[Setting]("memory", "m", QUICK)
opened, study, setting, settle = GUEST.opened, GUEST.study, GUEST.setting, GUEST.settle


def test_the_page_opens_what_the_address_says_and_follows_its_controls():
    at = opened({"layers": "3"})
    assert setting(at).layers == 3
    assert study(at).state == "done"
    assert any(e.proto.component_name.endswith("board") for e in at.get("bidi_component"))
    first = study(at).id
    at.button_group(key="m.dimension").set_value("3D").run()
    assert setting(at).dimension == "3D"
    assert study(at).id != first
    assert at.query_params["dimension"] in ("3D", ["3D"])
    settle(at)
    assert study(at).snapshot().total == 7


# ---------------------------------------------------------------- browser


@pytest.mark.browser
def test_the_journey(visit):
    page = visit(f"memory?{urlencode({**QUICK, 'is_run': 'True', 'dimension': '2D+time'})}", width=900)
    frame = page.get_by_role("slider", name="Frame")
    expect(frame).to_have_attribute("aria-valuetext", "5 of 8")
    state(page, "done")
    film = page.locator("[data-stack=truth] canvas")
    before = [film.nth(n).evaluate("c => c.toDataURL()") for n in range(2)]
    frame.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".dqv-stacks")).to_have_attribute("data-frame", "6")
    after = [film.nth(n).evaluate("c => c.toDataURL()") for n in range(2)]
    assert before[0] != after[0], "another frame"
    assert before[1] == after[1], "the same profile: it shows all frames"
    page.get_by_role("slider", name="Row of the cut").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".dqv-stacks")).to_have_attribute("data-row", "16")
    expect(page.locator("table").first.locator("[data-lamp=violated]")).to_have_count(0)
    check_looks(page)
    expect(page.locator(ROOT)).to_have_attribute("data-state", "done")
