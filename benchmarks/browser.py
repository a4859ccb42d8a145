"""What a person sees: updates per second, blank charts, pause and scrub, in headless Chromium.

    python benchmarks/browser.py [--json FILE]

The real app on a free port, with a total variation run at 256² for the updates; medians over repeats.
"""

import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Browser, CDPSession, Page, ViewportSize, sync_playwright

from benchmarks.measure import DRAWN, PAINTED, PAUSE, SCRUB, WATCH, run, serving
from deqviz.bench.rows import Row

CHROMIUM = os.environ.get("DEQVIZ_CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
WINDOW: ViewportSize = {"width": 1440, "height": 1130}
VISITS = 6
ROOT = ".dqv[data-painted]"
ENDLESS = "method=tv&iterations=20000&tolerance=1e-09"


def opened(page: Page, url: str) -> float:
    """Seconds from asking for the page to the first painted iterate."""
    begun = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_function(PAINTED, timeout=60_000)
    return time.perf_counter() - begun


def paused(page: Page) -> float:
    """Milliseconds from the click on Pause to a picture that stands still."""
    taken = page.evaluate(PAUSE)
    page.wait_for_selector(f"{ROOT}[data-state=paused]")
    page.locator(".dqv-primary").click()
    page.wait_for_selector(f"{ROOT}[data-state=running]")
    page.wait_for_timeout(500)
    return taken


def thread_time(meter: CDPSession) -> float:
    """Seconds of processor time that the page's main thread has taken."""
    metrics = meter.send("Performance.getMetrics")["metrics"]
    return next(m["value"] for m in metrics if m["name"] == "ThreadTime")


def rows() -> Iterator[Row]:
    with serving() as (port, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield from _seen(browser, f"http://127.0.0.1:{port}")
        browser.close()


def _seen(browser: Browser, url: str) -> Iterator[Row]:
    firsts = []
    for _ in range(VISITS):
        page = browser.new_page(viewport=WINDOW)
        firsts.append(opened(page, url))
        page.close()
    # The first visitor waits for the imports of the server's process.
    yield Row("first picture, warm server", statistics.median(firsts[1:]), "s", 3.0, "at most")
    page = browser.new_page(viewport=WINDOW)
    opened(page, f"{url}/?{ENDLESS}")
    page.wait_for_function(DRAWN, timeout=60_000)
    page.wait_for_timeout(3000)
    meter = page.context.new_cdp_session(page)
    meter.send("Performance.enable")
    before = thread_time(meter)
    seen = page.evaluate(WATCH, 10)
    spent = thread_time(meter) - before
    yield Row("painted updates", statistics.median(seen["rates"]), "1/s", 8.0)
    # What other work on the machine cannot change much: at 100 ms ten a second need the whole of a core.
    yield Row("main thread, of an update", 1000 * spent / seen["painted"], "ms", 100.0, "at most")
    yield Row("animation frames with a blank chart", float(len(seen["blank"])), "", 0.0, "at most")
    yield Row("pause", statistics.median(paused(page) for _ in range(5)), "ms", 200.0, "at most")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector(f"{ROOT}[data-state=stopped]")
    yield Row("scrub", statistics.median(page.evaluate(SCRUB)), "ms", 100.0, "at most")


if __name__ == "__main__":
    sys.exit(run(rows, __doc__))
