"""The Unrolled page: settings and address, its boards, widgets without a browser, a journey in Chromium."""

import re
from dataclasses import replace

import pytest
import torch
from playwright.sync_api import expect

from deqviz.learning.primal_dual import Teaching
from deqviz.runtime.study import Study
from deqviz.ui.inputs.drawn_mask import CELLS, FIRST, lost_cells, seen_pixels, written
from deqviz.ui.pages.unrolled.board import board
from deqviz.ui.pages.unrolled.plan import plan
from deqviz.ui.pages.unrolled.setting import Setting, from_query
from tests.browser import MAIN
from tests.pages.journey import ROOT, Guest, check_looks, check_refused, check_width, done, ended, state

QUICK = {"view": "Noise", "rivals": "plain,descent_noise", "before": "9"}
GUEST = Guest[Setting]("unrolled", "u", QUICK)
opened, study, setting, settle = GUEST.opened, GUEST.study, GUEST.setting, GUEST.settle


def finished(setting: Setting) -> Study:
    return done(Study(lambda: plan(setting.validated()), 64))


# ---------------------------------------------------------------- settings and boards, without Streamlit


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"view": "Sound"}, "'Sound'"),
        ({"rivals": "plain,magic"}, "'magic'"),
        ({"rivals": ""}, "At least one network"),
        ({"rate": "2"}, "0.01 … 0.9"),
        ({"before": "1"}, "is noise itself"),
        ({"picture": "nobody"}, "nobody"),
        ({"colour": "nobody"}, "nobody"),
        ({"merit": "beauty"}, "'beauty'"),
        ({"mask": "AAAA"}, "paint it again"),
        ({"mask": "no mask at all"}, "paint it again"),
        ({"spice": "hot"}, "unknown"),
    ],
)
def test_a_damaged_address_opens_and_says_so(query: dict[str, str], said: str):
    check_refused(from_query, query, said)


def test_numbers_depend_on_what_the_view_asks_and_on_nothing_else():
    here = Setting()
    for other in (
        replace(here, risk=0.3),
        replace(here, steps=200),
        replace(here, level=10.0),
        replace(here, shown="U"),
    ):
        assert other.computation == here.computation
    assert replace(here, rate=0.3).computation != here.computation
    assert replace(here, view="Training", steps=200).computation != replace(here, view="Training").computation
    pictures = replace(here, view="Pictures")
    assert replace(pictures, shown="U").computation == pictures.computation
    assert replace(pictures, picture="coins").computation != pictures.computation


def test_layers_are_drawn_counted_and_judged():
    setting = Setting(rivals=("plain", "descent_noise"))
    view = board(finished(setting), setting)
    names = ["distance", "ratio", "objective", "gradient", "falls", "theorem", "plane"]
    assert [chart.key for chart in view.charts] == names
    distance, ratio, *_, gradient, _, theorem, plane = view.charts
    assert [series.name for series in distance.series] == ["U", "C", "ISTA", "FISTA", "(1 − ε)^{ℓ} d_{0}"]
    assert "C 0" in ratio.sentence
    assert "U 0" not in ratio.sentence
    assert "ε = 0.298" in gradient.sentence
    assert "2.63" in theorem.sentence
    assert {series.name for series in plane.series} == {"", "y*", "U", "C", "ISTA"}
    told = {row.name: row for row in view.guarantees}
    assert told["Sublinear rate of ISTA"].status == told["Sublinear rate of FISTA"].status == "certified"
    assert told["Geometric envelope"].status == "remark"
    assert told["C: descent per layer"].numbers.startswith("holds at 10 of 10 points")
    assert told["C: descent per layer"].status == "estimated"
    assert told["U: descent per layer"].status == "violated"
    assert re.match(r"holds at [1-9] of 10 points, largest ratio 1\.", told["U: descent per layer"].numbers)
    assert view.csv
    assert view.json


def test_noise_is_attributed_only_where_the_plain_network_is_there():
    setting = Setting(view="Noise", rivals=("noise", "descent_noise"))
    final, gain, profile, mended = board(finished(setting), setting).charts
    assert "the ablation needs the plain network" in gain.sentence
    assert len(final.series) == len(profile.series) == len(mended.series) == 3
    setting = Setting(view="Noise", rivals=("plain", "noise", "descent_noise"), deviation=0.2)
    final, gain, *_ = board(finished(setting), setting).charts
    assert 0.2 in list(final.series[0].x)
    assert "noise only × " in gain.sentence
    assert "both × " in gain.sentence


def test_a_shift_is_drawn_with_its_bound():
    setting = Setting(view="Shift", rivals=("plain", "descent_noise"), shift=0.25)
    view = board(finished(setting), setting)
    assert [chart.key for chart in view.charts] == ["moved", "above", "slack", "drift"]
    slack = view.charts[2]
    assert slack.series[-1].name == "bound for C"
    mine = next(series for series in slack.series if series.name == "C")
    assert all(a <= b for a, b in zip(mine.y, slack.series[-1].y, strict=True))
    assert view.charts[0].sentence.startswith("At p = 0.25: U ")


def test_a_training_is_drawn_while_it_goes_on_and_can_be_stopped():
    setting = Setting(view="Training", steps=100, is_rival=True)
    view = board(finished(setting), setting)
    loss, slacks, duals, products, *learned = view.charts
    assert [series.name for series in loss.series] == ["constrained", "plain"]
    assert len(slacks.series) == 7
    assert len(duals.series) == 6
    assert all(min(series.y) >= 0 for series in duals.series)
    assert len(products.series[0].x) == 5
    assert [chart.key for chart in learned] == ["distance", "gradient"]
    assert (view.done, view.total) == (200, 200)
    assert isinstance(setting.teachings[0], Teaching)
    study = Study(lambda: plan(setting), 64)
    study.advance(0.0)
    study.stop()
    assert ended(study).state == "stopped"
    assert board(study, setting).charts


def test_every_layer_is_a_picture():
    setting = Setting(view="Pictures", rivals=("plain", "descent_noise"), picture="coins")
    view = board(finished(setting), setting)
    keys = ["noisy0", *(f"C{layer}" for layer in (1, 3, 5, 7, 9, 10)), "LASSO0", "truth"]
    assert [tile.key for tile in view.tiles] == keys
    assert "with the LASSO solution" in view.charts[0].sentence
    shown = replace(setting, shown="C0")
    assert [tile.key for tile in board(finished(shown), shown).tiles] == keys
    none = replace(setting, rivals=("deep",))
    study = ended(Study(lambda: plan(none), 64))
    assert study.state == "failed"
    assert "choose at least one of them" in study.snapshot().message


def test_a_hole_is_filled_layer_by_layer():
    setting = Setting(view="Inpainting", hole="strokes", factor=3.0)
    view = board(finished(setting), setting)
    assert [chart.key for chart in view.charts] == ["hole", "latent", "gradient", "factor"]
    keys = ["data", *(f"layer{layer}" for layer in range(1, 6)), "biharmonic", "truth"]
    assert [tile.key for tile in view.tiles] == keys
    hole, latent, _, factor = view.charts
    assert [series.name for series in hole.series] == ["U", "UN", "C0", "C", "mean fill", "biharmonic"]
    assert list(factor.series[0].x) == [1.0, 3.0, 10.0, 20.0]
    assert "of 4" in latent.sentence


def test_a_painted_mask_travels_and_is_stretched_over_the_picture():
    lost = torch.rand(CELLS, CELLS, generator=torch.Generator().manual_seed(0)) < 0.3
    text = written(lost)
    assert re.fullmatch(r"[\w-]{171}", text)
    assert torch.equal(lost_cells(text), lost)
    seen = seen_pixels(text, 64, 64)
    assert torch.equal(seen[0, 0, ::2, 1::2], 1 - lost.float())
    assert seen_pixels(text, 43, 64).shape == (1, 1, 43, 64)
    setting = Setting(view="Inpainting", hole="painted", mask=text)
    assert from_query(setting.to_query()) == (setting, ())
    assert setting.computation != replace(setting, mask=FIRST).computation
    assert (
        replace(setting, hole="centre").computation == replace(setting, hole="centre", mask=FIRST).computation
    )


@pytest.mark.parametrize(("share", "said"), [(0, "is missing"), (1, "is known")])
def test_a_mask_of_nothing_and_one_of_everything_are_refused(share: int, said: str):
    text = written(torch.full((CELLS, CELLS), bool(share)))
    setting = Setting(view="Inpainting", hole="painted", mask=text)
    study = ended(Study(lambda: plan(setting), 64))
    assert study.state == "failed"
    assert said in study.snapshot().message


# ---------------------------------------------------------------- widgets


def test_the_page_opens_what_the_address_says_and_follows_its_controls():
    at = opened()
    assert setting(at).view == "Noise"
    assert setting(at).before == 9
    assert study(at).state == "done"
    assert any(e.proto.component_name.endswith("board") for e in at.get("bidi_component"))
    first = study(at).id
    at.selectbox(key="u.view").set_value("Shift").run()
    assert setting(at).view == "Shift"
    assert study(at).id != first
    assert at.query_params["view"] in ("Shift", ["Shift"])
    study(at).stop()
    settle(at)
    at.selectbox(key="u.view").set_value("Noise").run()
    assert setting(at).before == 9, "what other views asked is kept"
    at.slider(key="u.before").set_value(1).run()
    assert "is noise itself" in at.error[0].value


def test_what_a_slow_browser_said_before_it_heard_of_a_preset_changes_nothing():
    at = opened()
    heard = at.text_input(key="address.heard").value
    at.button(key="u.preset.Distribution shift").click().run()
    study(at).stop()
    settle(at)
    shown, begun = setting(at), study(at).id
    assert shown.view == "Shift"
    # What such a browser sends: the old values of all widgets, at whatever time.
    at.text_input(key="address.heard").set_value(heard)
    at.selectbox(key="u.view").set_value("Noise").run()
    assert setting(at) == shown
    assert study(at).id == begun
    assert at.selectbox(key="u.view").value == "Shift"
    at.selectbox(key="u.view").set_value("Noise").run()
    assert setting(at).view == "Noise", "now it has heard, and means it"


# ---------------------------------------------------------------- browser


@pytest.mark.browser
def test_the_journey(visit):
    page = visit("unrolled?rivals=plain%2Cdescent_noise&view=Pictures&picture=coins", width=900)
    expect(page.locator("[data-tile]")).to_have_count(9)
    state(page, "done")
    page.get_by_role("button", name="Live training").click()
    expect(page.locator("[data-chart=duals]")).to_be_visible()
    expect(page.locator(ROOT)).to_have_attribute("data-state", "running")
    page.get_by_role("button", name="Pause").click()
    state(page, "paused")
    page.locator(MAIN).get_by_role("button", name="Stop").click()
    state(page, "stopped")
    page.get_by_role("button", name="Noise before one layer").click()
    expect(page.locator("[data-chart=mended]")).to_be_visible()
    state(page, "done")
    check_width(page)


@pytest.mark.browser
def test_lost_pixels_are_painted(visit):
    page = visit("unrolled?view=Inpainting&hole=painted")
    pad = page.locator(".dqm")
    expect(pad).to_have_attribute("data-lost", str(int(lost_cells(FIRST).sum())))
    expect(page.locator("[data-tile]")).to_have_count(8)
    pad.get_by_role("button", name="clear").click()
    expect(page.get_by_text("No pixel of this mask is missing")).to_be_visible()
    box = pad.locator("canvas").bounding_box()
    assert box
    x, y, w = box["x"], box["y"], box["width"]
    page.mouse.move(x + 0.3 * w, y + 0.4 * w)
    page.mouse.down()
    page.mouse.move(x + 0.7 * w, y + 0.4 * w, steps=4)
    page.mouse.up()
    expect(page.locator("[data-tile=data]")).to_contain_text("% of the pixels missing")
    state(page, "done")
    text = dict(part.split("=") for part in page.url.partition("?")[2].split("&"))["mask"]
    lost = lost_cells(text)
    assert int(lost.sum()) == int(pad.get_attribute("data-lost") or 0)
    # A horizontal stroke of a pen of 2.6 cells: no row far from it is touched.
    rows = lost.any(1).nonzero()[:, 0]
    assert rows.min() >= 32 * 0.4 - 4
    assert rows.max() <= 32 * 0.4 + 4
    check_looks(page)
