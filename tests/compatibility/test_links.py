"""Links of version 0.1.0, as they stood in the address bar, open to the settings they had."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from deqviz import images, kspace
from tests.compatibility.readers import LINKS, hidden, stored_part

STORED: list[dict[str, Any]] = json.loads(Path(__file__).with_name("links.json").read_text(encoding="utf-8"))
"""Of each link `query`, what follows the ?, and `setting`. A link in which something is refused also has
`refused`, a piece of each complaint that no rewording takes out, and `written`, the address that the page
puts in its place; a teacher's link has `hidden`, and `is_clean` where some of its names can be no control."""


@pytest.fixture(autouse=True)
def nothing_is_kept() -> None:
    """No upload of another test, some of whose files are the same: as a server that has just been started."""
    images._uploads.clear()
    kspace._scans.clear()


def query_of(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))


@pytest.mark.parametrize("link", STORED, ids=lambda link: f"{link['page']}: {link['name']}")
def test_a_link_opens_to_the_setting_it_had(link: dict[str, Any]):
    query = query_of(link["query"])
    assert hidden(query.pop("hide", "")) == (link.get("hidden", []), link.get("is_clean", True))
    opened = LINKS[link["page"]](query)
    assert stored_part(opened.setting, link["setting"]) == link["setting"]
    refused = link.get("refused", [])
    assert len(opened.complaints) == len(refused), opened.complaints
    for piece, complaint in zip(refused, opened.complaints, strict=True):
        assert piece in complaint
    # A bare address means today's defaults: where nothing else is left to say, its age is.
    written = {} if opened.query == {"v": "1"} else opened.query
    assert written == (query_of(link["written"]) if "written" in link else query)


def test_every_page_with_a_setting_is_among_them():
    assert {link["page"] for link in STORED} == set(LINKS)
    assert len(STORED) >= 20
