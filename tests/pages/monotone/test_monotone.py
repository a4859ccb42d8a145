"""Monotone operator learning on the Convergence page: settings, board, widgets, browser."""

import re
from dataclasses import replace
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import expect

from deqviz.experiments.monotone.beyond_depth import runners
from deqviz.runtime.study import Study
from deqviz.ui.pages.convergence.page import LIMITS, MOL, read
from deqviz.ui.pages.convergence.setting import Setting
from deqviz.ui.pages.monotone import plan as convergence_mol_plan
from deqviz.ui.pages.monotone.board import mol_board
from deqviz.ui.pages.monotone.plan import plan
from deqviz.ui.pages.monotone.setting import PRESETS, MolSetting
from tests.pages.convergence.test_convergence import QUICK as LIMITS_QUICK
from tests.pages.journey import ROOT, STOCK, Guest, check_looks, check_refused, done, move_away, state

NOTHING = MolSetting(side="32 px", is_steps=False, is_breaker=False, is_panel=False, is_depth=False, coils=1)
QUICK = {"question": MOL, "is_steps": "False", "is_depth": "False", "is_panel": "False"}


def finished(setting: MolSetting) -> Study:
    return done(Study(lambda: plan(setting), 32))


# ---------------------------------------------------------------- settings and the board, without Streamlit


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_its_address(name: str):
    setting = PRESETS[name][1].validated()
    assert read(setting.to_query()) == (setting, ())


def test_the_address_says_which_question():
    setting = MolSetting(
        image="phantom", side="128 px", acceleration=6.0, version="approximate", is_panel=False,
        gain=1.5, other="coins", coils=2, seed=5,
    ).validated()  # fmt: skip
    assert read(setting.to_query()) == (setting, ())
    assert read({}) == (Setting().validated(), ())
    assert read({"question": LIMITS}) == (Setting().validated(), ())
    assert read({"question": MOL}) == (MolSetting().validated(), ())


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"question": "life"}, "There is no question 'life'"),
        ({"question": MOL, "version": "best"}, "allowed is"),
        ({"question": MOL, "acceleration": "much"}, "must be a number"),
        ({"question": MOL, "image": "moon"}, "There is no image 'moon'"),
        ({"question": MOL, "other": "brain"}, "two different images"),
        ({**QUICK, "is_breaker": "False"}, "No experiment is selected"),
        ({"question": MOL, "solvers": "picard"}, "'solvers' is unknown"),
    ],
)
def test_a_bad_value_falls_back_and_gets_one_sentence(query: dict[str, str], said: str):
    check_refused(read, query, said)


def test_two_pictures_solve_one_problem_and_the_gain_decides():
    setting = replace(NOTHING, is_breaker=True)
    drawn = mol_board(finished(setting), setting)
    (chart,) = drawn.charts
    example, monotone, strict, _ = chart.series
    for series, ends in ((example, (0, 1)), (monotone, (0,)), (strict, (0,))):
        small = [t for t, y in zip(series.x, series.y, strict=True) if y < 1e-10]
        assert small == list(ends)
    assert "Id − 2 tanh∘G: both images are solutions" in chart.sentence
    assert [tile.key for tile in drawn.tiles[:3]] == ["example-first", "example-second", "example-data"]
    assert all(tile.pixels.shape == (1, 24, 24) for tile in drawn.tiles[:3])
    lamps = {row.name: row.status for row in drawn.guarantees}
    assert lamps == {
        "Two solutions": "certified",
        "First solution": "certified",
        "Uniqueness by m-monotonicity": "certified",
    }
    assert (drawn.done, drawn.csv is not None, drawn.json is not None) == (drawn.total, True, True)
    low = replace(setting, gain=1.05)
    assert "monotone between these two images, raise L" in mol_board(finished(low), low).charts[0].sentence


def test_steps_have_two_limits_and_a_rule_that_misleads(monkeypatch: pytest.MonkeyPatch):
    # Of a quarter of the pixels, for the sake of time.
    monkeypatch.setattr(convergence_mol_plan, "SMALL", 16)
    monkeypatch.setattr(convergence_mol_plan, "STEPS", (0.02, 0.5, 1.0))
    setting = replace(NOTHING, is_steps=True)
    drawn = mol_board(finished(setting), setting)
    factors, exact, runs, stopping = drawn.charts
    first, second, _, seen, turning = factors.series
    known = {round(float(x), 6): y for x, y in zip(seen.x, seen.y, strict=True)}
    for x, y in known.items():
        if x <= 1:
            assert y <= np.interp(x, second.x, np.asarray(second.y)) * 1.01
    assert turning.y[0] < 1 < turning.y[1]
    assert np.nanmin(first.y) < 1
    below, above = exact.series
    assert below.y[-1] < below.y[0]
    assert above.y[-1] > above.y[0]
    assert [series.name for series in runs.series] == ["α = 0.02", "α = 0.5", "α = 1"]
    certificate, distance, moved, _ = (np.asarray(s.y) for s in stopping.series)
    assert (distance <= certificate * (1 + 1e-9)).all()
    assert (distance > 5 * moved).all()
    assert "times the step" in stopping.sentence
    lamps = {row.name: row.status for row in drawn.guarantees}
    assert set(lamps.values()) == {"certified"}
    assert "Sharpness of the first rate" in lamps


def test_the_approximate_network_is_compared_with_the_strict_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(convergence_mol_plan, "runners", lambda strict: runners(strict)[3:])
    setting = replace(NOTHING, is_depth=True)
    drawn = mol_board(finished(setting), setting)
    (compared,) = (row for row in drawn.guarantees if row.name.startswith("Convergence: "))
    assert compared.name == "Convergence: MOL-LR against MOL-SN, m = 0.1"
    # The shipped approximate network needs more steps than the strict one.
    assert compared.status == "violated"
    assert "at the point 8" in compared.numbers


# ---------------------------------------------------------------- widgets


GUEST = Guest[MolSetting]("convergence", "c", QUICK)
opened, study, setting, settle = GUEST.opened, GUEST.study, GUEST.setting, GUEST.settle


def test_the_question_is_opened_changed_and_left():
    at = opened({"gain": "1.5"})
    assert at.selectbox(key="c.question").value == MOL
    assert at.slider(key="cm.gain").value == 1.5
    assert study(at).state == "done"
    at.slider(key="cm.gain").set_value(2.5).run()
    assert setting(at).gain == 2.5
    assert at.query_params["gain"] in ("2.5", ["2.5"])
    settle(at)
    before = study(at).id
    at.toggle(key="cm.is_breaker").set_value(False).run()
    assert "No experiment is selected" in at.error[0].value
    assert study(at).id == before
    at.toggle(key="cm.is_breaker").set_value(True).run()
    settle(at)
    at.selectbox(key="c.question").select(LIMITS).run()
    assert not at.exception, at.exception
    assert setting(at) == Setting().validated()
    assert "question" not in at.query_params
    study(at).stop()
    settle(at)
    at.button(key="c.preset.Two solutions of one problem").click().run()
    assert setting(at) == PRESETS["Two solutions of one problem"][1].validated()
    assert at.selectbox(key="c.question").value == MOL
    study(at).stop()


# ---------------------------------------------------------------- browser


@pytest.mark.browser
def test_the_journey(visit):
    page = visit(f"convergence?{urlencode(LIMITS_QUICK)}")
    state(page, "done")
    page.get_by_role("button", name="Two solutions of one problem").click()
    expect(page).to_have_url(re.compile(r"question=monotone"))
    page.wait_for_selector("[data-chart=breaker][data-points]")
    state(page, "done")
    expect(page.locator("[data-chart]")).to_have_count(1)
    expect(page.locator(".dqv-chart").first).to_contain_text("both images are solutions")
    expect(page.locator("table").first).to_contain_text("Uniqueness by m-monotonicity")
    expect(page.locator("table").first.locator("[data-lamp=violated]")).to_have_count(0)
    assert page.locator(ROOT).get_attribute("data-run")
    move_away(page)
    check_looks(page, STOCK)
