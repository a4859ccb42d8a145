"""From a study of the Convergence page to its board; pure, no Streamlit."""

from collections.abc import Iterator

from deqviz.experiments._rows import panel
from deqviz.experiments.equilibrium.uniqueness import Uniqueness
from deqviz.runtime.logbook import to_bytes
from deqviz.runtime.study import Shot, Study
from deqviz.ui.components.board.records import Board, Explanation, Row, Tile
from deqviz.ui.components.board.verdicts import verdict
from deqviz.ui.pages.convergence.charts import charts
from deqviz.ui.pages.convergence.setting import THREE, Setting
from deqviz.ui.shell.study_board import cells_done, study_board


def board(study: Study, setting: Setting) -> Board:
    """The study as it is now."""
    shot = study.snapshot()
    return study_board(
        study,
        shot,
        unit="steps",
        progress=cells_done(shot),
        preparing="the operator and the starts",
        charts=charts(setting, shot),
        tiles=_tiles(setting, shot),
        guarantees=_guarantees(shot),
        explanation=_explanation(setting, shot),
    )


def _tiles(setting: Setting, shot: Shot) -> Iterator[Tile]:
    """Where the runs began, and the limits that they found."""
    experiment: Uniqueness | None = shot.experiment("starts")
    if experiment is None:
        return
    for start in experiment.starts:
        yield Tile(f"start-{start.key}", f"From: {start.title}", to_bytes(start.x), "start")
    rows = [row for row in shot.of("starts") if row.limit is not None]
    for limit in sorted({row.limit for row in rows}):
        image = shot.view(f"limit-{limit}", "starts")
        if image is not None:
            count = sum(row.limit == limit for row in rows)
            yield Tile(f"limit-{limit}", f"Limit {limit + 1}", to_bytes(image), f"{count} runs end here")
    if setting.crossing != THREE:
        yield from _past(shot)


def _past(shot: Shot) -> Iterator[Tile]:
    """The limits of the last value of L or the step at which there was more than one."""
    seen = [view for view in shot.views if view.part == "crossing"]
    for view in seen:
        if view.row == seen[-1].row:
            where = " = ".join(str(part) for part in view.row)
            yield Tile(f"past-{view.name}", f"Limit {int(view.name[6:]) + 1}", to_bytes(view.image), where)


def _guarantees(shot: Shot) -> Iterator[Row]:
    """What was tested on the rows; of the race what the starts do not say already."""
    for guarantee in panel(shot.of("starts")):
        yield verdict(guarantee)
    for guarantee in panel(shot.of("race")):
        if guarantee.key == "factor":
            yield verdict(guarantee)
    for part in ("crossing", "gradient"):
        for guarantee in panel(shot.of(part)):
            if guarantee.key != "spread":
                yield verdict(guarantee)


def _explanation(setting: Setting, shot: Shot) -> Explanation:
    experiment: Uniqueness | None = shot.experiment("starts")
    parts = [
        "An equilibrium is a picture at which the pull of the data and that of R cancel. If R = Id − N "
        "and N contracts by L < 1, there is exactly one, and the map T, repeated, comes nearer to it by "
        "the factor κ at least, wherever it starts."
    ]
    c = 1.0 if experiment is None else experiment.equation.monotonicity
    if c <= 0:
        parts.append(
            "Here that is not known: the equation may have several solutions, or the runs may go away."
        )
    if setting.crossing == THREE:
        parts.append(
            "The example A = [1, 0] sees one axis only. Along the other R pulls back for L ≤ 1, and pushes "
            "away from 0 past it: three equilibria, for all data and every α."
        )
    if setting.is_gradient:
        parts.append("Nothing of this needs R to be a gradient.")
    hint = "raise L past 1, or the explicit step past 1, and watch the lamps."
    return Explanation("A*(Ax − y) + αR(x) = 0", " ".join(parts), hint)
