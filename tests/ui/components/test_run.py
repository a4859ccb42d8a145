"""The live view: its packets in Python, and the whole component in a browser, fed by a pretended run."""

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module, metadata
from pathlib import Path as File
from typing import get_args

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from streamlit.components.v2.component_manager import BidiComponentManager

from benchmarks.measure import DRAWN, LINED, SCRUB
from deqviz.core.guarantee import Curve as Line
from deqviz.core.guarantee import Guarantee, Quantity
from deqviz.core.numbers import number
from deqviz.ui.components import plotly
from deqviz.ui.components.guarantees import row
from deqviz.ui.components.packets import unpack
from deqviz.ui.components.run import (
    Command,
    Curve,
    Explanation,
    Frames,
    Path,
    Pictures,
    Row,
    Shade,
    State,
    Trajectory,
    View,
)
from deqviz.ui.components.run.protocol import pack, parse_commands
from deqviz.ui.components.run.records import FINAL_POINTS, LIVE_POINTS
from tests.browser import MAIN, violations
from tests.pages.journey import ROOT, data, state
from tests.places import until

HARNESS = "tests/ui/components/harness_run.py"


def picture(channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (channels, 5, 7), np.uint8)


def view(marks: int = 12, state: State = "running") -> View:
    ks = np.arange(marks, dtype=np.float32)
    columns = {name: np.exp(-ks / 9) for name in ("residual", "psnr", "error", "error_max", "evaluations")}
    columns |= {"k": ks, "predicted_k": ks[:2], "predicted": np.ones(2, np.float32)}
    paths = tuple(Path(name, ks, -ks, ks) for name in ("from A*y", "from zero"))
    shade = Shade(np.arange(4), np.arange(3), np.arange(12.0).reshape(3, 4))
    return View(
        run="r1",
        state=state,
        k=marks - 1,
        k_max=60,
        residual=math.nan,
        iterate=picture(),
        columns=columns,
        quality=(Curve("psnr", "iterate", "PSNR (dB)", baseline=math.inf),),
        trajectory=Trajectory(paths, (0.0, 0.0), shade),
        guarantees=(Row("Rate", "‖x_k‖ ≤ κ^k", "certified", "0.81", "proved"),),
        explanation=Explanation("A*(Ax − y) = 0", "Text", "this"),
    )


class TestPackets:
    def test_pictures_come_back(self):
        truth, measured = picture(3), picture(3)[:, ::-1]
        head, blocks = unpack(pack(Pictures("r1", truth, measured, measured_psnr=23.5)))
        assert (head["kind"], head["run"], head["measured_psnr"]) == ("pictures", "r1", 23.5)
        np.testing.assert_array_equal(blocks["truth"], truth)
        np.testing.assert_array_equal(blocks["measured"], measured)

    def test_frames_come_back(self):
        images = [picture(), 255 - picture()]
        head, blocks = unpack(pack(Frames("r1", [0, 9], images)))
        assert head["k"] == [0, 9]
        np.testing.assert_array_equal(blocks["frames"], np.stack(images))
        assert unpack(pack(Frames("r1", [], [])))[1] == {}

    def test_a_view_comes_back(self):
        head, blocks = unpack(pack(view(), ack=7))
        assert (head["state"], head["k"], head["ack"]) == ("running", 11, 7)
        assert head["enabled"]["running"] == ["pause", "step", "stop", "reset", "speed"]
        assert set(head["enabled"]) == set(get_args(State))
        (line,) = head["guarantees"]
        assert line[:5] == ["Rate", "‖x_k‖ ≤ κ^k", "certified", "0.81", "proved"]
        assert [(start, stop, symbol, term) for start, stop, symbol, term, *_ in line[5]] == [
            (1, 4, "x_k", "iterate"),
            (8, 9, "κ", "contraction factor"),
            (9, 11, "k", "iteration"),
        ]
        np.testing.assert_array_equal(blocks["column:k"], np.arange(12))
        np.testing.assert_array_equal(blocks["path:1"], [np.arange(12), -np.arange(12), np.arange(12)])
        assert blocks["shade:z"].shape == (3, 4)
        assert all(block.ctypes.data % 4 == 0 or block.dtype == np.uint8 for block in blocks.values())

    def test_what_is_not_finite_is_null(self):
        data = pack(view())
        assert b"NaN" not in data[:4000]
        head, _ = unpack(data)
        assert head["residual"] is None
        assert head["quality"][0][5] is None

    def test_long_columns_are_thinned_while_running(self):
        _, live = unpack(pack(view(50_000)))
        _, final = unpack(pack(view(50_000, "done")))
        assert live["column:k"].size == live["column:psnr"].size == LIVE_POINTS
        assert final["column:k"].size == FINAL_POINTS
        for blocks in (live, final):
            assert blocks["column:k"][-1] == 49_999
            assert (np.diff(blocks["column:k"]) > 0).all()

    @pytest.mark.parametrize("shape", [(4, 4), (2, 4, 4)])
    def test_only_pictures_of_one_or_three_channels_pass(self, shape: tuple[int, ...]):
        wrong = np.zeros(shape, np.uint8)
        with pytest.raises(ValueError, match="uint8 of 1 or 3 channels"):
            pack(Pictures("r", wrong, wrong))

    def test_pictures_are_of_one_size(self):
        with pytest.raises(ValueError, match="not of one size"):
            pack(Pictures("r", picture(), picture(3)))

    def test_a_curve_is_as_long_as_its_x(self):
        with pytest.raises(ValueError, match="not as long"):
            pack(
                View(
                    "r",
                    "done",
                    columns={"k": np.zeros(3, np.float32), "psnr": np.zeros(2, np.float32)},
                    quality=(Curve("psnr", "", ""),),
                )
            )


class TestCommands:
    def test_newer_ones_in_order(self):
        sent = [
            {"name": n, "run": "r", "number": i, "value": 0}
            for n, i in (("step", 3), ("play", 1), ("stop", 2))
        ]
        assert parse_commands({"commands": sent}, heard=(1,)) == (
            Command("stop", "r", 2),
            Command("step", "r", 3),
        )

    def test_speed_carries_its_value(self):
        entry = {"name": "speed", "run": "r", "number": 1, "value": 10}
        assert parse_commands({"commands": [entry]}, heard=()) == (Command("speed", "r", 1, 10),)

    @pytest.mark.parametrize(
        "entry",
        [
            None,
            "play",
            {"name": "play"},
            {"name": "format disk", "run": "r", "number": 1},
            {"name": ["play"], "run": "r", "number": 1},
            {"name": "play", "run": 5, "number": 1},
            {"name": "play", "run": "r" * 500, "number": 1},
            {"name": "play", "run": "r", "number": True},
            {"name": "play", "run": "r", "number": 1.5},
            {"name": "play", "run": "r", "number": -1},
            {"name": "play", "run": "r", "number": 2**60},
            {"name": "speed", "run": "r", "number": 1, "value": 7},
            {"name": "speed", "run": "r", "number": 1, "value": "10"},
            {"name": "speed", "run": "r", "number": 1, "value": False},
        ],
        ids=str,
    )
    def test_anything_else_is_left_out(self, entry: object):
        assert parse_commands({"commands": [entry]}, heard=()) == ()

    @pytest.mark.parametrize("value", [None, 3, [], {}, {"commands": "play"}, {"commands": {"name": "play"}}])
    def test_what_is_not_a_list_is_nothing(self, value: object):
        assert parse_commands(value, heard=()) == ()


class TestText:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (0.8123, "0.812"),
            (15.81, "15.8"),
            (4.1e-6, "4.1·10⁻⁶"),
            (0.0, "0"),
            (-2.5, "−2.50"),
            (123.4, "123"),
            (math.inf, "∞"),
            (math.nan, "not a number"),
            (2.5e7, "2.5·10⁷"),
        ],
    )
    def test_numbers(self, value: float, text: str):
        assert number(value) == text

    def test_a_guarantee_becomes_a_row(self):
        rate = Guarantee(
            "rate",
            "Rate",
            "…",
            "certified",
            "proved",
            Quantity(Line([0, 1], [1.0, 0.9]), "‖x*‖"),
            Quantity(Line([0, 1, 2], [1.0, 0.81, 0.7]), "‖x*‖"),
        )
        # Both numbers are of one iteration: the last for which there are both.
        said = "value 0.810, bound 0.900, relative to ‖x*‖, k = 1"
        assert row(rate) == Row("Rate", "…", "certified", said, "proved")
        roomy = replace(rate, bound=Quantity(0.5), value=Quantity(0.3, side="lower"), allowance=0.02, k=17)
        assert row(roomy).numbers == "value ≥ 0.300, bound 0.500 + 0.0200, k = 17"
        # A red line shows where it is worst, and how often it holds.
        broken = replace(rate, value=Quantity(Line([0, 1], [1.8, 0.81]), "‖x*‖"))
        assert row(broken).status == "violated"
        kept = "holds at 1 of 2 points, largest ratio 1.80 at the point 0"
        assert row(broken).numbers == f"{kept}, value 1.80, bound 1.00, relative to ‖x*‖, k = 0"
        void = row(Guarantee("rate", "Rate", "…", "hypothesis violated", "L > 1"))
        assert (void.status, void.numbers) == ("hypothesis violated", "no value")


class TestPlotlyScript:
    def test_streamlit_serves_the_file_of_the_plotly_package(self, monkeypatch):
        manager = BidiComponentManager()
        # Beside the module of this name, its package has a function of this name.
        accessor = import_module("streamlit.components.v2.get_bidi_component_manager")
        monkeypatch.setattr(accessor, "get_bidi_component_manager", lambda: manager)
        component, _, rest = (plotly.plotly_script.__wrapped__() or "").partition("/")
        name, _, number = rest.partition("?v=")
        folder = manager.get_component_path(component)
        assert folder
        assert plotly.plotly_source().samefile(File(folder) / name)
        assert number == metadata.version("plotly")

    def test_a_streamlit_without_the_service_gives_none(self, monkeypatch):
        monkeypatch.delattr(BidiComponentManager, "register_from_manifest")
        assert plotly.plotly_script.__wrapped__() is None


def ready(page: Page) -> Page:
    """Wait for the first painted picture and the first chart."""
    page.wait_for_selector(ROOT)
    page.wait_for_selector("[data-chart=residual][data-draws]")
    return page


def newest(page: Page) -> int:
    return int(data(page, "newest"))


def passed(page: Page, k: int) -> None:
    """The run has come beyond iterate k."""
    page.wait_for_function(f"Number(document.querySelector('{ROOT}').dataset.newest) > {k}")


def click(page: Page, name: str) -> None:
    page.locator(MAIN).get_by_role("button", name=name, exact=True).click()


@pytest.fixture(scope="module")
def tab(window_on) -> Callable[[str], Page]:
    """`tab(query)` is a window on the pretended run, opened once for each query."""
    return lambda query: ready(window_on(HARNESS, query))


@pytest.fixture
def going(tab) -> Iterator[Page]:
    """A long run that has just begun: that of the window, started again."""
    page = tab("n=5000&pace=0.02&gone=1")
    old = data(page, "run")
    click(page, "Reset")
    expect(page.locator(ROOT)).not_to_have_attribute("data-run", old)
    state(page, "running")
    yield page
    stop = page.locator(MAIN).get_by_role("button", name="Stop", exact=True)
    if stop.count() and stop.is_enabled():
        stop.click()


BAD = "n=40&pace=0.01&fail=1&colour=1"
"""A run that diverges, in colour."""


@pytest.fixture
def over(tab) -> Page:
    """A short run at its end, the newest iterate shown."""
    page = tab("n=60&pace=0.01")
    state(page, "done")
    page.get_by_label("Kept iterates").press("End")
    expect(page.locator(ROOT)).to_have_attribute("data-k", "59")
    return page


@pytest.mark.browser
class TestLive:
    def test_charts_are_filled_in_place_and_never_blank(self, going):
        going.wait_for_function(DRAWN)
        seen = going.evaluate(UPDATES, 20)
        assert seen["frames"] > 0
        assert seen["blank"] == []

    def test_pause_play_and_three_quick_steps(self, going):
        page = going
        # From the click on nothing moves, whatever the server has on its way.
        assert page.evaluate(FROZEN) == {"says": "Play", "changes": 0}
        state(page, "paused")
        page.locator(".dqv-primary").click()
        state(page, "running")
        click(page, "Pause")
        state(page, "paused")
        held = newest(page)
        page.evaluate(
            "() => { for (let i = 0; i < 3; i++) document.querySelector('[aria-label=Step]').click(); }"
        )
        expect(page.locator(ROOT)).to_have_attribute("data-newest", str(held + 3))
        # The server has heard everything once it has heard what was sent last.
        page.get_by_label("Speed limit").select_option("10")
        expect(page.get_by_text("Speed 10")).to_be_visible()
        state(page, "paused")
        assert newest(page) == held + 3

    def test_a_click_that_is_lost_is_sent_again(self, page, serve):
        dropped: list[object] = []

        def between(socket):
            server = socket.connect_to_server()

            def send(message):
                if isinstance(message, bytes) and b'"name":"pause"' in message and not dropped:
                    dropped.append(message)
                else:
                    server.send(message)

            socket.on_message(send)

        page.route_web_socket(re.compile("_stcore/stream"), between)
        page.goto(f"{serve(HARNESS)}?n=5000&pace=0.02")
        state(page, "running")
        click(page, "Pause")
        state(page, "paused")
        assert len(dropped) == 1

    def test_speed_stop_and_reset(self, going):
        page = going
        run = data(page, "run")
        page.get_by_label("Speed limit").select_option("1")
        expect(page.get_by_text("Speed 1", exact=True)).to_be_visible()
        click(page, "Stop")
        state(page, "stopped")
        expect(page.get_by_role("button", name="Replay")).to_be_enabled()
        click(page, "Reset")
        state(page, "running")
        assert data(page, "run") != run

    def test_nothing_of_the_run_before_stands_under_a_new_one(self, tab):
        page = tab("n=5000&pace=0.02&building=1")
        painted = "names => names.map(n => new Uint32Array(document.querySelector(`[data-panel=${n}] canvas`)"
        painted += ".getContext('2d').getImageData(0, 0, 64, 64).data.buffer).some(v => v))"
        names = ["truth", "measured", "iterate", "error"]
        page.wait_for_function(f"({painted})({names}).every(v => v)")
        data_panel = page.locator("[data-panel=measured]")
        expect(data_panel).to_have_attribute("aria-label", re.compile("^Blurred image: "))
        old = data(page, "run")
        click(page, "Reset")
        expect(page.locator(ROOT)).not_to_have_attribute("data-run", old)
        assert page.evaluate(painted, names) == [False] * 4
        click(page, "Stop")

    def test_scrubbing_while_it_runs_and_back(self, going):
        page = going
        passed(page, 10)
        page.get_by_label("Kept iterates").press("Home")
        first = int(data(page, "k"))
        passed(page, max(newest(page), first) + 5)
        assert int(data(page, "k")) == first, "what is looked at stays"
        click(page, "Back to live")
        expect(page.locator(ROOT)).not_to_have_attribute("data-k", str(first))

    def test_the_keys(self, going):
        page = going
        page.locator(".dqv-numbers").click()
        page.keyboard.press(" ")
        state(page, "paused")
        page.keyboard.press("ArrowLeft")
        assert int(data(page, "k")) < newest(page)
        page.keyboard.press(" ")
        state(page, "running")

    def test_chart_zoom_lasts_and_a_double_click_ends_it(self, going):
        page = going
        passed(page, 20)
        box = page.locator("[data-chart=residual]").bounding_box()
        assert box
        x, y = box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3
        page.evaluate("document.querySelector('[data-chart=residual] .plot-container').dataset.me = 1")
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 80, y + 60, steps=5)
        page.mouse.up()
        zoomed = page.evaluate(RANGE)
        draws = int(page.locator("[data-chart=residual]").get_attribute("data-draws") or 0)
        page.wait_for_function(
            f"Number(document.querySelector('[data-chart=residual]').dataset.draws) > {draws + 5}"
        )
        np.testing.assert_allclose(page.evaluate(RANGE), zoomed, rtol=1e-6)
        assert page.locator("[data-chart=residual] .plot-container[data-me='1']").count() == 1
        page.mouse.dblclick(x, y)
        page.wait_for_function(f"{RANGE}[1] > {zoomed[1]}")

    def test_the_keys_wherever_the_focus_is(self, going):
        page = going
        box = page.get_by_label("A widget")
        box.click()
        page.keyboard.press(" ")
        page.keyboard.press("ArrowLeft")
        expect(box).to_have_value(" ")
        passed(page, newest(page) + 5)
        assert data(page, "state") == "running"
        # In one look: between two of them the run goes on.
        assert page.locator(ROOT).evaluate("root => root.dataset.k === root.dataset.newest")
        page.get_by_role("heading", name="Reconstruct").click()
        page.keyboard.press(" ")
        state(page, "paused")
        page.keyboard.press("ArrowLeft")
        assert int(data(page, "k")) < newest(page)
        page.evaluate(LISTENERS)
        click(page, "Remove")
        expect(page.locator(ROOT)).to_have_count(0)
        page.wait_for_function("window.removed === 1")

    def test_a_run_that_is_checked_can_be_stopped_or_started_again(self, tab):
        page = tab("n=20&pace=0.01&check=1&unserved=1")
        # Plotly comes through the connection where Streamlit does not serve it.
        expect(page.get_by_role("note")).to_contain_text("came through the connection")
        state(page, "checking")
        expect(page.get_by_role("status")).to_have_text("Checking")
        for name, is_on in (("Stop", True), ("Reset", True), ("Step", False)):
            button = page.locator(MAIN).get_by_role("button", name=name, exact=True)
            expect(button).to_be_enabled() if is_on else expect(button).to_be_disabled()
        expect(page.get_by_label("Speed limit")).to_be_enabled()
        click(page, "Stop")
        state(page, "done")
        expect(page.locator(MAIN).get_by_role("button", name="Stop")).to_be_disabled()

    def test_a_divergence_says_so_and_keeps_its_history(self, tab):
        page = tab(BAD)
        state(page, "diverged")
        expect(page.get_by_text("The iterates grow without bound")).to_be_visible()
        expect(page.get_by_role("status")).to_have_text("Diverged")
        expect(page.get_by_label("Kept iterates")).to_be_enabled()

    def test_scrubbing_needs_no_server(self, over):
        page = over
        sent: list[object] = []
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.on("Network.webSocketFrameSent", lambda frame: sent.append(frame))
        page.evaluate(SCRUB)
        assert len(set(page.evaluate("window.seen"))) > 10
        assert not sent
        page.keyboard.press("Home")
        assert data(page, "k") == "0"
        page.keyboard.press("ArrowRight")
        assert data(page, "k") == "1"
        first = page.locator(".dqv-panel", has_text="Iterate").inner_text()
        page.keyboard.press("End")
        assert data(page, "k") == "59"
        assert page.locator(".dqv-panel", has_text="Iterate").inner_text() != first
        assert not sent
        page.get_by_label("A widget").fill("that is sent")
        page.keyboard.press("Enter")
        until(lambda: page.evaluate("1") and sent, "what the browser sends")
        network.detach()

    def test_replay_runs_in_the_browser(self, over):
        click(over, "Replay")
        expect(over.locator(ROOT)).not_to_have_attribute("data-k", "59")
        expect(over.locator(ROOT)).to_have_attribute("data-k", "59")
        expect(over.get_by_role("button", name="Replay")).to_be_visible()

    def test_a_click_on_a_chart_scrubs(self, over):
        page = over
        chart = page.locator("[data-chart=quality]")
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        assert box
        x, y = box["x"] + box["width"] * 0.4, box["y"] + 60

        def is_moved() -> bool:
            # A click is on the point that Plotly last found under the pointer, and it looks in its own time.
            page.mouse.move(x, y)
            page.mouse.move(x, y + 2)
            chart.locator(".hoverlayer > *").first.wait_for(state="attached")
            page.mouse.click(x, y + 2)
            return data(page, "k") != "59"

        until(is_moved, "a click that is heard")
        assert 8 < int(data(page, "k")) < 35

    def test_pictures_zoom_together_and_show_the_values_under_the_pointer(self, over):
        page = over
        page.locator("[data-panel=truth]").focus()
        page.keyboard.press("+")
        page.keyboard.press("+")
        page.keyboard.press("ArrowRight")
        shown = page.evaluate(
            """[...document.querySelectorAll('.dqv-frame > .dqv-layer')]
            .map(e => getComputedStyle(e).transform)"""
        )
        assert len(set(shown)) == 1
        assert shown[0].startswith("matrix(2.25")
        page.keyboard.press("0")
        assert page.evaluate("getComputedStyle(document.querySelector('.dqv-layer')).transform").startswith(
            "matrix(1,"
        )
        page.locator("[data-panel=error]").hover(position={"x": 100, "y": 100})
        readouts = page.locator(".dqv-readout:visible").all_inner_texts()
        assert len(readouts) == 4
        truth, iterate, error = float(readouts[0]), float(readouts[2]), float(readouts[3].split(") ")[1])
        assert error == pytest.approx(abs(truth - iterate), abs=2e-3)

    def test_the_wipe_by_keyboard(self, over):
        page = over
        page.get_by_role("button", name="Wipe").press("Enter")
        handle = page.get_by_role("slider", name="Wipe")
        expect(handle).to_be_focused()
        handle.press("Home")
        assert (
            page.evaluate("getComputedStyle(document.querySelector('.dqv-over')).clipPath")
            == "inset(0px 0px 0px 0%)"
        )
        handle.press("ArrowRight")
        expect(handle).to_have_attribute("aria-valuenow", "2")
        page.get_by_label("Compare the iterate with").select_option("truth")
        expect(handle).to_have_attribute("aria-valuetext", "2 percent iterate, the rest ground truth")
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            expect(page.locator(ROOT)).to_have_attribute("data-theme", theme)
            found = violations(page)
            assert not found, found
        page.emulate_media(color_scheme="light")
        page.get_by_role("button", name="Wipe").press("Enter")
        expect(handle).to_be_hidden()

    def test_colour_by_channel_and_gain(self, tab):
        page = tab(BAD)
        state(page, "diverged")
        seen = [page.evaluate(PIXELS)]
        page.get_by_label("Colour channel").select_option("R")
        seen.append(page.evaluate(PIXELS))
        page.get_by_label("Error gain").select_option("16")
        seen.append(page.evaluate(PIXELS))
        assert len({json.dumps(s) for s in seen}) == 3
        r, g, b = seen[1]["truth"]
        assert r == g == b
        assert seen[1]["truth"] == seen[2]["truth"]

    def test_downloads(self, over):
        page = over
        with page.expect_download() as table:
            click(page, "Fixed-point residual: download as CSV")
        lines = File(table.value.path()).read_text().splitlines()
        assert lines[0] == "k,residual,predicted_k,predicted"
        assert len(lines) >= 61
        with page.expect_download() as drawing:
            click(page, "Image quality: download as SVG")
        assert File(drawing.value.path()).read_text().startswith("<svg")

    def test_nothing_sticks_out(self, over):
        for width in (900, 400):
            over.set_viewport_size({"width": width, "height": 3300})
            # What lies over a chart follows when that has been drawn anew.
            over.wait_for_function(
                """width => ![...document.querySelectorAll('.dqv *')].some(e =>
                !e.closest('.plotly, .dqv-layer') && e.getBoundingClientRect().right > width + 1)""",
                arg=width,
            )
        over.set_viewport_size({"width": 1440, "height": 1130})

    def test_what_the_browser_keeps_is_bounded(self, over):
        assert over.evaluate(STORE) == {"frames": True, "ends": True, "pinned": True, "runs": True}

    def test_helpers_of_the_browser(self, over):
        found = over.evaluate(
            """async () => { const p = await import('/_stcore/bidi-components/deqviz.run/shared/protocol.js');
            const d = await import('/_stcore/bidi-components/deqviz.run/shared/dom.js');
            return { numbers: [8.4e-5, 0.00123, 0.0797, -12.34, 123456, 0, null].map(p.number),
                     near: [[[0, 3, 9], 5], [[0, 3, 9], 7], [[], 1], [[4], 9]].map(a => p.nearest(...a)),
                     csv: p.csv([['a,b', [1, NaN]], ['c', ['"']]]),
                     formula: d.formula('x_k₊₁ ≤ κ^(0.9k − 2) σ_min')
                       .map(n => n.nodeName + n.textContent) }; }"""
        )
        assert found["numbers"] == ["8.4·10⁻⁵", "0.00123", "0.0797", "−12.3", "1.2·10⁵", "0", "–"]
        assert found["near"] == [1, 2, -1, 0]
        assert found["csv"] == '"a,b",c\r\n1,""""\r\n,\r\n'
        assert found["formula"] == [
            "#textx",
            "SUBk",
            "SUB+1",
            "#text ≤ κ",
            "SUP0.9k − 2",
            "#text σ",
            "SUBmin",
        ]


RANGE = "document.querySelector('[data-chart=residual] .js-plotly-plot')._fullLayout.xaxis.range"

# In every animation frame of so many painted updates: whether a chart stands without its line.
UPDATES = (
    """async updates => {
  const root = document.querySelector('.dqv[data-painted]'), end = +root.dataset.painted + updates;
  const lined = """
    + LINED
    + """;
  const seen = { frames: 0, blank: [] };
  while (+root.dataset.painted < end) {
    await new Promise(requestAnimationFrame);
    seen.frames++;
    seen.blank.push(...['residual', 'quality', 'path'].filter(name => !lined(name)));
  }
  return seen;
}"""
)

# A click on Pause: what the button says at once, and how often the picture changes before the server answers.
FROZEN = """async () => {
  const root = document.querySelector('.dqv[data-painted]'), button = root.querySelector('.dqv-primary');
  button.click();
  const seen = { says: button.textContent, changes: 0 };
  await new Promise(requestAnimationFrame);
  for (let k = root.dataset.k; root.dataset.state === 'running';) {
    await new Promise(requestAnimationFrame);
    if (root.dataset.state === 'running' && root.dataset.k !== k) seen.changes++;
    k = root.dataset.k;
  }
  return seen;
}"""

PIXELS = """() => Object.fromEntries(['truth', 'error'].map(name => {
  const canvas = document.querySelector(`[data-panel=${name}] canvas`);
  return [name, [...canvas.getContext('2d').getImageData(90, 200, 1, 1).data].slice(0, 3)];
}))"""

LISTENERS = """() => {
  window.removed = 0;
  const original = document.removeEventListener.bind(document);
  document.removeEventListener = (name, ...rest) => {
    if (name === 'keydown' && String(rest[0]).includes('this.key(')) window.removed++;
    original(name, ...rest);
  };
}"""

STORE = """async () => {
  const store = await import('/_stcore/bidi-components/deqviz.run/run/store.js');
  const run = store.runOf('bounded');
  run.keep(7, new Uint8Array(4), true);
  for (let k = 0; k < 5000; k++) run.keep(k, new Uint8Array(4), false);
  for (let i = 0; i < 20; i++) store.runOf('other' + i);
  return { frames: run.ks.length <= 160 && run.frames.size === run.ks.length,
           ends: run.ks[0] === 0 && run.ks.at(-1) === 4999, pinned: run.frames.has(7),
           runs: store.runOf('bounded') !== run };
}"""
