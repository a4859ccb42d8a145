"""A page with nothing but the board, fed by a small experiment on the app's own worker.

`?n=` sets the rows, `?pace=` the seconds each of them takes, `?fail=` the row at which it fails,
`?unserved=1` a Streamlit that does not serve Plotly's script.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch

from deqviz.core.guarantee import Guarantee, Quantity
from deqviz.experiments._rows import Experiment, Key, Progress, Row, panel
from deqviz.runtime.study import Study
from deqviz.runtime.worker import worker
from deqviz.ui.components import board
from deqviz.ui.components import run as live
from deqviz.ui.components.guarantees import verdict
from deqviz.ui.components.plotly import plotly_script
from deqviz.ui.shell import session


@dataclass(frozen=True, slots=True)
class Halving(Row):
    """aₙ = 2⁻ⁿ(1 + ½ sin n) and the bound 1.6 · 2⁻ⁿ."""

    n: int
    value: float

    @property
    def key(self) -> Key:
        return (self.n,)

    @property
    def bound(self) -> float:
        return 1.6 * 2.0**-self.n

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        return (
            Guarantee(
                "halving",
                "Halving",
                "a_n ≤ 1.6 · 2^{−n}",
                "certified",
                "sin ≤ 1",
                Quantity(self.bound),
                Quantity(self.value),
            ),
        )


@dataclass(frozen=True)
class Halvings(Experiment[Halving]):
    """The first `count` of them, one each `pace` seconds."""

    count: int
    pace: float
    fault: int = -1

    @property
    def row_type(self) -> type[Halving]:
        return Halving

    @property
    def cells(self) -> tuple[Key, ...]:
        return tuple((n,) for n in range(self.count))

    def run(self, old_rows: Sequence[Halving] = ()) -> Iterator[Progress[Halving]]:
        have = {row.n: row for row in old_rows}
        for n in range(self.count):
            if n not in have:
                time.sleep(self.pace)
            if n == self.fault:
                raise ArithmeticError(f"row {n} is not finite")
            value = float(2.0**-n * (1 + 0.5 * np.sin(n)))
            ramp = torch.linspace(0, 1, 64).reshape(1, 1, 8, 8) * (n + 1) / self.count
            yield Progress(n + 1, self.count, have.get(n) or Halving(n, value), {"ramp": ramp})


def option(name: str, default: float) -> float:
    return float(st.query_params.get(name, default))


def fresh() -> Study:
    return Study(Halvings(int(option("n", 40)), option("pace", 0.02), int(option("fail", -1))), side=8)


def drawn(study: Study) -> board.Board:
    snapshot = study.snapshot()
    rows: tuple[Halving, ...] = snapshot.of("rows")
    n, value, bound = ([getattr(r, name) for r in rows] for name in ("n", "value", "bound"))
    picture = snapshot.view("ramp")
    pixels = None if picture is None else (picture[0] * 255).byte().numpy()
    return board.Board(
        study.id,
        snapshot.state,
        snapshot.done,
        snapshot.total,
        unit="rows",
        seconds=snapshot.seconds,
        left=snapshot.left,
        message=snapshot.message,
        charts=(
            board.Chart(
                "halving",
                "Halving",
                board.Axis("n", low=-1, high=option("n", 40)),
                board.Axis("a_{n}", log=True),
                (
                    board.Series("bound", n, bound, "predicted", "dashed"),
                    board.Series(
                        "", n, [1.2 * v for v in value], "iterate", "band", [v / 1.2 for v in value]
                    ),
                    board.Series("measured", n, value),
                ),
                note=f"{len(rows)} rows",
                formula="a_n ≤ 1.6 · 2^{−n}",
                sentence="Each number is about half of the one before.",
            ),
            board.Chart(
                "circle",
                "A circle",
                board.Axis("cos n"),
                board.Axis("sin n"),
                (board.Series("points", np.cos(n), np.sin(n), "start-2", "points"),),
                is_equal=True,
            ),
        ),
        tiles=() if pixels is None else (board.Tile("ramp", "Ramp", pixels, f"after {len(rows)} rows"),),
        guarantees=tuple(verdict(g) for g in panel(rows)),
        explanation=board.Explanation("a_n = 2^{−n}(1 + ½ sin n)", "Numbers that halve.", "press Pause."),
        csv=study.text("csv"),
        json=study.text("json"),
    )


def act(command: board.Command) -> None:
    study = session.study("harness")
    if study is None or command.run != study.id:
        return
    match command.name:
        case "run":
            session.begin("harness", fresh())
        case "play":
            study.play()
            worker().submit(study)
        case "pause":
            study.pause()
        case "stop":
            study.stop()
    worker().wake()


# Every tab asks for itself: the tabs of one server share these modules.
live.plotly_script = board.plotly_script = lambda: None if option("unserved", 0) else plotly_script()
st.set_page_config(page_title="Board", layout="wide")
st.header("Board", anchor=False)
st.text_input("A widget")
study = session.study("harness") or session.begin("harness", fresh())
is_moving = not study.is_settled


@st.fragment(run_every=0.1 if is_moving else None)
def show() -> None:
    now = session.study("harness")
    assert now is not None
    is_settled = now.is_settled
    board.show(drawn(now), on_command=act)
    if now is not study or is_settled == is_moving:
        st.rerun()


show()
