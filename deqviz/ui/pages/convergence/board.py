"""From a study of the Convergence page to its board; pure, no Streamlit."""

from collections.abc import Iterator

from deqviz import domain
from deqviz.core.catalog import REGULARIZERS
from deqviz.experiments._rows import panel
from deqviz.experiments.equilibrium.uniqueness import Uniqueness
from deqviz.runtime.logbook import to_bytes
from deqviz.runtime.study import Study, StudySnapshot
from deqviz.ui.components.board.records import Board, Explanation, Row, Tile
from deqviz.ui.components.guarantees import verdict
from deqviz.ui.pages.convergence.charts import charts
from deqviz.ui.pages.convergence.setting import THREE, Setting
from deqviz.ui.shell.study_board import cells_done, study_board


def board(study: Study, setting: Setting) -> Board:
    """The study as it is now."""
    snapshot = study.snapshot()
    return study_board(
        study,
        snapshot,
        unit="steps",
        progress=cells_done(snapshot),
        preparing="computing the operator norm and the starting points",
        charts=charts(setting, snapshot),
        tiles=_tiles(setting, snapshot),
        guarantees=_guarantees(snapshot),
        explanation=_explanation(setting, snapshot),
    )


def _tiles(setting: Setting, snapshot: StudySnapshot) -> Iterator[Tile]:
    """Where the runs began, and the limits that they found."""
    experiment: Uniqueness | None = snapshot.experiment("starts")
    if experiment is None:
        return
    for start in experiment.starts:
        yield Tile(f"start-{start.key}", f"Start: {start.title}", to_bytes(start.x), "start")
    rows = [row for row in snapshot.of("starts") if row.limit is not None]
    for limit in sorted({row.limit for row in rows}):
        image = snapshot.view(f"limit-{limit}", "starts")
        if image is not None:
            count = sum(row.limit == limit for row in rows)
            yield Tile(f"limit-{limit}", f"Limit {limit + 1}", to_bytes(image), f"limit of {count} runs")
    if setting.crossing != THREE:
        yield from _past(snapshot)


def _past(snapshot: StudySnapshot) -> Iterator[Tile]:
    """The limits of the last value of L or the step at which there was more than one."""
    views = [view for view in snapshot.views if view.part == "crossing"]
    for view in views:
        if view.row == views[-1].row:
            where = " = ".join(str(part) for part in view.row)
            yield Tile(f"past-{view.name}", f"Limit {int(view.name[6:]) + 1}", to_bytes(view.image), where)


def _guarantees(snapshot: StudySnapshot) -> Iterator[Row]:
    """What was tested on the rows; of the race what the starts do not say already."""
    for guarantee in panel(snapshot.of("starts")):
        yield verdict(guarantee)
    for guarantee in panel(snapshot.of("race")):
        if guarantee.key == "factor":
            yield verdict(guarantee)
    for part in ("crossing", "gradient"):
        for guarantee in panel(snapshot.of(part)):
            if guarantee.key != "spread":
                yield verdict(guarantee)


def _explanation(setting: Setting, snapshot: StudySnapshot) -> Explanation:
    experiment: Uniqueness | None = snapshot.experiment("starts")
    parts = [
        "An equilibrium is an image at which the data-fidelity and the regularisation term balance. If "
        "R = Id − N and N has the Lipschitz constant L < 1, it is unique, and the fixed-point iteration of T "
        "converges to it from every starting point, with the contraction factor κ or faster."
    ]
    c = 1.0 if experiment is None else experiment.equation.monotonicity
    if c <= 0:
        parts.append("This is not known here: there may be several fixed points, or the runs may diverge.")
    if setting.crossing == THREE:
        parts.append(
            "In the example A = [1, 0] the axis x₁ = 0 is the null space. On it R is monotone for L ≤ 1; "
            "for L > 1 it is not, and there are three equilibria, for all data and every α."
        )
    if setting.is_gradient:
        parts.append("None of this needs R to be conservative (a gradient field).")
    R = REGULARIZERS[setting.regularizer.key]
    trained = domain.of_regularizer(setting.regularizer, setting.operator, setting.image)
    parts.append(domain.sentences([(R.title, trained)]))
    raised = "L above 1, or the" if setting.regularizer.key == "contractive" else "the"
    hint = f"raise {raised} explicit step size above 1, and watch the guarantees."
    return Explanation("A*(Ax − y) + αR(x) = 0", " ".join(parts), hint)
