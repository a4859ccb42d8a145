"""Lessons: every file loads, what it measures decides its question, what is wrong is said with the line."""

import math
import re
from pathlib import Path

import pytest

from deqviz.ui.components.board import Board
from deqviz.ui.pages.lessons import file as lessons_file
from deqviz.ui.pages.lessons import view as lessons_view
from deqviz.ui.pages.lessons.condition import Condition, filled, places
from deqviz.ui.pages.lessons.file import Damaged, Lesson, LessonError
from deqviz.ui.pages.lessons.measures import LAMPS, MEASURES, measured, names

FILES = lessons_file.lessons(lessons_view.READERS)
LESSONS = [one for one in FILES if isinstance(one, Lesson)]
EXAMPLE = r"""+++
title = "Long steps"
question = "How long may a step be?"
order = 20
minutes = 4
page = "convergence"
address = "side=16+px&operator=gaussian_blur&regularizer=quadratic&weight=0.1&step=0.5&solvers=explicit&starts=noise&is_race=False&is_gradient=False"
charts = ["solvers", "contraction"]

[try]
label = "s = 1.1"
text = "Take a step a tenth longer than the limit, $s = 1.1$."
address = "side=16+px&operator=gaussian_blur&regularizer=quadratic&weight=0.1&step=1.1&solvers=explicit&starts=noise&is_race=False&is_gradient=False"

[ask]
text = "What becomes of the run?"
explanation = "With the shorter step {here.limits} limit was found by {here.runs} run; with the longer one {tried.limits}."

[[ask.answers]]
text = "It arrives at the same limit"
when = "tried.limits == here.limits"

[[ask.answers]]
text = "It goes away"
when = "tried.limits == 0 and here.limits == 1"
+++

The explicit step is

$$
x \leftarrow x - s\,\tau\,\big(A^*(Ax - y) + \alpha R(x)\big), \qquad \tau = \frac{2}{\|A\|^2 + \alpha(\beta + L)}.
$$

It contracts for $s < 1$; beyond that nothing is proved.
"""  # noqa: E501


def parsed(text: str) -> Lesson:
    return lessons_file.parse(text, "damping.md", lessons_view.READERS)


def run(lesson: Lesson, view: str) -> tuple[Board, dict[str, float]]:
    """The board of one view at its end, and what it measured."""
    page = lessons_view.PAGES[lesson.page]
    setting, complaints = page.read(dict(lesson.scene(view).query))
    assert complaints == ()
    study = page.make(setting)
    while not study.is_over():
        study.advance(math.inf)
    assert study.state == "done", study.snapshot().message
    board = page.draw(study, setting)
    found = measured(lesson.page, study.snapshot(), board.guarantees)
    return board, {f"{view}.{name}": value for name, value in found.items()}


def decided(lesson: Lesson) -> tuple[list[str], str]:
    """The answers that hold, and the explanation with its numbers."""
    numbers: dict[str, float] = {}
    for view in ("here", "tried"):
        board, found = run(lesson, view)
        assert lessons_view.missing(board, lesson.scene(view)) == ()
        shown = lessons_view.chosen(board, lesson.scene(view))
        assert shown.charts
        # Whether its layers descend is what the last lesson asks: no other is about something false.
        wrong = {row.name for row in shown.guarantees if row.status == "violated"}
        assert wrong <= {f"{net}: descent per layer" for net in ("U", "UN", "C0")}
        numbers |= found
    right = [answer.text for answer in lesson.asked.answers if answer.when.holds(numbers)]
    return right, filled(lesson.asked.explanation, numbers)


# ---------------------------------------------------------------- the shipped lessons


def test_eight_lessons_stand_in_their_order():
    assert not [one for one in FILES if isinstance(one, Damaged)]
    assert [lesson.order for lesson in LESSONS] == list(range(1, 9))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.key)
def test_a_lesson_is_one_page(lesson: Lesson):
    plain = re.sub(r"\$\$.*?\$\$|\$[^$]*\$", " x ", lesson.text, flags=re.DOTALL)
    # What a class reads in five minutes; a formula counts as a word.
    assert 200 <= len(plain.split()) <= 420
    assert lesson.text.count("$") % 2 == 0
    for heading in ("## Statement", "## Why", "## What you see"):
        assert lesson.text.count(f"{heading}\n") == 1


RIGHT = {
    "uniqueness": "As many as before",
    "certificates": "It is never smaller, and never more than 39 times as large",
    "source_condition": "Like √δ",
    "lower_bound": "It vanishes, and the error is far below it",
    "monotone": "Far from zero",
    "memory": "No more than before",
    "width": "Three to a hundred times as wide",
    "descending_layers": "The constraint",
}
"""What the texts of the lessons say, and so the data have to."""


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.key)
def test_the_data_decide_for_the_answer_of_the_theorem(lesson: Lesson):
    right, told = decided(lesson)
    assert right == [RIGHT[lesson.key]]
    assert not list(places(told))


# ---------------------------------------------------------------- a file of a teacher


def test_guarantees_go_by_their_earlier_names_too():
    lesson = parsed(EXAMPLE.replace('charts = ["solvers"', 'lamps = ["One limit"]\ncharts = ["solvers"'))
    assert lesson.scene("here").lamps == ("Unique limit from all starts",)


def test_the_example_for_teachers_runs():
    lesson = parsed(EXAMPLE)
    assert (lesson.key, lesson.page, lesson.tried.label) == ("damping", "convergence", "s = 1.1")
    assert lesson.tried.charts == lesson.here.charts == ("solvers", "contraction")
    right, told = decided(lesson)
    assert right == ["It goes away"]
    assert told.startswith("With the shorter step 1 limit was found by 1 run; with the longer one 0.")


def changed(old: str, new: str) -> str:
    assert EXAMPLE.count(old) == 1, old
    return EXAMPLE.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("+++\ntitle", "title", 1, "between two lines +++"),
        ('title = "Long steps"', 'title = "Long steps', 2, "no TOML"),
        ('title = "Long steps"\n', "", 1, "title has to be a text"),
        ("order = 20", "order = 2000", 4, "order has to be a whole number from 0 to 999"),
        ("minutes = 4", 'minutes = "four"', 5, "minutes has to be a whole number"),
        ('page = "convergence"', 'page = "kitchen"', 6, "there is no page 'kitchen'"),
        ("step=0.5", "step=50", 7, "refuses this address"),
        ("step=0.5&", "step&", 7, "follows the ? in the address bar"),
        ('charts = ["solvers", "contraction"]', "charts = 3", 8, "charts has to be a list"),
        ("minutes = 4", "minuten = 4", 5, "nothing is called 'minuten'"),
        ("[try]", "[tri]", 10, "nothing is called 'tri'"),
        ("{tried.limits}", "{tried.limit}", 17, "'tried.limit' is not measured"),
        ("{tried.limits}", "{later.limits}", 17, "'later.limits' is not measured"),
        ("tried.limits == here.limits", "tried.limits = here.limits", 21, "is no comparison"),
        ("tried.limits == here.limits", "__import__('os')", 21, "is no comparison"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old: str, new: str, line: int, said: str):
    with pytest.raises(LessonError) as caught:
        parsed(changed(old, new))
    message = str(caught.value)
    assert message.startswith(f"damping.md, line {line}: "), message
    assert said in message
    assert message.count("\n") == 0


def test_a_damaged_file_leaves_the_others_alone(tmp_path: Path):
    (tmp_path / "good.md").write_text(EXAMPLE, encoding="utf-8")
    (tmp_path / "empty.md").write_text("", encoding="utf-8")
    (tmp_path / "latin.md").write_bytes(b"\xff\xfe\xe4")
    (tmp_path / "Loud.md").write_text(EXAMPLE, encoding="utf-8")
    (tmp_path / "long.md").write_text(EXAMPLE + "x" * lessons_file.MOST_BYTES, encoding="utf-8")
    found = lessons_file.lessons(lessons_view.READERS, tmp_path)
    assert [one.key for one in found if isinstance(one, Lesson)] == ["good"]
    reasons = {one.key: one.reason for one in found if isinstance(one, Damaged)}
    assert "between two lines +++" in reasons["empty"]
    assert "UTF-8" in reasons["latin"]
    assert "small letters" in reasons["Loud"]
    assert "64 kB" in reasons["long"]


# ---------------------------------------------------------------- conditions and quantities


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("here.a == 2", True),
        ("here.a < 2", False),
        ("here.a <= 2 and tried.b > 2.5", True),
        ("tried.b >= 1.5 * here.a", True),
        ("tried.b > 1.5*here.a", False),
        ("-1e-3 < here.a", True),
        ("here.a == 2 and tried.b == 2", False),
    ],
)
def test_conditions_compare(text: str, holds: bool):
    assert Condition.read(text).holds({"here.a": 2.0, "tried.b": 3.0}) is holds


def test_what_was_not_measured_decides_nothing():
    with pytest.raises(KeyError):
        Condition.read("here.a == 1").holds({})


def test_numbers_are_filled_in_and_formulas_left_alone():
    text = r"$x^{k}$ and $\frac{a}{2.5}$: {here.a}, {here.b}, {tried.c}"
    told = filled(text, {"here.a": 1234.0, "here.b": 0.0456789, "tried.c": -0.5})
    assert told == r"$x^{k}$ and $\frac{a}{2.5}$: 1,234, 0.0457, −0.500"


def test_every_quantity_is_explained_and_every_page_has_the_lamps():
    assert set(MEASURES) == set(lessons_view.PAGES)
    assert all(measure.words for of in MEASURES.values() for measure in of.values())
    for page in lessons_view.PAGES:
        assert set(LAMPS) <= set(names(page))
