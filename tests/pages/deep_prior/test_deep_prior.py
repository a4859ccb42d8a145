"""The Deep prior page: settings and address, its board, widgets without a browser, a journey in Chromium."""

import re
from collections.abc import Generator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import expect

from deqviz.core.machine import thread_count
from deqviz.experiments.deep_prior.image_prior import Hump, Impedance
from deqviz.experiments.deep_prior.momentum import PriorMomentum
from deqviz.experiments.deep_prior.recovery import LandweberGap, RecoverySplit
from deqviz.experiments.deep_prior.run import PriorRun
from deqviz.experiments.deep_prior.width_diagram import CertifiedWidths, WidthDiagram
from deqviz.runtime.study import Part, Study
from deqviz.ui.components.board.records import Chart
from deqviz.ui.pages.deep_prior.board import board
from deqviz.ui.pages.deep_prior.page import PAGE
from deqviz.ui.pages.deep_prior.plan import plan
from deqviz.ui.pages.deep_prior.setting import PRESETS, Setting, from_query
from tests.pages.journey import ROOT, Guest, check_refused, check_width, done, state

# One narrow network on its way takes a few hundredths of a second.
QUICK = {"is_phase": "False", "is_recovery": "False", "width": "64", "steps": "40", "unknowns": "12"}
NOTHING = Setting(is_phase=False, is_run=False, is_recovery=False)


def smaller(setting: Setting) -> Generator[object, None, tuple[Part, ...]]:
    """The plan with fewer and smaller cells: with all types checked, time is short."""
    parts = yield from plan(setting)
    out = []
    for part in parts:
        match part.experiment:
            case WidthDiagram() as e:
                found: Any = replace(e, measured=(2, 4, 6), widths=(4, 8, 12, 24), draws=8, steps=400)
            case CertifiedWidths() as e:
                found = replace(e, measured=(2, 4, 6), widths=(256, 1024, 4096), draws=2)
            case PriorRun() as e:
                found = replace(e, draws=6 if e.width > 100 else 16)
            case RecoverySplit() as e:
                found = replace(e, width=256, draws=2, steps=100)
            case LandweberGap() as e:
                found = replace(e, widths=(16, 64), draws=2, steps=50)
            case PriorMomentum() as e:
                found = replace(e, width=64, draws=4, tolerance=1e-2, steps=400)
            case Hump() as e:
                found = replace(e, method=replace(e.method, width=4))
            case Impedance() as e:
                found = replace(e, method=replace(e.method, width=4))
            case e:
                raise AssertionError(f"{type(e).__name__} has no smaller one here")
        out.append(Part(part.key, found))
    return tuple(out)


def finished(setting: Setting) -> Study:
    return done(Study(lambda: smaller(setting)))


def drawn(setting: Setting) -> tuple[Any, dict[str, Chart]]:
    found = board(finished(setting), setting)
    return found, {chart.key: chart for chart in found.charts}


# ---------------------------------------------------------------- settings and the board, without Streamlit


def test_every_part_of_a_setting_survives_its_address():
    setting = Setting(
        activation="sigmoid",
        unknowns=33,
        rows="Gaussian",
        is_unit=False,
        is_centred=False,
        noise=0.123,
        draws=9,
        is_both=True,
        measured=7,
        width=77,
        rule="gradient descent",
        steps=99,
        is_recovery=False,
        is_momentum=True,
        rank=9,
        longest=3.3,
        is_picture=True,
        image="coins",
        operator="inpainting",
        sigma=0.0321,
        network="decoder",
        iterations=123,
        jitter=0.033,
        window=11,
        patience=22,
        is_impedance=False,
        seed=8,
    ).validated()
    assert from_query(setting.to_query()) == (setting, ())
    assert Setting().validated().to_query() == {}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"width": "0"}, "allowed is 1 … 8192"),
        ({"width": "65"}, "65 is odd"),
        ({"measured": "41"}, "41 rows in 40 dimensions cannot be orthonormal: choose m ≤ n."),
        ({"unknowns": "many"}, "must be a number"),
        ({"activation": "relu"}, "'relu'"),
        ({"image": "moon"}, "'moon'"),
        ({"operator": "parallel_mri"}, "There is no operator 'parallel_mri'"),
        (dict.fromkeys(("is_phase", "is_run", "is_recovery"), "False"), "No experiment is selected"),
        ({"spice": "hot"}, "'spice' is unknown"),
    ],
)
def test_a_bad_value_falls_back_and_gets_one_sentence(query: dict[str, str], said: str):
    check_refused(from_query, query, said)


def test_more_measurements_than_unknowns_are_gaussian():
    setting = Setting(unknowns=8, measured=12, rows="Gaussian").validated()
    assert setting.family.unknowns == 8
    narrow = Setting(unknowns=8, measured=4).validated()
    diagram: Any = next(p.experiment for p in _parts(narrow) if p.key == "phase")
    assert max(diagram.measured) == 8, "rows that cannot be orthonormal are not asked for"


def _parts(setting: Setting) -> tuple[Part, ...]:
    steps = plan(setting)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_one_torch_thread_is_enough():
    # Batches of small matrices: a second thread makes them wait for each other, see `core/machine.py`.
    assert thread_count(PAGE.make(Setting()).side) == 1


def test_the_diagram_and_the_three_widths():
    view, charts = drawn(replace(NOTHING, is_phase=True))
    assert list(charts) == ["phase", "widths"]
    assert view.done == view.total == 12 + 9
    marks = [series for series in charts["phase"].series if series.style == "points"]
    assert [s.name for s in marks] == ["all draws", "at least half", "less than half", "none"]
    assert sum(len(s.x) for s in marks) == 12
    inside = {(m, k) for s in marks[:2] for m, k in zip(s.x, s.y, strict=True)}
    assert {(2, 24), (4, 24), (6, 24)} <= inside
    assert (6, 4) not in inside
    certified, formula, observed, feasible, law = charts["widths"].series
    above = dict(zip(certified.x, certified.y, strict=True))
    for m, k in zip(observed.x, observed.y, strict=True):
        assert above[m] > 20 * k
    below = dict(zip(feasible.x, feasible.y, strict=True))
    assert all(below[m] <= k for m, k in zip(observed.x, observed.y, strict=True) if m in below)
    assert len(formula.x) == len(law.x) == 3
    found = re.search(r"certified from ([\d,]+) on: (\d+)\.?\d* times as wide", charts["widths"].sentence)
    assert found
    lamps = {row.name: row.status for row in view.guarantees}
    assert lamps == {"Certified widths are feasible": "certified", "Fitted widths are feasible": "remark"}


def test_with_both_layers_trained_no_boundary_is_left():
    view, charts = drawn(replace(NOTHING, is_phase=True, is_both=True))
    assert list(charts) == ["phase"]
    marks = {s.name: len(s.x) for s in charts["phase"].series if s.style == "points"}
    assert marks == {"all draws": 12, "at least half": 0, "less than half": 0, "none": 0}
    assert "12 of 12 cells" in charts["phase"].sentence
    assert {row.status for row in view.guarantees} == {"not applicable"}


def test_wendels_law_has_a_line_of_its_own():
    setting = replace(PRESETS["Softplus and Wendel's law"][1], draws=8)
    view, charts = drawn(setting)
    assert any("k = 2.00 m" in s.name for s in charts["phase"].series)
    assert "Wendel's law" in [row.name for row in view.guarantees]


def test_a_certified_run_stays_under_its_envelope_and_every_lamp_is_green():
    view, charts = drawn(replace(NOTHING, is_run=True, activation="softplus", width=4096, unknowns=12))
    assert list(charts) == ["residual", "distance", "jacobian", "clean"]
    band, one, envelope, sharp = charts["residual"].series
    assert band.low is not None
    assert (np.asarray(band.low) <= np.asarray(one.y)).all()
    assert (np.asarray(one.y) <= np.asarray(band.y)).all()
    assert (np.asarray(one.y) <= np.asarray(envelope.y) * (1 + 1e-9)).all()
    assert (np.asarray(sharp.y) <= np.asarray(envelope.y) * (1 + 1e-9)).all(), "λ_min ≥ σ_A²σ₀²"
    way, far, ball = charts["distance"].series
    assert max(way.y) <= far.y[0] < ball.y[0]
    now, half = charts["jacobian"].series
    assert min(now.y) >= max(half.y)
    assert {s.name for s in charts["clean"].series} == {"‖Ag(t) − Ax†‖", "2‖ε‖", "‖ε‖", "t*"}
    lamps = {row.name: row.status for row in view.guarantees}
    assert [lamps.pop(name) for name in ("A-priori linear rate by the tangent kernel",)] == ["estimated"]
    assert lamps.pop("Recovery of the signal") == "hypothesis violated", "m < n: nothing is certified of x"
    assert set(lamps.values()) == {"certified"}
    assert len(lamps) == 6
    assert "R′ < R in all 6 draws" in charts["residual"].sentence


def test_a_narrow_run_is_void_and_says_why():
    view, charts = drawn(replace(NOTHING, is_run=True, width=64, unknowns=12, steps=40))
    found = re.search(r"R′ = (\d+\.\d+) is not below R = (0\.\d+)", charts["residual"].sentence)
    assert found
    assert float(found[1]) > float(found[2])
    void = [row for row in view.guarantees if row.status == "hypothesis violated"]
    assert len([row for row in void if found[0] in row.reason]) == 4
    assert re.search(r"k = 64 is below \d", {row.name: row for row in void}["Explicit width bound"].reason)
    none = drawn(replace(NOTHING, is_run=True, width=16, unknowns=12, steps=40))[1]
    assert "J₀ cannot have the rank n = 12" in none["residual"].sentence
    assert [s.name for s in none["distance"].series] == ["‖W − W_{0}‖"]


def test_draws_above_the_line_of_their_kernel_are_marked():
    view, charts = drawn(replace(PRESETS["NTK rate violated"][1], unknowns=20))
    (flags,) = (s for s in charts["residual"].series if s.role == "error")
    (line,) = (s for s in charts["residual"].series if s.style == "dotted")
    limit = dict(zip(line.x, line.y, strict=True))
    assert len(flags.x) > 0
    # The line is that of the draw that is shown; all draws of one problem size have similar ones.
    assert max(y / limit[t] for t, y in zip(flags.x, flags.y, strict=True)) > 1
    told = next(row for row in view.guarantees if row.name == "A-priori linear rate by the tangent kernel")
    assert told.status == "violated"
    assert re.search(r"exceeded by [1-9]\d* of 16 draws", told.numbers)


def test_what_is_recovered_lies_on_the_wide_limit():
    view, charts = drawn(replace(NOTHING, is_recovery=True, unknowns=12))
    assert list(charts) == ["split", "way", "gap"]
    kernel, noise, limit, landweber, network = charts["split"].series
    assert np.allclose(np.hypot(kernel.y, noise.y), limit.y)
    assert np.allclose(landweber.y, limit.y, rtol=0.02)
    assert np.allclose(network.y, limit.y, rtol=0.2)
    far, slope = charts["gap"].series
    assert far.y[1] < far.y[0]
    assert slope.y[0] == far.y[0]
    assert [s.name for s in charts["way"].series] == ["k = 16", "k = 64", "Landweber"]
    (row,) = view.guarantees
    assert row.status == "remark"
    assert "deviation at most" in row.numbers


def test_momentum_is_compared_with_descent():
    view, charts = drawn(replace(NOTHING, is_momentum=True, longest=3.0))
    assert list(charts) == ["momentum", "peaks"]
    found = dict(re.findall(r"(heavy ball|descent, 1/L) (\d+)", charts["momentum"].sentence))
    assert int(found["heavy ball"]) < int(found["descent, 1/L"])
    (row,) = view.guarantees
    assert (row.name, row.status) == ("Residual nonincreasing", "certified")


def test_the_picture_prior_says_that_no_theorem_covers_it_and_what_is_an_oracle():
    setting = replace(NOTHING, is_picture=True, iterations=60, window=5, patience=10)
    view, charts = drawn(setting)
    assert list(charts) == ["hump", "variance", "misfit", "impedance"]
    (row,) = view.guarantees
    assert row.status == "not applicable"
    assert "Adam" in row.reason
    assert view.explanation is not None
    assert "No theorem covers" in view.explanation.text
    names = [s.name for s in charts["hump"].series]
    assert names[-1] == "oracle (uses the ground truth)"
    assert len(charts["hump"].series[0].x) == 61
    titles = [tile.title for tile in view.tiles]
    assert titles[:3] == ["Ground truth", "Noisy image", "Network, iteration 60"]
    assert any(title.startswith("Oracle, ") for title in titles)
    assert titles[-2:] == ["Target: shuffled", "Target: noise"]
    assert len(charts["impedance"].series) == 4
    assert all(len(s.x) == 16 for s in charts["impedance"].series)


def test_the_board_has_its_charts_before_the_first_row():
    setting = Setting(is_momentum=True, is_picture=True)
    view = board(Study(lambda: plan(setting)), setting)
    assert len(view.charts) == 2 + 4 + 3 + 2 + 4
    assert view.state == "preparing"


# ---------------------------------------------------------------- widgets


GUEST = Guest[Setting]("deep_prior", "d", QUICK)
opened, study, setting, settle = GUEST.opened, GUEST.study, GUEST.setting, GUEST.settle


def test_the_page_opens_what_the_address_says_and_follows_its_controls():
    at = opened({"noise": "0.1", "activation": "softplus"})
    assert setting(at).noise == 0.1
    assert at.button_group(key="d.activation").value == "softplus"
    assert study(at).state == "done"
    assert any(e.proto.component_name.endswith("board") for e in at.get("bidi_component"))
    first = study(at).id
    at.number_input(key="d.width").set_value(32).run()
    assert setting(at).width == 32
    assert study(at).id != first
    assert at.query_params["width"] in ("32", ["32"])
    settle(at)


def test_what_is_not_asked_has_no_controls_and_is_not_forgotten():
    at = opened({"is_momentum": "True", "rank": "5", "longest": "2.5"})
    assert at.slider(key="d.rank").value == 5
    at.toggle(key="d.is_momentum").set_value(False).run()
    assert not [s for s in at.slider if s.key == "d.rank"]
    settle(at)
    assert setting(at).rank == 5
    first = study(at).id
    at.run()
    assert study(at).id == first, "a hidden control does not begin a study"
    at.toggle(key="d.is_momentum").set_value(True).run()
    assert at.slider(key="d.rank").value == 5
    study(at).stop()
    settle(at)


def test_a_preset_fills_the_form():
    at = opened()
    for name in PRESETS:
        at.button(key=f"d.preset.{name}").click().run()
        assert not at.exception, at.exception
        assert setting(at) == PRESETS[name][1].validated()
        assert at.toggle(key="d.is_phase").value is setting(at).is_phase
        study(at).stop()
        settle(at)


def test_a_damaged_address_opens_and_says_so_and_a_contradiction_waits():
    at = opened({"activation": "relu", "spice": "hot"})
    assert len([warning.value for warning in at.warning]) == 2
    assert setting(at).activation == "tanh"
    before = study(at).id
    at.number_input(key="d.width").set_value(63).run()
    assert "63 is odd" in at.error[0].value
    assert study(at).id == before
    at.number_input(key="d.width").set_value(64).run()
    at.slider(key="d.measured").set_value(13).run()
    assert "13 rows in 12 dimensions cannot be orthonormal" in at.error[0].value
    assert study(at).id == before


# ---------------------------------------------------------------- browser


@pytest.mark.browser
def test_the_journey(visit):
    page = visit(f"deep_prior?{urlencode(QUICK)}")
    state(page, "done")
    page.get_by_role("button", name="No certificate: small width").click()
    expect(page).to_have_url(re.compile(r"/deep_prior\?.*width=64"))
    expect(page.locator("[data-chart]")).to_have_count(4)
    table = page.locator("table").first
    expect(table).to_contain_text("is not below R =")
    state(page, "done")
    # Four rows of the ball of the proof, the width that is asked for with its probability, and recovery.
    expect(page.locator("[data-lamp='hypothesis violated']")).to_have_count(7)
    run = page.locator(ROOT).get_attribute("data-run")
    page.get_by_role("button", name="Train both layers").click()
    expect(page).to_have_url(re.compile("is_both=True"))
    card = page.locator(".dqv-chart").first
    expect(card).to_contain_text("63 of 63 cells interpolate in every draw")
    state(page, "done")
    assert page.locator(ROOT).get_attribute("data-run") != run
    expect(table.locator("[data-lamp=violated]")).to_have_count(0)
    check_width(page)
