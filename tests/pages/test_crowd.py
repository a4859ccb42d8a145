"""Many visitors at once: everybody's run arrives."""

import asyncio
from dataclasses import replace
from urllib.parse import urlparse

from benchmarks.crowd import Seen, scenario, visit
from tests.places import awaited

SMALL = {"size": 48}


def test_ten_visitors_share_one_slot_and_each_run_arrives(serve):
    url = serve("app.py", DEQVIZ_SLOTS="1", DEQVIZ_LEASE="0.5")
    seen, port = Seen(), urlparse(url).port

    async def all_of_them() -> None:
        runs = [replace(scenario(number, 60), **SMALL) for number in range(10)]
        await asyncio.gather(*(visit(port, run, seen) for run in runs))

    awaited(all_of_them())
    assert not seen.errors
    assert len(seen.waits) == 10
    assert seen.queued > 0, "one slot and ten visitors: somebody must have waited"
