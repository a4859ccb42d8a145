"""Take the pictures of this folder: every page of the app as it ends, light and dark, wide and narrow.

    python docs/screenshots/take.py                      all of them, in a few minutes
    python docs/screenshots/take.py --only noise,batch   some pages, by the names of the files
    python docs/screenshots/take.py --widths 390 --out /tmp/phone

A page is computed once and then looked at in both themes and at every width. It needs Debian's Chromium, or
DEQVIZ_CHROMIUM, and what requirements-dev.txt installs.
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

from PIL import Image as Pillow
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
SCHEMES = ("light", "dark")
WIDTHS = (1440, 900)
PHONE = 480
"""Up to this width a window is a phone's: touched, and with two pixels to a point."""
TALLEST = 4200
PATIENCE = 300_000
"""Milliseconds that a page may compute: the longest takes a minute on two cores that are free."""
FAR = 8.0
"""Grey levels by which the mean of a 16 × 16 square of 256 colours may differ: no eye sees that."""

DONE = "[data-painted][data-state=done]"


@dataclass(frozen=True)
class Case:
    """A page: the name of its files, its address, and what is there when it has come to its end."""

    name: str
    address: str
    ready: str = f".dqv{DONE}"


CASES = (
    Case("reconstruct", ""),
    Case("compare", "compare", f".dqc{DONE}"),
    Case("batch", "batch?pictures=camera%2Ccoins&levels=0.02%2C0.05%2C0.1%2C0.2"),
    Case("convergence", "convergence"),
    Case("convergence_mol", "convergence?question=monotone+operator+learning"),
    Case("noise", "noise"),
    Case("robustness", "robustness"),
    Case("training", "training"),
    Case("unrolled", "unrolled"),
    Case("deep_prior", "deep_prior"),
    Case("memory", "memory"),
    Case("playground", "playground", ".dqp[data-painted]"),
    Case("lessons", "lessons", ".st-key-lesson_cards [class*=st-key-lesson_card_]"),
    Case("lesson", "lessons?lesson=uniqueness", f".st-key-lesson_grid .dqv{DONE}"),
    Case("about", "about", ".deqviz-facts table"),
)

IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'

# The tallest of what scrolls by itself: the page, and the sidebar where it stands beside the page.
HEIGHT = """() => {
  const main = document.querySelector('[data-testid=stMainBlockContainer]');
  const side = document.querySelector('[data-testid=stSidebarContent]');
  const beside = side && innerWidth > 800 && side.getBoundingClientRect().right > 0;
  return Math.ceil(Math.max(main.getBoundingClientRect().height, beside ? side.scrollHeight : 0));
}"""

# Charts are drawn when they are seen, and a little later again when the window is another.
DRAWN = """() => {
  const seen = [...document.querySelectorAll('.dqv [data-chart]')].filter((node) => node.checkVisibility());
  const fits = (node) => Math.abs((node.querySelector('.main-svg')?.clientWidth ?? 0) - node.clientWidth) < 2;
  return document.fonts.status === 'loaded' && seen.every((node) => node.dataset.draws && fits(node))
    && [...document.images].every((image) => image.complete);
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


def take(browser: Browser, url: str, case: Case, widths: tuple[int, ...], out: Path) -> None:
    """All pictures of one page; those of a phone in a window of their own."""
    for group in ([w for w in widths if w > PHONE], [w for w in widths if w <= PHONE]):
        if not group:
            continue
        on_phone = group[0] <= PHONE
        context = browser.new_context(
            viewport={"width": group[0], "height": 844 if on_phone else 1130},
            device_scale_factor=2 if on_phone else 1,
            has_touch=on_phone,
            is_mobile=on_phone,
            color_scheme=SCHEMES[0],
            reduced_motion="reduce",
        )
        context.add_init_script("try { localStorage.setItem('deqviz.welcome', 'seen') } catch {}")
        page = context.new_page()
        page.goto(f"{url}/{case.address}")
        page.wait_for_selector(case.ready, timeout=PATIENCE)
        for width in group:
            for scheme in SCHEMES:
                _dress(page, width, scheme)
                picture = small(_settled(page, width, whole=not on_phone or width == group[0]))
                (out / f"{case.name}_{scheme}_{width}.png").write_bytes(picture)
        context.close()


def _dress(page: Page, width: int, scheme: str) -> None:
    """The window of this width, in this theme; Streamlit follows the system's."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.wait_for_function(f"({THEME})() === '{scheme}'")
    size = page.viewport_size or {"width": width, "height": 1130}
    page.set_viewport_size({"width": width, "height": size["height"]})
    page.mouse.move(width - 2, 300)


def _settled(page: Page, width: int, *, whole: bool) -> bytes:
    """The picture of the window, as high as the page, when two in a row are the same."""
    before = b""
    for _ in range(40):
        page.wait_for_selector(IDLE, timeout=PATIENCE)
        if whole:
            height = max(700, min(page.evaluate(HEIGHT), TALLEST))
            page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(DRAWN, timeout=PATIENCE)
        now = page.screenshot()
        if now == before:
            return now
        before = now
    raise SystemExit(f"{page.url} does not come to rest.")


def small(picture: bytes) -> bytes:
    """The same in at most 256 colours where that is not to be seen, else as it was."""
    full = Pillow.open(io.BytesIO(picture)).convert("RGB")
    palette = full.quantize(256, method=Pillow.Quantize.MAXCOVERAGE, kmeans=2)
    few = full.quantize(palette=palette, dither=Pillow.Dither.FLOYDSTEINBERG)
    if _distance(full, few.convert("RGB")) > FAR:
        few = full
    out = io.BytesIO()
    few.save(out, "PNG", optimize=True)
    return out.getvalue()


def _distance(a: Pillow.Image, b: Pillow.Image) -> float:
    """The largest difference of the means of 16 × 16 squares, in grey levels."""
    size = (max(1, a.width // 16), max(1, a.height // 16))
    one, two = (picture.resize(size, Pillow.Resampling.BOX).tobytes() for picture in (a, b))
    return max(abs(p - q) for p, q in zip(one, two, strict=True))


def main() -> None:
    """Take what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", help="names of pages, divided by commas; all without it")
    parser.add_argument("--widths", default=",".join(map(str, WIDTHS)), help="of the window, in points")
    parser.add_argument("--out", type=Path, default=HERE, help="the folder for the pictures")
    parser.add_argument("--url", help="of a running app, instead of one that is started and stopped")
    args = parser.parse_args()
    names = [case.name for case in CASES]
    wanted = args.only.split(",") if args.only else names
    if unknown := [name for name in wanted if name not in names]:
        raise SystemExit(f"No page is called {', '.join(unknown)}: choose from {', '.join(names)}.")
    widths = tuple(int(width) for width in args.widths.split(","))
    args.out.mkdir(parents=True, exist_ok=True)
    if args.url:
        _all(args.url, wanted, widths, args.out)
    else:
        with served() as url:
            _all(url, wanted, widths, args.out)


def _all(url: str, wanted: list[str], widths: tuple[int, ...], out: Path) -> None:
    chromium = os.environ.get("DEQVIZ_CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        for case in CASES:
            if case.name in wanted:
                begin = time.monotonic()
                take(browser, url, case, widths, out)
                print(f"{case.name:16s} {time.monotonic() - begin:5.1f} s", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
