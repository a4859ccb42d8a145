"""The Noise page: its settings and address, its widgets without a browser, and one journey in Chromium."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, Route, expect

from deqviz.core.registry import Choice
from deqviz.experiments.equilibrium.noise_sweep import slope
from deqviz.runtime.study import Study
from deqviz.ui.pages.noise.board import board
from deqviz.ui.pages.noise.plan import plan
from deqviz.ui.pages.noise.setting import PICTURE, PLAIN, POISSON, PRESETS, SOURCE, WHITE, Setting, from_query
from tests.pages.journey import ROOT, Guest, check_refused, check_width, ended, state, switch
from tests.places import until

RECONSTRUCT = "reconstruct"
QUICK = {
    "levels": "7",
    "seeds": "1",
    **dict.fromkeys(("is_tent", "is_contrasted", "is_stability", "is_limit"), "False"),
}


def small(**more) -> Setting:
    plain = {"levels": 7, "seeds": 2, "is_tent": False, "is_stability": False, "is_limit": False}
    return Setting(**{**plain, **more}).validated()


def finished(setting: Setting) -> Study:
    return ended(Study(lambda: plan(setting)))


# ---------------------------------------------------------------- settings and the board, without Streamlit


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 120),
    st.floats(0, 1.5),
    st.sampled_from([SOURCE, PLAIN]),
    st.sampled_from(["power", "fixed", "discrepancy"]),
    st.floats(0.1, 2.5),
)
def test_every_setting_survives_its_address(kernel, contraction, truth, rule, p):
    params = {"exponent": p} if rule == "power" else {}
    setting = Setting(
        kernel=kernel,
        regularizer=Choice("rotating", {"contraction": contraction}),
        truth=truth,
        rule=Choice(rule, params),
    ).validated()
    assert from_query(setting.to_query()) == (setting, ())


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"levels": "1e9"}, "Noise levels must be a number"),
        ({"levels": "1000"}, "allowed is 7 … 49"),
        ({"problem": "yours"}, "Problem is 'yours'"),
        ({"rule": "guess"}, "There is no 'guess' here"),
        ({"regularizer": "contractive"}, "There is no 'contractive' here"),
        ({"image": "nobody"}, "nobody"),
        ({"noise": POISSON}, "Poisson noise needs non-negative data"),
        ({"rule": "best", "truth": PLAIN}, "choose another rule"),
        ({"spice": "hot"}, "'spice' is unknown"),
    ],
)
def test_a_bad_value_falls_back_and_gets_one_sentence(query: dict[str, str], said: str):
    check_refused(from_query, query, said)


def test_the_default_shows_the_rate_and_its_loss():
    setting = Setting(levels=7, seeds=1).validated()
    study = finished(setting)
    snapshot = study.snapshot()
    assert snapshot.state == "done", snapshot.message
    held, broken = slope(snapshot.of("sweep"), "bregman"), slope(snapshot.of("contrast"), "bregman")
    assert held is not None
    assert broken is not None
    assert held.slope >= 0.95
    assert broken.slope < 0.2
    drawn = board(study, setting)
    keys = ["bregman", "error", "tent", "residual", "band", "limit", "stability", "gain"]
    assert [chart.key for chart in drawn.charts] == keys
    assert drawn.charts[0].note == f"order {held.slope:.2f} · bound 1"
    measured = drawn.charts[2].series[1]
    slopes = dict(zip(measured.x, measured.y, strict=True))
    assert max(slopes, key=slopes.__getitem__) == 1
    for p, tent in ((0.5, 0.5), (1.5, 0.5)):
        assert slopes[p] == pytest.approx(tent, abs=0.12)
    lamps = {row.name: row.status for row in drawn.guarantees}
    assert (
        lamps["Symmetric Bregman distance"]
        == lamps["Reconstruction error"]
        == lamps["Upper error bound"]
        == "certified"
    )
    assert lamps["Bregman distance, source condition violated"] == "hypothesis violated"
    assert drawn.csv is not None
    assert drawn.csv.count("\n") == 1 + snapshot.done


def test_equilibria_tend_to_the_limit_problem_where_the_error_stays():
    setting = small(truth=PLAIN, kernel=120, seeds=1, is_limit=True, rule=Choice("power", {"exponent": 2.0}))
    study = finished(setting)
    drawn = board(study, setting)
    chart = next(chart for chart in drawn.charts if chart.key == "limit")
    # δ²/α does not vanish for p = 2, so that α = δ is taken, and said.
    assert chart.note == "α = δ"
    bound, distance, error = chart.series
    assert (np.asarray(distance.y) <= np.asarray(bound.y)).all()
    assert distance.y[-1] < 0.2 * distance.y[0]
    assert error.y[-1] > 0.8 * error.y[0]
    assert re.search(r"needs ‖w°‖ = \d", chart.sentence)
    lamps = {row.name: row.status for row in drawn.guarantees}
    named = (
        "Pairing with the limit problem",
        "Distance to the limit problem's solution",
        "Limit problem solved",
    )
    assert {lamps[name] for name in named} == {"certified"}


def test_the_limit_problem_needs_the_null_space_in_closed_form():
    picture = {"problem": PICTURE, "regularizer": Choice("quadratic"), "is_limit": True}
    assert small(**picture, operator=Choice("fourier")).has_limit
    assert not small(**picture, operator=Choice("tomography")).has_limit


def test_every_error_lies_in_the_band_that_is_drawn():
    study = finished(small(truth=PLAIN, kernel=40))
    drawn = board(study, small(truth=PLAIN, kernel=40))
    charts = {chart.key: chart for chart in drawn.charts}
    band, error, plateau = charts["band"].series
    assert band.low is not None
    assert (np.asarray(band.low) <= np.asarray(error.y) * (1 + 1e-9)).all()
    assert (np.asarray(error.y) <= np.asarray(band.y) * (1 + 1e-9)).all()
    assert min(plateau.y) > 0
    at_truth, at_equilibrium = (np.asarray(series.y) for series in charts["kernel"].series)
    assert np.linalg.norm(at_truth) > 1
    assert np.linalg.norm(at_equilibrium) < 1e-6
    assert charts["bregman"].note.startswith("order 0.")
    assert "bound" not in charts["bregman"].note


def test_stability_stays_below_its_bounds_and_comes_near_them():
    setting = small(regularizer=Choice("rotating", {"contraction": 0.95}), seeds=1, is_stability=True)
    study = finished(setting)
    snapshot = study.snapshot()
    drawn = board(study, setting)
    charts = {chart.key: chart for chart in drawn.charts}
    bound, worst, random = charts["stability"].series
    assert set(bound.y) == {0.25}
    assert len(worst.x) == len(random.x) == 13
    assert 0.24 < max(worst.y) <= 0.25 * (1 + 1e-6)
    assert max(random.y) < max(worst.y)
    assert f"tightest ratio {max(worst.y):.3f} at" in charts["stability"].sentence
    bound, worst, random = charts["gain"].series
    # c = 1 − L, and A is too weak in its last directions to do better.
    assert np.asarray(bound.y) == pytest.approx(0.5 / np.sqrt(0.05 * np.asarray(bound.x)), rel=1e-6)
    assert (np.asarray(worst.y) <= np.asarray(bound.y)).all()
    assert (np.asarray(random.y) <= np.asarray(bound.y)).all()
    assert re.fullmatch(r"order −0\.\d\d · bound −½", charts["gain"].note)
    lamps = {row.name: row.status for row in drawn.guarantees}
    assert {
        lamps[f"Stability {of}"] for of in ("in the Bregman distance", "in the data", "of the reconstruction")
    } == {"certified"}
    (turning,) = snapshot.of("gradient")
    assert turning.asymmetry > 0.5
    assert drawn.explanation is not None
    assert f"‖J − Jᵀ‖/‖J‖ = {turning.asymmetry:.3f} ± " in drawn.explanation.text


def test_without_a_certified_c_no_bound_is_drawn_for_the_picture():
    setting = small(
        regularizer=Choice("rotating", {"contraction": 1.0}), kernel=40, seeds=1, is_stability=True
    )
    study = finished(setting)
    drawn = board(study, setting)
    charts = {chart.key: chart for chart in drawn.charts}
    assert [series.name for series in charts["gain"].series] == ["largest found (adversarial)", "random"]
    assert charts["gain"].sentence.startswith("No bound is proved here")
    assert {row.status for row in drawn.guarantees if row.name == "Stability of the reconstruction"} == {
        "not verifiable"
    }
    assert "stability" not in {chart.key for chart in board(study, small()).charts}


def test_a_picture_brings_its_tiles():
    setting = small(
        problem=PICTURE, regularizer=Choice("quadratic"), operator=Choice("fourier"), noise=WHITE, seeds=1
    )
    study = finished(setting)
    drawn = board(study, setting)
    tiles = {tile.key: tile for tile in drawn.tiles}
    assert list(tiles) == ["truth", "contrast", "kernel_truth", "kernel"]
    assert all(tile.pixels.shape == (1, 64, 64) for tile in tiles.values())
    assert np.abs(tiles["kernel"].pixels.astype(int) - 127).max() <= 1
    assert {
        row.status
        for row in drawn.guarantees
        if row.name in ("Symmetric Bregman distance", "Reconstruction error")
    } == {"certified"}


def test_noise_that_does_not_fit_is_told_in_its_own_words():
    setting = small(
        problem=PICTURE, regularizer=Choice("quadratic"), operator=Choice("fourier"), noise=POISSON
    )
    study = finished(setting)
    assert study.state == "failed"
    assert "Poisson noise counts photons" in study.snapshot().message


# ---------------------------------------------------------------- widgets


GUEST = Guest[Setting]("noise", "n", QUICK)
opened, study, setting, settle = GUEST.opened, GUEST.study, GUEST.setting, GUEST.settle


def test_the_page_opens_what_the_address_says_and_draws_it():
    at = opened({"kernel": "30", "rule": "fixed", "rule.value": "0.001"})
    assert setting(at).kernel == 30
    assert at.selectbox(key="n.rule").value == "fixed"
    assert setting(at).rule.params["value"] == 1e-3
    assert study(at).state == "done"
    assert any(e.proto.component_name.endswith("board") for e in at.get("bidi_component"))


def test_a_changed_control_starts_the_next_study_and_stands_in_the_address():
    at = opened()
    first = study(at).id
    at.selectbox(key="n.noise").select(WHITE).run()
    assert study(at).id != first
    assert setting(at).noise == WHITE
    assert at.query_params["noise"] in (WHITE, [WHITE])
    settle(at)
    at.selectbox(key="n.problem").select(PICTURE).run()
    assert setting(at).regularizer.key == "contractive"
    at.selectbox(key="n.regularizer").select("quadratic").run()
    study(at).stop()


def test_a_preset_fills_the_form():
    at = opened()
    at.button(key="n.preset.Source condition violated").click().run()
    assert setting(at) == PRESETS["Source condition violated"][1].validated()
    assert at.selectbox(key="n.truth").value == PLAIN
    at.button(key="n.preset.Source condition holds").click().run()
    assert setting(at) == Setting().validated()
    study(at).stop()


def test_a_damaged_address_opens_and_says_so_and_a_contradiction_waits():
    at = opened({"rule": "guess", "spice": "hot"})
    said = [warning.value for warning in at.warning]
    assert len(said) == 2
    first = study(at).id
    at.selectbox(key="n.rule").select("best").run()
    assert study(at).id != first
    settle(at)
    before = study(at).id
    at.selectbox(key="n.truth").select(PLAIN).run()
    assert "choose another rule" in at.error[0].value
    assert study(at).id == before


@pytest.mark.parametrize(("is_late", "kept"), [(True, 8), (False, 7)])
def test_widgets_that_say_what_they_said_are_late_until_the_browser_has_heard(is_late: bool, kept: int):
    at = opened({"seed": "7"})
    heard = at.text_input(key="address.heard").value
    at.query_params["seed"] = "8"
    at.run()
    assert setting(at).seed == 8
    settle(at)
    if is_late:
        at.text_input(key="address.heard").set_value(heard)
    at.number_input(key="n.seed").set_value(7).run()
    assert setting(at).seed == kept
    assert at.number_input(key="n.seed").value == kept
    settle(at)


def test_a_study_waits_on_its_page_while_another_is_looked_at():
    at = opened({"seed": "7"})
    kept = study(at)
    at.query_params.clear()
    for name, value in {"size": "48", "method": "iterated_tikhonov", "iterations": "5"}.items():
        at.query_params[name] = value
    switch(at, RECONSTRUCT).run()
    job = at.session_state.job
    at.query_params.clear()
    switch(at, GUEST.page).run()
    assert study(at) is kept
    assert at.number_input(key="n.seed").value == 7
    assert at.query_params["seed"] in ("7", ["7"])
    at.query_params.clear()
    switch(at, RECONSTRUCT).run()
    assert at.session_state.job is job
    assert job.scenario.size == 48
    job.stop()
    until(job.is_over, "the end of the run")


# ---------------------------------------------------------------- browser


@pytest.mark.browser
def test_the_first_points_do_not_wait_for_plotly(serve, page: Page):
    held: list[Route] = []
    page.route("**/plotly.min.js*", lambda route: held.append(route))
    page.goto(f"{serve('app.py')}/?size=48&iterations=5&method=iterated_tikhonov")
    page.get_by_role("link", name="Noise").click()
    chart = page.locator("[data-chart=bregman]")
    expect(chart.locator("circle").first).to_be_visible()
    assert held
    assert chart.get_attribute("data-points") is None
    for route in held:
        route.continue_()
    expect(chart).to_have_attribute("data-points", re.compile(r"[1-9]"))
    expect(chart.locator("circle")).to_have_count(0)


@pytest.mark.browser
def test_the_journey(visit):
    page = visit("?size=48&iterations=5&operator.width=2.25&method=iterated_tikhonov")
    state(page, "done")
    url = page.url
    run = page.locator(ROOT).get_attribute("data-run")
    page.get_by_role("link", name="Noise").click()
    page.wait_for_selector("[data-chart=bregman][data-points]")
    page.get_by_role("button", name="Source condition violated").click()
    expect(page).to_have_url(re.compile(r"/noise\?.*kernel=40"))
    expect(page.locator(".dqv-chart").last).to_contain_text("Null-space component of R")
    state(page, "done")
    expect(page.locator("[data-chart=band]")).to_have_attribute("data-points", "39")
    table = page.locator("table").first
    expect(table.locator("[data-lamp='hypothesis violated']")).not_to_have_count(0)
    expect(table).to_contain_text("holds at 13 of 13 points")
    expect(table.locator("[data-lamp=violated]")).to_have_count(0)
    check_width(page)
    noise = page.url
    # Back and forth: each page shows what was there, and its address is its own again.
    page.get_by_role("link", name="Reconstruct").click()
    expect(page.locator("[data-chart=residual][data-draws]")).to_be_visible()
    expect(page.locator(ROOT)).to_have_attribute("data-run", run or "")
    expect(page).to_have_url(url)
    expect(page.get_by_test_id("stSlider").filter(has_text="Blur width w (px)")).to_contain_text("2.25")
    page.get_by_role("link", name="Noise").click()
    expect(page.locator("[data-chart=band]")).to_have_attribute("data-points", "39")
    expect(page).to_have_url(noise)
