"""The Training page: settings and address, its board, widgets without a browser, a journey in Chromium."""

import math
import re
from collections.abc import Generator
from dataclasses import replace
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import expect

from deqviz.experiments.losses.architectures import ARCHITECTURES as KINDS
from deqviz.experiments.losses.contraction_map import ContractionMap
from deqviz.experiments.losses.loss_lab import LossLab
from deqviz.runtime.study import Part, Study
from deqviz.ui.pages.training.board import board
from deqviz.ui.pages.training.plan import plan
from deqviz.ui.pages.training.setting import ARCHITECTURES, OBJECTIVES, PRESETS, Setting, from_query
from tests.pages.journey import ROOT, Guest, check_refused, check_width, done, state

# The adjoint of one architecture takes a fifth of a second.
QUICK = {"is_lab": "False", "is_depth": "False", "is_map": "False", "architectures": "prox"}
NOTHING = Setting(is_lab=False, is_depth=False, is_adjoint=False, is_map=False, architectures=("prox",))


def fewer(setting: Setting) -> Generator[object, None, tuple[Part, ...]]:
    """The plan with every fourth level of noise and a coarser map: with all types checked, time is short."""
    parts = yield from plan(setting)
    out = []
    for part in parts:
        match part.experiment:
            case LossLab() as lab:
                out.append(Part(part.key, replace(lab, levels=lab.levels[::4])))
            case ContractionMap() as plane:
                coarse = replace(plane, sizes=plane.sizes[::4], step_sizes=plane.step_sizes[::3])
                out.append(Part(part.key, coarse))
            case _:
                out.append(part)
    return tuple(out)


def finished(setting: Setting) -> Study:
    return done(Study(lambda: fewer(setting)))


# ---------------------------------------------------------------- settings and the board, without Streamlit


def test_every_part_of_a_setting_survives_its_address():
    setting = Setting(
        objectives=("weighted", "untrained"),
        limit=0.8,
        beta=3e-5,
        dimension=9,
        steps=77,
        architectures=("admm", "grad"),
        is_depth=False,
        depth=7,
        net_steps=33,
        is_adjoint=False,
        shown="ADMM",
        low=0.0123,
        seed=8,
    ).validated()
    assert from_query(setting.to_query()) == (setting, ())
    assert Setting().validated().to_query() == {}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"limit": "1"}, "allowed is 0 … 0.99"),
        ({"beta": "much"}, "must be a number"),
        ({"objectives": "range,moon"}, "There is no objective 'moon'"),
        ({"architectures": ","}, "At least one architecture"),
        ({"shown": "FISTA"}, "allowed is Grad or Prox or ADMM"),
        (dict.fromkeys(("is_lab", "is_depth", "is_adjoint", "is_map"), "False"), "No experiment is selected"),
        ({"spice": "hot"}, "'spice' is unknown"),
    ],
)
def test_a_bad_value_falls_back_and_gets_one_sentence(query: dict[str, str], said: str):
    check_refused(from_query, query, said)


def test_the_lab_draws_every_loss_and_every_bound():
    setting = replace(NOTHING, is_lab=True, steps=90, objectives=("weighted", "untrained", "denoising"))
    study = finished(setting)
    snapshot, drawn = study.snapshot(), board(study, setting)
    charts = {chart.key: chart for chart in drawn.charts}
    assert list(charts) == ["losses", "errors", "plateaus", "asymmetries"]
    assert drawn.done == drawn.total == len(snapshot.lessons) + snapshot.done == 2 * 90 + 12
    # The order of the legend is that of the colours, whatever was chosen first.
    assert [s.name for s in charts["losses"].series] == ["Denoising", "Range-condition loss L_{β}"]
    assert all(list(s.x) == list(range(1, 91)) for s in charts["losses"].series)
    assert all(np.mean(s.y[-9:]) < s.y[0] / 3 for s in charts["losses"].series)
    lower, errors = charts["errors"].series[:3], charts["errors"].series[3:]
    assert [s.name for s in errors] == ["Untrained", "Denoising", "Range-condition loss L_{β}"]
    for below, above in zip(lower, errors, strict=True):
        assert below.role == above.role
        assert (np.asarray(below.y) <= np.asarray(above.y) * (1 + 1e-6)).all()
    bars, _, *plateaus = charts["plateaus"].series
    for n, point in enumerate(plateaus):
        assert point.x[0] == bars.x[3 * n]
        assert bars.y[3 * n] <= point.y[0] * (1 + 1e-6)
        assert point.y[0] <= bars.y[3 * n + 1] * (1 + 1e-6)
    denoiser, weighted = plateaus[1].y[0], plateaus[2].y[0]
    assert weighted < denoiser
    assert charts["asymmetries"].series[0].y[0] == 0
    lamps = {row.name: (row.status, row.numbers) for row in drawn.guarantees}
    assert len(lamps) == 4
    assert all(lamp == "certified" and "12 of 12" in text for lamp, text in lamps.values())
    assert drawn.csv is not None
    assert drawn.csv.count("\n") == 13


def test_training_steps_are_counted_once_after_a_stop_in_the_middle():
    setting = replace(NOTHING, is_lab=True, steps=30, objectives=("range",))
    whole, study = finished(setting), Study(lambda: fewer(setting))
    while len(study.snapshot().lessons) < 10:
        study.advance(0)
    study.stop()
    study.advance(0)
    study.play()
    while not study.is_over():
        study.advance(math.inf)
    assert [(x.step, x.loss) for x in study.snapshot().lessons] == [
        (x.step, x.loss) for x in whole.snapshot().lessons
    ]
    assert board(study, setting).done == board(whole, setting).done == 30 + 4


def test_a_network_goes_on_beyond_its_depth_and_is_compared_with_the_unrolled_one():
    setting = replace(NOTHING, is_depth=True, depth=4, net_steps=10)
    study = finished(setting)
    snapshot, drawn = study.snapshot(), board(study, setting)
    losses, beyond = drawn.charts
    assert [s.name for s in losses.series] == ["DE-Prox", "DE-Prox unrolled, K = 4"]
    assert all(len(s.x) == 10 for s in losses.series)
    curve, mark, unrolled, at = beyond.series
    row = next(row for row in snapshot.of("depth") if row.network == "DE-Prox")
    assert set(mark.x) == {row.depth}
    assert set(at.x) == {4}
    assert max(curve.x) == max(unrolled.x) == 5 * max(row.depth, 4)
    known = dict(zip(curve.x, curve.y, strict=True))
    assert abs(known[5 * row.depth] - row.trained) < 0.1
    lamps = {row.name: row.status for row in drawn.guarantees}
    assert lamps["DE-Prox: contraction factor κ"] == "certified"
    assert lamps["DE-Prox unrolled, K = 4: contraction factor κ"] == "not verifiable"


def test_the_backward_error_stays_below_its_bound():
    setting = replace(NOTHING, is_adjoint=True)
    (chart,) = board(finished(setting), setting).charts
    bound, adjoint, gradient = (np.asarray(s.y) for s in chart.series)
    assert len(adjoint) == 41
    assert (adjoint <= bound).all()
    assert gradient[20] < 1e-3 * gradient[0]
    found = re.search(r"DE-Prox (0\.\d+) ≤ L = (0\.\d+)", chart.sentence)
    assert found
    assert 0 < float(found[1]) <= float(found[2]) < 1


def test_the_border_of_the_map_parts_the_points_and_the_window_of_de_prox_closes():
    setting = replace(NOTHING, is_map=True, low=0.032)
    study = finished(setting)
    for kind in KINDS:
        shown = replace(setting, shown=kind.name.removeprefix("DE-"))
        (chart,) = board(study, shown).charts
        assert kind.name in chart.title
        window, border, inside, outside = chart.series
        rows = [row for row in study.snapshot().of("map") if row.architecture == kind.name]
        assert len(inside.x) + len(outside.x) == len(rows) == 21
        # The band is where the window says yes: no point inside it may fail to contract.
        assert window.low is not None
        ends = {round(e, 2): (low, high) for e, low, high in zip(window.x, window.low, window.y, strict=True)}
        for e, eta in zip(outside.x, outside.y, strict=True):
            low, high = ends.get(round(e, 2), (np.inf, -np.inf))
            assert not low <= eta <= high
        assert np.isfinite(border.y).any()
        # With the worst network the formula is sharp: it parts the points exactly.
        assert {(r.size, r.step_size) for r in rows if r.predicted < 1} == set(
            zip(inside.x, inside.y, strict=True)
        )
        is_closed = kind.name == "DE-Prox"
        assert (len(inside.x) == 0) is is_closed
        assert ("holds for none of them" in chart.sentence) is is_closed


# ---------------------------------------------------------------- widgets


GUEST = Guest[Setting]("training", "t", QUICK)
opened, study, setting, settle = GUEST.opened, GUEST.study, GUEST.setting, GUEST.settle


def test_the_page_opens_what_the_address_says_and_follows_its_controls():
    at = opened({"beta": "3e-05", "objectives": "range,denoising"})
    assert setting(at).beta == 3e-5
    assert at.multiselect(key="t.objectives").value == ["range", "denoising"]
    assert study(at).state == "done"
    assert any(e.proto.component_name.endswith("board") for e in at.get("bidi_component"))
    first = study(at).id
    at.multiselect(key="t.architectures").select("admm").run()
    assert setting(at).architectures == ("prox", "admm")
    assert study(at).id != first
    assert at.query_params["architectures"] in ("prox,admm", ["prox,admm"])
    settle(at)


def test_another_map_is_drawn_without_another_study():
    at = opened({"shown": "Grad"})
    first = study(at)
    at.button_group(key="t.shown").set_value("ADMM").run()
    assert setting(at).shown == "ADMM"
    assert study(at) is first
    assert at.query_params["shown"] in ("ADMM", ["ADMM"])


def test_a_preset_fills_the_form():
    at = opened()
    for name in PRESETS:
        at.button(key=f"t.preset.{name}").click().run()
        assert not at.exception, at.exception
        assert setting(at) == PRESETS[name][1].validated()
        assert at.toggle(key="t.is_map").value is setting(at).is_map
        study(at).stop()
        settle(at)


def test_a_damaged_address_opens_and_says_so_and_a_contradiction_waits():
    at = opened({"objectives": "moon", "spice": "hot"})
    assert len([warning.value for warning in at.warning]) == 2
    assert setting(at).objectives == tuple(OBJECTIVES)
    before = study(at).id
    at.toggle(key="t.is_adjoint").set_value(False).run()
    assert "No experiment is selected" in at.error[0].value
    assert study(at).id == before


def test_every_architecture_has_a_map():
    assert [a.name for a in ARCHITECTURES.values()] == [kind.name for kind in KINDS]


# ---------------------------------------------------------------- browser


@pytest.mark.browser
def test_the_journey(visit):
    page = visit(f"training?{urlencode(QUICK)}")
    state(page, "done")
    before = page.locator(ROOT).get_attribute("data-run")
    page.get_by_role("button", name="Empty step-size range of DE-Prox").click()
    expect(page.locator(ROOT)).not_to_have_attribute("data-run", before or "")
    expect(page).to_have_url(re.compile(r"/training\?.*low=0.032"))
    expect(page.locator("[data-chart]")).to_have_count(1)
    state(page, "done")
    run = page.locator(ROOT).get_attribute("data-run")
    card = page.locator(".dqv-chart").first
    expect(card).to_contain_text("DE-Prox contracts at 0 of 228 points")
    page.get_by_role("radio", name="Grad").click()
    expect(card).to_contain_text("Contraction region of DE-Grad")
    expect(page).to_have_url(re.compile("shown=Grad"))
    expect(page.locator(ROOT)).to_have_attribute("data-run", run or "")
    expect(page.locator("table").first).to_contain_text("holds at 228 of 228 points")
    expect(page.locator("table").first.locator("[data-lamp=violated]")).to_have_count(0)
    strokes = (
        "[...document.querySelectorAll('figure .dqv-legend svg path')].map(p => p.getAttribute('stroke'))"
    )
    colours = page.evaluate(strokes)
    assert colours
    assert all(colours), "a page that is come to from another one has its colours"
    check_width(page)
