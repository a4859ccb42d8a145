"""What a person sees: updates per second, blank charts, pause and scrub, in headless Chromium.

    python benchmarks/browser.py [--json FILE]

The real app on a free port, with a total variation run at 256² for the updates; medians over repeats.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Page, sync_playwright

from benchmarks.measure import PAUSE, SCRUB, WATCH
from benchmarks.serving import free_port, serve

CHROMIUM = os.environ.get("DEQVIZ_CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
ROOT = ".dqv[data-painted]"
ENDLESS = "method=tv&iterations=20000&tolerance=1e-09"


def opened(page: Page, url: str) -> float:
    """Seconds from asking for the page to the first painted picture of an iterate."""
    begun = time.perf_counter()
    page.goto(url)
    page.wait_for_selector(ROOT, timeout=60_000)
    page.wait_for_function(
        "Number(document.querySelector('.dqv[data-painted]').dataset.painted) > 0", timeout=60_000
    )
    return time.perf_counter() - begun


def paused(page: Page) -> float:
    """Milliseconds from the click on Pause to a picture that stands still."""
    taken = page.evaluate(PAUSE)
    page.wait_for_selector(f"{ROOT}[data-state=paused]")
    page.locator(".dqv-primary").click()
    page.wait_for_selector(f"{ROOT}[data-state=running]")
    page.wait_for_timeout(500)
    return taken


def row(name: str, value: float, unit: str, target: float, direction: str) -> dict[str, object]:
    holds = value <= target if direction == "at most" else value >= target
    out = {
        "name": name,
        "value": value,
        "unit": unit,
        "target": target,
        "direction": direction,
        "holds": holds,
    }
    print(f"{name:<50} {value:8.1f} {unit:<5} {direction} {target:g}  {'holds' if holds else 'MISSED'}")
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    port = free_port()
    server = serve(port)
    rows = []
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            url = f"http://127.0.0.1:{port}"
            firsts = []
            for _ in range(4):
                page = browser.new_page(viewport={"width": 1440, "height": 1130})
                firsts.append(opened(page, url))
                page.close()
            rows.append(row("first picture, warm server", statistics.median(firsts[1:]), "s", 3.0, "at most"))
            page = browser.new_page(viewport={"width": 1440, "height": 1130})
            opened(page, f"{url}/?{ENDLESS}")
            page.wait_for_timeout(3000)
            seen = page.evaluate(WATCH, 10)
            rows.append(row("painted updates", statistics.median(seen["rates"]), "1/s", 8.0, "at least"))
            rows.append(row("animation frames with a blank chart", float(seen["blank"]), "", 0.0, "at most"))
            rows.append(
                row("pause", statistics.median(paused(page) for _ in range(5)), "ms", 200.0, "at most")
            )
            page.get_by_role("button", name="Stop").click()
            page.wait_for_selector(f"{ROOT}[data-state=stopped]")
            rows.append(row("scrub", statistics.median(page.evaluate(SCRUB)), "ms", 100.0, "at most"))
            browser.close()
    finally:
        server.terminate()
        server.wait(10)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
