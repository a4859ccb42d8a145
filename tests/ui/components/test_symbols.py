"""What a symbol of a guarantee shows where it stands: by pointer, by keyboard and by touch."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import violations
from tests.pages.journey import ROOT, state

HARNESS = "tests/ui/components/harness_run.py"
NOTE = ".dqv-gloss:visible"


@pytest.fixture
def page(window_on) -> Page:
    """A finished run, its symbols being there."""
    found = window_on(HARNESS, "n=5&pace=0.01", DEQVIZ_DOCS="https://example.org/docs")
    state(found, "done")
    return found


@pytest.mark.browser
class TestSymbols:
    def test_a_pointer_opens_it_and_nothing_moves(self, page):
        symbol = page.locator(".dqv-table .dqv-symbol", has_text="κ").first
        symbol.scroll_into_view_if_needed()
        before = page.locator(".dqv-table").bounding_box()
        symbol.hover()
        expect(page.locator(NOTE)).to_contain_text("contraction factor")
        assert page.locator(".dqv-table").bounding_box() == before
        # The pointer may move onto the note, to its link.
        page.locator(NOTE).hover()
        expect(page.locator(NOTE).get_by_role("link")).to_have_attribute(
            "href", "https://example.org/docs/glossary.html#contraction-factor"
        )
        page.mouse.move(2, 2)
        expect(page.locator(NOTE)).to_have_count(0)

    def test_focus_opens_it_the_link_comes_next_and_escape_closes_it(self, page):
        symbol = page.locator(".dqv-table .dqv-symbol", has_text="κ").first
        symbol.focus()
        expect(page.locator(NOTE)).to_have_count(1)
        expect(symbol).to_have_accessible_description(re.compile("contraction factor"))
        page.keyboard.press("Tab")
        expect(page.locator(NOTE).get_by_role("link")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator(NOTE)).to_have_count(0)

    def test_a_touch_opens_it_and_another_elsewhere_closes_it(self, page):
        page.locator(".dqv-table .dqv-symbol", has_text="κ").first.dispatch_event("click")
        expect(page.locator(NOTE)).to_have_count(1)
        page.locator("h2", has_text="What is guaranteed here").dispatch_event("pointerdown")
        expect(page.locator(NOTE)).to_have_count(0)

    def test_axe_finds_nothing_while_it_is_open(self, page):
        page.locator(".dqv-table .dqv-symbol").first.focus()
        expect(page.locator(NOTE)).to_have_count(1)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            expect(page.locator(ROOT)).to_have_attribute("data-theme", theme)
            expect(page.locator(NOTE)).to_have_count(1)
            found = violations(page)
            assert not found, found
