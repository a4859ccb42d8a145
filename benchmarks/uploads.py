"""What reading files that nobody should upload costs: the slowest, all of them, and what others notice.

    python benchmarks/uploads.py [--json FILE]

The files are those of `tests/io/malformed.py`: all read in one process as a reader does, and then those that
unpack to gigabytes given to the page by a browser, while somebody else asks the server how it is.
"""

import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import sync_playwright

from benchmarks.browser import CHROMIUM, FLAGS, opened
from benchmarks.measure import ROOT, free_port, run, serve
from deqviz.bench.rows import Row
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
    port = free_port()
    server, is_over = serve(port), threading.Event()
    waits: list[float] = []

    def ask() -> None:
        while not is_over.wait(0.05):
            begun = time.perf_counter()
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=60).read()
            waits.append(time.perf_counter() - begun)

    asking = threading.Thread(target=ask)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page()
            opened(page, f"http://127.0.0.1:{port}/?size=48&method=baseline")
            page.get_by_text("Use your own image").click()
            before, refusal = _peak(server.pid), page.get_by_test_id("stAlert").first
            asking.start()
            for bomb in bombs:
                page.locator("input[type=file]").first.set_input_files(bomb)
                refusal.wait_for(timeout=60_000)
                page.get_by_role("button", name=f"Remove {bomb.name}").click()
                refusal.wait_for(state="detached")
            browser.close()
        what = f"{len(bombs)} bombs through the page"
        yield Row(
            f"{what}: the server's memory above before", _peak(server.pid) - before, "MB", 500.0, "at most"
        )
        yield Row(f"{what}: the longest wait for /_stcore/health", max(waits), "s", 1.0, "at most")
    finally:
        is_over.set()
        server.terminate()
        server.wait(10)


def _peak(process: int) -> float:
    """The most memory that a process ever held, in MB."""
    found = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    raise SystemExit(run(rows, __doc__))
