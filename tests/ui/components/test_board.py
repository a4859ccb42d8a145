"""The board: its packets in Python, and the whole component in a browser, fed by a small experiment."""

import csv
import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path as File
from typing import get_args

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from deqviz.core.guarantee import Curve, Guarantee, Quantity
from deqviz.ui.components.board import Axis, Board, Chart, Command, Explanation, Row, Series, State, Tile
from deqviz.ui.components.board.protocol import pack, parse_commands
from deqviz.ui.components.board.records import POINTS
from deqviz.ui.components.guarantees import verdict
from deqviz.ui.components.packets import unpack
from tests.browser import MAIN, violations
from tests.pages.journey import ROOT, data, state

HARNESS = "tests/ui/components/harness_board.py"


def chart(*series: Series) -> Chart:
    return Chart("c", "Chart", Axis("x", log=True, low=1e-3), Axis("y"), series, "note", "a_n", "A sentence.")


def board(*series: Series, state: State = "running") -> Board:
    pixels = np.arange(35, dtype=np.uint8).reshape(1, 5, 7)
    return Board(
        "r1",
        state,
        3,
        9,
        left=math.inf,
        charts=(chart(*series),),
        tiles=(Tile("t", "Tile", pixels, "five by seven"),),
        guarantees=(Row("Rate", "a ≤ b", "certified", "3 of 3 below", "proved"),),
        explanation=Explanation("E = 0", "Text", "hint"),
    )


class TestPackets:
    def test_a_board_comes_back(self):
        x = np.arange(5.0)
        head, blocks = unpack(
            pack(
                board(Series("line", x, x**2, "error", "points"), Series("", x, x, "truth", "band", -x)),
                ack=4,
            )
        )
        assert (head["kind"], head["run"], head["state"], head["ack"]) == ("board", "r1", "running", 4)
        assert (head["done"], head["total"], head["unit"], head["left"]) == (3, 9, "equilibria", None)
        (found,) = head["charts"]
        assert found["x"] == ["x", True, 1e-3, None, False]
        assert found["series"] == [["line", "error", "points"], ["", "truth", "band"]]
        np.testing.assert_array_equal(blocks["series:0:0"], [x, x**2])
        np.testing.assert_array_equal(blocks["series:0:1"], [x, x, -x])
        np.testing.assert_array_equal(blocks["tile:0"], np.arange(35).reshape(1, 5, 7))
        assert head["tiles"] == [["t", "Tile", "five by seven"]]
        assert head["guarantees"] == [["Rate", "a ≤ b", "certified", "3 of 3 below", "proved", []]]
        assert set(head["enabled"]) == set(get_args(State))

    def test_what_is_not_finite_leaves_a_gap(self):
        values = [1.0, math.nan, math.inf, -math.inf, 1e300, 2.0]
        _, blocks = unpack(pack(board(Series("line", range(6), values))))
        np.testing.assert_array_equal(np.isfinite(blocks["series:0:0"][1]), [True, *[False] * 4, True])

    def test_long_lines_are_thinned_and_keep_their_end(self):
        n = 50_000
        _, blocks = unpack(pack(board(Series("line", np.arange(n), np.arange(n)))))
        x, y = blocks["series:0:0"]
        assert len(x) == POINTS
        assert x[-1] == y[-1] == n - 1
        assert (np.diff(x) > 0).all()

    @pytest.mark.parametrize(
        ("series", "said"),
        [
            (Series("short", [1.0, 2.0], [1.0]), "2, 1 points"),
            (Series("bare", [1.0], [1.0], "truth", "band"), "lower edge"),
            (Series("edged", [1.0], [1.0], "truth", "line", [0.0]), "lower edge"),
        ],
    )
    def test_lines_that_make_no_sense_are_refused(self, series: Series, said: str):
        with pytest.raises(ValueError, match=said):
            pack(board(series))

    def test_only_commands_pass(self):
        good = {"name": "pause", "run": "r1", "number": 7}
        bad = [
            None,
            {**good, "name": "reset"},
            {**good, "name": ["pause"]},
            {**good, "run": 3},
            {**good, "number": True},
            {**good, "number": 2**60},
            {**good, "number": 3},
        ]
        sent = {"commands": [{**good, "number": 9, "name": "stop"}, *bad, good]}
        assert parse_commands(sent, heard=(3,)) == (Command("pause", "r1", 7), Command("stop", "r1", 9))
        for value in (None, 3, [], {"commands": 5}, {"commands": [5]}):
            assert parse_commands(value, heard=()) == ()


def test_a_verdict_counts_and_names_the_closest():
    tested = Guarantee(
        "e",
        "Error",
        "a ≤ b",
        "certified",
        "proved",
        Quantity(Curve([0, 1, 2], [1.0, 1.0, 2.0])),
        Quantity(Curve([0, 2], [0.5, 1.8])),
    )
    assert verdict(tested) == Row(
        "Error", "a ≤ b", "certified", "holds at 2 of 2 points, tightest ratio 0.900", "proved"
    )
    broken = Guarantee(
        "e",
        "Error",
        "a ≤ b",
        "certified",
        "proved",
        Quantity(Curve([0, 1], [1.0, 1.0])),
        Quantity(Curve([0, 1], [0.5, 1.8])),
    )
    assert (verdict(broken).status, verdict(broken).numbers) == (
        "violated",
        "holds at 1 of 2 points, largest ratio 1.80 at the point 1",
    )
    roomy = replace(broken, allowance=1.0)
    assert (
        verdict(roomy).numbers
        == "holds at 2 of 2 points, tightest ratio 0.900, of the bound there 50.0 % is allowance"
    )
    assert verdict(Guarantee("e", "Error", "a ≤ b", "not verifiable", "L > 1")).numbers == "no value"


def done(page: Page) -> int:
    return int(data(page, "done"))


def passed(page: Page, count: int) -> None:
    """More than so many rows are there."""
    page.wait_for_function(f"Number(document.querySelector('{ROOT}').dataset.done) > {count}")


def click(page: Page, name: str) -> None:
    page.locator(MAIN).get_by_role("button", name=name, exact=True).click()


def saved(page: Page, button: str) -> str:
    with page.expect_download() as waiting:
        click(page, button)
    return File(waiting.value.path()).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tab(window_on) -> Callable[[str], Page]:
    """`tab(query)` is a window on the board, opened once for each query, with its first points."""

    def start(query: str) -> Page:
        page = window_on(HARNESS, query)
        page.wait_for_function("Number(document.querySelector('[data-chart=halving]')?.dataset.points) > 3")
        return page

    return start


# In each animation frame of so many draws: whether a chart stands without points, or its axes are new.
DRAWS = """async draws => {
  const frame = document.querySelector('[data-chart=halving]'), node = frame.querySelector('.plot-container');
  const seen = { frames: 0, blank: 0, moved: 0 }, end = Number(frame.dataset.draws) + draws;
  while (Number(frame.dataset.draws) < end) {
    await new Promise(requestAnimationFrame);
    seen.frames++;
    if (!frame.querySelector('.scatterlayer .js-line')?.getAttribute('d')) seen.blank++;
    if (frame.querySelector('.plot-container') !== node) seen.moved++;
  }
  return seen;
}"""


@pytest.mark.browser
class TestBoard:
    def test_it_fills_in_place_keeps_the_zoom_is_held_stopped_and_run_again(self, tab):
        page = tab("n=3000&pace=0.02")
        seen = page.evaluate(DRAWS, 5)
        assert seen["frames"] > 0
        assert (seen["blank"], seen["moved"]) == (0, 0), seen
        box = page.locator("[data-chart=halving] .nsewdrag").bounding_box()
        assert box is not None
        x, y = box["x"] + 0.02 * box["width"], box["y"] + 0.1 * box["height"]
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 0.4 * box["width"], y + 0.7 * box["height"], steps=5)
        page.mouse.up()
        frame = page.locator("[data-chart=halving]")
        expect(frame).to_have_attribute("data-zoom", re.compile(r"\d"))
        wanted = page.evaluate("document.querySelector('[data-chart=halving] .dqv-plot').layout.xaxis.range")
        passed(page, done(page) + 20)
        kept = page.evaluate("document.querySelector('[data-chart=halving] .dqv-plot').layout.xaxis.range")
        assert kept == wanted
        click(page, "Halving: show everything again")
        expect(frame).not_to_have_attribute("data-zoom", re.compile(r"\d"))

        run = data(page, "run")
        expect(page.get_by_role("button", name="All rows as CSV")).to_be_disabled()
        click(page, "Pause")
        state(page, "paused")
        expect(page.get_by_role("button", name="All rows as CSV")).to_be_enabled()
        # A row may have been on its way when the pause was heard; the table has all that there will be.
        held = len(saved(page, "All rows as CSV").splitlines()) - 1
        expect(page.locator(ROOT)).to_have_attribute("data-done", str(held))
        page.get_by_role("button", name="Play").press("Space")
        state(page, "running")
        click(page, "Stop")
        state(page, "stopped")
        kept = done(page)
        assert held <= kept < 3000
        click(page, "Resume")
        passed(page, kept + 5)
        assert data(page, "run") == run
        click(page, "Stop")
        click(page, "Run again")
        expect(page.locator(ROOT)).not_to_have_attribute("data-run", run)
        state(page, "running")
        click(page, "Stop")
        state(page, "stopped")

    def test_everything_can_be_taken_home(self, tab):
        page = tab("n=30&pace=0.005")
        state(page, "done")
        table = list(csv.DictReader(io.StringIO(saved(page, "All rows as CSV"))))
        assert [int(line["n"]) for line in table] == list(range(30))
        assert {line["holds.halving"] for line in table} == {"True"}
        assert len(json.loads(saved(page, "All rows as JSON"))["rows"]) == 30
        lines = list(csv.reader(io.StringIO(saved(page, "Halving: download as CSV"))))
        assert lines[0][-2:] == ["measured: n", "measured: a_{n}"]
        assert [float(line[-2]) for line in lines[1:]] == list(range(30))
        assert float(lines[3][-1]) == pytest.approx(0.25 * (1 + 0.5 * math.sin(2)), rel=1e-6)
        picture = saved(page, "Halving: download as SVG")
        assert picture.startswith("<svg")
        assert "measured" in picture

    def test_a_zoom_has_ticks_of_its_own_and_ends_when_the_run_has(self, tab):
        page = tab("n=30&pace=0.005")
        state(page, "done")
        frame = page.locator("[data-chart=halving]")
        before, draws = frame.locator(".ytick").all_text_contents(), frame.get_attribute("data-draws") or ""
        box = frame.locator(".nsewdrag").bounding_box()
        assert box is not None
        x, y = box["x"] + 0.4 * box["width"], box["y"] + 0.4 * box["height"]
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 0.1 * box["width"], y + 0.12 * box["height"], steps=5)
        page.mouse.up()
        expect(frame).not_to_have_attribute("data-draws", draws)
        inside = frame.locator(".ytick").all_text_contents()
        assert len(inside) >= 2
        assert inside != before
        click(page, "Halving: show everything again")
        expect(frame.locator(".ytick")).to_have_text(before)

    def test_readers_hear_it_and_axe_finds_nothing(self, tab):
        page = tab("n=30&pace=0.005")
        state(page, "done")
        page.set_viewport_size({"width": 900, "height": 1130})
        label = page.locator("[data-chart=halving] [role=img]").get_attribute("aria-label") or ""
        assert label.startswith("Halving, a_{n} against n. bound: ")
        bar = page.get_by_role("progressbar")
        assert bar.get_attribute("aria-valuetext") == "30 of 30 rows"
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            expect(page.locator(ROOT)).to_have_attribute("data-theme", theme)
            found = violations(page)
            assert not found, found

    def test_a_failure_is_told_and_keeps_its_rows(self, tab):
        page = tab("n=30&pace=0.005&fail=20&unserved=1")
        state(page, "failed")
        expect(page.locator(".dqv-message")).to_have_text("Row 20 is not finite.")
        assert data(page, "done") == "20"
        expect(page.get_by_role("button", name="All rows as CSV")).to_be_enabled()
        # Plotly comes through the connection where Streamlit does not serve it.
        expect(page.locator("[data-chart=circle]")).to_have_attribute("data-points", "20")
