"""The Convergence page: settings and address, widgets without a browser, and a journey in Chromium."""

import io
import re
from urllib.parse import urlencode

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from playwright.sync_api import expect

from deqviz import images
from deqviz.core.registry import Choice
from deqviz.runtime.study import Study
from deqviz.ui.pages.convergence.board import board
from deqviz.ui.pages.convergence.plan import plan
from deqviz.ui.pages.convergence.setting import OVER_L, OVER_STEP, PRESETS, THREE, Setting, from_query
from tests.pages.journey import Guest, check_refused, check_width, done, state

# Without a network a step takes microseconds.
QUICK = {
    "side": "16 px",
    "regularizer": "quadratic",
    "crossing": OVER_STEP,
    "is_race": "False",
    "is_gradient": "False",
    "max_steps": "60",
}


def small(**more) -> Setting:
    plain = {
        "side": "16 px",
        "regularizer": Choice("quadratic"),
        "crossing": OVER_STEP,
        "is_race": False,
        "is_gradient": False,
        "max_steps": 60,
    }
    return Setting(**{**plain, **more}).validated()


def finished(setting: Setting) -> Study:
    return done(Study(lambda: plan(setting)))


# ---------------------------------------------------------------- settings and the board, without Streamlit


def test_every_part_of_a_setting_survives_its_address():
    own = images.keep(torch.rand(1, 3, 40, 40), "0123456789abcdef")
    setting = Setting(
        image="astronaut",
        side="64 px",
        operator=Choice("motion_blur"),
        regularizer=Choice("contractive", {"contraction": 0.95}),
        weight=0.02,
        splitting="explicit",
        step=1.3,
        starts=("mine", "zero"),
        another="page",
        mine=own,
        solvers=("explicit", "anderson"),
        crossing=OVER_L,
        is_race=False,
        max_steps=77,
        seed=5,
    ).validated()
    assert from_query(setting.to_query()) == (setting, ())
    assert Setting().validated().to_query() == {}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"step": "7"}, "allowed is 0.05 … 1.95"),
        ({"weight": "much"}, "must be a number"),
        ({"starts": "zero,moon"}, "There is no start 'moon'"),
        ({"solvers": ","}, "At least one solver"),
        ({"operator": "guess"}, "There is no operator 'guess'"),
        ({"mine": "upload-0000000000000000"}, "not kept here"),
        ({"crossing": OVER_L, "regularizer": "quadratic"}, "L is a constant of the contractive network"),
        ({"spice": "hot"}, "'spice' is unknown"),
    ],
)
def test_a_bad_value_falls_back_and_gets_one_sentence(query: dict[str, str], said: str):
    check_refused(from_query, query, said)


def test_all_roads_lead_to_one_picture_and_the_example_to_three():
    setting = small(
        regularizer=Choice("contractive", {"contraction": 0.6}),
        crossing=THREE,
        is_race=True,
        is_gradient=True,
        solvers=("implicit", "broyden"),
    )
    study = finished(setting)
    drawn = board(study, setting)
    charts = {chart.key: chart for chart in drawn.charts}
    assert list(charts) == [
        "starts",
        "solvers",
        "race_evaluations",
        "race",
        "factors",
        "contraction",
        "distinct",
        "asymmetry",
        "circulation",
    ]
    assert charts["starts"].sentence == "8 of 8 runs converged to one limit."
    line, proved, *starts = charts["starts"].series
    assert [s.name for s in starts] == ["Zero", "Direct inversion", "Noise", "Another image"]
    for above in (line, proved):
        limit = dict(zip(above.x, above.y, strict=True))
        for series in starts:
            assert len(series.y) > 20
            assert all(y <= limit[k] * (1 + 1e-6) for k, y in zip(series.x, series.y, strict=True))
    found = dict(zip(charts["distinct"].series[1].x, charts["distinct"].series[1].y, strict=True))
    assert found[0.95] == 1
    assert found[1.05] == found[1.5] == 3
    measured = charts["factors"].series[1:]
    assert all(len(series.x) == 1 for series in measured)
    for series in (s for s in measured if s.name in ("Explicit", "Explicit, optimal step size", "Implicit")):
        assert series.y[0] <= series.x[0] * (1 + 1e-6)
    gauge = {series.name: series.y[0] for series in charts["asymmetry"].series}
    assert gauge["Contractive residual (learned)"] > 1e-3
    assert gauge["Quadratic (Tikhonov)"] < 1e-12
    assert gauge["Skew part (rotation), in the plane"] > 0.5
    assert {row.name: row.status for row in drawn.guarantees} == {
        "A-priori linear rate": "certified",
        "A-posteriori error bound": "certified",
        "Unique limit from all starts": "certified",
        "Mean contraction factor": "certified",
        "Contraction factor κ": "certified",
        "Symmetric Jacobian": "certified",
        "Zero circulation": "certified",
    }
    assert [tile.key for tile in drawn.tiles][-1] == "limit-0"
    assert all(tile.pixels.shape == (1, 16, 16) for tile in drawn.tiles)
    assert (drawn.done, drawn.csv is not None, drawn.json is not None) == (drawn.total, True, True)


def test_a_step_that_is_too_long_is_seen_to_be():
    setting = PRESETS["Step size beyond the limit"][1].validated()
    drawn = board(finished(setting), setting)
    charts = {chart.key: chart for chart in drawn.charts}
    assert "4 diverged" in charts["starts"].sentence
    assert "From step = 1.1 on runs diverge." in charts["distinct"].sentence
    certified, seen = charts["contraction"].series[1:3]
    # Linear: what is certified is what is seen, on both sides of the limit.
    np.testing.assert_allclose(certified.y, seen.y, rtol=1e-3)
    assert (np.asarray(seen.y) <= np.asarray(certified.y) * (1 + 1e-6)).all()


def test_where_no_limit_was_found_the_residual_is_drawn():
    setting = small(
        operator=Choice("inpainting"),
        regularizer=Choice("contractive", {"contraction": 1.5}),
        solvers=("implicit",),
        max_steps=20,
    )
    drawn = board(finished(setting), setting)
    assert drawn.charts[0].title == "Residual by starting point"
    assert any(len(series.y) for series in drawn.charts[0].series)
    assert {row.status for row in drawn.guarantees if row.name != "Contraction"} == {"hypothesis violated"}


def test_a_picture_of_the_users_is_a_start_in_any_size_and_colour():
    own = images.keep(torch.rand(1, 3, 40, 70), "fedcba9876543210")
    setting = small(starts=("mine", "zero"), mine=own)
    drawn = board(finished(setting), setting)
    assert [tile.title for tile in drawn.tiles[:2]] == ["Start: Your image", "Start: Zero"]
    assert drawn.tiles[0].pixels.shape == (1, 16, 16)


def test_progress_tells_cells_and_ends_full():
    setting = small()
    study, told = Study(lambda: plan(setting)), [0]
    while not study.is_over():
        study.advance(0.0)
        drawn = board(study, setting)
        assert 0 <= drawn.done <= drawn.total
        told.append(drawn.done)
    assert told == sorted(told)
    assert told[-1] == board(study, setting).total


# ---------------------------------------------------------------- widgets


GUEST = Guest[Setting]("convergence", "c", QUICK)
opened, study, setting, settle = GUEST.opened, GUEST.study, GUEST.setting, GUEST.settle


def test_the_page_opens_what_the_address_says_and_draws_it():
    at = opened({"starts": "noise,zero", "step": "1.2", "solvers": "explicit"})
    assert setting(at).starts == ("noise", "zero")
    assert at.multiselect(key="c.solvers").value == ["explicit"]
    assert at.slider(key="c.step").value == 1.2
    assert study(at).state == "done"
    assert any(e.proto.component_name.endswith("board") for e in at.get("bidi_component"))


def test_controls_start_the_next_study_and_stand_in_the_address():
    at = opened()
    first = study(at).id
    at.selectbox(key="c.operator").select("fourier").run()
    assert study(at).id != first
    assert at.query_params["operator"] in ("fourier", ["fourier"])
    settle(at)
    at.multiselect(key="c.starts").set_value(["noise"]).run()
    assert setting(at).starts == ("noise",)
    settle(at)
    before = study(at).id
    at.multiselect(key="c.starts").set_value([]).run()
    assert "At least one start" in at.error[0].value
    assert study(at).id == before


def test_a_contradiction_waits_and_a_damaged_address_is_told():
    at = opened({"spice": "hot", "step": "9"})
    assert len(at.warning) == 2
    before = study(at).id
    at.selectbox(key="c.crossing").select(OVER_L).run()
    assert "L is a constant of the contractive network" in at.error[0].value
    assert study(at).id == before


def test_an_upload_becomes_a_start():
    at = opened()
    file = io.BytesIO()
    Pillow.fromarray(np.full((40, 60), 90, np.uint8)).save(file, "PNG")
    at.file_uploader(key="c.upload").upload("own.png", file.getvalue(), "image/png").run()
    assert not at.exception, at.exception
    assert setting(at).mine.startswith("upload-")
    settle(at)
    at.multiselect(key="c.starts").set_value(["mine", "zero"]).run()
    settle(at)
    assert {row.start for row in study(at).snapshot().of("starts")} == {"mine", "zero"}
    at.file_uploader(key="c.upload").upload("bad.png", b"no picture", "image/png").run()
    assert at.error
    assert setting(at).mine.startswith("upload-")


def test_a_preset_fills_the_form():
    at = opened()
    at.button(key="c.preset.Step size beyond the limit").click().run()
    assert setting(at) == PRESETS["Step size beyond the limit"][1].validated()
    assert at.multiselect(key="c.solvers").value == ["explicit", "implicit", "anderson"]
    settle(at)
    at.button(key="c.preset.Unique limit from all starts").click().run()
    assert setting(at) == Setting().validated()
    assert setting(at).crossing == THREE
    study(at).stop()


# ---------------------------------------------------------------- browser


@pytest.mark.browser
def test_the_journey(visit):
    page = visit(f"convergence?{urlencode(QUICK)}", width=900, theme="dark")
    state(page, "done")
    page.get_by_role("button", name="Step size beyond the limit").click()
    expect(page).to_have_url(re.compile(r"/convergence\?.*step=1.1"))
    expect(page.locator(".dqv-chart").first).to_contain_text("4 diverged")
    state(page, "done")
    expect(page.locator("table").first).to_contain_text("A-posteriori error bound")
    expect(page.locator("table").first.locator("[data-lamp=violated]")).to_have_count(0)
    check_width(page)
