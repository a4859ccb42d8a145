"""From a study of the Batch page to its board; pure, no Streamlit."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

from deqviz import domain
from deqviz.core.guarantee import Status
from deqviz.runtime.study import Study
from deqviz.scenario import Scenario
from deqviz.sweep.row import Measured
from deqviz.ui.components.board.records import Board, Explanation, Row
from deqviz.ui.pages.batch import tables
from deqviz.ui.pages.batch.charts import Line, charts, hidden, lines
from deqviz.ui.pages.batch.methods import is_tuned
from deqviz.ui.pages.batch.setting import Setting
from deqviz.ui.shell.study_board import study_board

_WEAKEST: tuple[Status, ...] = (
    "not applicable",
    "not verifiable",
    "hypothesis violated",
    "estimated",
    "stated",
    "certified",
)


def operators(rows: Sequence[Measured]) -> tuple[str, ...]:
    """The degradations of a table, each once."""
    return tuple(dict.fromkeys(row.operator for row in rows))


def shown(setting: Setting, rows: Sequence[Measured]) -> tuple[Line, ...]:
    """What is drawn: all of a batch, of a table one degradation."""
    names = operators(rows)
    if not names:
        return ()
    return lines(rows, setting.shown if setting.shown in names else names[0])


def board(study: Study, setting: Setting) -> Board:
    """The study as it is now."""
    snapshot = study.snapshot()
    rows: tuple[Measured, ...] = snapshot.of("rows")
    drawn = shown(setting, rows)
    return study_board(
        study,
        snapshot,
        unit="cells",
        preparing="the cells",
        charts=charts(drawn),
        guarantees=_guarantees(drawn),
        explanation=_explanation(setting, rows),
    )


def _guarantees(drawn: Sequence[Line]) -> Iterator[Row]:
    """Of each method the theorem it is known by, and in how many cells that is proved."""
    for line in drawn:
        rows = [row for group in line.groups for row in group.rows if row.status]
        if not rows:
            continue
        counts = Counter(row.status for row in rows)
        weakest = _weakest(rows)
        note = f"certified in {counts['certified']} of {len(rows)} cells"
        if counts["estimated"]:
            note += f", estimated in {counts['estimated']}"
        why = "" if weakest == "certified" else "Open a cell in Reconstruct: the reason is given there."
        yield Row(line.name, rows[0].guarantee, weakest, note, why)


def _weakest(rows: Sequence[Measured]) -> Status:
    """One status for all cells; tables of 0.1.0 have one word for all three that claim nothing."""
    for status in _WEAKEST:
        if any(row.status == status or (row.status, status) == ("void", "not verifiable") for row in rows):
            return status
    return "not verifiable"


@lru_cache(maxsize=8)
def _uses_of_table(key: str) -> tuple[tuple[str, domain.Use | None], ...]:
    """Of each method of a table that is kept under this key."""
    texts: dict[str, dict[str, None]] = {}
    for row in tables.kept(key).rows:
        fields = json.loads(row.scenario)
        asked = {name: fields[name] for name in ("image", "size", "operator", "noise", "method")}
        texts.setdefault(row.method, {})[json.dumps(asked)] = None
    return tuple((method, domain.together(map(_use, own))) for method, own in texts.items())


def _use(text: str) -> domain.Use | None:
    try:
        return domain.use(Scenario.from_json(text))
    except ValueError:  # of an image or a plugin that is not here
        return None


def _explanation(setting: Setting, rows: Sequence[Measured]) -> Explanation:
    equation = "PSNR = −10 log_{10}(‖x − x†‖²/n)"
    if setting.table:
        parts = [
            f"A table of {len(rows)} cells, read from its file: nothing is computed here.",
            "What was measured with other settings or another version under one name has a line of its own.",
            domain.sentences(_uses_of_table(setting.table)),
        ]
        if more := hidden(rows, setting.shown or next(iter(operators(rows)), "")):
            parts.append(f"The six best methods are drawn; {more} more are in the CSV.")
        return Explanation(
            equation, " ".join(parts), "run the same batch with one method more: old cells are kept."
        )
    tuned = [key for key in setting.methods if is_tuned(key, setting.operator)]
    parts = [
        "Every cell is one run: an image, its measurements with one noise realisation, one method until its "
        "residual is at most the tolerance. A point is the mean over images and seeds, its error bar "
        "the standard deviation.",
    ]
    if setting.strength == "tuned" and tuned:
        titles = ", ".join(setting.title(key) for key in tuned)
        parts.append(
            f"The parameters of {titles} were tuned on other images at one or two noise levels and are "
            "extrapolated to the others as a power of the noise std; all other methods have their defaults."
        )
    else:
        parts.append("All methods have their default parameters at every noise level: none is tuned.")
    parts.append(domain.sentences((setting.title(key), setting.use(key)) for key in setting.methods))
    return Explanation(
        equation,
        " ".join(parts),
        "set the regularisation parameters to defaults and see which method depends on tuning.",
    )
