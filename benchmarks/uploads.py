"""What reading files that nobody should upload costs: the slowest, all of them, and what others notice.

    python benchmarks/uploads.py [--json FILE]

The files are those of `tests/io/malformed.py`: all read in one process as a reader does, and then those that
unpack to gigabytes given to the page by a browser, while somebody else asks the server how it is.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import sync_playwright

from benchmarks.browser import CHROMIUM, FLAGS, opened
from benchmarks.measure import ROOT, run, serving
from benchmarks.watch import megabytes, watched
from deqviz.bench.rows import Row
from deqviz.io.image_formats import SUFFIXES
from tests.io.malformed import BOTTOMLESS, files


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files():
            (Path(folder) / name).write_bytes(data)
        count = len(list(Path(folder).iterdir()))
        begun = time.perf_counter()
        command = [sys.executable, "-m", "tests.io.malformed", folder]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        whole = time.perf_counter() - begun
        seen = [json.loads(line) for line in done.stdout.splitlines()]
        yield Row(f"uploads, {count} bad files: all of them", whole, "s", 60.0, "at most")
        slowest = max(row["seconds"] for row in seen)
        yield Row(f"uploads, {count} bad files: the slowest", slowest, "s", 10.0, "at most")
        refused = {row["name"] for row in seen if row["what"] == "refused" and row["how"] == "picture"}
        yield from _served([Path(folder) / name for name in sorted(refused & set(BOTTOMLESS))])


def _served(bombs: Sequence[Path]) -> Iterator[Row]:
    """What a server that has them read by processes of their own lets others notice."""
    with serving() as (port, pid), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        opened(page, f"http://127.0.0.1:{port}/?size=48&method=baseline")
        page.get_by_text("Use your own image").click()
        before, refusal = megabytes(pid, "VmHWM"), page.get_by_test_id("stAlert").first
        with watched(port, pid) as watch:
            for bomb in bombs:
                box = int(bomb.suffix[1:] not in SUFFIXES)  # images have the first, k-space the second
                page.locator("input[type=file]").nth(box).set_input_files(bomb)
                refusal.wait_for(timeout=60_000)
                page.get_by_role("button", name=f"Remove {bomb.name}").click()
                refusal.wait_for(state="detached")
        browser.close()
        what, grown = f"{len(bombs)} bombs through the page", megabytes(pid, "VmHWM") - before
        yield Row(f"{what}: the server's memory above before", grown, "MB", 500.0, "at most")
        yield Row(f"{what}: the longest wait for /_stcore/health", max(watch.waits), "s", 1.0, "at most")


if __name__ == "__main__":
    raise SystemExit(run(rows, __doc__))
