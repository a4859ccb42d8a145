"""Take the pictures that the site and the README show: every page of the app as it ends.

    make screenshots                                             all of them, in a few minutes
    make screenshots ONLY=noise,batch                            some, by the names of the files
    python -m docs.screenshots.take --width 390 --out /tmp/phone as a phone shows them

Every picture is WebP; it is taken when the page has come to its end and two looks in a row are the same. It
needs Debian's Chromium, or DEQVIZ_CHROMIUM, and what requirements-dev.txt installs.
"""

import argparse
import io
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image as Pillow
from playwright.sync_api import Browser, Page, sync_playwright

from deqviz.ui.pages import PAGES

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
WIDTH = 1440
PHONE = 480
"""Up to this width a window is a phone's: touched, and with two pixels to a point."""
LOWEST, TALLEST = 400, 4200
"""Points of a picture's height."""
PATIENCE = 900_000
"""Milliseconds that a page may compute: the longest takes two minutes on two cores that are free."""
QUALITY = 80
"""Of WebP: text stays sharp, and all pictures together stay below 4 MB."""

Scheme = Literal["light", "dark"]


@dataclass(frozen=True)
class Picture:
    """One file: where its page is, what is there when that has come to its end, and its theme."""

    name: str
    address: str
    done: str
    scheme: Scheme = "light"


_STUDY = ".dqv[data-painted][data-state=done]"
_DONE = {
    "compare": ".dqc[data-painted][data-state=done]",
    "playground": ".dqp[data-painted]",
    # The questions are there before the titles: the last card's title is what comes last.
    "lessons": ".st-key-lesson_cards [class*=st-key-lesson_card_]:last-child button p",
    "about": ".deqviz-facts table",
}
"""What a page has at its end, where it is not a study that is done."""
_ASKED = {"batch": "batch?pictures=camera%2Ccoins&levels=0.02%2C0.05%2C0.1%2C0.2"}
"""What a page is asked, where its own settings take too long."""
_FIRST = "reconstruct"
"""The name of the page without an address."""


def pictures() -> Iterator[Picture]:
    """One for each page, and then those of which a page of the guide shows more."""
    for page in PAGES:
        name = page.address or _FIRST
        yield Picture(name, _ASKED.get(name, page.address), _DONE.get(name, _STUDY))
    yield Picture("convergence_mol", "convergence?question=monotone+operator+learning", _STUDY)
    yield Picture("lesson", "lessons?lesson=uniqueness", f".st-key-lesson_grid {_STUDY}")
    yield Picture("reconstruct_dark", "", _STUDY, "dark")
    yield Picture("playground_dark", "playground", _DONE["playground"], "dark")


IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'

# The tallest of what scrolls by itself: the page, and the sidebar where it stands beside the page.
HEIGHT = """() => {
  const main = document.querySelector('[data-testid=stMainBlockContainer]');
  const side = document.querySelector('[data-testid=stSidebarContent]');
  const beside = side && innerWidth > 800 && side.getBoundingClientRect().right > 0;
  return Math.ceil(Math.max(main.getBoundingClientRect().height, beside ? side.scrollHeight : 0));
}"""

# Nothing stands for something else any more: no skeleton, no empty image or canvas, no text on its way.
# Charts are drawn when they are seen, and a little later again when the window is another.
DRAWN = """() => {
  const shown = (query) => [...document.querySelectorAll(query)].filter((node) => node.checkVisibility());
  const speaks = (node) => node.innerText.trim() || node.querySelector('svg, img');
  const fits = (node) => Math.abs((node.querySelector('.main-svg')?.clientWidth ?? 0) - node.clientWidth) < 2;
  return document.fonts.status === 'loaded'
    && shown('.dqv [data-chart]').every((node) => node.dataset.draws && fits(node))
    && shown('.dqv canvas').every((node) => node.width > 1)
    && shown('img').every((image) => image.complete && image.naturalWidth)
    && !shown('[data-testid=stSkeleton], [data-testid=stAppSkeleton], .stSkeleton').length
    && shown('[data-testid=stButton] button').every(speaks);
}"""

THEME = "() => getComputedStyle(document.querySelector('[data-testid=stApp]')).colorScheme"


@contextmanager
def served() -> Iterator[str]:
    """The address of the app on a free port, for as long as the block lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ("--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true")
    command = [sys.executable, "-m", "streamlit", "run", "app.py", *options]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, server)
        yield url
    finally:
        server.terminate()
        server.wait(10)


def _wait(url: str, server: "subprocess.Popen[bytes]", seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
                if answer.read() == b"ok":
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("The app did not start: `python -m streamlit run app.py` says why.")


def take(browser: Browser, url: str, picture: Picture, width: int) -> bytes:
    """The picture as WebP."""
    on_phone = width <= PHONE
    context = browser.new_context(
        viewport={"width": width, "height": 844 if on_phone else 1130},
        device_scale_factor=2 if on_phone else 1,
        has_touch=on_phone,
        is_mobile=on_phone,
        color_scheme=picture.scheme,
        reduced_motion="reduce",
    )
    context.add_init_script("try { localStorage.setItem('deqviz.welcome', 'seen') } catch {}")
    page = context.new_page()
    page.goto(f"{url}/{picture.address}")
    page.wait_for_selector(picture.done, timeout=PATIENCE)
    page.wait_for_function(f"() => ({THEME})() === '{picture.scheme}'", timeout=PATIENCE)
    page.mouse.move(width - 2, 300)
    found = webp(_settled(page, width))
    context.close()
    return found


def _settled(page: Page, width: int) -> bytes:
    """The picture of the window, as high as the page, when two in a row are the same."""
    before = b""
    for _ in range(40):
        page.wait_for_selector(IDLE, timeout=PATIENCE)
        height = max(LOWEST, min(page.evaluate(HEIGHT), TALLEST))
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(DRAWN, timeout=PATIENCE)
        now = page.screenshot()
        if now == before:
            return now
        before = now
    raise SystemExit(f"{page.url} does not come to rest.")


def webp(png: bytes) -> bytes:
    """The same picture as WebP."""
    out = io.BytesIO()
    Pillow.open(io.BytesIO(png)).convert("RGB").save(out, "WEBP", quality=QUALITY, method=6)
    return out.getvalue()


def main() -> None:
    """Take what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", help="names of files, divided by commas; all without it")
    parser.add_argument("--width", type=int, default=WIDTH, help="of the window, in points")
    parser.add_argument("--out", type=Path, default=HERE, help="the folder for the pictures")
    parser.add_argument("--url", help="of a running app, instead of one that is started and stopped")
    args = parser.parse_args()
    known = {picture.name: picture for picture in pictures()}
    names = args.only.split(",") if args.only else list(known)
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"No picture is called {', '.join(unknown)}: choose from {', '.join(known)}.")
    args.out.mkdir(parents=True, exist_ok=True)
    wanted = [known[name] for name in names]
    if args.url:
        _all(args.url, wanted, args.width, args.out)
    else:
        with served() as url:
            _all(url, wanted, args.width, args.out)


def _all(url: str, wanted: list[Picture], width: int, out: Path) -> None:
    chromium = os.environ.get("DEQVIZ_CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        for picture in wanted:
            begin = time.monotonic()
            data = take(browser, url, picture, width)
            (out / f"{picture.name}.webp").write_bytes(data)
            print(
                f"{picture.name:18s} {len(data) // 1024:4d} kB {time.monotonic() - begin:5.1f} s", flush=True
            )
        browser.close()


if __name__ == "__main__":
    main()
