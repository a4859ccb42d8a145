"""What a viewer sees of a study at one moment, immutable."""

import csv
import io
import json
from dataclasses import dataclass
from typing import Any, Literal

from deqviz.core.space import Image
from deqviz.experiments._rows import Experiment, Key, Row, to_text
from deqviz.experiments._training_progress import Lesson

State = Literal["preparing", "running", "paused", "done", "stopped", "failed"]
"""Where a study is."""

OVER: frozenset[State] = frozenset({"done", "stopped", "failed"})


@dataclass(frozen=True, slots=True)
class Part:
    """One experiment of a study under a name."""

    key: str
    experiment: Experiment[Any]


@dataclass(frozen=True, slots=True)
class RowImage:
    """An image that came with a row."""

    part: str
    row: Key
    name: str
    image: Image


@dataclass(frozen=True, slots=True)
class StudySnapshot:
    """A study at one moment, immutable; `rows` has one entry for each of `parts`, `lessons` are of all."""

    state: State
    message: str
    done: int
    total: int
    seconds: float
    left: float | None
    parts: tuple[Part, ...]
    rows: tuple[tuple[Row, ...], ...]
    views: tuple[RowImage, ...]
    lessons: tuple[Lesson[Any], ...] = ()

    def of(self, part: str) -> tuple[Any, ...]:
        """The rows of one part, in the order in which they came; none before it has been planned."""
        return next((rows for p, rows in zip(self.parts, self.rows, strict=True) if p.key == part), ())

    def experiment(self, part: str) -> Any:
        """The experiment of one part; None before it has been planned."""
        return next((p.experiment for p in self.parts if p.key == part), None)

    def view(self, name: str, part: str | None = None) -> Image | None:
        """The newest image of this name."""
        images = (v.image for v in reversed(self.views) if v.name == name and part in (None, v.part))
        return next(images, None)

    def written(self, form: Literal["csv", "json"]) -> str:
        """All rows: as `to_text` writes them, or, of several parts, one table or list of them all."""
        parts = [(p, rows) for p, rows in zip(self.parts, self.rows, strict=True) if rows]
        if len(parts) == 1:
            return to_text(parts[0][0].experiment, parts[0][1], form)
        if form == "json":
            bodies = [{"part": p.key, **json.loads(to_text(p.experiment, rows, "json"))} for p, rows in parts]
            return json.dumps(bodies, indent=1, ensure_ascii=False) + "\n"
        lines = [
            {"part": p.key, "settings": settings, **row.plain()}
            for p, rows in parts
            for settings in [p.experiment.settings]
            for row in rows
        ]
        names = list(dict.fromkeys(name for line in lines for name in line))
        text = io.StringIO()
        table = csv.DictWriter(text, names, lineterminator="\n")
        table.writeheader()
        table.writerows(lines)
        return text.getvalue()
