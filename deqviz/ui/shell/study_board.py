"""What the boards of all pages take from their study; pure, no Streamlit."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from deqviz.runtime.study import Study, StudySnapshot
from deqviz.ui.components.board.records import Board, Chart, Explanation, Row, Stacks, Tile


class Progress(NamedTuple):
    """What is done of how much, and the seconds that are left, None while unknown."""

    done: int
    total: int
    left: float | None


def cells_behind(snapshot: StudySnapshot) -> Iterator[tuple[str, int, int]]:
    """Of every part its key, the cells that are behind it and all of them; some runs end early."""
    last = max((n for n, rows in enumerate(snapshot.rows) if rows), default=-1)
    for n, (part, rows) in enumerate(zip(snapshot.parts, snapshot.rows, strict=True)):
        cells = part.experiment.cells
        at = cells.index(rows[-1].key) + 1 if rows else 0
        yield part.key, len(cells) if n < last or snapshot.state == "done" else at, len(cells)


def cells_done(snapshot: StudySnapshot) -> Progress:
    """Progress in cells, for runs that leave the rest of their cells out when they arrive early."""
    behind = tuple(cells_behind(snapshot))
    done, total = sum(cells for _, cells, _ in behind), sum(size for _, _, size in behind)
    left = None if snapshot.left is None or done == 0 else snapshot.seconds * (total - done) / done
    return Progress(done, total, left)


def study_board(
    study: Study,
    snapshot: StudySnapshot,
    *,
    charts: Iterable[Chart],
    guarantees: Iterable[Row],
    explanation: Explanation,
    preparing: str,
    doing: str = "",
    unit: str = "rows",
    progress: Progress | None = None,
    tiles: Iterable[Tile] = (),
    stacks: Stacks | None = None,
) -> Board:
    """The board of `snapshot`; `preparing` and `doing` say what keeps it busy; progress counts rows."""
    done, total, left = progress or Progress(snapshot.done, snapshot.total, snapshot.left)
    return Board(
        study.id,
        snapshot.state,
        done,
        total,
        unit=unit,
        seconds=snapshot.seconds,
        left=left,
        message=snapshot.message or (preparing if snapshot.state == "preparing" else doing),
        charts=tuple(charts),
        tiles=tuple(tiles),
        stacks=stacks,
        guarantees=tuple(guarantees),
        explanation=explanation,
        csv=study.text("csv"),
        json=study.text("json"),
    )
