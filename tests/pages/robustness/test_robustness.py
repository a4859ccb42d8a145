"""The Robustness page: its settings and address, its board, its widgets, and one journey in Chromium."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from deqviz.core.numbers import number
from deqviz.core.registry import Choice
from deqviz.runtime.study import Study
from deqviz.ui.pages.robustness.board import board
from deqviz.ui.pages.robustness.plan import plan
from deqviz.ui.pages.robustness.setting import TITLES, Setting, from_query
from tests.browser import MAIN
from tests.pages.journey import Guest, check_refused, check_width, done, state

QUICK = {
    "operator": "inpainting",
    "methods": "sense,baseline",
    "levels": "2",
    "restarts": "1",
    "steps": "1",
    "shown": "2",
}
SMALL = Setting(
    operator=Choice("gaussian_blur"), methods=("sense", "baseline"), levels=2, restarts=2, steps=2, shown=2
)


def test_a_method_set_here_survives_its_address():
    own = Choice("equilibrium", {"regularizer": Choice("smoothed_tv"), "weight": 0.3})
    setting = Setting(methods=("own", "tv"), own=own, levels=9, weight=0.5).validated()
    assert from_query(setting.to_query()) == (setting, ())
    assert [c.title for c in setting.contestants] == [
        "Equilibrium, implicit non-variational (INV)",
        "Total variation",
    ]


def test_every_method_of_the_list_can_be_built():
    for key in TITLES:
        (contestant,) = Setting(methods=(key,)).validated().contestants
        assert contestant.key == key


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"levels": "1e9"}, "Perturbation sizes ε must be a number"),
        ({"levels": "1"}, "allowed is 2 … 9"),
        ({"restarts": "0"}, "allowed is 1 … 8"),
        ({"side": "8 px"}, "Image size (longer side) is '8 px'"),
        ({"methods": "magic"}, "There is no method 'magic' here"),
        ({"methods": ","}, "At least one method is needed"),
        ({"methods": "sense,mol,mol_02,mol_30,tv,modl,unet"}, "at most 6 methods"),
        ({"operator": "guess"}, "There is no operator 'guess' here"),
        ({"image": "nobody"}, "nobody"),
        ({"spice": "hot"}, "'spice' is unknown"),
    ],
)
def test_a_bad_value_falls_back_and_gets_one_sentence(query: dict[str, str], said: str):
    check_refused(from_query, query, said)


def test_the_board_shows_attack_draws_and_bound_of_every_method():
    setting = SMALL.validated()
    study = done(Study(lambda: plan(setting), setting.pixels))
    drawn = board(study, setting)
    charts = {chart.key: chart for chart in drawn.charts}
    assert list(charts) == ["compared", "psnr", "gain-sense", "gain-baseline"]
    lines = {series.name: np.asarray(series.y) for series in charts["gain-sense"].series}
    assert (lines["random perturbation"] <= lines["largest gain found"]).all()
    assert (lines["largest gain found"] <= lines["certified"] * 1.01).all()
    assert (lines["certified"] < lines["1/α"]).all()
    assert lines["local Lipschitz constant"][0] <= lines["certified"][0]
    assert "certified" not in {series.name for series in charts["gain-baseline"].series}
    # One number, wherever it is said: the largest of the curve.
    for key, name in (("sense", "SENSE (Tikhonov)"), ("baseline", "Direct inversion")):
        curve = {series.name: series for series in charts["compared"].series}[name]
        most = number(max(float(y) for y in curve.y))
        assert f"{name}, {most}" in charts["compared"].sentence
        assert f"the gain {most}," in charts[f"gain-{key}"].sentence
    assert "λ" not in str([row.statement + row.reason for row in drawn.guarantees if "A*δ" in row.name])
    assert charts["gain-baseline"].note == "no bound"
    lamps = {row.name: row.status for row in drawn.guarantees}
    assert lamps["SENSE (Tikhonov)"] == lamps["Stability in the data"] == "certified"
    assert lamps["Random gain ≤ largest gain found"] == "remark"
    assert lamps["Direct inversion"] == "not verifiable"
    assert [tile.key for tile in drawn.tiles[:5]] == [
        f"sense.{part}" for part in ("clean", "random", "change", "damaged", "damage")
    ]
    assert drawn.tiles[2].note == "10 % ‖y‖"
    assert all(tile.pixels.shape == (1, 64, 64) for tile in drawn.tiles)
    assert drawn.csv is not None
    assert drawn.csv.count("\n") == 1 + 4


def test_before_the_first_row_all_cards_are_there():
    setting = Setting().validated()
    study = Study(lambda: plan(setting), setting.pixels)
    drawn = board(study, setting)
    assert len(drawn.charts) == 2 + len(setting.methods)
    assert not drawn.tiles
    assert drawn.charts[0].x.low is not None
    assert drawn.explanation is not None
    assert "3 restarts, 8 ascent steps" in drawn.explanation.text
    (compared,) = (row for row in drawn.guarantees if row.name.startswith("Robustness: "))
    assert compared.name == "Robustness: MOL, approximate against MOL, strict m = 0.1"
    assert (compared.status, compared.numbers) == ("estimated", "no value yet")


GUEST = Guest[Setting]("robustness", "r", QUICK)


def test_the_page_opens_what_the_address_says_and_follows_its_widgets():
    at = GUEST.opened({"seed": "7"})
    assert GUEST.setting(at).methods == ("sense", "baseline")
    first = GUEST.study(at).id
    # Other pictures are no other study.
    at.slider(key="r.shown").set_value(1).run()
    assert GUEST.study(at).id == first
    assert GUEST.setting(at).shown == 1
    at.multiselect(key="r.methods").set_value(["sense"]).run()
    assert GUEST.study(at).id != first
    assert at.query_params["methods"] in ("sense", ["sense"])
    GUEST.settle(at)
    before = GUEST.study(at).id
    at.multiselect(key="r.methods").set_value([]).run()
    assert "At least one method" in at.error[0].value
    assert GUEST.study(at).id == before


@pytest.mark.browser
def test_the_journey(visit):
    page = visit("robustness")
    # The first method is through while the others are still being attacked.
    expect(page.get_by_text("SENSE: attacked")).to_be_visible()
    page.locator(MAIN).get_by_role("button", name="Stop").click()
    state(page, "stopped")
    expect(page.locator("[data-chart=compared]")).to_have_attribute("data-points", re.compile(r"[1-9]"))
    table = page.locator("table").first
    expect(table).to_contain_text("certified")
    # That the approximate network is no less robust is true of no shipped one.
    others = table.locator("tr").filter(has_not_text="MOL, approximate against")
    expect(others.locator("[data-lamp=violated]")).to_have_count(0)
    expect(others.filter(has_text="certified")).not_to_have_count(0)
    check_width(page)
    page.get_by_role("button", name="A blur").click()
    expect(page).to_have_url(re.compile(r"/robustness\?.*methods=contractive"))
    page.locator(MAIN).get_by_role("button", name="Stop").click()
    state(page, "stopped")
