"""A server for a script and a Chromium that looks at it, shared by all browser tests."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.places import ROOT

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
        self.log = log
        options = {"server.port": self.port, "server.address": "127.0.0.1", "server.headless": "true"}
        options |= {"server.baseUrlPath": base} if base else {}
        flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, *flags],
                cwd=cwd,
                env=dict(env),
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def wait(self, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2) as answer:
                    if answer.read() == b"ok":
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        pytest.fail(f"the server did not come up:\n{self.log.read_text()[-2000:]}", pytrace=False)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """`serve(script, **environment)` gives the URL of a server for it, started once per session."""
    running: dict[tuple[object, ...], Server] = {}

    def start(script: str | Path, **env: str) -> str:
        key = (str(script), *sorted(env.items()))
        if key not in running:
            log = tmp_path_factory.mktemp("serve") / "log.txt"
            command = [sys.executable, "-m", "streamlit", "run", str(ROOT / script)]
            running[key] = Server(command, log, {**os.environ, **env})
            running[key].wait()
        return running[key].url

    yield start
    for server in running.values():
        server.stop()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """`open_page(url, width, height, theme)` gives a fresh visitor; a console error fails the test."""
    problems: list[str] = []
    contexts = []

    def start(url: str, width: int = 1440, height: int = 1130, theme: str = "light") -> Page:
        size: ViewportSize = {"width": width, "height": height}
        scheme = "dark" if theme == "dark" else "light"
        context = browser.new_context(viewport=size, color_scheme=scheme, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(f"exception: {error}"))
        page.on("console", lambda m: problems.append(f"{m.type}: {m.text}") if m.type == "error" else None)
        page.on("request", lambda r: problems.extend(_external(r.url)))
        page.goto(url)
        return page

    yield start
    for context in contexts:
        context.close()
    assert not problems, problems


@pytest.fixture
def page(open_page: Open) -> Page:
    """A fresh visitor at 1440 by 1130 on an empty page."""
    return open_page("about:blank")


def _external(url: str) -> list[str]:
    local = re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|about:|blob:|data:", url)
    return [] if local else [f"external request: {url}"]
