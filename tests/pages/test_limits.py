"""No page, link, lesson or search runs what is larger than the server allows."""

from importlib import import_module
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from deqviz.core.registry import Choice
from deqviz.runtime.limits import Limits
from deqviz.runtime.study import Study
from deqviz.runtime.worker import Worker
from deqviz.ui.pages.compare.setting import Setting as Comparison
from deqviz.ui.pages.compare.tune import Search, targets
from deqviz.ui.pages.lessons.view import PAGES as STUDY_PAGES
from deqviz.ui.pages.monotone.setting import MolSetting
from deqviz.ui.shell import session
from tests.pages.journey import switch
from tests.places import APP, PATIENCE

SMALL = Limits(side=64, iterations=50)
SIZE = "This server allows at most 64 px, and {} is {} px: choose 64 px or less."
STEPS = "This server allows at most 50 iterations, and {} is {}: choose 50 or fewer."
ELSEWHERE = "here: run `deqviz app` on your own computer."
FIXED = f"This server allows at most 64 px, and the image size is at least 128 px {ELSEWHERE}"
LONG = f"This server allows at most 50 iterations, and Training steps is at least 100 {ELSEWHERE}"
ANYWHERE = "Image size (longer side)"

TOO_MUCH: list[tuple[str, dict[str, Any], str]] = [
    ("batch", {"side": "256 px", "iterations": 50}, SIZE.format(ANYWHERE, 256)),
    ("batch", {"iterations": 5000}, STEPS.format("Max. iterations", 5000)),
    ("convergence", {"side": "64 px", "max_steps": 200}, STEPS.format("Max. iterations", 200)),
    (
        "noise",
        {"problem": "a picture", "side": "128 px", "regularizer": Choice("quadratic")},
        SIZE.format(ANYWHERE, 128),
    ),
    ("robustness", {"side": "96 px"}, SIZE.format(ANYWHERE, 96)),
    ("training", {"steps": 300}, STEPS.format("Training steps", 300)),
    ("training", {"is_lab": False, "net_steps": 100}, STEPS.format("Training steps of a network", 100)),
    ("unrolled", {"view": "Training", "steps": 3000}, LONG),
    ("unrolled", {"view": "Pictures"}, FIXED),
    ("deep_prior", {"steps": 120}, STEPS.format("Steps", 120)),
    ("deep_prior", {"is_run": False, "is_picture": True}, STEPS.format("Iterations", 400)),
    ("memory", {"size": "medium", "iterations": 40}, SIZE.format("Size", 128)),
    ("memory", {"size": "small", "iterations": 80}, STEPS.format("Iterations", 80)),
]


@pytest.fixture
def worker():
    one = Worker(SMALL)
    yield one
    one.close()


def page_of(name: str) -> Any:
    return import_module(f"deqviz.ui.pages.{name}.page").PAGE


@pytest.mark.parametrize(("page", "values", "message"), TOO_MUCH)
def test_a_study_that_is_too_large_is_never_begun_and_says_what_to_choose(worker, page, values, message):
    setting = import_module(f"deqviz.ui.pages.{page}.setting").Setting(**values).validated()
    study: Study = page_of(page).make(setting)
    worker.submit(study)
    snapshot = study.snapshot()
    assert (snapshot.state, snapshot.parts) == ("stopped", ())
    assert snapshot.message == message
    study.play()
    worker.submit(study)
    assert (study.state, study.snapshot().message) == ("stopped", message), "to go on with it helps nobody"


def test_the_other_question_of_the_convergence_page_and_a_search_ask_too(worker):
    setting = Comparison(size=128, iterations=40).validated()
    search = Search.begin(setting, targets(setting)[0], "cpu").study
    mol = page_of("convergence").make(MolSetting(side="128 px").validated())
    for study in (search, mol):
        worker.submit(study)
        assert study.snapshot().message == SIZE.format(ANYWHERE, 128)


def test_what_is_small_enough_or_computed_already_runs(worker):
    for page, values in (("noise", {"levels": 7, "seeds": 1}), ("batch", {"iterations": 50})):
        setting = import_module(f"deqviz.ui.pages.{page}.setting").Setting(**values).validated()
        study = page_of(page).make(setting)
        worker.submit(study)
        assert study.snapshot().message == ""
        study.stop()
    assert import_module("deqviz.ui.pages.batch.setting").Setting(table="0" * 16).demands == ()


@pytest.mark.parametrize("page", sorted({*STUDY_PAGES, "batch"}))
def test_every_page_names_fields_with_widgets(page):
    """That of a page without a limit would be an empty tuple: the defaults of most have one."""
    module = import_module(f"deqviz.ui.pages.{page}.setting")
    demands = [setting.validated().demands for _, setting in module.PRESETS.values()]
    assert any(demands)
    for demand in (one for each in demands for one in each):
        assert demand.label
        assert 0 < demand.least <= demand.value


@pytest.mark.parametrize(
    ("page", "query", "message"),
    [
        ("batch", {"side": "256 px", "iterations": "5000"}, SIZE.format(ANYWHERE, 256)),
        ("reconstruct", {"size": "256"}, SIZE.format(ANYWHERE, 256)),
        ("compare", {"size": "64", "iterations": "400"}, STEPS.format("Max. iterations", 400)),
        ("lessons", {"lesson": "uniqueness"}, STEPS.format("Max. iterations", 200)),
    ],
)
def test_a_link_that_asks_for_too_much_opens_and_says_so(monkeypatch, worker, page, query, message):
    monkeypatch.setattr(session, "worker", lambda: worker)
    at = AppTest.from_file(APP, default_timeout=PATIENCE)
    for name, value in query.items():
        at.query_params[name] = value
    switch(at, page).run()
    assert not at.exception, at.exception
    state = at.session_state
    match page:
        case "reconstruct":
            runs = (state.job,)
        case "compare":
            runs = state.studies["compare"].runs
        case _:
            runs = (state.studies["lesson.here" if page == "lessons" else page],)
    assert {(run.state, run.snapshot().message) for run in runs} == {("stopped", message)}
