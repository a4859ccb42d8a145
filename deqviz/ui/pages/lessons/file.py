"""A lesson as one Markdown file: a header in TOML between two lines "+++", then the text. No Streamlit.

docs/adding.md has a complete file to copy. Whatever is wrong is one sentence with the file and the line.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from deqviz.core.quoted import quoted
from deqviz.resources import ASSETS
from deqviz.ui.pages.lessons import measures as lessons_measures
from deqviz.ui.pages.lessons.condition import VIEWS, Condition, places
from deqviz.ui.shell import teacher
from deqviz.ui.shell.renamed import GUARANTEES

FOLDER = ASSETS / "lessons"
MOST_BYTES = 64 * 1024
FENCE: Final = "+++"

Reader = Callable[[Mapping[str, str]], tuple[Any, tuple[str, ...]]]
"""From an address to a setting and warnings."""


class LessonError(ValueError):
    """What is wrong with a lesson: one sentence that names file and line."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One view of a lesson: what the page's address says, and which charts are shown, all if none is named.

    `lamps` are the names of the lines of the guarantee table that are shown, all if none is named.
    """

    query: Mapping[str, str]
    charts: tuple[str, ...] = ()
    lamps: tuple[str, ...] = ()
    label: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the answers, right where the numbers say so."""

    text: str
    when: Condition


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, the answers, and an explanation with places for numbers."""

    text: str
    answers: tuple[Answer, ...]
    explanation: str

    @property
    def names(self) -> frozenset[str]:
        """Every quantity that is needed to decide and to explain."""
        names = (name for answer in self.answers for name in answer.when.names)
        return frozenset((*names, *places(self.explanation)))


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson, checked; `here` is its view and `tried` the one with the thing changed."""

    key: str
    title: str
    question: str
    order: int
    minutes: int
    page: str
    here: Scene
    tried: Scene
    advice: str
    hide: str
    asked: Question
    text: str

    def scene(self, view: str) -> Scene:
        """The view of this name."""
        return self.tried if view == "tried" else self.here


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that is no lesson, and why."""

    key: str
    reason: str


def lessons(readers: Mapping[str, Reader], folder: Path = FOLDER) -> tuple[Lesson | Damaged, ...]:
    """All files of the folder, lessons by their order, then what is damaged."""
    lessons: list[Lesson | Damaged] = []
    for path in sorted(folder.glob("*.md")):
        try:
            lessons.append(read(path, readers))
        except LessonError as error:
            lessons.append(Damaged(path.stem, str(error)))
    return tuple(sorted(lessons, key=_place))


def _place(entry: Lesson | Damaged) -> tuple[bool, int, str]:
    return (True, 0, entry.key) if isinstance(entry, Damaged) else (False, entry.order, entry.key)


def read(path: Path, readers: Mapping[str, Reader]) -> Lesson:
    """The lesson of a file; raises LessonError."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise LessonError(
                f"{path.name} has more than {MOST_BYTES // 1024} kB: a lesson is one page of text."
            )
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LessonError(f"{path.name} cannot be read as UTF-8 text ({type(error).__name__}).") from error
    return parse(source, path.name, readers)


def parse(source: str, name: str, readers: Mapping[str, Reader]) -> Lesson:
    """The lesson of a text; `readers` read the addresses of the pages by their names. Raises LessonError."""
    return _Header(source, name).lesson(readers)


class _Header:
    """The header while it is read: every error finds its line."""

    def __init__(self, source: str, name: str) -> None:
        self.source, self.name = source, name
        lines = source.splitlines()
        ends = [n for n, line in enumerate(lines) if line.strip() == FENCE]
        if len(ends) < 2 or ends[0] != 0:
            raise self.error(f"the header has to stand between two lines {FENCE}, the first of them on top")
        try:
            self.values = tomllib.loads("\n".join(lines[1 : ends[1]]))
        except tomllib.TOMLDecodeError as error:
            match = re.search(r"\(at line (\d+)", str(error))
            line = int(match[1]) + 1 if match else ends[1]
            reason = re.sub(r" \(at .*\)$", "", str(error))
            raise LessonError(f"{name}, line {line}: the header is no TOML ({reason}).") from error
        self.text = "\n".join(lines[ends[1] + 1 :]).strip()

    def error(self, message: str, near: str = "") -> LessonError:
        """`near` is a piece of the file, by which the line is found."""
        at = self.source.find(near) if near else 0
        line = self.source.count("\n", 0, max(at, 0)) + 1
        return LessonError(f"{self.name}, line {line}: {message}.")

    def lesson(self, readers: Mapping[str, Reader]) -> Lesson:
        """All of it, checked."""
        key = self.name.removesuffix(".md")
        if not re.fullmatch(r"[a-z0-9_]{1,40}", key):
            raise self.error("the file's name is its address: use small letters, digits and _ only")
        if not self.text:
            raise self.error("there is no text under the header")
        values = self.values
        self.only(values, _KEYS, "")
        page = self.word(values, "page")
        if page not in readers:
            raise self.error(
                f"there is no page {quoted(page)} for lessons; known are {', '.join(readers)}", page
            )
        tried = self.table(values, "try")
        self.only(tried, ("text", "label", "address", "charts", "lamps"), "[try]")
        hide = self.word(values, "hide", "")
        if not teacher.read(hide)[1]:
            raise self.error(
                f"{quoted(hide)} names what is no control; write keys of widgets, e.g. w.noise,w.seed", hide
            )
        scene = self.scene(values, readers[page])
        return Lesson(
            key,
            self.word(values, "title"),
            self.word(values, "question"),
            self.whole(values, "order", 0, 999),
            self.whole(values, "minutes", 1, 90),
            page,
            scene,
            self.scene({"charts": scene.charts, "lamps": scene.lamps, **tried}, readers[page]),
            self.word(tried, "text"),
            hide,
            self.question(page),
            self.text,
        )

    def only(self, values: Mapping[str, Any], names: Iterable[str], where: str) -> None:
        for name in values:
            if name not in names:
                place = f" in {where}" if where else ""
                raise self.error(
                    f"nothing is called {quoted(name)}{place}; known are {', '.join(names)}", name
                )

    def table(self, values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        table = values.get(name)
        if not isinstance(table, dict):
            raise self.error(f"the header needs a table [{name}]", name if name in values else "")
        return table

    def word(self, values: Mapping[str, Any], name: str, default: str | None = None) -> str:
        word = values.get(name, default)
        if not isinstance(word, str) or (not word.strip() and default is None):
            raise self.error(f'{name} has to be a text, {name} = "…"', f"{name} =" if name in values else "")
        return word.strip()

    def whole(self, values: Mapping[str, Any], name: str, low: int, high: int) -> int:
        number = values.get(name)
        if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
            near = f"{name} =" if name in values else ""
            raise self.error(f"{name} has to be a whole number from {low} to {high}", near)
        return number

    def words(self, values: Mapping[str, Any], name: str) -> tuple[str, ...]:
        words = values.get(name, ())
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
            raise self.error(f'{name} has to be a list of texts, {name} = ["…", "…"]', f"{name} =")
        return tuple(words)

    def scene(self, values: Mapping[str, Any], reader: Reader) -> Scene:
        address = self.word(values, "address")
        try:
            query = dict(parse_qsl(address.lstrip("?"), keep_blank_values=True, strict_parsing=True))
        except ValueError as error:
            message = "the address has to be what follows the ? in the address bar, name=value&name=value"
            raise self.error(message, address) from error
        _, warnings = reader(query)
        if warnings:
            raise self.error(f"the page refuses this address: {warnings[0].rstrip('.')}", address)
        label = self.word(values, "label", "Try this")
        lamps = tuple(GUARANTEES.get(name, name) for name in self.words(values, "lamps"))
        return Scene(query, self.words(values, "charts"), lamps, label)

    def question(self, page: str) -> Question:
        values = self.table(self.values, "ask")
        self.only(values, ("text", "explanation", "answers"), "[ask]")
        raw = values.get("answers")
        if not isinstance(raw, list) or not 2 <= len(raw) <= 6 or not all(isinstance(a, dict) for a in raw):
            raise self.error("[ask] needs two to six tables [[ask.answers]]", "[ask]")
        answers: list[Answer] = []
        for one in raw:
            self.only(one, ("text", "when"), "[[ask.answers]]")
            when = self.word(one, "when")
            try:
                answers.append(Answer(self.word(one, "text"), Condition.read(when)))
            except LessonError:
                raise
            except ValueError as error:
                raise self.error(str(error).rstrip("."), when) from error
        question = Question(self.word(values, "text"), tuple(answers), self.word(values, "explanation"))
        quantities = lessons_measures.names(page)
        for name in sorted(question.names):
            view, _, quantity = name.partition(".")
            if view not in VIEWS or quantity not in quantities:
                views, all_of = " or ".join(VIEWS), ", ".join(quantities)
                raise self.error(
                    f"{quoted(name)} is not measured: write {views}, a dot, and one of {all_of}", name
                )
        return question


_KEYS: Final = (
    "title",
    "question",
    "order",
    "minutes",
    "page",
    "address",
    "charts",
    "lamps",
    "hide",
    "try",
    "ask",
)
