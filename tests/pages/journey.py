"""What the tests of every page with a study do: open it without a browser, and look at it in Chromium."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from deqviz.runtime.study import OVER, Study
from deqviz.ui.pages import entry
from tests.browser import violations
from tests.places import APP, PATIENCE, until

ROOT = ".dqv[data-painted]"

QUICK: dict[str, dict[str, str]] = {
    "reconstruct": {"size": "48", "method": "tikhonov", "iterations": "5"},
    "compare": {"size": "48", "iterations": "5", "m1": "tikhonov", "m2": "iterated_tikhonov"},
    "batch": {"pictures": "camera", "levels": "0.05", "methods": "tikhonov"},
    "convergence": {
        "side": "16 px",
        "regularizer": "quadratic",
        "is_race": "False",
        "is_gradient": "False",
        "max_steps": "60",
    },
    "noise": {"levels": "7", "seeds": "1", "is_tent": "False", "is_stability": "False"},
    "robustness": {
        "operator": "inpainting",
        "methods": "sense,baseline",
        "levels": "2",
        "restarts": "1",
        "steps": "1",
    },
    "training": {"is_lab": "False", "is_depth": "False", "is_map": "False", "architectures": "prox"},
    "unrolled": {"view": "Noise", "rivals": "plain,descent_noise", "before": "9"},
    "deep_prior": {
        "is_phase": "False",
        "is_recovery": "False",
        "width": "64",
        "steps": "40",
        "unknowns": "12",
    },
    "memory": {
        "size": "small",
        "width": "8",
        "layers": "2",
        "coils": "2",
        "iterations": "5",
        "is_fresh": "False",
        "is_gradient": "False",
        "is_run": "False",
    },
}
"""What is asked of a page so that there is little to compute: all is there with the first packet."""

S = TypeVar("S")
Read = Callable[[dict[str, str]], tuple[Any, tuple[str, ...]]]
"""From an address to a setting and complaints."""


def ended(study: Study) -> Study:
    """The study, advanced to its end, however it ends."""
    while not study.is_over():
        study.advance(math.inf)
    return study


def done(study: Study) -> Study:
    """The study, advanced to an end that is no failure."""
    assert ended(study).state == "done", study.snapshot().message
    return study


def check_refused(read: Read, query: dict[str, str], said: str) -> None:
    """An address with one bad value gives a valid setting, and one sentence that says what is wrong."""
    setting, complaints = read(query)
    assert setting == setting.validated()
    assert len(complaints) == 1
    assert said in complaints[0]


def switch(at: AppTest, page: str) -> AppTest:
    """Have the next run be of another page; AppTest.switch_page knows only pages that are files."""
    at._page_hash = calc_hash(page)
    return at


def quick(page: str) -> str:
    """An address of this page with little to compute."""
    query = urlencode(QUICK.get(page, {}))
    return entry(page).address + (f"?{query}" if query else "")


@dataclass(frozen=True)
class Guest(Generic[S]):
    """Opens one page, in an app of its own; `prefix` is that of its widgets, `quick` a quick address."""

    page: str
    prefix: str
    quick: Mapping[str, str]

    def opened(self, query: Mapping[str, str] | None = None) -> AppTest:
        at = AppTest.from_file(APP, default_timeout=PATIENCE)
        for name, value in {**self.quick, **(query or {})}.items():
            at.query_params[name] = value
        switch(at, self.page).run()
        assert not at.exception, at.exception
        return self.settle(at)

    def study(self, at: AppTest) -> Study:
        return at.session_state.studies[self.page]

    def setting(self, at: AppTest) -> S:
        found: Any = at.session_state[f"{self.prefix}.setting"]
        return found

    def settle(self, at: AppTest) -> AppTest:
        until(lambda: self.study(at).state in OVER, "the end of the study")
        return at.run()


def state(page: Page, *names: str) -> None:
    """The view comes to one of these states."""
    expect(page.locator(ROOT)).to_have_attribute("data-state", re.compile(f"^({'|'.join(names)})$"))


def data(page: Page, name: str) -> str:
    """What the view says of itself under this name."""
    return page.locator(ROOT).get_attribute(f"data-{name}") or ""


def move_away(page: Page) -> None:
    """Take the pointer from what has a help of Streamlit's own, which lies in no landmark."""
    page.mouse.move(720, 2)
    expect(page.get_by_role("tooltip")).to_have_count(0)


def check_width(page: Page) -> None:
    """Nothing is wider than the window."""
    wider = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth - innerWidth")
    assert wider <= 0, f"{wider} px too wide"


def check_looks(page: Page, *stock: str) -> None:
    """Axe finds nothing but the rules of `stock`, Streamlit's own; nothing is wider than the window.

    `test_looks` has every page as it opens, in both themes: for what is shown only later.
    """
    found = violations(page, *stock)
    assert not found, found
    check_width(page)


STOCK = "presentation-role-conflict"
"""Streamlit's own upload button has a role that axe does not like (minor); nothing of ours."""
