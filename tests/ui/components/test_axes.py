"""The axes of all charts, in a browser: ticks that differ and touch nothing, ranges that nobody invented."""

import math
from itertools import pairwise

import pytest
from playwright.sync_api import Page

HARNESS = "tests/ui/components/harness_board.py"
SHARED = "/_stcore/bidi-components/deqviz.board/shared"

# An axis of each kind drawn by Plotly in frames of several sizes: the texts and their boxes.
DRAWN = """async ([low, high, log, across, width, height]) => {
  const { axis, lengths } = await import('SHARED/axes.js');
  const frame = document.createElement('div');
  frame.style = `width: ${width}px; height: ${height}px`;
  document.body.append(frame);
  const look = { grid: '#ccc', line: '#ccc', mute: '#555' };
  const values = [[low, high]], length = lengths(frame);
  const name = across ? 'xaxis' : 'yaxis', other = across ? 'yaxis' : 'xaxis';
  const data = across ? { x: values[0], y: [1, 2] } : { x: [1, 2], y: values[0] };
  const layout = { width, height, margin: { l: 54, r: 14, t: 10, b: 40 },
    [name]: axis(look, 't', { log, across, length: across ? length.x : length.y }, values) };
  await window.Plotly.newPlot(frame, [data], layout);
  const around = frame.getBoundingClientRect();
  const ticks = [...frame.querySelectorAll(across ? '.xtick text' : '.ytick text')];
  const found = ticks.map((node) => {
    const { left, right, top, bottom } = node.getBoundingClientRect();
    return [node.textContent, left - around.left, right - around.left, top - around.top, bottom - around.top];
  });
  frame.remove();
  return found.filter(([, left, right]) => right > left); // Plotly hides what would leave the frame
}""".replace("SHARED", SHARED)

RANGES = [
    (0, 1, False),
    (25.301, 25.309, False),
    (0, 3.2e-6, False),
    (-2.5e7, 3e7, False),
    (0.98765, 0.98766, False),
    (2e-7, 9e-7, True),
    (0.9981, 1.0023, True),
    (3e-3, 4e-2, True),
    (1e-9, 7e-8, True),
    (1e-16, 10, True),
    (0.5, 4e4, True),
]


@pytest.fixture(scope="module")
def page(window_on) -> Page:
    page = window_on(HARNESS, "n=12&pace=0.005")
    page.wait_for_function("window.Plotly")
    return page


@pytest.mark.browser
class TestAxes:
    @pytest.mark.parametrize(("low", "high", "log"), RANGES)
    @pytest.mark.parametrize(("across", "width"), [(True, 300), (True, 560), (False, 300)])
    def test_ticks_differ_touch_nothing_and_are_not_cut(self, page, low, high, log, across, width):
        ticks = page.evaluate(DRAWN, [low, high, log, across, width, 240])
        texts = [text for text, *_ in ticks]
        assert 2 <= len(texts) <= 7, texts
        assert len(set(texts)) == len(texts)
        assert not any("e" in text or "-" in text or "×" in text for text in texts), texts
        for _, left, right, top, bottom in ticks:
            assert left >= 0
            assert right <= width
            assert top >= 0
            assert bottom <= 240
        for (_, _, right, top, _), (_, left, _, _, bottom) in pairwise(ticks):
            assert right < left if across else bottom <= top, texts

    def test_the_numbers_of_an_axis(self, page):
        found = page.evaluate(
            """async () => { const { extent, ticks } = await import('SHARED/axes.js');
            const texts = (low, high, more = {}) => {
              const { tickvals, ticktext } = ticks([low, high], { length: 400, ...more });
              const at = (v) => (more.log ? Math.log10(v) : v);
              return ticktext.filter((_, i) => at(tickvals[i]) >= low && at(tickvals[i]) <= high).join(' ');
            };
            return { whole: texts(-0.02, 3.06, { isWhole: true }), tiny: texts(0, 3.2e-6), half: texts(-1, 1),
                     decades: texts(-7.4, 0.1, { log: true }), plain: texts(-2.2, 2.2, { log: true }),
                     few: texts(-6.9, -5.5, { log: true }),
                     ranges: [[{ log: true }, [0, 0, NaN]], [{}, []], [{}, [0]], [{ low: 0, high: 1 }, []],
                              [{ log: true }, [0, 1e-3, 1e-1]], [{ high: 1 }, [1, 1]], [{ low: 5 }, [1, 2]]]
                       .map(([ends, values]) => extent(ends, [values])) }; }""".replace("SHARED", SHARED)
        )
        assert found["whole"] == "0 1 2 3"
        assert found["tiny"] == "0 10⁻⁶ 2·10⁻⁶ 3·10⁻⁶"
        assert found["half"] == "−1.0 −0.5 0 0.5 1.0"
        assert found["decades"] == "10⁻⁶ 10⁻⁴ 10⁻² 1"
        assert found["plain"] == "0.01 0.1 1 10 100"
        assert found["few"] == "2·10⁻⁷ 5·10⁻⁷ 10⁻⁶ 2·10⁻⁶"
        zero, nothing, one, given, log, flat, beyond = found["ranges"]
        assert zero is None
        assert nothing is None
        assert one == [-1, 1]
        assert given == [0, 1]
        assert log == pytest.approx([-3.1, -0.9])
        assert flat == [0.9, 1]
        assert beyond[0] == 5 < beyond[1]

    def test_places_that_only_tell_things_apart_have_no_numbers(self, page):
        found = page.evaluate(
            """async () => { const { axis } = await import('SHARED/axes.js');
            const a = axis({}, 't', { low: 0.4, high: 3.6, isNominal: true, length: 240 }, [[1, 2, 3]]);
            return [a.range, a.showticklabels, a.tickvals ?? null]; }""".replace("SHARED", SHARED)
        )
        assert found == [[0.4, 3.6], False, None]

    def test_zero_leaves_a_gap_and_without_a_point_there_are_no_numbers(self, page):
        found = page.evaluate(
            """async () => { const { residualFigure } = await import('SHARED/figures.js');
            const look = { starts: [], shade: [] }, room = { length: { x: 240, y: 180 }, zoom: null };
            const figure = (columns) => residualFigure({ head: { run: 'r', k_max: 9 }, columns }, look, room);
            const full = figure({ k: [0, 1, 2], residual: [3.9e-7, 0, NaN] }), bare = figure({});
            const axes = [bare.layout.xaxis, bare.layout.yaxis];
            return { y: full.traces[0].y, text: full.traces[0].text[0],
                     bare: axes.map((a) => [a.range ?? null, a.showticklabels]) };
            }""".replace("SHARED", SHARED)
        )
        assert found["y"][1:] == [None, None]
        assert math.isclose(found["y"][0], 3.9e-7)
        assert found["text"] == "3.90·10⁻⁷"
        assert found["bare"] == [[None, False], [None, False]]

    def test_a_tall_image_stays_in_the_window(self, page):
        width, height, window = page.evaluate(
            """() => { const frame = document.querySelector('.dqv-frame');
            frame.style.setProperty('--dqv-aspect', '32 / 512');
            const box = frame.getBoundingClientRect();
            return [box.width, box.height, innerHeight]; }"""
        )
        assert 0 < height <= 0.65 * window + 1
        # Both are whole device pixels at best.
        assert width == pytest.approx(height * 32 / 512, abs=1)
