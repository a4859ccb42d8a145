"""The Batch page: settings and address, its board, tables that are opened, a journey in Chromium."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from deqviz.core.quoted import clipped
from deqviz.core.registry import Choice
from deqviz.runtime.study import Study
from deqviz.sweep import table
from deqviz.sweep.measure import measure
from deqviz.sweep.row import Measured
from deqviz.sweep.sweepfile import parse
from deqviz.ui.pages.batch import tables as batch_tables
from deqviz.ui.pages.batch.board import board, shown
from deqviz.ui.pages.batch.charts import Line, charts, lines, means
from deqviz.ui.pages.batch.methods import TITLES, choice, is_tuned
from deqviz.ui.pages.batch.page import PAGE
from deqviz.ui.pages.batch.setting import PRESETS, Setting, from_query
from tests.pages.journey import STOCK, Guest, check_looks, check_refused, done, move_away, state

QUICK = {"pictures": "camera,coins", "levels": "0.01,0.05", "methods": "tikhonov,baseline"}
GUEST = Guest[Setting]("batch", "b", QUICK)
opened, study, setting = GUEST.opened, GUEST.study, GUEST.setting
SMALL = Setting(pictures=("camera", "coins"), levels=("0.01", "0.05"), methods=("tikhonov", "baseline"))


def finished(setting: Setting) -> Study:
    return done(PAGE.make(setting.validated()))


@pytest.fixture(scope="module")
def rows() -> tuple[Measured, ...]:
    """Two degradations, two noises, two methods."""
    text = """
        pictures = ["camera", "coins"]
        size = 32
        operators = ["denoising", { key = "gaussian_blur", width = 2 }]
        noises = [{ key = "gaussian", std = [0.01, 0.1] }]
        methods = ["tikhonov", "baseline"]
    """
    return tuple(measure(cell) for cell in parse(text).cells())


# ---------------------------------------------------------------- settings and boards, without Streamlit


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_counts_its_cells_and_each_is_another(name: str):
    setting = PRESETS[name][1].validated()
    assert len(setting.cells()) == setting.count
    assert len({cell.id for cell in setting.cells()}) == setting.count


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"pictures": "camera,nobody"}, "'nobody'"),
        ({"pictures": ""}, "At least one image"),
        ({"levels": "0.3"}, "'0.3'"),
        ({"methods": "tv,magic"}, "'magic'"),
        ({"methods": ",".join(TITLES)}, "at most 6 methods"),
        ({"operator": "telescope"}, "'telescope'"),
        ({"seeds": "99"}, "1 … 10"),
        ({"strength": "huge"}, "'huge'"),
        ({"table": "0123456789abcdef"}, "open its file again"),
        ({"table": "../../etc/passwd"}, "open its file again"),
        ({"spice": "hot"}, "unknown"),
    ],
)
def test_a_damaged_address_opens_and_says_so(query: dict[str, str], said: str):
    check_refused(from_query, query, said)


def test_too_large_a_batch_points_to_the_command():
    many = replace(Setting(), pictures=("camera", "coins", "brain", "page", "cat", "brick"))
    big = replace(many, levels=("0.001", "0.002", "0.005", "0.01", "0.02", "0.05"), seeds=10)
    with pytest.raises(ValueError, match=r"1080 cells, and 1000 is the most here.*deqviz sweep"):
        big.validated()


def test_strengths_are_those_of_the_tables_where_they_were_tuned_and_carried_over_elsewhere():
    blur, noise = Choice("gaussian_blur"), Choice("denoising")
    assert choice("tv", blur, 0.01, with_tuned=True).params["weight"] == pytest.approx(6e-4, rel=1e-12)
    # One tuned level: α ∝ σ.
    assert choice("tv", blur, 0.02, with_tuned=True).params["weight"] == pytest.approx(1.2e-3, rel=1e-12)
    # Three digits are all that is kept of a strength.
    for std, weight in ((5 / 255, 0.008), (25 / 255, 0.08)):
        assert choice("tv", noise, std, with_tuned=True).params["weight"] == pytest.approx(weight, rel=5e-3)
    between = choice("tv", noise, 0.05, with_tuned=True).params["weight"]
    assert 0.008 < between < 0.08
    ridge = choice("convex_ridge", noise, 0.05, with_tuned=True).params["regularizer"].params
    # Tuned to 1.04 σ and to σ.
    assert ridge["sigma"] == pytest.approx(0.05, rel=0.05)
    assert choice("tv", blur, 0.02, with_tuned=False) == Choice("tv")
    assert not is_tuned("tv", Choice("tomography"))
    assert choice("tikhonov", blur, 0.01, with_tuned=True).params["weight"] == pytest.approx(0.01)
    assert not is_tuned("pnp_fbs", blur)
    pair = replace(SMALL, methods=("pnp_fbs", "tikhonov"))
    assert [pair.title(key) for key in pair.methods] == ["Plug-and-play FBS (not tuned)", "Tikhonov"]
    assert replace(pair, strength="defaults").title("pnp_fbs") == "Plug-and-play FBS"
    for key in set(TITLES) - {"own"}:
        for level in ("0.001", "0.2"):
            replace(SMALL, methods=(key,), levels=(level,), operator=noise).validated().cells()


def test_every_cell_is_drawn_counted_and_judged():
    view = board(finished(SMALL), SMALL)
    assert (view.done, view.total) == (8, 8)
    assert [chart.key for chart in view.charts] == ["psnr", "gain", "ssim", "seconds", "iterations"]
    psnr, gain, *_ = view.charts
    names = [series.name for series in psnr.series if series.name]
    assert names == ["Tikhonov", "Direct inversion", "direct inversion"]
    assert len(list(psnr.series[0].x)) == 2
    # Of the back-projection of a blur nothing is gained: it is what it is compared with.
    projected = next(series for series in gain.series if series.name == "Direct inversion")
    assert list(projected.y) == pytest.approx([0.0, 0.0], abs=1e-4)  # float32 sums of 4096 squares
    assert "At 0.01: Tikhonov is" in psnr.sentence
    assert "in 2 of 2 cells" in psnr.sentence
    assert {row.name: row.status for row in view.guarantees} == {
        "Tikhonov": "certified",
        "Direct inversion": "not applicable",
    }
    assert view.csv
    assert view.json
    assert len(view.csv.splitlines()) == 9


def test_the_page_and_the_command_know_the_same_cells():
    text = """
        size = 64
        iterations = 500
        tolerance = 1e-4
        noises = [{ key = "gaussian", std = 0.01 }]
        methods = ["tikhonov"]
    """
    plain = replace(SMALL, strength="defaults")
    here = replace(plain, pictures=("camera",), levels=("0.01",), methods=("tikhonov",)).validated()
    assert [cell.id for cell in here.cells()] == [cell.id for cell in parse(text).cells()]


def test_a_table_is_shown_one_degradation_at_a_time(rows: tuple[Measured, ...]):
    key = batch_tables.keep(table.to_bytes(rows), "mine.parquet")
    here = Setting(table=key).validated()
    assert from_query(here.to_query()) == (here, ())
    view = board(finished(here), here)
    assert (view.done, view.total) == (16, 16)
    first = [series for series in view.charts[0].series if series.name]
    other = replace(here, shown="Gaussian blur (width 2)")
    second = [series for series in board(finished(other), other).charts[0].series if series.name]
    assert [series.name for series in first] == [series.name for series in second]
    assert list(first[0].y) != list(second[0].y)
    assert "nothing is computed here" in (view.explanation.text if view.explanation else "")


def test_tables_are_kept_by_what_they_hold(rows: tuple[Measured, ...], monkeypatch: pytest.MonkeyPatch):
    def keep(n: int, letters: int) -> str:
        filled = [replace(row, reason=f"{n}{'x' * letters}") for row in rows]
        return batch_tables.keep(table.to_bytes(filled), f"{n}.parquet", "visitor")

    monkeypatch.setattr(batch_tables._tables, "share", 150_000)
    small = [keep(n, 0) for n in range(3)]
    assert all(batch_tables.kept(key) for key in small)
    large = [keep(n, 3900) for n in range(3, 6)]
    assert batch_tables.kept(large[-1])
    for key in (*small, large[0]):
        with pytest.raises(ValueError, match="open its file again"):
            batch_tables.kept(key)


def test_names_of_a_table_are_text_and_never_markup(rows: tuple[Measured, ...]):
    evil = tuple(replace(row, method="<img src=x onerror=alert(1)>") for row in rows)
    drawn = shown(Setting(), evil)
    assert "<img" not in means(drawn)
    assert "&lt;img" in means(drawn)


def drawn_of(row: Measured, **psnr: list[float]) -> tuple[Line, ...]:
    """Rows of methods on the images 0, 1, … at one noise level."""
    return lines(
        [
            replace(row, cell=f"{name}{n}", method=name, picture=str(n), psnr=value, noise="Gaussian (0.01)")
            for name, values in psnr.items()
            for n, value in enumerate(values)
        ],
        row.operator,
    )


@pytest.mark.parametrize(
    ("first", "second", "is_clear"),
    [
        ([26.96, 27.85, 26.07], [26.95, 28.22, 25.68], False),  # 0.01 dB between them, 0.4 dB apart by image
        ([27.2, 30.2, 24.2], [27.0, 30.0, 24.0], True),  # always 0.2 dB, although images differ by 3 dB
        ([27.2], [27.0], False),  # of one pair no spread is known
        ([27.2, 30.2, 24.2], [27.0, 30.0], False),  # the second has not finished
    ],
)
def test_a_star_needs_more_than_the_spread_of_finished_pairs(
    rows: tuple[Measured, ...], first: list[float], second: list[float], is_clear: bool
):
    row = next(row for row in rows if row.psnr is not None)
    drawn = drawn_of(row, First=first, Second=second)
    assert ("★" in means(drawn)) == is_clear
    sentence = next(iter(charts(drawn))).sentence
    assert ("within the spread" in sentence) == (len(second) > 2 and not is_clear)
    assert ("no spread is known" in sentence) == (len(first) == 1)


def test_what_has_converged_is_counted_and_not_taken_for_granted(rows: tuple[Measured, ...]):
    row = next(row for row in rows if row.psnr is not None)
    drawn = drawn_of(replace(row, state="arrived"), First=[27.0, 28.0])
    *_, iterations = charts(drawn)
    assert iterations.sentence == "Of 2 finished cells 2 converged to the tolerance."
    *_, iterations = charts(())
    assert iterations.sentence == ""


def test_an_old_link_has_tikhonov_as_it_was():
    query = {"methods": "tikhonov", "levels": "0.01"}
    old, new = from_query(query)[0], from_query({**query, "v": "2"})[0]
    weights = [s.cells()[0].scenario.method.params["weight"] for s in (old, new)]
    assert weights == [0.02, 0.01]


def test_of_many_methods_the_six_best_are_drawn(rows: tuple[Measured, ...]):
    few = [row for row in rows if row.method == "Tikhonov"]
    many = [
        replace(row, method=f"M{n}", cell=f"{n}-{row.cell}", psnr=row.psnr + n)
        for n in range(8)
        for row in few
        if row.psnr is not None
    ]
    assert [line.name for line in lines(many, few[0].operator)] == [f"M{n}" for n in range(2, 8)]


def test_a_batch_that_is_all_in_vain_is_drawn_too(rows: tuple[Measured, ...]):
    lost = tuple(replace(row, state="diverged", psnr=None, ssim=None, level=None) for row in rows)
    key = batch_tables.keep(table.to_bytes(lost), "lost.parquet")
    view = board(finished(Setting(table=key)), Setting(table=key))
    assert "8 diverged" in view.charts[-1].sentence
    with pytest.raises(ValueError, match="has no row"):
        batch_tables.keep(table.to_bytes([]), "empty.parquet")


# ---------------------------------------------------------------- widgets


def test_the_page_opens_what_the_address_says_and_follows_its_controls():
    at = opened()
    assert setting(at) == SMALL.validated()
    assert study(at).state == "done"
    assert any("Mean PSNR" in element.proto.body for element in at.get("html"))
    first = study(at).id
    at.multiselect(key="b.levels").set_value(["0.01"]).run()
    assert setting(at).count == 4
    assert study(at).id != first
    GUEST.settle(at)
    at.multiselect(key="b.methods").set_value([]).run()
    assert "At least one method" in at.error[0].value
    at.multiselect(key="b.methods").set_value(["own"]).run()
    assert at.selectbox(key="b.own").value == "equilibrium"


def test_a_table_in_the_address_is_opened_and_left(rows: tuple[Measured, ...]):
    key = batch_tables.keep(table.to_bytes(rows), "mine.parquet")
    at = opened({"table": key})
    assert setting(at).table == key
    assert study(at).snapshot().done == 16
    before = study(at).id
    at.selectbox(key="b.shown").set_value("Gaussian blur (width 2)").run()
    assert setting(at).shown == "Gaussian blur (width 2)"
    assert study(at).id == before, "nothing is read again"
    at.button(key="b.back").click().run()
    assert setting(at) == Setting().validated()


# ---------------------------------------------------------------- browser


@pytest.mark.browser
def test_the_journey(visit, rows: tuple[Measured, ...]):
    page = visit(f"batch?{urlencode(QUICK)}", width=900, theme="dark")
    means = page.get_by_role("region", name="Mean PSNR")
    expect(means.get_by_role("row")).to_have_count(3)
    state(page, "done")
    with page.expect_download() as loading:
        page.get_by_role("button", name="All rows as Parquet").click()
    mine = table.read(Path(loading.value.path()))
    assert len(mine) == 8
    # What would be fetched, followed or drawn if it were Markdown or HTML; `visit` hears every request.
    bait = "![a](http://a.example/b.png) <img src=http://a.example/b.png> :red[c] *d* www.a.example"
    evil = [
        replace(row, operator=f"{row.operator[:8]} {bait}", method=f"{row.method} {bait}") for row in rows
    ]
    data = table.to_bytes(evil)
    page.get_by_text("Open a table").click()
    upload = page.locator("input[type=file]")
    upload.set_input_files(
        {"name": f"{bait}.parquet", "mimeType": "application/octet-stream", "buffer": data[:-100]}
    )
    said = page.get_by_test_id("stAlert")
    expect(said).to_contain_text("is no Parquet file, or its end is missing")
    assert f"{clipped(f'{bait}.parquet')} is no" in said.inner_text().replace("\u2060", "")
    upload.set_input_files(
        {"name": f"{bait}.parquet", "mimeType": "application/octet-stream", "buffer": data}
    )
    expect(page.get_by_role("button", name="Back to your own batch")).to_be_visible()
    expect(means).to_contain_text("σ = 0.1")
    expect(means).to_contain_text(bait)
    state(page, "done")
    assert page.locator("[src*='a.example'], [href*='a.example']").count() == 0
    move_away(page)
    check_looks(page, STOCK)
    assert "table=" in page.url
