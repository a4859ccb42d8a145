"""A server for a script and a Chromium that looks at it, shared by all browser tests.

To load the app takes Chromium four seconds of processor time, to turn to another page of it a few tenths:
a journey that needs no fresh visitor asks for `visit`, which leads the one window of its process from address
to address; only who has to be somebody new, or several, asks for `open_page`.

The policy of the app's pages forbids `eval`: `wait_for_function` takes functions there, "() => …".
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from deqviz.ui.pages import entry
from tests.places import OFFLINE, PATIENCE, ROOT, until

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Serve = Callable[..., str]
Open = Callable[..., Page]
Visit = Callable[..., Page]

expect.set_options(timeout=1000 * PATIENCE)

MAIN = "[data-testid=stMain]"
"""The page below the bar: while a script takes its time, Streamlit has a button Stop in the bar."""

FAILED = pytest.StashKey[bool]()
"""Whether a phase of a test has failed."""


def _chromium() -> str:
    """The path of Chromium; skips the test where there is none, or fails it where one is required."""
    wanted = os.environ.get("DEQVIZ_CHROMIUM", "/usr/bin/chromium")
    found = shutil.which(wanted)
    if found:
        return found
    reason = f"no Chromium at {wanted}: install Debian's chromium or set DEQVIZ_CHROMIUM"
    if os.environ.get("DEQVIZ_REQUIRE_BROWSER") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the session; every page gets a context of its own."""
    path = _chromium()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


class Server:
    """A command that begins Streamlit, on a free port; `base` is the path of its address."""

    def __init__(
        self, command: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path = ROOT, base: str = ""
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}{base}"
        self.log, self.calls = log, log.with_name(f"{log.stem}-calls.txt")
        options = {"server.port": self.port} | ({"server.baseUrlPath": base} if base else {})
        flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, *flags],
                cwd=cwd,
                env=offline(env, self.calls),
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> None:
        """Return once it answers."""
        until(self.is_up, f"an answer at {self.url}")

    def is_up(self) -> bool:
        """Whether it answers; fails when it has ended instead."""
        if self.process.poll() is not None:
            pytest.fail(f"the server has ended:\n{self.log.read_text()[-2000:]}", pytrace=False)
        try:
            with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=PATIENCE) as answer:
                return answer.read() == b"ok"
        except (urllib.error.URLError, OSError):
            return False

    def called(self) -> list[str]:
        """What it has asked of other machines since the last look; all of it was refused."""
        if not self.calls.exists():
            return []
        calls = self.calls.read_text().splitlines()
        self.calls.unlink()
        return calls

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def offline(env: Mapping[str, str], calls: Path) -> dict[str, str]:
    """Variables with which a Python, and all that it starts, reach no other machine and note their tries."""
    path = os.pathsep.join(part for part in (str(OFFLINE), env.get("PYTHONPATH", "")) if part)
    return {**env, "PYTHONPATH": path, "DEQVIZ_CALLS": str(calls)}


@dataclass
class Servers:
    """The servers of a session, by what they were started with."""

    folders: pytest.TempPathFactory
    running: dict[tuple[object, ...], Server] = field(default_factory=dict)

    def __call__(self, script: str | Path, **env: str) -> str:
        key = (str(script), *sorted(env.items()))
        if key not in self.running:
            log = self.folders.mktemp("serve") / "log.txt"
            command = [sys.executable, "-m", "streamlit", "run", str(ROOT / script)]
            self.running[key] = Server(command, log, {**os.environ, **env})
            self.running[key].wait()
        return self.running[key].url

    def called(self) -> list[str]:
        """What they have asked of other machines since the last look."""
        return [call for server in self.running.values() for call in server.called()]

    def refused(self) -> list[str]:
        """What they took as not said: of what Chromium says of its widgets, nothing may be."""
        logs = (server.log.read_text(errors="replace") for server in self.running.values())
        return [line for log in logs for line in log.splitlines() if "A browser sent the widget" in line]


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """`serve(script, **environment)` gives the URL of a server for it, started once per session."""
    servers = Servers(tmp_path_factory)
    yield servers
    for server in servers.running.values():
        server.stop()
    assert not servers.called()
    assert not servers.refused()


def _context(browser: Browser, width: int, height: int, theme: str) -> BrowserContext:
    size: ViewportSize = {"width": width, "height": height}
    context = browser.new_context(viewport=size, color_scheme=_scheme(theme), accept_downloads=True)
    context.set_default_timeout(1000 * PATIENCE)
    return context


def _scheme(theme: str) -> Literal["dark", "light"]:
    return "dark" if theme == "dark" else "light"


def _watch(page: Page, problems: list[str]) -> None:
    """Note every exception, every error in the console and every request to another machine."""
    page.on("pageerror", lambda error: problems.append(f"exception: {error}"))
    page.on("console", lambda m: problems.append(f"{m.type}: {m.text}") if m.type == "error" else None)
    page.on("request", lambda r: problems.extend(_external(r.url)))


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """`open_page(url, width, height, theme)` gives a fresh visitor; a console error fails the test."""
    problems: list[str] = []
    contexts = []

    def start(url: str, width: int = 1440, height: int = 1130, theme: str = "light") -> Page:
        contexts.append(_context(browser, width, height, theme))
        page = contexts[-1].new_page()
        _watch(page, problems)
        page.goto(url)
        return page

    yield start
    for context in contexts:
        for page in context.pages:
            stop(page)
        context.close()
    assert not problems, problems


@pytest.fixture(scope="module")
def window_on(browser: Browser, serve: Serve) -> Iterator[Open]:
    """`window_on(script, query)` is a window on another script, opened once for all tests of a file."""
    problems: list[str] = []
    pages: dict[tuple[str, str], Page] = {}

    def get(script: str, query: str, **env: str) -> Page:
        if (script, query) not in pages:
            page = pages[script, query] = _context(browser, 1440, 1130, "light").new_page()
            _watch(page, problems)
            page.goto(f"{serve(script, **env)}/?{query}")
        return pages[script, query]

    yield get
    for page in pages.values():
        page.context.close()
    assert not problems, problems


@dataclass
class Window:
    """The one window of this process on the app, and what went wrong in it."""

    page: Page | None = None
    problems: list[str] = field(default_factory=list)

    def close(self) -> None:
        if self.page is not None:
            self.page.context.close()
        self.page = None


@pytest.fixture(scope="session")
def window(browser: Browser) -> Iterator[Window]:
    found = Window()
    yield found
    found.close()


@pytest.fixture
def visit(
    request: pytest.FixtureRequest, browser: Browser, serve: Servers, window: Window
) -> Iterator[Visit]:
    """`visit(address, width, height, theme)` leads the one window to a page of the app, and waits for it.

    The visitor has read the hint. What earlier tests chose and ran is in its session; a test leaves no run
    that goes on. A console error fails the test, as what page or server ask of another machine does; after a
    failure the window is a new one.
    """
    window.problems.clear()

    def go(address: str, width: int = 1440, height: int = 1130, theme: str = "light") -> Page:
        if window.page is None:
            context = _context(browser, width, height, theme)
            context.add_init_script("localStorage.setItem('deqviz.welcome', 'seen')")
            window.page = context.new_page()
            _watch(window.page, window.problems)
            window.page.goto(f"{serve('app.py')}/?size=48&method=tikhonov&iterations=5")
        page = window.page
        dress(page, width, height, theme)
        painted(page)
        turn(page, "about")
        if address != "about":
            turn(page, address)
        return page

    yield go
    if window.page is not None:
        stop(window.page)
    if request.node.stash.get(FAILED, False):
        window.close()
    problems = [*window.problems, *serve.called()]
    assert not problems, problems


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


# The script is over, and all that it put on the page has been drawn.
PAINTED = """(title) => {
  const app = document.querySelector('[data-testid=stApp]');
  const views = [...document.querySelectorAll('[data-testid=stBidiComponentRegular]')];
  const ours = [...document.querySelectorAll('.dqv:not(.dqv-store):not(.dqh)')];
  const charts = [...document.querySelectorAll('.dqv [data-chart]')].filter((node) => {
    const box = node.getBoundingClientRect();
    return node.checkVisibility() && box.bottom > 0 && box.top < innerHeight;
  });
  const head = document.querySelector('.deqviz-head h1');
  return (!title || head?.textContent === title)
    && app?.dataset.testScriptState === 'notRunning' && views.every((node) => node.childElementCount)
    && ours.every((node) => node.dataset.painted) && charts.every((node) => node.dataset.draws);
}"""

SCHEME = "(name) => getComputedStyle(document.querySelector('[data-testid=stApp]')).colorScheme === name"


def painted(page: Page, title: str = "") -> None:
    """The page, that of this title, is drawn as far as its script has come."""
    page.wait_for_function(PAINTED, arg=title)


def dress(page: Page, width: int, height: int, theme: str) -> None:
    """Make the window so large and of this theme."""
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=_scheme(theme))
    page.wait_for_selector("[data-testid=stApp]")
    page.wait_for_function(SCHEME, arg=theme)


def turn(page: Page, address: str) -> None:
    """Go to another page of the app as its links do, and see it drawn.

    A page opened by its own address logs Streamlit's 404s. A page that is turned to itself may still be the
    old one: turn to another one between.
    """
    page.evaluate(f"history.pushState(null, '', '/{address}'); dispatchEvent(new PopStateEvent('popstate'))")
    name = address.partition("?")[0]
    painted(page, (entry(name) if name else entry("reconstruct")).title)


# A box that fades in has the contrast of what lies behind it; what turns for ever is none.
STILL = """() => document.getAnimations().every(
  (one) => one.playState !== 'running' || one.effect?.getComputedTiming().endTime === Infinity
)"""


def violations(page: Page, *stock: str) -> list[str]:
    """What axe finds but for the rules of `stock`, Streamlit's own: each with the first place."""
    page.wait_for_function(STILL)
    # What it would load of style sheets and media serves a rule for sounds only.
    options = {"resultTypes": ["violations"], "preload": False}
    found = Axe().run(page, options=options).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found if v["id"] not in stock]


def stop(page: Page) -> None:
    """End what still runs on a page: it would go on computing while other tests wait."""
    # Where nothing runs the button is disabled, and a disabled one hears nothing.
    page.locator(MAIN).get_by_role("button", name="Stop", exact=True).evaluate_all(
        "all => all.forEach((b) => b.click())"
    )


@pytest.fixture
def page(open_page: Open) -> Page:
    """A fresh visitor at 1440 by 1130 on an empty page."""
    return open_page("about:blank")


def _external(url: str) -> list[str]:
    local = re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|about:|blob:|data:", url)
    return [] if local else [f"external request: {url}"]
