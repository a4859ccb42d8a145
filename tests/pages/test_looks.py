"""Every page in Chromium: axe in both themes, type and widths at three sizes, the keyboard, motion.

The pages are those of the table: one that is new is looked at the day it lands.
"""

import pytest
from playwright.sync_api import Page, expect

from deqviz.ui.pages import PAGES
from tests.browser import dress, painted, violations
from tests.pages.journey import STOCK, quick

pytestmark = pytest.mark.browser

# A function: what is no function would be evaluated again and again, and the page's policy forbids `eval`.
RESTED = """() => [...document.querySelectorAll('.dqv[data-state]')].every(
  (node) => node.dataset.state === 'done'
)"""
"""Nothing on the page goes on computing."""
WIDE, NARROW, PHONE = (1440, 1130), (900, 1130), (390, 844)
SMALLEST = 12
"""Pixels of the smallest letters; only what is raised or lowered is smaller."""
MOST_STOPS = 250

# Text that is seen and smaller than it should be, by its element.
SMALL = """(least) => {
  const found = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim()) continue;
    if (!node?.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (node.closest('sub, sup, tspan, style, script, option, .katex')) continue;
    if (node.dataset.testid === 'stIconMaterial') continue;
    const box = node.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;
    // what an SVG is drawn with is scaled with it
    const matrix = node.getScreenCTM?.();
    const size = parseFloat(getComputedStyle(node).fontSize) * (matrix ? Math.hypot(matrix.a, matrix.b) : 1);
    if (size < least - 0.1) found.add(`${size.toFixed(1)} px: ${walk.currentNode.data.trim().slice(0, 40)}`);
  }
  return [...found];
}"""

# What lies beyond the right border of the window and is not in a box that scrolls by itself.
BEYOND = """() => [...document.querySelectorAll('[data-testid=stMain] *')].filter((node) => {
  const box = node.getBoundingClientRect();
  if (box.width < 2 || box.height < 2 || box.right <= innerWidth + 1 || !node.checkVisibility()) return false;
  for (let up = node.parentElement; up && up.dataset.testid !== 'stMain'; up = up.parentElement) {
    if (getComputedStyle(up).overflowX !== 'visible') return false;
  }
  return true;
}).map((node) => node.outerHTML.slice(0, 120))"""

# Things that move by themselves or by style although the reader has asked for rest.
MOVING = """() => {
  const ours = [...document.querySelectorAll('.dqv, .dqv *, .dqs, .dqs *, .deqviz-welcome *')];
  const slow = (text) => text.split(',').some((one) => parseFloat(one) > 0);
  return ours.filter((node) => {
    const style = getComputedStyle(node);
    const runs = style.animationName !== 'none' && slow(style.animationDuration);
    return runs || slow(style.transitionDuration);
  }).map((node) => node.outerHTML.slice(0, 120));
}"""

# Looks at what has the focus, and at what had it: does it look different now, and what is it called?
STOP = """() => {
  const look = (node) => {
    const seen = [];
    const add = (some, part) => {
      const s = getComputedStyle(some, part);
      const outline = s.outlineStyle === 'none' ? '' : s.outlineWidth + s.outlineColor;
      seen.push(outline, s.boxShadow, s.borderColor, s.backgroundColor);
    };
    for (let up = node, i = 0; up && i < 5; up = up.parentElement, i++) {
      for (const part of [null, '::before', '::after']) add(up, part);
    }
    for (const below of [...node.children, node.nextElementSibling]) if (below) add(below, null);
    return JSON.stringify(seen);
  };
  const active = () => {
    let found = document.activeElement;
    while (found?.shadowRoot?.activeElement) found = found.shadowRoot.activeElement;
    return found;
  };
  const before = window.deqvizStop;
  const node = active();
  const left = before && before.node.isConnected && before.node !== node;
  const unseen = left && look(before.node) === before.look ? before.what : null;
  if (!node || node === document.body) {
    window.deqvizStop = null;
    return { unseen, over: true };
  }
  const text = (id) => document.getElementById(id)?.textContent ?? '';
  const labelled = (node.getAttribute('aria-labelledby') ?? '').split(' ').map(text).join(' ');
  const label = [...(node.labels ?? [])].map((one) => one.textContent).join(' ');
  const name = [node.ariaLabel, labelled, label, node.textContent, node.title, node.querySelector('img')?.alt]
    .find((one) => one?.trim()) ?? '';
  const what = node.outerHTML.slice(0, 160);
  const again = node.deqvizSeen === window.deqvizWalk;
  node.deqvizSeen = window.deqvizWalk;
  window.deqvizStop = { node, what, look: look(node) };
  return { unseen, over: again, same: before?.node === node, name: name.trim(), what };
}"""

# What can be used and was no stop; of a group of radio buttons one is enough, the arrows do the rest.
MISSED = """() => {
  const usable = 'a[href], button, input, select, textarea, summary, [tabindex="0"]';
  const passed = (node) => node.deqvizSeen === window.deqvizWalk;
  return [...document.querySelectorAll(usable)].filter((node) => {
    if (passed(node) || node.disabled || node.tabIndex < 0) return false;
    if (node.closest('[inert], [aria-hidden=true]')) return false;
    if (!node.checkVisibility({ visibilityProperty: true })) return false;
    const group = node.closest('[role=radiogroup], [role=tablist]');
    return !(group && [...group.querySelectorAll(usable)].some(passed));
  }).map((node) => node.outerHTML.slice(0, 160));
}"""


def misplaced(page: Page) -> list[str]:
    """Letters that are too small, and what lies beyond the window; empty is well."""
    found = [f"too small: {one}" for one in page.evaluate(SMALL, SMALLEST)]
    found += [f"beyond the window: {one}" for one in page.evaluate(BEYOND)]
    wider = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth - innerWidth")
    return found + ([f"{wider} px too wide"] if wider > 0 else [])


def refused(page: Page) -> list[str]:
    """What axe finds."""
    page.mouse.move(0, 0)
    expect(page.get_by_test_id("stTooltipContent")).to_have_count(0)
    return violations(page, STOCK)


def walked(page: Page) -> tuple[list[str], list[str]]:
    """Every stop of the Tab key from the top of the page, and what is wrong with them."""
    page.evaluate("window.deqvizWalk = Math.random(); window.deqvizStop = null")
    page.get_by_test_id("stSkipToContent").focus()
    # To it by the keyboard: after a click, a browser marks no focus that a script has set.
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    page.locator("[data-testid=stMain]").evaluate("node => node.scrollTo(0, 0)")
    stops: list[str] = []
    wrong: list[str] = []
    for _ in range(MOST_STOPS):
        stop = page.evaluate(STOP)
        page.keyboard.press("Tab")
        if stop["unseen"]:
            wrong.append(f"no mark of the focus: {stop['unseen']}")
        if stop.get("same"):
            wrong.append(f"holds the focus: {stop['what']}")
            break
        if stop["over"]:
            break
        stops.append(stop["what"])
        if not stop["name"]:
            wrong.append(f"no name: {stop['what']}")
    else:
        wrong.append(f"no end after {MOST_STOPS} stops")
    wrong += [f"never reached: {one}" for one in page.evaluate(MISSED)]
    return stops, wrong


@pytest.mark.parametrize("name", [page.name for page in PAGES])
def test_the_page_is_sound_in_both_themes_at_three_widths_and_by_keyboard(visit, name: str):
    page = visit(quick(name), *WIDE)
    page.emulate_media(reduced_motion="reduce")
    # Buttons wait for the end of a run: the walk would pass before they can be reached.
    page.wait_for_function(RESTED)
    found = {"light, wide": misplaced(page) + refused(page)}
    stops, found["by keyboard"] = walked(page)
    for width, height in (NARROW, PHONE):
        dress(page, width, height, "dark")
        painted(page)
        found[f"dark, {width} px"] = misplaced(page)
    found["dark, on a phone"] = refused(page)
    found["motion"] = page.evaluate(MOVING)
    page.emulate_media(reduced_motion="no-preference")
    assert not any(found.values()), {where: what for where, what in found.items() if what}
    # the bar alone has the pages and the menu
    assert len(stops) > len(PAGES)
