"""Links: what they hold, what they hide, and the control that copies them."""

import io
import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hs
from PIL import Image as Picture
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from deqviz.core.registry import Choice
from deqviz.io import settings as settings_file
from deqviz.scenario import METHODS, NOISES, OPERATORS, Scenario
from deqviz.ui.pages.convergence import page as convergence
from deqviz.ui.pages.deep_prior import page as prior
from deqviz.ui.pages.lessons import view as lessons_view
from deqviz.ui.pages.memory import page as memory
from deqviz.ui.pages.noise import page as noise
from deqviz.ui.pages.playground.setup import PRESETS, Setup
from deqviz.ui.pages.robustness import page as robustness
from deqviz.ui.pages.training import page as training
from deqviz.ui.pages.unrolled import page as unrolled
from deqviz.ui.shell import address, teacher
from deqviz.ui.shell.renamed import RENAMED, class_of
from deqviz.ui.shell.study_page import StudyPage
from tests.browser import dress, turn
from tests.pages.journey import ROOT, check_looks, data, state, switch
from tests.pages.reconstruct.test_page import QUICK, arrive, opened, scenario, text
from tests.places import PATIENCE
from tests.strategies import params

STUDIES: list[StudyPage[Any]] = [
    convergence.PAGE,
    noise.PAGE,
    robustness.PAGE,
    training.PAGE,
    unrolled.PAGE,
    prior.PAGE,
    memory.PAGE,
]


def sheets(at: AppTest) -> str:
    return " ".join(e.proto.body for e in at.get("html"))


def here(at: AppTest) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in at.query_params:
        value = at.query_params[name]
        found[name] = value if isinstance(value, str) else value[-1]
    return found


# ---------------------------------------------------------------- the address holds everything


@pytest.mark.parametrize("page", STUDIES, ids=lambda page: page.page)
def test_every_setting_of_a_study_comes_back_from_its_address(page: StudyPage[Any]):
    standard, complaints = page.read({})
    assert complaints == ()
    for setting in (standard, *(setting for _, setting in page.presets.values())):
        whole = setting.validated()
        assert page.read(whole.to_query()) == (whole, ())


@pytest.mark.parametrize("page", STUDIES, ids=lambda page: page.page)
def test_the_widgets_of_a_study_say_what_was_filled_in(page: StudyPage[Any]):
    def script(name: str) -> None:
        import streamlit as st

        from tests.pages.test_share import STUDIES

        page = next(p for p in STUDIES if p.page == name)
        wanted = [page.read({})[0], *(setting for _, setting in page.presets.values())]
        number = st.session_state.setdefault("number", 0)
        page.fill(wanted[number].validated())
        st.session_state.said = page.form().validated()
        st.session_state.meant = wanted[number].validated()

    at = AppTest.from_function(script, default_timeout=PATIENCE, args=(page.page,))
    for number in range(1 + len(page.presets)):
        at.session_state.number = number
        at.run()
        assert not at.exception, at.exception
        assert at.session_state.said.to_query() == at.session_state.meant.to_query()


def _choices(registry: Any) -> hs.SearchStrategy[Choice]:
    return hs.sampled_from(list(registry)).flatmap(
        lambda entry: params(entry).map(lambda values: Choice(entry.key, values))
    )


@settings(max_examples=60, deadline=None)
@given(
    hs.builds(
        Scenario,
        operator=_choices(OPERATORS),
        noise=_choices(NOISES),
        method=_choices(METHODS),
        seed=hs.integers(0, 9999),
        size=hs.integers(32, 512),
        tolerance=hs.floats(1e-9, 1e-1),
    )
)
def test_every_scenario_comes_back_from_its_address_and_its_file(found: Scenario):
    whole = found.validated()
    assert Scenario.from_query(whole.to_query()) == (whole, ())
    assert Scenario.from_settings(settings_file.read(whole.to_json().encode())) == whole


def test_every_preset_of_the_playground_comes_back_from_its_address():
    for _, setup in PRESETS.values():
        assert Setup.from_query(setup.to_query()) == (setup, ())
    moved = replace(Setup(), starts=((1.25, -0.5),), horizontal=0.75, splitting="explicit", step=0.9)
    assert Setup.from_query(moved.to_query()) == (moved, ())


# ---------------------------------------------------------------- links that hide controls


@pytest.mark.parametrize(
    ("said", "names", "is_clean"),
    [
        ("", (), True),
        ("w.seed,w.noise", ("w.seed", "w.noise"), True),
        ("w.seed,w.seed", ("w.seed",), True),
        ("sidebar", ("sidebar",), True),
        ("w.seed,</style><script>", ("w.seed",), False),
        ("w seed", (), False),
        ("W.Seed", (), False),
        ("a\n", (), False),
        ("a" * 121, (), False),
        (",", (), False),
        (",".join(f"w.{i}" for i in range(41)), tuple(f"w.{i}" for i in range(40)), False),
    ],
)
def test_only_names_of_controls_are_read(said: str, names: tuple[str, ...], is_clean: bool):
    assert teacher.read(said) == (names, is_clean)


@given(hs.text())
def test_whatever_an_address_says_becomes_selectors_and_nothing_else(said: str):
    names, _ = teacher.read(said)
    assert len(names) <= teacher.MOST
    one = r'\[data-testid="st[A-Za-z]+"\]( \[class~="st-key-[a-z0-9_-]+" i\])?'
    assert re.fullmatch(
        rf"|<style>({one}(, )?)+ {{ display: none !important; }}</style>", teacher.style(names)
    )


def test_a_name_that_cannot_be_is_no_style():
    with pytest.raises(ValueError, match="cannot be the name"):
        teacher.style(["a } body { display: none"])


def test_a_link_of_an_earlier_version_hides_what_has_another_name_since():
    style = teacher.style(["n-preset-broken-on-purpose", "n.seed"])
    assert "st-key-n-preset-source-condition-violated" in style
    assert style.count("st-key-n-seed") == 1
    # Every new name is that of a preset of today.
    shown = {
        class_of(f"{page.prefix}.preset.{name}")
        for page in lessons_view.PAGES.values()
        for name in page.presets
    }
    assert {
        name for name in RENAMED.values() if name.startswith(("n-", "m-", "r-", "t-", "u-", "d-", "c-"))
    } <= shown


def test_a_link_hides_controls_and_runs_the_same():
    plain, hiding = opened({"seed": "3"}), opened({"seed": "3", "hide": "w.seed,gallery"})
    assert scenario(plain) == scenario(hiding)
    assert not hiding.warning, "the parameter is nothing unknown"
    assert '"st-key-w-seed" i' in sheets(hiding)
    assert "st-key-w-seed" not in sheets(plain)
    assert hiding.number_input(key="w.seed").value == 3
    assert here(hiding)["hide"] == "w.seed,gallery"


def test_what_is_hidden_stays_hidden_on_the_way_through_the_pages_until_all_is_shown():
    at = arrive(opened({"hide": "w.noise,n.view"}))
    at.selectbox(key="w.operator").select("denoising").run()
    assert here(at)["hide"] == "w.noise,n.view"
    assert here(at)["operator"] == "denoising"
    at.session_state.job.stop()
    at.query_params.clear()  # as Streamlit's links do
    switch(at, "playground").run()
    assert here(at)["hide"] == "w.noise,n.view"
    assert '"st-key-n-view" i' in sheets(at)
    assert not any("hide" in w.value for w in at.warning)
    at.button(key="teacher.show_all").click().run()
    assert "hide" not in here(at)
    assert "st-key-n-view" not in sheets(at)
    # A message that the browser sent before it heard of that.
    at.query_params["hide"] = "w.noise,n.view"
    at.run()
    assert "hide" not in here(at)
    assert "st-key-n-view" not in sheets(at)


def test_a_damaged_link_that_hides_says_so_and_shows():
    at = opened({"hide": "w.seed,<b>"})
    assert "no control" in sheets(at)
    assert '"st-key-w-seed" i' in sheets(at)
    assert here(at)["hide"] == "w.seed"
    at.button(key="teacher.show_all").click().run()
    at.query_params["hide"] = "w.seed"  # from a browser that is behind
    assert "st-key-w-seed" not in sheets(at.run())


# ---------------------------------------------------------------- a browser that is behind


def test_what_a_slow_browser_said_before_it_heard_of_a_preset_changes_nothing():
    at = arrive(opened())
    heard = at.text_input(key=address.HEARD).value
    at.button(key="preset.Step size beyond the limit").click().run()
    shown, run = scenario(at), at.session_state.job.id
    at.session_state.job.stop()
    at.text_input(key=address.HEARD).set_value(heard)
    at.selectbox(key="w.operator").set_value("denoising").run()
    assert scenario(at) == shown
    assert at.session_state.job.id == run
    assert at.selectbox(key="w.operator").value == shown.operator.key
    at.selectbox(key="w.operator").set_value("denoising").run()
    assert scenario(at).operator.key == "denoising", "now it has heard, and means it"
    at.session_state.job.stop()


def test_a_slow_browser_may_still_change_one_control_after_another():
    at = arrive(opened())
    heard, old = at.text_input(key=address.HEARD).value, here(at)
    at.selectbox(key="w.operator").set_value("denoising").run()
    arrive(at)
    # The second change left before the first one's address came: its own address is old, its widgets are not.
    at.query_params.clear()
    for name, value in old.items():
        at.query_params[name] = value
    at.text_input(key=address.HEARD).set_value(heard)
    at.selectbox(key="w.noise").set_value("poisson").run()
    assert (scenario(at).operator.key, scenario(at).noise.key) == ("denoising", "poisson")
    assert here(at)["operator"] == "denoising"
    at.session_state.job.stop()


def test_whatever_the_hidden_widget_is_sent_the_page_stands():
    at = arrive(opened())
    shown = scenario(at)
    for said in ("", "-1", "9" * 5000, "٣", "x"):
        at.text_input(key=address.HEARD).set_value(said).run()
        assert not at.exception, at.exception
        assert scenario(at) == shown, said


def test_an_address_opened_later_in_the_session_counts():
    at = arrive(opened())
    at.query_params["operator"] = "denoising"
    at.run()
    assert scenario(at).operator.key == "denoising"


# ---------------------------------------------------------------- settings from a file


def dropped(at: AppTest, data: bytes, name: str = "settings.json") -> AppTest:
    at.file_uploader(key="upload").upload(name, data, "application/json").run()
    assert not at.exception, at.exception
    return at


def test_a_settings_file_sets_the_page():
    wanted = Scenario(
        image="coins",
        size=40,
        operator=Choice("inpainting", {"kept": 0.7}),
        method=Choice("iterated_tikhonov", {"weight": 0.5}),
        seed=11,
        iterations=4,
    ).validated()
    at = dropped(arrive(opened()), wanted.to_json().encode())
    assert scenario(at) == wanted
    assert at.number_input(key="w.seed").value == 11
    assert here(at) == wanted.to_query()
    assert not at.error
    arrive(at)
    at.selectbox(key="w.operator").select("denoising").run()
    assert scenario(at).operator.key == "denoising", "the file, still in its box, sets the page once"
    assert scenario(at).seed == 11


BAD_FILES = (
    (b"", "is empty"),
    (b"{", "damaged in line 1"),
    (b'{\n"seed": 1,,}', "damaged in line 2"),
    (b"[1, 2]", "not the settings of a run"),
    (b"\xff\xfe\x00", "no settings file"),
    (b"[" * 60000, "no settings file"),
    (b'{"seed": ' + b"1" * 5000 + b"}", "no settings file"),
    (b" " * 70000 + b"{}", "some kilobytes"),
    (b'{"colour": "red"}', "no others"),
    (b'{"seed": -1}', "Seed is -1"),
    (b'{"method": {"key": "magic"}}', "magic"),
    (b'{"method": [1]}', "cannot be used"),
    (b'{"image": "moon"}', "'moon'"),
    (b'{"image": "upload-00aa00aa00aa00aa"}', "upload it first"),
    (b'{"image": "kspace-00aa00aa00aa00aa"}', "upload it first"),
    (b'{"image": "![x](http://example.org/x.png)"}', r"!\[x\]"),
    (b'{"image": "\\ud800"}', "There is no image"),
)


def test_each_bad_settings_file_says_one_sentence_and_changes_nothing():
    at = arrive(opened())
    before = at.session_state.job.id
    for wrong, part in BAD_FILES:
        dropped(at, wrong)
        assert len(at.error) == 1, wrong[:40]
        assert part in at.error[0].value
        assert at.session_state.job.id == before


def test_settings_of_a_picture_that_is_here_bring_it_back():
    at = arrive(opened())
    out = io.BytesIO()
    Picture.fromarray(np.random.default_rng(0).integers(0, 255, (64, 80), dtype=np.uint8)).save(out, "PNG")
    at.file_uploader(key="upload").upload("mine.png", out.getvalue(), "image/png").run()
    mine = scenario(arrive(at))
    assert mine.image.startswith("upload-")
    again = dropped(arrive(opened()), mine.to_json().encode())
    assert scenario(again) == mine


def test_the_version_in_an_exported_file_is_no_setting():
    plain = json.loads(Scenario().validated().to_json())
    assert (
        Scenario.from_settings(settings_file.read(json.dumps({"deqviz": "0.1.0", **plain}).encode()))
        == Scenario().validated()
    )


def test_what_a_link_quotes_is_no_markdown():
    at = opened({"operator": "![x](http://example.org/x.png)"})
    assert r"!\[x\](http" in text(at)


# ---------------------------------------------------------------- browser

HOME = f"?{urlencode(QUICK)}"


def copied(page: Page, said: str = "Copied") -> str:
    """The address that the click on the control puts into the clipboard, and what is said of it."""
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".dqs [role=status]").first).to_contain_text(said)
    return page.evaluate("navigator.clipboard.readText()")


@pytest.mark.browser
def test_the_link_is_copied_stays_in_its_place_and_says_what_stays_behind(visit):
    page = visit(f"{HOME}&seed=7")
    state(page, "done")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    assert copied(page) == page.url
    assert "seed=7" in page.url
    before = page.locator(".dqs button").first.bounding_box()
    turn(page, "playground")
    expect(page.get_by_role("button", name="Copy link")).to_be_visible()
    assert page.locator(".dqs button").first.bounding_box() == before, "nothing shifts"
    assert "/playground?" in copied(page)
    # A picture of one's own is not in the link.
    turn(page, f"{HOME}&seed=7")
    run = data(page, "run")
    out = io.BytesIO()
    Picture.fromarray(np.random.default_rng(0).integers(0, 255, (40, 64), dtype=np.uint8)).save(out, "PNG")
    page.get_by_text("Use your own image").click()
    page.locator('input[type="file"]').first.set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": out.getvalue()}
    )
    expect(page.locator(ROOT)).not_to_have_attribute("data-run", run)
    expect(page).to_have_url(re.compile("image=upload-"))
    copied(page, "Your own image stays here")


@pytest.mark.browser
def test_where_the_clipboard_is_refused_the_address_is_shown_to_copy(visit):
    page = visit(HOME)
    page.evaluate("""() => {
      window.allowed = navigator.clipboard.writeText;
      navigator.clipboard.writeText = () => Promise.reject(new Error('no'));
    }""")
    page.get_by_role("button", name="Copy link").click()
    field = page.get_by_label("Address of this page")
    expect(field).to_be_focused()
    assert field.input_value() == page.url
    assert page.evaluate("getSelection().toString() || document.activeElement.selectionEnd") in (
        page.url,
        len(page.url),
    )
    expect(page.locator(".dqs [role=status]").first).to_contain_text("by hand")
    check_looks(page)
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()
    expect(page.get_by_role("button", name="Copy link")).to_be_focused()
    page.evaluate("() => { navigator.clipboard.writeText = window.allowed; }")


@pytest.mark.browser
def test_a_teacher_link_is_made_opened_and_undone(serve, open_page):
    page = open_page(f"{serve('app.py')}/{HOME}", theme="dark", width=900)
    state(page, "done")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Teacher link…").click()
    sheet = page.get_by_role("dialog", name="Teacher link")
    expect(sheet.get_by_label("The whole sidebar")).to_be_focused()
    for label in (
        "Image",
        "Use your own image",
        "Forward operator",
        "Seed",
        "Max. iterations",
        "L > 1: no contraction",
    ):
        expect(sheet.get_by_label(label, exact=True)).to_be_visible()
    sheet.get_by_role("button", name="Copy teacher link").click()
    expect(sheet).to_contain_text("Tick what to hide first.")
    sheet.get_by_label("Seed", exact=True).check()
    sheet.get_by_label("L > 1: no contraction", exact=True).check()
    check_looks(page)
    sheet.get_by_role("button", name="Copy teacher link").click()
    expect(page.locator(".dqs [role=status]").first).to_have_text("Teacher link copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.endswith("&hide=w-seed,preset-l---1--no-contraction")

    page.goto(link)
    state(page, "done")
    expect(page.get_by_text("Some controls are hidden by this link.")).to_be_visible()
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_label("Seed", exact=True)).to_be_hidden()
    expect(sidebar.get_by_role("button", name="L > 1: no contraction")).to_be_hidden()
    expect(sidebar.get_by_role("button", name="Step size beyond the limit")).to_be_visible()
    dress(page, 1440, 1130, "light")
    check_looks(page)
    page.get_by_role("button", name="Show all").click()
    expect(sidebar.get_by_label("Seed", exact=True)).to_be_visible()
    expect(page.get_by_text("Some controls are hidden")).to_be_hidden()
    expect(page).not_to_have_url(re.compile("hide="))

    turn(page, "playground?hide=sidebar")
    expect(sidebar).to_be_hidden()
    expect(page.get_by_role("button", name="Show all")).to_be_visible()
    check_looks(page)
