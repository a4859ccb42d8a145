"""The Lessons page and the hint that leads there: addresses, views, answers; a class in Chromium."""

from pathlib import Path

import pytest
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from deqviz.runtime.study import OVER
from deqviz.ui.pages.lessons import file as lessons_file
from tests.browser import dress, painted, stop, turn
from tests.pages.journey import APP, ROOT, check_looks, move_away, state, switch
from tests.places import PATIENCE, until

SCRIPT = "lessons"
SMALL = "?size=48&method=iterated_tikhonov&iterations=5"


def opened(**query: str) -> AppTest:
    at = AppTest.from_file(APP, default_timeout=PATIENCE)
    for name, value in query.items():
        at.query_params[name] = value
    switch(at, SCRIPT).run()
    assert not at.exception, at.exception
    return at


def settled(at: AppTest, view: str) -> AppTest:
    until(lambda: at.session_state.studies[f"lesson.{view}"].state in OVER, "the end of the view")
    assert at.session_state.studies[f"lesson.{view}"].state == "done"
    at.run()
    assert not at.exception, at.exception
    return at


def parameter(at: AppTest, name: str) -> str:
    found = at.query_params.get(name, "")
    return found[0] if isinstance(found, list) else found


def told(at: AppTest) -> str:
    return " ".join(str(e.value) for kind in (at.info, at.success, at.error, at.warning) for e in kind)


def test_the_list_opens_a_lesson_and_lessons_follow_each_other():
    at = opened()
    titles = [button.label for button in at.button if str(button.key).startswith("lesson.open.")]
    assert len(titles) == 8
    assert titles[0] == "Unique fixed point"
    at.button(key="lesson.open.lower_bound").click().run()
    assert parameter(at, "lesson") == "lower_bound"
    assert any("Statement" in text.value for text in at.markdown)
    assert any(e.proto.component_name.endswith("board") for e in at.get("bidi_component"))
    at.button(key="lesson.turn.Previous").click().run()
    assert parameter(at, "lesson") == "source_condition"
    at.button(key="lesson.list").click().run()
    assert parameter(at, "lesson") == ""
    assert not any(e.proto.component_name.endswith("board") for e in at.get("bidi_component"))


def test_the_data_answer_once_both_views_are_done():
    at = settled(opened(lesson="lower_bound"), "here")
    at.radio(key="lesson.answer.lower_bound").set_value(0).run()
    assert r"choose “R(x†) = A\*w” above the view" in told(at)
    at.segmented_control(key="lesson.switch").set_value("tried").run()
    assert parameter(at, "view") == "tried"
    settled(at, "tried")
    assert at.error
    assert "The results say otherwise:** It vanishes" in told(at)
    assert "the bound was 1.67" in told(at)
    at.radio(key="lesson.answer.lower_bound").set_value(2).run()
    assert "Correct" in at.success[0].value
    first = at.session_state.studies["lesson.here"].id
    at.segmented_control(key="lesson.switch").set_value("here").run()
    assert at.session_state.studies["lesson.here"].id == first, "it is there still: nothing runs again"
    assert parameter(at, "view") == ""


def test_a_link_opens_the_view_that_it_names_and_says_what_it_cannot():
    at = opened(lesson="uniqueness", view="tried", spice="hot")
    assert at.segmented_control(key="lesson.switch").value == "tried"
    assert "'spice', which is unknown" in told(at)
    assert set(at.query_params) == {"lesson", "view"}
    at = opened(lesson="cooking")
    assert "There is no lesson 'cooking' here; known are uniqueness, certificates" in told(at)
    at = opened(lesson="uniqueness", view="above")
    assert "There is no view 'above'" in told(at)


def test_a_damaged_file_is_a_sentence_on_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    good = (lessons_file.FOLDER / "lower_bound.md").read_text(encoding="utf-8")
    (tmp_path / "fine.md").write_text(good, encoding="utf-8")
    (tmp_path / "torn.md").write_text(good.replace("order = 4", "order = four"), encoding="utf-8")
    monkeypatch.setattr(lessons_file, "FOLDER", tmp_path)
    at = opened()
    assert "torn.md, line 4: the header is no TOML" in told(at)
    assert [b.label for b in at.button if str(b.key).startswith("lesson.open.")] == ["The lower error bound"]
    at = opened(lesson="torn")
    assert "torn.md, line 4" in told(at)


# ---------------------------------------------------------------- browser


@pytest.mark.browser
def test_a_class_reads_tries_and_answers(serve, open_page):
    # Somebody new: who has read a lesson comes back to it.
    page = open_page(f"{serve('app.py')}/{SMALL}", width=900, theme="dark")
    state(page, "done")
    turn(page, "lessons")
    expect(page.locator(".st-key-lesson_cards button")).to_have_count(8)
    page.get_by_role("button", name="The lower error bound").click()
    expect(page.locator("[data-chart=band]")).to_be_visible()
    state(page, "done")
    expect(page.locator(".st-key-lesson_text .katex").first).to_be_visible()
    run = page.locator(ROOT).get_attribute("data-run")
    page.locator(ROOT).evaluate("node => { node.dataset.mine = 'yes'; }")
    page.get_by_role("radiogroup", name="Shown").get_by_text("R(x†) = A*w").click()
    expect(page.locator(ROOT)).not_to_have_attribute("data-run", run or "")
    state(page, "done")
    # The same component, updated in place: a class sees the change, and no blank page.
    expect(page.locator(ROOT)).to_have_attribute("data-mine", "yes")
    page.get_by_text("It vanishes, and the error is far below it").click()
    expect(page.get_by_text("Correct.")).to_be_visible()
    expect(page.locator(ROOT)).to_have_attribute("data-mine", "yes")
    dress(page, 1440, 1130, "light")
    move_away(page)
    check_looks(page)
    dress(page, 900, 1130, "dark")
    page.get_by_text("It stays: the null-space component is lost").click()
    expect(page.get_by_text("The results say otherwise:")).to_be_visible()
    move_away(page)
    check_looks(page)
    page.get_by_role("link", name="Open in the full page").click()
    expect(page.locator("[data-chart=residual]")).to_be_visible()
    assert "kernel=40" in page.url


@pytest.mark.browser
def test_the_hint_leads_to_the_first_lesson_goes_for_good_and_leaves_the_live_view_alone(serve, open_page):
    page = open_page(f"{serve('app.py')}/{SMALL}")
    state(page, "done")
    hint = page.locator(".deqviz-welcome")
    expect(hint).to_be_visible()
    page.get_by_role("link", name="Lesson 1").click()
    expect(page.get_by_role("heading", name="Unique fixed point")).to_be_visible()
    expect(page.locator("[data-chart=distinct]")).to_be_visible()
    assert "lesson=uniqueness" in page.url
    stop(page)
    page.get_by_role("link", name="Reconstruct").click()
    painted(page, "Reconstruct")
    state(page, "done")
    expect(hint).to_be_visible()
    move_away(page)
    check_looks(page)
    page.locator(ROOT).evaluate("node => { node.dataset.mine = 'yes'; }")
    hint.get_by_role("button", name="Got it").click()
    expect(hint).not_to_be_visible()
    page.get_by_role("button", name="PnP with an unconstrained denoiser").click()
    expect(page.locator(ROOT)).not_to_have_attribute("data-state", "done")
    expect(page.locator(ROOT)).to_have_attribute("data-mine", "yes")
    stop(page)
    # Another tab of the same browser.
    later = page.context.new_page()
    later.goto(f"{serve('app.py')}/{SMALL}")
    state(later, "done")
    expect(later.locator(".deqviz-welcome")).to_have_count(1)
    expect(later.locator(".deqviz-welcome")).not_to_be_visible()
