"""Many visitors at once: everybody's run arrives; and nothing that any page does leaves the machine."""

import asyncio
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlparse

import pytest
from playwright.sync_api import expect

from benchmarks.crowd import RowImage, scenario, visit
from deqviz.ui.pages import PAGES
from tests.pages.journey import turn

SMALL = {"size": 48}

NAMES = [page.name for page in PAGES if page.address]


def test_ten_visitors_share_one_slot_and_each_run_arrives(serve):
    url = serve("app.py", DEQVIZ_SLOTS="1", DEQVIZ_LEASE="0.5")
    seen, port = RowImage(), urlparse(url).port

    async def all_of_them() -> None:
        runs = [replace(scenario(number, 60), **SMALL) for number in range(10)]
        await asyncio.gather(*(visit(port, run, seen) for run in runs))

    # In a thread: a test with a browser leaves an event loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(asyncio.wait_for(all_of_them(), 200))).result()
    assert not seen.errors
    assert len(seen.waits) == 10
    assert seen.queued > 0, "one slot and ten visitors: somebody must have waited"


@pytest.mark.browser
def test_no_page_asks_anything_of_another_machine(serve, open_page):
    url = serve("app.py")
    page = open_page(f"{url}/?size=48&iterations=3")  # open_page fails on a request that goes elsewhere
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_selector(".dqv[data-painted]", timeout=60_000)
    for name in NAMES:
        turn(page, name)
        expect(page.locator(f'[data-testid=stTopNavLink][href$="/{name}"]').first).to_have_attribute(
            "aria-current", "page", timeout=30_000
        )
        expect(page.get_by_test_id("stApp")).to_have_attribute(
            "data-test-script-state", "notRunning", timeout=60_000
        )
    assert asked, "pages load their scripts, so that something must have been logged"
    assert {urlparse(one).hostname for one in asked if one.startswith(("http", "ws"))} == {"127.0.0.1"}
    assert not list(_foreign(urlparse(url).port))


def _foreign(port: int | None):
    """Remote ends, beyond this machine, of the connections that the server on this port has."""
    owner = re.compile(r"socket:\[(\d+)\]")
    own: set[str] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if str(port).encode() in words:
                links = (str(fd.readlink()) for fd in (process / "fd").iterdir())
                own |= {found[1] for link in links if (found := owner.match(link))}
        except OSError:  # a process that has ended meanwhile
            continue
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        host = socket.inet_ntoa(bytes.fromhex(fields[2].split(":")[0])[::-1])
        if fields[9] in own and not host.startswith(("127.", "0.")):
            yield host
